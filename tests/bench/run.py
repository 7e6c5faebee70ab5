"""Measure, compare with the peers' figures of the same workload, print one JSON object."""

import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.access.selectors import actor_for_user
from apps.accounts.models import User
from apps.datamodels.models import Dataset
from apps.datamodels.selectors import current_version, semantic_model
from apps.governance.selectors import scope_for
from apps.semantic.compile import compile_query, shapes
from apps.semantic.compile.types import CompiledQuery
from apps.semantic.model.types import SemanticModel
from apps.semantic.query.reading import parse_query
from apps.semantic.scope import AccessScope
from apps.semantic.verify import proof, verify
from apps.tenants.binding import bound
from apps.tenants.selectors import tenant_by_slug
from omni import serving
from tests.bench import crowds, purge
from tests.bench.clients import Client, requests_per_second, summary, timed
from tests.bench.floor import QUESTION, start_bare
from tests.bench.installation import PERSON, SCALE, Installation, start
from tests.bench.models import model_figures
from tests.bench.processes import cpu_ms, own_processes, web_memory_mb
from tests.bench.scale.measuring import rights_figures
from tests.bench.workload import BenchTile, tiles

PEERS = {
    "superset_6.1": {"cached_ms": [65, 86], "per_second_8": 25, "over_floor_uncached_ms": [94, 117]},
    "cube_0.35": {
        "cached_ms": [3.3, 4.6],
        "per_second_8": [306, 328],
        "over_floor_uncached_ms": [10, 14],
        "compile_new_ms": 6,
    },
    "bare_django": {"cached_ms": 4.1, "per_second_8": 619},
}
PLAIN = 2
"""the tile that is asked where one has to do"""
CACHED_ROUNDS, UNCACHED_LIGHT_ROUNDS, UNCACHED_HEAVY_ROUNDS, COMPILE_ROUNDS, CPU_ROUNDS = 40, 8, 3, 60, 40


def main(wanted: Sequence[str] = ()) -> None:
    """Measure the sections wanted, all of them when none is named."""
    unknown = set(wanted) - {*SECTIONS, "rights"}
    if unknown:
        raise SystemExit(f"no such section: {', '.join(sorted(unknown))}; there are rights, {', '.join(SECTIONS)}")
    figures: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_before": os.getloadavg()[0],
        "workload": f"twelve tiles, TPC-H {SCALE}, row policy region = EUROPE",
    }
    if not wanted or "rights" in wanted:
        figures["rights"] = rights_figures()
    if set(wanted) != {"rights"}:
        installation = start()
        try:
            work = tiles()
            client = Client(installation.port, installation.host, installation.token)
            figures["equal_to_plain_sql"] = check_equal(installation, client, work)
            bare = start_bare(installation.processes, client.ask(work[PLAIN].query)[1])
            installation = replace(installation, bare=bare)
            for name, measure in SECTIONS.items():
                if not wanted or name in wanted:
                    figures[name] = measure(installation, client, work)
                    print(json.dumps({name: figures[name]}), file=sys.stderr, flush=True)
        finally:
            installation.floor.close()
            installation.processes.stop()
    figures["peers_on_the_same_workload"] = PEERS
    with (Path(settings.OMNI_STATE_DIR) / "bench-history.jsonl").open("a") as history:
        history.write(json.dumps(figures) + "\n")
    print(json.dumps(figures, indent=2))


def databases_url() -> str:
    """Return the superuser's URL of the application's database on the embedded server."""
    head, _, tail = os.environ["OMNI_DATABASE_ADMIN_URL"].partition("@/")
    return f"{head}@/{settings.DATABASES['default']['NAME']}?{tail.partition('?')[2]}"


