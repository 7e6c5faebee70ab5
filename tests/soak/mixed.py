"""Mixed traffic of two tenants over HTTP: new and kept answers, polls, cancels, downloads, refreshes, refusals."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException

from tests.faults.installation import Installation

MANY = {"dataset": "Many", "fields": ["many.n", "many.name", "many.half"], "limit": 500}
FEW = 40
"""questions that are asked again and again"""
PACE_S = 1.0
"""in which each of the people acts once: rows that live for a time are as many as were asked for in it"""
ARROW = "application/vnd.apache.arrow.stream"


class Person:
    """One who asks, again and again, as chance has it. ``done`` counts what came of it: by act and status."""

    def __init__(self, house: Installation, seed: int, done: Counter[str]) -> None:
        self.house, self.chance, self.done = house, random.Random(seed), done
        self._numbers = iter(range(1000 + seed * 10_000_000, 2**31))

    def act(self) -> None:
        acts: tuple[tuple[int, Callable[[str], int]], ...] = (
            (40, self.kept), (20, self.new), (8, self.later), (6, self.cancelled), (3, self.downloaded), (6, self.refreshed),
            (8, self.wrong), (9, self.page),
        )  # fmt: skip
        act = self.chance.choices([act for _, act in acts], [weight for weight, _ in acts])[0]
        try:
            status = str(act(self.chance.choice(("acme", "globex"))))
        except (OSError, HTTPException) as error:
            status = type(error).__name__
        self.done[f"{act.__name__} {status}"] += 1

    def kept(self, slug: str) -> int:
        return self.house.ask(slug, "Tick", self.chance.randrange(FEW), is_async=False)[0]

    def new(self, slug: str) -> int:
        question = MANY | {"filters": {"many.n": {"greater_than": -next(self._numbers)}}}
        return self.house.send(slug, "POST", "/api/v1/query", question)[0]

    def later(self, slug: str) -> int:
        """Begin and look at it a few times; often nobody comes for the answer."""
        status, body = self.house.ask(slug, "Tick", next(self._numbers))
        for _ in range(self.chance.randrange(4)):
            status, _ = self.house.send(slug, "GET", f"/api/v1/runs/{body['run_id']}")
        return status

    def cancelled(self, slug: str) -> int:
        """Cancel one that waits or one that is at its source."""
        _, body = self.house.ask(slug, "Sleep", next(self._numbers))
        time.sleep(self.chance.choice((0.0, 0.5)))
        return self.house.send(slug, "DELETE", f"/api/v1/runs/{body['run_id']}")[0]

    def downloaded(self, slug: str) -> int:
        question = {**MANY, "filters": {"many.n": {"less_than": 1000 + self.chance.randrange(5)}}, "limit": 20_000}
        status, body = self.house.send(slug, "POST", "/api/v1/downloads", question)
        for _ in range(40):
            place = f"/api/v1/downloads/{body['run_id']}"
            status, _ = self.house.fetch(slug, place, ARROW, lambda answer: len(answer.read()))
            if status != 202:
                break
            time.sleep(0.25)
        return status

    def refreshed(self, slug: str) -> int:
        question = {
            "dataset": "Tick",
            "fields": ["tick.count"],
            "filters": {"tick.n": {"is": self.chance.randrange(FEW)}},
        }
        return self.house.send(slug, "POST", "/api/v1/query", question, **{"Cache-Control": "no-cache"})[0]

    def wrong(self, slug: str) -> int:
        """A field that is not there, a value of no kind, somebody else's run, a token of the other tenant."""
        number = self.chance.randrange(4)
        if number == 0:
            return self.house.send(slug, "POST", "/api/v1/query", {"dataset": "Tick", "fields": ["tick.nothing"]})[0]
        if number == 1:
            return self.house.send(slug, "POST", "/api/v1/query", {"dataset": ["Tick"], "fields": 7})[0]
        if number == 2:
            return self.house.send(slug, "GET", "/api/v1/runs/00000000-0000-4000-8000-000000000000")[0]
        other = {"acme": "globex", "globex": "acme"}[slug]
        bearer = {"Authorization": f"Bearer {self.house.tokens[other]}"}
        return self.house.send(slug, "GET", "/api/v1/datasets", **bearer)[0]

    def page(self, slug: str) -> int:
        return self.house.send(slug, "GET", self.chance.choice(("/accounts/sign-in/", "/trust/", "/nothing/")))[0]


@contextmanager
def traffic(house: Installation, *, people: int) -> Iterator[Counter[str]]:
    """Have people ask for the length of the block; yield what came of it so far."""
    done: Counter[str] = Counter()
    is_over = threading.Event()

    def go_on(person: Person) -> None:
        due = time.monotonic()
        while not is_over.wait(max(0.0, due - time.monotonic())):
            due = max(due + PACE_S, time.monotonic() - PACE_S)
            person.act()

    threads = [threading.Thread(target=go_on, args=(Person(house, seed, done),)) for seed in range(people)]
    for thread in threads:
        thread.start()
    try:
        yield done
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
