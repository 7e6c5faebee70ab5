"""``python -m tests.soak.leaks``: half an hour of mixed traffic on an installation of its own; nothing may grow.

Two tenants ask, cancel, download and come back no more, while answers, keys, runs and downloads expire and are purged.
Every few seconds memory, threads, files and sessions of all processes are looked at, rows of all tables and what Redis
holds. After a third of the time, in which everything is loaded and lives reach their ends, the middle third is compared
with the last one. When all have gone home, what is temporary must go by itself. Prints one JSON object; exit code 1 when
anything grew or stayed. ``SOAK_MINUTES`` (30) says for how long, ``SOAK_PEOPLE`` (8) how many ask.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.installation import Installation, installation
from tests.soak.mixed import traffic

MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
PEOPLE = int(os.environ.get("SOAK_PEOPLE", "8"))
LOOK_S = 10.0
KEPT_S = 45
REST_S = 420
"""longer than a run's or download's life, a slot of a minute and the purge's minute together"""
FOR_THE_RECORD = frozenset({"audit_auditevent", "audit_auditnote"})
"""tables that grow with every answer, as they shall"""
TEMPORARY = ("queries_queryrun", "queries_cachedresult", "queries_download", "queries_downloadchunk", "vault_timedkey")
SLACK: Mapping[str, float] = {"mb": 6, "files": 6, "threads": 4, "sessions": 4, "rows": 60, "keys": 60}
"""what comes and goes by chance, by kind; and a twentieth of the whole"""
Sample = dict[str, float]


def tree(pid: int) -> list[int]:
    """Return a process and all beneath it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(deeper for child in children for deeper in tree(int(child)))]


def _status(pid: int, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/{'smaps_rollup' if name == 'Pss' else 'status'}").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def _files(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0


def of_processes(name: str, pids: Sequence[int]) -> Sample:
    """Return what processes of one kind use together: memory (shared pages once), open files, threads."""
    return {
        f"{name} mb": sum(_status(pid, "Pss") for pid in pids) / 1024,
        f"{name} files": sum(map(_files, pids)),
        f"{name} threads": sum(_status(pid, "Threads") for pid in pids),
    }


def look(house: Installation, roles: Mapping[str, int]) -> Sample:
    """Return everything that could grow."""
    found: Sample = {}
    for name, pid in roles.items():
        found |= of_processes(name, tree(pid))
    sessions = "SELECT datname || ' of ' || usename, count(*) FROM pg_stat_activity WHERE datname IS NOT NULL AND usename IN ('omni_app', 'omni_owner', 'reader') GROUP BY 1"
    found |= {f"{name} sessions": count for name, count in house.rows(sessions)}
    tables = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    for (name,) in house.rows(tables):
        if name not in FOR_THE_RECORD:
            found[f"{name} rows"] = house.rows(f'SELECT count(*) FROM "{name}"')[0][0]
    redis = house.redis()
    found["redis keys"] = int(redis.dbsize())  # type: ignore[arg-type]  # the client's types allow for a waiting one
    found["redis mb"] = redis.info("memory")["used_memory"] / 1024**2  # type: ignore[index]  # as above
    found["folders files"] = _entries(house.folder)
    return found


def _entries(place: Path) -> int:
    """Count files, temporary ones too, but those of the database server, which come and go as it likes."""
    return sum(len(files) for folder, _, files in os.walk(place) if "pgdata" not in folder and "postgres" not in folder)


@dataclass
class Watching:
    """What was seen, and when."""

    samples: list[tuple[float, Sample]] = field(default_factory=list)

    def during(self, minutes: float, look_at: Callable[[], Sample], *, every_s: float = LOOK_S) -> None:
        """Look again and again for so long."""
        began = time.monotonic()
        while (since := time.monotonic() - began) < minutes * 60:
            self.samples.append((since, look_at()))
            time.sleep(every_s)

    def grown(self) -> dict[str, dict[str, float]]:
        """Return what is larger in the last third than in the middle one by more than comes and goes by chance."""
        return grown([sample for _, sample in self.samples])


def grown(samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """Compare the medians of the last third and of the middle one; the first is for getting warm."""
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[2 * third :]
    found = {}
    for name in {key for sample in (*middle, *last) for key in sample}:
        before, after = _median(middle, name), _median(last, name)
        if after - before > max(SLACK[name.rpartition(" ")[2]], before / 20):
            found[name] = {"middle": round(before, 1), "last": round(after, 1)}
    return found


def _median(samples: Iterable[Sample], name: str) -> float:
    return statistics.median(sample.get(name, 0) for sample in samples)


def left(house: Installation, *, patience_s: float = REST_S) -> dict[str, int]:
    """Wait until all that is temporary has gone by itself; return what has not, in rows by table."""
    deadline = time.monotonic() + patience_s
    while True:
        counts = {name: int(house.rows(f'SELECT count(*) FROM "{name}"')[0][0]) for name in TEMPORARY}
        staying = {name: count for name, count in counts.items() if count}
        if not staying or time.monotonic() > deadline:
            return staying
        time.sleep(5)


def main() -> int:
    """Soak, and say what has grown or stayed."""
    with (
        tempfile.TemporaryDirectory(prefix="omni-leaks-") as folder,
        own_installation(Path(folder)) as house,
        house.worker(4, beat=True) as worker,
    ):
        keep_shortly(house)
        roles = {"web": house.running[0].pid, "worker": worker.pid}
        watching = Watching()
        with traffic(house, people=PEOPLE) as done:
            watching.during(MINUTES, lambda: look(house, roles))
        body = {
            "minutes": MINUTES, "asked": sum(done.values()), "of": dict(sorted(done.items())), "looks": len(watching.samples),
            "grown": watching.grown(), "left_at_rest": left(house), "last": rounded(watching.samples[-1][1]),
            "after_a_third": rounded(watching.samples[len(watching.samples) // 3][1]),
        }  # fmt: skip
    json.dump(body, sys.stdout, indent=1)
    sys.stdout.write("\n")
    return 1 if body["grown"] or body["left_at_rest"] else 0


@contextmanager
def own_installation(folder: Path) -> Iterator[Installation]:
    """Start one whose temporary files lie in its own folder."""
    scratch = folder / "state" / "scratch"
    scratch.mkdir(parents=True)
    with installation(folder / "state", DJANGO_SETTINGS_MODULE="tests.soak.short", TMPDIR=str(scratch)) as house:
        yield house


def keep_shortly(house: Installation) -> None:
    """Have both tenants keep answers for less than a minute."""
    insert = "INSERT INTO queries_keepinglimit (id, tenant_id, max_age_s, changed_at) SELECT gen_random_uuid(), id, %s, now() FROM tenants_tenant WHERE slug IN ('acme', 'globex') RETURNING id"
    assert len(house.rows(insert, KEPT_S)) == 2


def rounded(sample: Sample) -> Sample:
    """Leave out what is not there."""
    return {name: round(value, 1) for name, value in sorted(sample.items()) if value}


if __name__ == "__main__":
    sys.exit(main())