def normalized(value: object) -> object:
    """Make a value of JSON and one of the driver comparable."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, Decimal | int | float):
        return float(f"{float(value):.9g}")
    if isinstance(value, date):
        return value.isoformat()[:10]
    text = str(value)
    return text[:10] if len(text) >= 10 and text[4:5] == "-" and text[7:8] == "-" else text


def row_key(row: Any) -> list[tuple[str, float | str]]:
    """Order rows the same way on both sides."""
    return [("n", cell) if isinstance(cell, float) else ("s", str(cell)) for cell in row]


def check_equal(installation: Installation, client: Client, work: list[BenchTile]) -> int:
    """Compare all answers with plain SQL; return how many agree, raise on the first that does not."""
    for tile in work:
        ours = [[normalized(cell) for cell in row] for row in client.ask(tile.query)[1]["rows"]]
        plain = [[normalized(cell) for cell in row] for row in installation.floor.execute(tile.sql).fetchall()]
        for left, right in zip(sorted(ours, key=row_key), sorted(plain, key=row_key), strict=True):
            for mine, theirs in zip(left, right, strict=True):
                same = (
                    math.isclose(mine, theirs, rel_tol=1e-6)
                    if isinstance(mine, float) and isinstance(theirs, float)
                    else mine == theirs
                )
                if not same:
                    raise AssertionError(f"{tile.id}: {left} is not {right}")
    return len(work)


def rights_on(name: str) -> tuple[SemanticModel, AccessScope]:
    """Read model and rights of the measured person, as a request does."""
    tenant = tenant_by_slug("bench")
    with bound(tenant.id):
        dataset = Dataset.objects.select_related("data_model").get(name=name)
        actor = actor_for_user(User.objects.get(email=PERSON))
        scope = scope_for(actor, dataset)
        version = current_version(dataset.data_model)
        assert version is not None
        return semantic_model(version), scope


def compiled(
    query: dict[str, Any], known: tuple[SemanticModel, AccessScope] | None = None
) -> tuple[float, CompiledQuery]:
    """Compile and verify in this process, as the measured person; return milliseconds and the outcome."""
    model, scope = known or rights_on(query["dataset"])
    parsed = parse_query(query)
    outcome: list[CompiledQuery] = []

    def work() -> None:
        result = compile_query(parsed, model=model, scope=scope, today=datetime.now(UTC).date())
        verify(result, model=model, scope=scope)
        outcome.append(result)

    return timed(work), outcome[0]


def compile_times(work: list[BenchTile], *, is_cold: bool, is_alone: bool = True) -> dict[str, float]:
    """Each with a filter value never seen, tile by tile in turns; cold: nothing of the question is remembered.

    Alone: one after another, as the peers' compilers were measured. Otherwise rights and model are read from the
    database before each, as in a request, which leaves the processor's caches to that.
    """
    known = {tile.id: rights_on(tile.query["dataset"]) for tile in work} if is_alone else {}
    samples = []
    for number in range(COMPILE_ROUNDS):
        for tile in work:
            if is_cold:
                shapes.forget()
                proof.forget()
            samples.append(compiled(tile.unseen(10_000 + number), known.get(tile.id))[0])
    return summary(samples)


def compile_figures(installation: Installation, client: Client, work: list[BenchTile]) -> dict[str, Any]:
    """Compile and prove in this process, made like a web worker."""
    serving.when_ready(None)
    serving.post_fork(None, None)
    return {
        "cold": compile_times(work, is_cold=True),
        "cold_within_requests": compile_times(work, is_cold=True, is_alone=False),
        "seen_shape": compile_times(work, is_cold=False),
        "seen_shape_within_requests": compile_times(work, is_cold=False, is_alone=False),
    }


def cached_times(installation: Installation, client: Client, work: list[BenchTile]) -> dict[str, Any]:
    """Ours and bare Django in turns."""
    bare = installation.bare_client()
    for tile in work:
        client.ask(tile.query)
        bare.ask(QUESTION)
    samples: list[float] = []
    floor: list[float] = []
    for _ in range(CACHED_ROUNDS):
        for tile in work:
            elapsed, answer = client.ask(tile.query)
            assert answer["cache"]["hit"], tile.id
            samples.append(elapsed)
            floor.append(bare.ask(QUESTION)[0])
    found = {**summary(samples), "bare_django": summary(floor)}
    return {**found, "ratio_to_bare_django": ratio(found["median_ms"], found["bare_django"]["median_ms"])}


def ratio(ours: float, floor: float) -> float:
    return round(ours / floor, 2)


def per_second(installation: Installation, client: Client, work: list[BenchTile]) -> dict[str, Any]:
    """Kept answers per second on one connection and on eight, ours and then bare Django's."""
    found: dict[str, Any] = {
        str(number): {
            "ours": requests_per_second(client, work[PLAIN].query, number),
            "bare_django": requests_per_second(installation.bare_client(), QUESTION, number),
        }
        for number in (1, 8)
    }
    for sides in found.values():
        sides["ratio_to_bare_django"] = ratio(sides["ours"]["per_second"], sides["bare_django"]["per_second"])
    return found


