"""What goes wrong, done to real processes: workers killed, Redis and PostgreSQL gone and back, messages twice, no room left."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from apps.embedded import postgres, redis
from tests.faults.installation import ROOT, Installation, until

AT_THE_SOURCE = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = 'source' AND usename = 'reader' AND state = 'active'"
)


def is_at_the_source(house: Installation) -> bool:
    return bool(house.rows(AT_THE_SOURCE)[0][0])


def kept(house: Installation) -> int:
    return int(house.rows("SELECT count(*) FROM queries_cachedresult")[0][0])


def test_a_killed_workers_run_is_taken_up_once_more_and_then_fails_clearly(house: Installation) -> None:
    with house.worker(1) as first:
        run = house.queue("acme", "Sleep", 1)
        assert house.until_state(run, "running") == ("running", "", 1)
        until(lambda: is_at_the_source(house), "the source works")
        house.end(first, signal.SIGKILL)
    assert house.run(run)[0] == "running"  # nobody has noticed
    with house.worker(1, beat=True) as second:
        until(lambda: house.run(run)[2] == 2, "it is begun once more")
        assert house.run(run)[0] == "running"
        house.end(second, signal.SIGKILL)
    with house.worker(1, beat=True):
        assert house.until_state(run, "failed") == ("failed", "lost", 2)
        status, problem = house.send("acme", "GET", f"/api/v1/runs/{run}")
        assert (status, problem["code"]) == (409, "lost")
        assert kept(house) == 0
        until(lambda: not is_at_the_source(house), "the source was left by the dead workers' statements")
        status, body = house.ask("acme", "Tick", 7, is_async=False)  # the slots are free again
        assert (status, body["rows"]) == (200, [[1]])
    assert kept(house) == 1


@pytest.mark.slow
def test_a_frozen_worker_that_wakes_up_changes_nothing(house: Installation) -> None:
    """Its lease is over and another has the run: as when its machine slept, or its clock jumped."""
    with house.worker(1) as frozen:
        run = house.queue("acme", "Nap", 1)
        house.until_state(run, "running")
        until(lambda: is_at_the_source(house), "the source works")
        stop(frozen, signal.SIGSTOP)
        with house.worker(1, beat=True):
            until(lambda: house.run(run)[2] == 2, "it is begun once more")
            stop(frozen, signal.SIGCONT)
            assert house.until_state(run, "done") == ("done", "", 2)
            status, body = house.send("acme", "GET", f"/api/v1/runs/{run}")
            assert (status, body["rows"]) == (200, [[1]])
    assert kept(house) == 1


def stop(process: "subprocess.Popen[bytes]", number: int) -> None:
    os.killpg(process.pid, number)


def test_a_message_that_comes_twice_and_a_clock_that_jumps_execute_a_run_once(house: Installation) -> None:
    """A lease is back within a second here, and the second look comes three seconds after the first, however slow the machine is."""
    with house.worker(4, beat=True, OMNI_LEASE_S="6"), looks_while_the_clock_jumps(house) as look:
        read_before = house.times_read()
        run = house.queue("acme", "Nap", 2)
        house.until_state(run, "running")
        look(run)
        again = {"run_id": run, "tenant_id": acme(house)}
        send_messages(house, *[("queries.execute_run", again), ("queries.run_next", {})] * 3)
        assert house.until_state(run, "done") == ("done", "", 1)
        time.sleep(1.5)
        assert house.run(run) == ("done", "", 1)
        assert house.times_read() == read_before + 1


def acme(house: Installation) -> str:
    return str(house.rows("SELECT id FROM tenants_tenant WHERE slug = 'acme'")[0][0])


@contextmanager
def looks_while_the_clock_jumps(house: Installation) -> Iterator[Callable[[str], None]]:
    """Have a process ready that looks for lost runs when Redis' clock was just set forward and the run at work waits once more."""
    code = f"""
import django; django.setup()
from django.utils import timezone
from apps.queries import line, recovering
from apps.tenants.selectors import living
redis, everyone = line.client(), list(living())
print("ready", flush=True)
waits = input()
redis.delete("omni:line:running")
redis.zadd("omni:line:waiting:{acme(house)}", {{waits: 0}})
redis.sadd("omni:line:tenants", "{acme(house)}")
recovering.look_after(everything=True, now=timezone.now())
"""
    command, environ = [sys.executable, "-c", code], house.environ | {"OMNI_LEASE_S": "6"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

        def look(run: str) -> None:
            process.communicate(f"{run}|{uuid4()}\n")
            assert process.returncode == 0

        yield look


def send_messages(house: Installation, *messages: tuple[str, dict[str, object]]) -> None:
    """Send messages past everything that would keep one from being sent twice."""
    code = f"from omni.celery import app; [app.send_task(name, kwargs=kwargs) for name, kwargs in {messages!r}]"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=house.environ, check=True)


