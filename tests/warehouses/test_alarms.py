"""Work that is due after a while: it begins then, not before, and not when it was called off."""

import os
import threading
import time

from apps.warehouses.alarms import Alarm


def test_what_is_due_first_begins_first_and_what_was_called_off_never() -> None:
    begun: list[str] = []
    is_over = threading.Event()
    late = Alarm(0.2, lambda: (begun.append("late"), is_over.set()))
    off = Alarm(0.1, lambda: begun.append("off"))
    soon = Alarm(0.05, lambda: begun.append("soon"))
    off.call_off()
    off.call_off()
    assert begun == []
    assert is_over.wait(5)
    assert begun == ["soon", "late"]
    for alarm in (soon, late):
        alarm.end()


def test_an_end_waits_for_what_has_begun_and_other_work_goes_on_meanwhile() -> None:
    has_begun, may_end, other = threading.Event(), threading.Event(), threading.Event()
    ended: list[bool] = []

    def work() -> None:
        has_begun.set()
        ended.append(may_end.wait(5))

    alarm = Alarm(0.01, work)
    assert has_begun.wait(5)
    Alarm(0.01, other.set)
    assert other.wait(5)
    threading.Timer(0.1, may_end.set).start()
    alarm.end()
    assert ended == [True]


def test_many_that_are_called_off_are_not_kept() -> None:
    for _ in range(5_000):
        Alarm(3600, lambda: None).call_off()
    began = time.monotonic()
    is_over = threading.Event()
    Alarm(0.01, is_over.set)
    assert is_over.wait(5)
    assert time.monotonic() - began < 2


def test_a_forked_process_has_alarms_of_its_own_and_none_of_its_parents() -> None:
    inherited = threading.Event()
    alarm = Alarm(0.3, inherited.set)
    child = os.fork()
    if child == 0:
        own = threading.Event()
        Alarm(0.01, own.set)
        is_well = own.wait(5) and not inherited.wait(0.6)
        os._exit(0 if is_well else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert inherited.wait(5)
    alarm.end()


def test_where_no_thread_can_be_started_it_is_tried_again_and_all_others_still_come(monkeypatch):
    begun, is_over, refused = [], threading.Event(), []
    start = threading.Thread.start

    def failing(self: threading.Thread) -> None:
        if getattr(self, "_target", None) is first and not refused:
            refused.append(True)
            raise RuntimeError("can't start new thread")
        start(self)

    def first() -> None:
        begun.append("first")
        is_over.set()

    monkeypatch.setattr(threading.Thread, "start", failing)
    other = threading.Event()
    alarm = Alarm(0.01, first)
    Alarm(0.05, other.set)
    assert other.wait(5)
    assert is_over.wait(5)
    assert (begun, refused) == (["first"], [True])
    alarm.end()