def uncached_times(installation: Installation, client: Client, work: list[BenchTile]) -> dict[str, Any]:
    """Ours and the same governed SQL run directly, in turns; the difference is what we add."""
    found: dict[str, Any] = {}
    seed = int(datetime.now(UTC).timestamp())
    for kind, rounds in (("light", UNCACHED_LIGHT_ROUNDS), ("heavy", UNCACHED_HEAVY_ROUNDS)):
        ours, floor, added = [], [], []
        for number in range(rounds):
            for index, tile in enumerate(tile for tile in work if tile.is_light == (kind == "light")):
                query = tile.unseen(seed + number * 100 + index)
                elapsed, answer = client.ask(query)
                assert not answer["cache"]["hit"], tile.id
                governed = compiled(query)[1]
                direct = timed(lambda sql=governed: installation.floor.execute(sql.sql, sql.parameters).fetchall())  # type: ignore[misc]  # looser than the type on purpose
                ours.append(elapsed)
                floor.append(direct)
                added.append(elapsed - direct)
        found[kind] = {"ours": summary(ours), "floor": summary(floor), "added": summary(added)}
    return found


def costs(installation: Installation, client: Client, work: list[BenchTile]) -> dict[str, Any]:
    """What a kept answer costs all processes together, ours and bare Django's, and what a web worker holds."""
    bare = installation.bare_client()
    ours_ms = cost_of(lambda tile: client.ask(tile.query), work)
    floor_ms = cost_of(lambda tile: bare.ask(QUESTION), work)
    return {
        "cpu_ms_of_all_processes_per_kept_answer": ours_ms,
        "of_bare_django": floor_ms,
        "ratio_to_bare_django": ratio(ours_ms, floor_ms),
        "web_worker_mb": web_memory_mb(installation.port),
        "bare_django_worker_mb": web_memory_mb(bare.connection.port),
    }


def cost_of(ask: Callable[[BenchTile], object], work: list[BenchTile]) -> float:
    """Return the processor time of all processes for one request, in milliseconds, when all are at rest otherwise."""
    for tile in work:
        ask(tile)
    processes = own_processes()
    before = cpu_ms(processes)
    for _ in range(CPU_ROUNDS):
        for tile in work:
            ask(tile)
    return round((cpu_ms(processes) - before) / CPU_ROUNDS / len(work), 2)


SECTIONS: dict[str, Callable[[Installation, Client, list[BenchTile]], Any]] = {
    "compile": compile_figures,
    "large_model": lambda installation, client, work: model_figures(),
    "cached": cached_times,
    "uncached": uncached_times,
    "per_second": per_second,
    "costs": costs,
    "dashboard": lambda installation, client, work: crowds.dashboard(installation, work, compiled),
    "large_answer": lambda installation, client, work: crowds.large(client),
    "viewers": lambda installation, client, work: crowds.viewers(installation, work),
    "flood": crowds.flood,
    "tenants": lambda installation, client, work: crowds.customers(installation, work),
    "purge": lambda installation, client, work: purge.figures(databases_url(), client, work),
}