def test_without_redis_what_is_kept_is_shown_new_queries_are_refused_and_work_resumes(busy_house: Installation) -> None:
    house = busy_house
    services = house.folder / "embedded"
    assert house.ask("acme", "Tick", 1, is_async=False)[0] == 200
    working = house.queue("acme", "Nap", 3)
    house.until_state(working, "running")
    redis.stop(services)
    try:
        status, body = house.ask("acme", "Tick", 1, is_async=False)
        assert (status, body["cache"]["hit"]) == (200, True)
        status, problem = house.ask("acme", "Tick", 2, is_async=False)
        assert (status, problem["code"]) == (503, "no_queue")
        assert house.until_state(working, "done") == ("done", "", 1)  # who was at work goes on
    finally:
        redis.start(services)
    status, body = house.send("acme", "GET", f"/api/v1/runs/{working}")
    assert (status, body["rows"]) == (200, [[1]])
    until(lambda: house.ask("acme", "Tick", 3, is_async=False)[0] == 200, "work resumes without a restart of ours")


@pytest.mark.slow
def test_runs_that_wait_survive_the_loss_of_redis(house: Installation) -> None:
    runs = [house.queue("acme", "Tick", n) for n in range(3)]
    services = house.folder / "embedded"
    redis.stop(services)
    redis.start(services)  # it keeps nothing on disk
    assert house.redis().keys("omni:line:*") == []
    with house.worker(2):
        status, body = house.send("acme", "GET", f"/api/v1/runs/{runs[0]}")  # the one who asks puts it back
        assert status == 200, body
        house.until_state(runs[0], "done")
        send_messages(house, ("queries.look_after_runs", {"everything": True}))  # and so does the beat
        for run in runs[1:]:
            assert house.until_state(run, "done") == ("done", "", 1)


def test_when_postgresql_is_restarted_requests_fail_clearly_and_recover(busy_house: Installation) -> None:
    house = busy_house
    services = house.folder / "embedded"
    assert house.ask("acme", "Grind", 1, is_async=True)[0] == 202
    run = str(house.rows("SELECT id FROM queries_queryrun")[0][0])
    house.until_state(run, "running")
    postgres.stop(services)
    status, _ = house.send("acme", "GET", f"/api/v1/runs/{run}")
    assert status in (500, 503)
    postgres.start(services)
    until(lambda: house.send("acme", "GET", "/api/v1/datasets")[0] == 200, "web has recovered by itself")
    state, code, attempts = house.until_state(run, "done", "failed")
    assert (state, code) == ("done", "")
    assert attempts in (1, 2)  # it had to be begun again when the answer could not be kept
    until(lambda: house.ask("acme", "Tick", 9, is_async=False)[0] == 200, "new queries are answered")


@pytest.fixture
def no_room(busy_house: Installation) -> Iterator[None]:
    """Let our database find no room for the next answers, as on a full disk; it is done by the server itself."""
    url = busy_house.admin_url.replace("@/postgres", "@/omni")
    full = """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$"""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(full)
        admin.execute(
            "CREATE TRIGGER full_disk BEFORE INSERT ON queries_cachedresult FOR EACH ROW EXECUTE FUNCTION full_disk()"
        )
        yield
        admin.execute("DROP TRIGGER full_disk ON queries_cachedresult")
        admin.execute("DROP FUNCTION full_disk")


def test_no_room_for_an_answer_fails_its_run_clearly_and_once(busy_house: Installation, no_room: None) -> None:
    house = busy_house
    status, problem = house.ask("acme", "Tick", 5, is_async=False)
    assert (status, problem["code"]) == (507, "no_space")
    (run,) = house.rows("SELECT state, error_code, attempts FROM queries_queryrun")
    assert run == ("failed", "no_space", 1)
    assert kept(house) == 0


def test_the_command_says_how_far_it_is_and_ctrl_c_cancels_at_the_source(
    busy_house: Installation, tmp_path: Path
) -> None:
    house = busy_house
    file = tmp_path / "question.json"
    file.write_text(json.dumps({"dataset": "Sleep", "fields": ["sleep.count"]}))
    command = [sys.executable, "manage.py", "query", "acme", "ada@acme.example", str(file)]
    # Whoever runs the tests in the background has Ctrl-C ignored, and so would the command.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    asking = subprocess.Popen(command, cwd=ROOT, env=house.environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    signal.signal(signal.SIGINT, before)
    until(lambda: is_at_the_source(house), "the source works")
    time.sleep(2.5)
    asking.send_signal(signal.SIGINT)
    _, said = asking.communicate(timeout=20)
    assert asking.returncode == 1
    assert b"running for" in said
    assert said.strip().endswith(b"cancelled, at the source too")
    until(lambda: not is_at_the_source(house), "the source was told")
    (run,) = house.rows("SELECT state, error_code FROM queries_queryrun")
    assert run == ("cancelled", "cancelled")
