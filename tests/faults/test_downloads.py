"""A long download through real processes: constant memory in each of them. ``FAULTS_ROWS`` is how many rows; prints figures."""

import csv
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.faults.installation import ROOT, Installation, until
from tests.faults.seed import ROWS

ARROW, CSV = "application/vnd.apache.arrow.stream", "text/csv"
QUESTION = {"dataset": "Many", "fields": ["many.n", "many.name", "many.half"]}
MOST_BYTES = 150 * 1024**2


def children(pid: int) -> list[int]:
    found = [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [pid, *(deeper for child in found for deeper in children(child))]


def memory(pid: int, what: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024
    return 0


class Measured:
    """Peak of resident memory above what it was, by process."""

    def __init__(self, pids: Iterable[int]) -> None:
        self.base = {}
        for pid in pids:
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak is counted from now
            self.base[pid] = memory(pid, "VmRSS")

    def above(self) -> int:
        return max(memory(pid, "VmHWM") - base for pid, base in self.base.items())


def csv_rows(answer: Any) -> tuple[int, int]:
    """Count rows and add up their numbers, reading as it comes."""
    count = total = 0
    rows = csv.reader(io.TextIOWrapper(answer, newline=""))
    assert next(rows) == ["N", "Name", "Half"]
    for row in rows:
        count += 1
        total += int(row[0])
    return count, total


def arrow_rows(answer: Any) -> tuple[int, int]:
    count = total = 0
    with pa.ipc.open_stream(answer) as stream:
        for batch in stream:
            count += batch.num_rows
            total += sum(batch.column(0).to_pylist())
    return count, total


def test_a_long_download_takes_no_more_memory_than_a_short_one(busy_house: Installation) -> None:
    house = busy_house
    figures: dict[str, float] = {"rows": ROWS}
    assert house.hands is not None
    assert house.ask("acme", "Tick", 1, is_async=False)[0] == 200  # both have loaded what they need
    in_worker, in_web = Measured(children(house.hands.pid)), Measured(children(house.running[0].pid))
    for number in range(10):  # a quick one may be made between two looks; the same again would be the same run
        begun = time.monotonic()
        question = QUESTION | {"filters": {"many.n": {"greater_than": -number}}}
        status, body = house.send("acme", "POST", "/api/v1/downloads", question)
        assert status == 202
        place, run = f"/api/v1/downloads/{body['run_id']}", f"/api/v1/runs/{body['run_id']}"
        seen: list[int] = []
        told = until(partial(is_done, house, run, seen), "the download is made", 600)
        figures["made in s"] = round(time.monotonic() - begun, 1)
        assert (told["state"], told["rows"]) == ("done", ROWS)
        assert seen == sorted(seen)
        if seen:
            break
    assert seen[-1] > 0  # rows so far were told meanwhile
    for name, kind, reader in (("csv", CSV, csv_rows), ("arrow", ARROW, arrow_rows)):
        begun = time.monotonic()
        assert house.fetch("acme", place, kind, reader) == (200, (ROWS, ROWS * (ROWS + 1) // 2))
        figures[f"{name} in s"] = round(time.monotonic() - begun, 1)
    figures["worker MB above base"] = round(in_worker.above() / 1024**2, 1)
    figures["web MB above base"] = round(in_web.above() / 1024**2, 1)
    print(json.dumps(figures))
    assert in_worker.above() < MOST_BYTES, figures
    assert in_web.above() < MOST_BYTES, figures


def is_done(house: Installation, run: str, seen: list[int]) -> Any:
    status, body = house.send("acme", "GET", run)
    assert status == 200, body
    if body["state"] == "done":
        return body
    if body.get("rows"):
        seen.append(body["rows"])
    return None


def test_the_command_downloads_what_an_answer_has_no_room_for(busy_house: Installation, tmp_path: Path) -> None:
    file = tmp_path / "question.json"
    file.write_text(json.dumps(QUESTION | {"limit": 60_000}))
    command = [sys.executable, "manage.py", "query", "acme", "ada@acme.example", str(file)]
    for form in ("csv", "arrow"):
        asked = [*command, "--download", "--format", form]
        done = subprocess.run(asked, cwd=ROOT, env=busy_house.environ, capture_output=True, check=True)
        read = csv_rows if form == "csv" else arrow_rows
        assert read(io.BytesIO(done.stdout))[0] == 60_000
        assert b"60000 rows, cut at the limit; policy " in done.stderr
    refused = subprocess.run(
        [*command, "--download"], cwd=ROOT, env=busy_house.environ, capture_output=True, check=False
    )
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert b"--format csv" in refused.stderr


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_leaves_nothing_that_can_be_fetched(house: Installation) -> None:
    chunks = "SELECT count(*) FROM queries_downloadchunk"
    with house.worker(1) as worker:
        _, body = house.send("globex", "POST", "/api/v1/downloads", QUESTION)
        until(lambda: house.rows(chunks)[0][0] > 0, "chunks are written")
        house.end(worker, signal.SIGKILL)
    assert house.run(body["run_id"])[0] == "running"
    assert house.rows(
        "SELECT count(*) FROM queries_download WHERE created_at > now() - interval '1 minute' AND row_count < 1"
    ) == [(0,)]
    status, told = house.send("globex", "GET", f"/api/v1/downloads/{body['run_id']}")
    assert (status, told["state"]) == (202, "running")
    with house.worker(1, beat=True):
        assert house.until_state(body["run_id"], "done") == ("done", "", 2)
        found = house.fetch("globex", f"/api/v1/downloads/{body['run_id']}", ARROW, arrow_rows)
        assert found == (200, (ROWS, ROWS * (ROWS + 1) // 2))
