"""The part of a soak that is not in this process: gunicorn over HTTP with sockets that are cut, and a worker."""

import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import redis
from django.conf import settings

from omni.celery import app
from tests.soak.driving import Side, Tally, connection_name
from tests.soak.views import WRONG

ROOT = Path(__file__).resolve().parent.parent.parent
PORT = int(os.environ.get("SOAK_PORT", "8190"))
Sides = tuple[Side, Side]


def environment() -> dict[str, str]:
    """Return what a process needs in order to work on this database, with the soak's addresses and tasks."""
    url, _, query = os.environ["OMNI_DATABASE_URL"].partition("?")
    moved = f"{url.rpartition('/')[0]}/{connection_name()}?{query}"
    return os.environ | {
        "OMNI_DATABASE_URL": moved,
        "DJANGO_SETTINGS_MODULE": "tests.soak.settings",
        "PYTHONPATH": str(ROOT),
    }


@contextmanager
def process(*command: str, **changes: str) -> Iterator[None]:
    """Run a process for the length of a block; it is ended by its id."""
    started = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment() | changes,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        started.terminate()
        try:
            started.wait(60)
        except subprocess.TimeoutExpired:  # a machine that is busy: it ends all the same
            started.kill()
            started.wait()


def requests(sides: Sides, *, count: int, seconds: float, threads: int = 8) -> Tally:
    """Ask gunicorn; every fourth connection is cut, before or in the middle of the answer."""
    tally, lock, deadline = Tally(), threading.Lock(), 0.0

    def run(number: int) -> None:
        dice, own = random.Random(number), Tally()
        for _ in range(count // threads):
            if time.monotonic() > deadline:
                break
            first = dice.randrange(2)
            one_request(dice, own, sides[first], sides[1 - first])
        with lock:
            tally.done += own.done
            tally.crossings += own.crossings

    with process(
        "gunicorn",
        "--config",
        "python:omni.serving",
        "tests.soak.wsgi",
        "--bind",
        f"127.0.0.1:{PORT}",
        "--workers",
        "2",
        "--threads",
        "8",
        "--keep-alive",
        "5",
    ):
        wait_for_port()
        deadline = time.monotonic() + seconds
        workers = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    return tally


def wait_for_port() -> None:
    deadline = time.monotonic() + 180
    while True:
        try:
            socket.create_connection(("127.0.0.1", PORT), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def one_request(dice: random.Random, tally: Tally, side: Side, other: Side) -> None:
    """Ask for a page or for whose it is; perhaps cut the line."""
    path = dice.choice(
        (
            "/soak/whose/",
            "/soak/whose/",
            "/soak/streamed/",
            "/api/v1/datasets",
            f"/soak/whose/?wrong={dice.choice(WRONG)}",
        )
    )
    head = f"GET {path} HTTP/1.1\r\nHost: {side.host}:{PORT}\r\nCookie: omni_session={side.cookie}\r\nConnection: close\r\n\r\n"
    is_cut = dice.random() < 0.25
    try:
        with socket.create_connection(("127.0.0.1", PORT), timeout=60) as line:
            line.sendall(head.encode())
            if is_cut:
                text = line.recv(dice.choice((1, 200, 2000))).decode(errors="replace") if dice.random() < 0.5 else ""
            else:
                text = b"".join(iter(lambda: line.recv(65536), b"")).decode(errors="replace")
    except OSError:
        tally.done["HTTP request that got no answer"] += 1
        return
    must_show = not is_cut and "/soak/" in path and "wrong" not in path
    tally.judge("HTTP request that was cut" if is_cut else "HTTP request", side, other, text, must_show=must_show)


def tasks(sides: Sides, *, count: int, seconds: float) -> Tally:
    """Send tasks to a worker of two processes; each leaves in Redis what it saw, or that it is about to stop."""
    tally, key, dice = Tally(), f"soak:{uuid4()}", random.Random(3)
    stopped = f"{key}:stopped"
    by_id = {side.tenant_id: side for side in sides}
    with (
        redis.Redis.from_url(settings.OMNI_REDIS_URL) as store,
        process(
            "celery",
            "-A",
            "tests.soak.worker",
            "worker",
            "--concurrency",
            "2",
            "--loglevel",
            "CRITICAL",
            OMNI_PROCESS="worker",
        ),
    ):
        for _ in range(count):
            wrong = dice.choice(WRONG) if dice.random() < 0.2 else ""
            app.send_task("soak.whose", kwargs={"wrong": wrong, "key": key, "tenant_id": dice.choice(sides).tenant_id})
        deadline = time.monotonic() + seconds
        while store.llen(key) + store.llen(stopped) < count and time.monotonic() < deadline:
            time.sleep(0.2)
        for line in store.lrange(key, 0, -1):
            tenant_id, _, text = line.decode().partition(" ")
            side = by_id[tenant_id]
            tally.judge("task in the worker", side, next(one for one in sides if one is not side), text, must_show=True)
        tally.done["stopped task in the worker"] = store.llen(stopped)
        store.delete(key, stopped)
    return tally
