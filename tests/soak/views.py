"""What the soak asks for: say whose rows can be seen, in every way, and go wrong in every way. Two of them leak on purpose."""

from collections.abc import Iterator
from typing import Any

from celery import shared_task
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from apps.accounts.models import UserGroup
from apps.queries import flights
from apps.tenants.binding import bound, bound_tenant_id, unbound
from apps.tenants.tasks import TenantTask

RAW = "SELECT name FROM accounts_usergroup"
WRONG = ("raise", "raise_inside", "statement", "timeout", "nested", "unbound", "thrown_away")
"""Ways in which a request or task ends early."""
_kept: list[str] = []


class StoppedError(Exception):
    """What a request is stopped with."""


def raw() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(RAW)
        return [row[0] for row in cursor.fetchall()]


def seen() -> list[str]:
    """Read the names of groups through the managers, by raw SQL outside a transaction, and inside one."""
    found = list(UserGroup.objects.values_list("name", flat=True)) + raw()
    with transaction.atomic():
        return found + raw()


def go_wrong(how: str) -> None:
    """End early, in one of many ways, with the tenant bound and often a transaction open."""
    if how == "raise":
        raise StoppedError
    with transaction.atomic():
        raw()
        if how == "raise_inside":
            raise StoppedError
        with connection.cursor() as cursor:
            if how == "statement":
                cursor.execute("SELECT no_such_column")
            if how == "timeout":
                cursor.execute("SET LOCAL statement_timeout = 1")
                cursor.execute("SELECT pg_sleep(0.02)")
        if how == "nested":
            with bound(bound_tenant_id()):
                raise StoppedError
        if how == "unbound":
            with unbound():
                raise StoppedError
        if how == "thrown_away":
            connection.close()


def whose(request: HttpRequest) -> HttpResponse:
    """Answer with what can be seen, after going wrong when asked to."""
    if how := request.GET.get("wrong"):
        go_wrong(how)
    return HttpResponse("\n".join(seen()))


def streamed(request: HttpRequest) -> StreamingHttpResponse:
    """Answer piece by piece; the reader may leave in the middle."""
    names = seen()

    def pieces() -> Iterator[str]:
        for name in names * 20:
            yield f"{name}\n"

    return StreamingHttpResponse(pieces())


def kept(request: HttpRequest) -> HttpResponse:
    """Leak: keep the first answer for everybody, as a forgotten cache does."""
    _kept.extend([] if _kept else seen())
    return HttpResponse("\n".join(_kept))


def stuck(request: HttpRequest) -> HttpResponse:
    """Leak: tell the connection for good, as a setting for the session does, and forget who asks."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM accounts_usergroup, set_config('omni.tenant_id', %s, false)", [str(bound_tenant_id())]
        )
    with unbound(), connection.cursor() as cursor:
        cursor.execute(RAW)
        rows: list[Any] = cursor.fetchall()
        cursor.execute("SELECT set_config('omni.tenant_id', %s, false)", [str(request.GET["next"])])
    return HttpResponse("\n".join(row[0] for row in rows))


@shared_task(base=TenantTask, name="soak.whose")
def whose_task(wrong: str = "", key: str = "") -> str:
    """The same in a task; with a key, what was seen is left in Redis, and before it goes wrong that it will."""
    if wrong:
        if key:
            flights.client().rpush(f"{key}:stopped", wrong)
        go_wrong(wrong)
    text = "\n".join(seen())
    if key:
        flights.client().rpush(key, f"{bound_tenant_id()} {text}")
    return text
