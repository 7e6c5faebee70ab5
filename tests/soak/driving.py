"""Alternate two tenants over requests and tasks on many threads, and count whose canary is seen where it must not be."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import psycopg
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection, connections
from django.test import RequestFactory, override_settings

from apps.tenants.binding import current_tenant_id
from tests.soak.views import WRONG, StoppedError, raw, whose_task

URLCONF = {"TENANT_URLCONF": "tests.soak.urls", "ROOT_URLCONF": "tests.soak.urls"}
SHORT = ["apps.trust.middleware.ResponseHeadersMiddleware", "apps.tenants.middleware.TenantMiddleware"]
"""The middleware that binds, alone: what most requests of a soak go through, since the rest costs four times as much."""
PAGES = ("/", "/api/v1/datasets", "/admin/accounts/usergroup/", "/admin/accounts/user/")


@dataclass(frozen=True)
class Side:
    """One of the two tenants: its host, canary, and what its administrator's browser and program send."""

    tenant_id: str
    host: str
    canary: str
    cookie: str
    token: str


@dataclass
class Tally:
    """What was done, and what was seen that must not be."""

    done: Counter[str] = field(default_factory=Counter)
    crossings: list[str] = field(default_factory=list)
    left_bound: list[str] = field(default_factory=list)

    def judge(self, what: str, side: Side, other: Side, text: str, *, must_show: bool = False) -> None:
        """Count a text that was shown on one side: the other's canary is a crossing, so is the lack of one's own."""
        self.done[what] += 1
        if other.canary in text:
            self.crossings.append(f"{what} of {side.host} shows {other.host}")
        if must_show and side.canary not in text:
            self.crossings.append(f"{what} of {side.host} does not show its own: {text[:300]}")


@dataclass(frozen=True)
class Handlers:
    """The application with all of its middleware, and with the part that binds."""

    full: WSGIHandler
    short: WSGIHandler


@contextmanager
def handlers() -> Iterator[Handlers]:
    """The application in this process, with the soak's addresses."""
    with override_settings(**URLCONF):
        full = WSGIHandler()
        with override_settings(MIDDLEWARE=SHORT):
            short = WSGIHandler()
        yield Handlers(full, short)


def ask(handler: WSGIHandler, side: Side, path: str, *, pieces: int | None = None, as_token: bool = False) -> str:
    """Send one request through the application; read all of the answer, or so many pieces of it and leave."""
    headers = {"HTTP_HOST": side.host}
    headers |= (
        {"HTTP_AUTHORIZATION": f"Bearer {side.token}"} if as_token else {"HTTP_COOKIE": f"omni_session={side.cookie}"}
    )
    environ = RequestFactory().generic("GET", path, **headers).environ
    response: Any = handler(environ, lambda *_: None)
    read = []
    for piece in response:
        if pieces is not None and len(read) >= pieces:
            break
        read.append(piece)
    response.close()
    return b"".join(read).decode(errors="replace")


def step(dice: random.Random, tally: Tally, handler: Handlers, side: Side, other: Side) -> None:
    """Do one thing on one side, chosen by the dice."""
    kind = dice.random()
    if kind < 0.30:
        task(dice, tally, side, other)
    elif kind < 0.36:
        path = dice.choice(PAGES)
        text = ask(handler.full, side, path, as_token=path.startswith("/api/"))
        tally.judge("page", side, other, text, must_show=not path.startswith("/api/"))
    elif kind < 0.44:
        text = ask(handler.short, side, "/soak/streamed/", pieces=dice.choice((0, 1, 5, None)))
        tally.judge("stream", side, other, text)
    elif kind < 0.60:
        text = ask(handler.short, side, f"/soak/whose/?{urlencode({'wrong': dice.choice(WRONG)})}")
        tally.judge("stopped request", side, other, text)
    else:
        tally.judge("request", side, other, ask(handler.short, side, "/soak/whose/"), must_show=True)


def task(dice: random.Random, tally: Tally, side: Side, other: Side) -> None:
    """Run a task in this process, as a worker does; one in five is stopped."""
    wrong = dice.choice(WRONG) if dice.random() < 0.2 else ""
    found = whose_task.apply(kwargs={"wrong": wrong, "tenant_id": side.tenant_id}, throw=False)
    text = str(found.result) if found.successful() else ""
    tally.judge("stopped task" if wrong else "task", side, other, text, must_show=not wrong)


def inspect(tally: Tally) -> None:
    """See that nothing is left in this thread and on its connection."""
    if current_tenant_id() is not None:
        tally.left_bound.append("the thread")
    if raw():
        tally.left_bound.append("the connection")
    tally.done["looked at what is left"] += 1


def drive(
    handler: Handlers,
    sides: tuple[Side, Side],
    *,
    count: int,
    threads: int,
    seed: int,
    seconds: float,
    one: Callable[..., None] = step,
) -> Tally:
    """Do ``count`` things on so many threads, at most for so many seconds."""
    tally, deadline, lock = Tally(), time.monotonic() + seconds, threading.Lock()

    def run(number: int) -> None:
        dice, own = random.Random(seed + number), Tally()
        for turn in range(count // threads):
            if time.monotonic() > deadline:
                break
            first = dice.randrange(2)
            try:
                one(dice, own, handler, sides[first], sides[1 - first])
            except (StoppedError, psycopg.Error):
                own.done["stopped at the top"] += 1
            if turn % 100 == 0:
                inspect(own)
        connections.close_all()
        with lock:
            tally.done += own.done
            tally.crossings += own.crossings
            tally.left_bound += own.left_bound

    workers = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return tally


def leak(path: str) -> Callable[..., None]:
    """Return a step that asks for one of the views that leak."""

    def one(dice: random.Random, tally: Tally, handler: Handlers, side: Side, other: Side) -> None:
        text = ask(handler.short, side, f"{path}?{urlencode({'next': other.tenant_id})}")
        tally.judge("leak", side, other, text)

    return one


def connection_name() -> str:
    """Return the name of the database that this process is connected to."""
    return str(connection.settings_dict["NAME"])
