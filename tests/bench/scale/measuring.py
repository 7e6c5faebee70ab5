"""The fixed cost of a signed-in request, and lists of what a person may see, in databases of growing size, in turns."""

import hashlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from apps.access.deciding import decide
from apps.access.middleware import ActorMiddleware
from apps.access.selectors import actor_for_user
from apps.accounts.models import User
from apps.accounts.sessions import SessionStore, TenantSessionMiddleware
from apps.dashboards import policies
from apps.dashboards.models import Dashboard
from apps.governance.selectors import visible_datasets
from apps.tenants.binding import bound
from apps.tenants.middleware import TenantMiddleware
from tests.bench.scale.databases import ensure, sizes, wrapper
from tests.bench.scale.plans import hot_plans
from tests.bench.scale.rows import BIG, BIG_DASHBOARDS, BIG_PEOPLE, DASHBOARDS, PEOPLE

ROUNDS, LIST_ROUNDS, SAMPLES = 24, 4, 40
LIMITS = {"statements": 3, "fixed_cost_ms": 1.5, "growth": 1.3, "list_ms": 20}


@dataclass(frozen=True, slots=True)
class Case:
    """One person of one tenant with an open session, and a dashboard to ask for."""

    tenant_id: UUID
    person: User
    dashboard: Dashboard
    request: Callable[[], HttpRequest]


def key(kind: str, tenant: int, number: int) -> UUID:
    """Return a row's key, as the server made it."""
    return UUID(hashlib.md5(f"{kind}:{tenant}:{number}".encode(), usedforsecurity=False).hexdigest())


def view(request: Any) -> HttpResponse:
    """Ask for one permission on one object, and answer."""
    return HttpResponse(
        "allowed" if decide(request.actor, "view_dashboard", request.dashboard).is_allowed else "denied"
    )


HANDLER = TenantMiddleware(TenantSessionMiddleware(AuthenticationMiddleware(ActorMiddleware(view))))


def rights_figures() -> dict[str, Any]:
    """Load what is missing, measure all sizes in turns, compare with the limits."""
    loaded = {name: ensure(name, size) for name, size in sizes().items()}
    bases = {name: Base(name, found["database"], found["tenants"]) for name, found in loaded.items()}
    samples: dict[str, dict[str, list[float]]] = {name: {} for name in bases}
    for round_ in range(ROUNDS + 3):
        for name, base in bases.items():
            found = base.round(with_lists=round_ % LIST_ROUNDS == 0)
            if round_ >= 3:  # the first rounds warm caches
                for figure, values in found.items():
                    samples[name].setdefault(figure, []).extend(values)
    figures = {name: _figures(bases[name], loaded[name], samples[name]) for name in bases}
    small, large = (figures[name]["fixed_cost"] for name in ("small", "large"))
    growth = {
        "wall": round(large["wall_ms"] / small["wall_ms"], 2), "cpu": round(large["cpu_ms"] / small["cpu_ms"], 2),
    }  # fmt: skip
    return {"limits": LIMITS, "growth_small_to_large": growth, "sizes": figures}


class Base:
    """A database of one size, its connection, and the people who are measured in it."""

    def __init__(self, name: str, database: str, tenants: int) -> None:
        self.name, self.connection = name, wrapper("default", database)
        with self.used():
            step = max(1, tenants // SAMPLES)
            self.cases = [
                _case(number * step, number % PEOPLE, number % DASHBOARDS) for number in range(min(SAMPLES, tenants))
            ]
            self.big = [_case(BIG, number * (BIG_PEOPLE // 8), number * (BIG_DASHBOARDS // 8)) for number in range(8)]

    @contextmanager
    def used(self) -> Iterator[None]:
        before = connections["default"]
        connections["default"] = self.connection
        try:
            yield
        finally:
            connections["default"] = before

    def round(self, *, with_lists: bool) -> dict[str, list[float]]:
        """Return samples in milliseconds by figure."""
        with self.used():
            found: dict[str, list[float]] = {"wall": [], "cpu": [], "wall_big_tenant": []}
            for case in self.cases:
                request = case.request()
                wall, cpu = _timed(lambda request=request: HANDLER(request))  # type: ignore[misc]  # looser than the type on purpose
                found["wall"].append(wall)
                found["cpu"].append(cpu)
            for case in self.big:
                request = case.request()
                found["wall_big_tenant"].append(_timed(lambda request=request: HANDLER(request))[0])  # type: ignore[misc]  # looser than the type on purpose
            if with_lists:
                found |= {"dashboards": [], "datasets": [], "dashboards_big_tenant": []}
                for case in self.cases:
                    dashboards, datasets = _lists(case)
                    found["dashboards"].append(dashboards)
                    found["datasets"].append(datasets)
                found["dashboards_big_tenant"] = [_lists(case)[0] for case in self.big]
        return found

    def statements(self) -> tuple[int, list[str]]:
        """Return how many statements one request takes, and what each begins with."""
        with self.used(), CaptureQueriesContext(self.connection) as captured:
            HANDLER(self.cases[0].request())
        return len(captured), [" ".join(query["sql"].split())[:60] for query in captured.captured_queries]

    def plans(self) -> dict[str, Any]:
        with self.used():
            case = self.cases[len(self.cases) // 2]
            with bound(case.tenant_id):
                return hot_plans(case.person, case.dashboard, "t0.localhost")


def _case(tenant: int, person: int, dashboard: int) -> Case:
    tenant_id = key("tenant", tenant, 0)
    with bound(tenant_id):
        user = User.objects.get(pk=key("user", tenant, person))
        found = Dashboard.objects.get(pk=key("dashboard", tenant, dashboard))
        session = SessionStore()
        session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(user.pk), "apps.accounts.backends.IdentityBackend"
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.create()
        session.save()
        factory = RequestFactory(headers={"host": f"t{tenant}.localhost"})
        factory.cookies["omni_session"] = session.session_key or ""

    def request() -> HttpRequest:
        made = factory.get("/dashboards/x/")
        made.dashboard = found
        return made

    return Case(tenant_id, user, found, request)


def _lists(case: Case) -> tuple[float, float]:
    """Return the milliseconds of a page of fifty dashboards and of fifty data sets, the actor being known."""
    with bound(case.tenant_id):
        actor = actor_for_user(case.person)
        dashboards = _timed(lambda: list(policies.visible(actor).order_by("title", "pk")[:51]))[0]
        return dashboards, _timed(lambda: list(visible_datasets(actor)[:51]))[0]


def _timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Return milliseconds on the wall and of this process's processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000


def _figures(base: Base, loaded: dict[str, Any], samples: dict[str, list[float]]) -> dict[str, Any]:
    count, texts = base.statements()
    print(f"{base.name}: {texts}", file=sys.stderr)
    median = {name: round(statistics.median(values), 3) for name, values in samples.items()}
    best = {name: round(min(values), 3) for name, values in samples.items()}
    p95 = {name: round(sorted(values)[int(len(values) * 0.95)], 3) for name, values in samples.items()}
    return {
        "loaded": loaded,
        "fixed_cost": {
            "statements": count, "wall_ms": median["wall"], "wall_p95_ms": p95["wall"], "cpu_ms": median["cpu"],
            "best_wall_ms": best["wall"], "best_cpu_ms": best["cpu"],
            "wall_in_the_big_tenant_ms": median["wall_big_tenant"],
        },
        "list_of_50_ms": {
            name: {"median": median[name], "p95": p95[name], "best": best[name]}
            for name in ("dashboards", "datasets", "dashboards_big_tenant")
        },
        "plans": base.plans(),
    }  # fmt: skip
