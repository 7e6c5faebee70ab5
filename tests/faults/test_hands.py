"""Hands take runs past the broker: without it, after lost rings, and until their process is told to end."""

import signal

import psutil
import pytest

from tests.faults.installation import Installation, until
from tests.faults.test_faults import send_messages

HANDS = "omni:line:hands"


def listening(house: Installation) -> int:
    return int(house.redis().zcard(HANDS))


def test_a_question_is_answered_without_a_message_of_the_broker(busy_house: Installation) -> None:
    house = busy_house
    until(lambda: listening(house) == 4, "every process of the worker listens")
    with house.web_elsewhere(OMNI_BROKER_URL="redis://127.0.0.1:1/0"):  # nobody is there
        status, body = house.ask("acme", "Tick", 11, is_async=False)
    assert (status, body.get("rows")) == (200, [[1]])


def test_without_hands_a_message_is_sent_and_the_question_answered(house: Installation) -> None:
    with house.worker(2, "--pool", "threads"):
        status, body = house.ask("acme", "Tick", 12, is_async=False)
        assert (status, body.get("rows")) == (200, [[1]])
        assert listening(house) == 0


def test_a_run_whose_message_and_ring_were_lost_is_taken_all_the_same(house: Installation) -> None:
    run = house.queue("acme", "Tick", 13)
    house.redis().delete("omni", "omni:line:bell")
    with house.worker(1):
        assert house.until_state(run, "done") == ("done", "", 1)
        until(lambda: listening(house) == 1, "the hand listens")
        tenant = house.rows("SELECT id FROM tenants_tenant WHERE slug = 'acme'")[0][0]
        other = house.queue("acme", "Nap", 14)
        house.until_state(other, "running")
        third = house.queue("acme", "Tick", 15)
        assert house.redis().zcard(f"omni:line:waiting:{tenant}") == 1
        house.redis().delete("omni:line:bell")
        assert house.until_state(third, "done") == ("done", "", 1)


@pytest.mark.parametrize("count", [1, 2])
def test_a_worker_that_is_asked_to_end_ends_its_runs_first(house: Installation, count: int) -> None:
    with house.worker(count) as worker:
        until(lambda: listening(house) == count, "the hands listen")
        runs = [house.queue("acme", "Nap", 20 + number) for number in range(count)]
        for run in runs:
            house.until_state(run, "running")
        worker.send_signal(signal.SIGTERM)
        worker.wait(30)
    for run in runs:
        assert house.run(run) == ("done", "", 1)
    assert listening(house) == 0


def test_a_process_that_is_killed_is_replaced_and_its_run_taken_up(house: Installation) -> None:
    """As the last resort does with a process whose run nothing else has ended."""
    with house.worker(1) as worker:
        until(lambda: listening(house) == 1, "the hand listens")
        run = house.queue("acme", "Nap", 30)
        house.until_state(run, "running")
        child = psutil.Process(worker.pid).children()
        assert len(child) == 1
        child[0].kill()
        until(
            lambda: [one.pid for one in psutil.Process(worker.pid).children()] not in ([], [child[0].pid]), "a new one"
        )
        until(lambda: not house.redis().exists("omni:line:running") or is_over(house), "the lease is over")
        send_messages(house, ("queries.look_after_runs", {"everything": True}))
        assert house.until_state(run, "done") == ("done", "", 2)


def is_over(house: Installation) -> bool:
    ((_, until_ms),) = house.redis().zrange("omni:line:running", 0, -1, withscores=True)
    seconds, micros = house.redis().time()
    return bool(until_ms < seconds * 1000 + micros // 1000)
