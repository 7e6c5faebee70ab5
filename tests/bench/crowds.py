"""Many questions at once: a dashboard, many readers of one tile, a tenant that floods, a thousand tenants."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from statistics import median
from typing import Any

import psycopg

from apps.queries.models import QueryRun
from apps.tenants.binding import bound
from apps.tenants.models import Tenant
from apps.tenants.selectors import tenant_by_slug
from tests.bench.clients import Client, summary, timed
from tests.bench.installation import Installation, direct, seed, token_of
from tests.bench.workload import BenchTile

AT_ONCE = 6
"""as many as a browser asks of one server"""
ROUNDS = 7
VIEWERS = 50
FLOOD = 200
CUSTOMERS = int(os.environ.get("OMNI_BENCH_CUSTOMERS", "1000"))
LARGE = {
    "dataset": "Heavy", "fields": ["customer.c_custkey", "customer.c_name", "lineitem.revenue"], "limit": 10_000,
}  # fmt: skip
Query = dict[str, Any]
Compiled = Callable[[Query], tuple[float, Any]]


class Readers:
    """As many keep-alive connections as threads."""

    def __init__(self, installation: Installation, count: int, token: str = "", host: str = "") -> None:
        self._own = threading.local()
        self._make = lambda: Client(installation.port, host or installation.host, token or installation.token)
        self.pool = ThreadPoolExecutor(count)

    def ask(self, query: Query) -> float:
        """Return milliseconds."""
        if not hasattr(self._own, "client"):
            self._own.client = self._make()
        return float(self._own.client.ask(query)[0])

    def all(self, queries: Sequence[Query]) -> tuple[float, list[float]]:
        """Return milliseconds until the last answer, and those of each."""
        samples: list[float] = []
        took = timed(lambda: samples.extend(self.pool.map(self.ask, queries)))
        return took, samples


def dashboard(installation: Installation, work: list[BenchTile], compiled: Compiled) -> dict[str, Any]:
    """Twelve tiles, six at a time: kept; and never asked before, beside the same governed SQL run directly."""
    readers = Readers(installation, AT_ONCE)
    known = [tile.query for tile in work]
    readers.all(known)
    kept = [readers.all(known)[0] for _ in range(ROUNDS * 3)]
    sessions = threading.local()

    def run(statement: Any) -> None:
        if not hasattr(sessions, "link"):
            sessions.link = direct(installation.source)
        sessions.link.execute(statement.sql, statement.parameters).fetchall()

    ours, plain = [], []
    seed_ = int(time.time())
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number in range(ROUNDS):
            unseen = [tile.unseen(seed_ + 1000 * number + place) for place, tile in enumerate(work)]
            statements = [compiled(query)[1] for query in unseen]
            ours.append(readers.all(unseen)[0])
            plain.append(timed(lambda items=statements: list(pool.map(run, items))))  # type: ignore[misc]  # looser than the type on purpose
    return {
        "kept": summary(kept), "uncached": summary(ours), "direct": summary(plain),
        "ratio": round(median(ours) / median(plain), 2),
    }  # fmt: skip


def large(client: Client) -> dict[str, Any]:
    """Ten thousand kept rows, as JSON and as Arrow."""
    rows = len(client.ask(LARGE)[1]["rows"])
    found = {"json": summary([client.ask(LARGE)[0] for _ in range(20)])}
    client.ask_raw(LARGE, "application/vnd.apache.arrow.stream")
    found["arrow"] = summary([client.ask_raw(LARGE, "application/vnd.apache.arrow.stream") for _ in range(20)])
    return {"rows": rows, **found}


def viewers(installation: Installation, work: list[BenchTile]) -> dict[str, Any]:
    """Fifty people ask the same thing at the same moment, which nobody has asked before."""
    tile, seed_ = next(item for item in work if not item.is_light), int(time.time())
    readers = Readers(installation, VIEWERS)
    readers.all([tile.query] * VIEWERS * 2)  # every thread has its connection
    alone = median(readers.ask(tile.unseen(seed_ + number)) for number in range(5))
    began = datetime.now(UTC)
    took, _ = readers.all([tile.unseen(seed_ + 100)] * VIEWERS)
    with bound(tenant_by_slug("bench").id):
        asked = QueryRun.objects.filter(created_at__gte=began, leader_id=None, attempts__gt=0).count()
    return {
        "viewers": VIEWERS, "queries_at_the_source": asked, "alone_ms": round(alone, 1), "all_ms": round(took, 1),
        "ratio": round(took / alone, 2),
    }  # fmt: skip


def flood(installation: Installation, client: Client, work: list[BenchTile]) -> dict[str, Any]:
    """One tenant asks two hundred slow questions at once; meanwhile another reads and asks."""
    if not Tenant.objects.filter(slug="flood").exists():
        seed(installation.source, "flood")
    light, slow = [tile for tile in work if tile.is_light], [tile for tile in work if not tile.is_light]
    numbers = iter(range(int(time.time()), 2**31))

    def ask(count: int) -> dict[str, Any]:
        return {
            "kept": summary([client.ask(tile.query)[0] for _ in range(count) for tile in light]),
            "uncached": summary([client.ask(tile.unseen(next(numbers)))[0] for _ in range(count // 2) for tile in light]),
        }  # fmt: skip

    ask(2)
    quiet = ask(8)
    other = Client(installation.port, "flood.localhost", token_of("flood"))
    for number in range(FLOOD):
        other.ask_later(slow[number % len(slow)].unseen(next(numbers)))
    flooded = ask(8)
    left = _left("flood")
    _cancel_all("flood")
    return {
        "flood": FLOOD, "left_afterwards": left, "quiet": quiet, "flooded": flooded,
        "p95_ratios": {name: round(flooded[name]["p95_ms"] / quiet[name]["p95_ms"], 2) for name in quiet},
    }  # fmt: skip


def _left(slug: str) -> int:
    with bound(tenant_by_slug(slug).id):
        return QueryRun.objects.filter(state__in=("queued", "running")).count()


def _cancel_all(slug: str) -> None:
    """Have what still waits expire: nobody comes for it."""
    with bound(tenant_by_slug(slug).id):
        QueryRun.objects.filter(state="queued").update(state="cancelled", error_code="cancelled")
    deadline = time.monotonic() + 120
    while _left(slug) and time.monotonic() < deadline:
        time.sleep(0.5)


def customers(installation: Installation, work: list[BenchTile]) -> dict[str, Any]:
    """As many tenants as wished, each with a connection of its own, ask one new question each, sixteen at a time."""
    query = next(tile for tile in work if tile.is_light).unseen(int(time.time()))
    names = [f"customer-{number}" for number in range(CUSTOMERS)]
    known = set(Tenant.objects.filter(slug__in=names).values_list("slug", flat=True))
    for slug in names:
        if slug not in known:
            seed(installation.source, slug)
    tokens = {slug: token_of(slug) for slug in names}

    def ask(slug: str) -> tuple[float, str]:
        try:
            return float(Client(installation.port, f"{slug}.localhost", tokens[slug]).ask(query)[0]), ""
        except (RuntimeError, OSError) as error:
            return 0.0, str(error)[:200]

    most, is_over = [0], threading.Event()
    watcher = threading.Thread(target=_count_sessions, args=(installation.floor, most, is_over))
    watcher.start()
    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(ask, names))
    is_over.set()
    watcher.join()
    return {
        "tenants": CUSTOMERS, "answered": sum(not error for _, error in outcomes),
        "errors": sorted({error for _, error in outcomes if error})[:3], "most_sessions_at_the_server": most[0],
        "times": summary([took for took, error in outcomes if not error]),
    }  # fmt: skip


def _count_sessions(link: "psycopg.Connection[Any]", most: list[int], is_over: threading.Event) -> None:
    while not is_over.wait(0.2):
        row = link.execute("SELECT count(*) FROM pg_stat_activity").fetchone()
        most[0] = max(most[0], int(row[0]) if row else 0)
