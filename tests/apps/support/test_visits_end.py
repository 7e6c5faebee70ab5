"""A visit ends: with its time, its approval, its staff member's own sessions, or when somebody leaves."""

from collections.abc import Callable
from datetime import datetime

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.ending import end_sessions_of
from apps.accounts.models import User, UserSession
from apps.accounts.services import end_sessions
from apps.audit.selectors import events
from apps.audit.types import SYSTEM
from apps.support import selectors
from apps.support.models import SupportRequest, SupportSession
from apps.tenants.binding import bound
from apps.tenants.selectors import tenant_by_slug
from apps.tenants.types import TenantRef
from tests.apps.support.conftest import START, Approve, Visit, browser, in_minutes


def test_a_visit_ends_with_its_time(approve: Approve, visit: Visit, now: datetime) -> None:
    request = approve(minutes=30)
    client = visit(request)
    session = SupportSession.objects.get()
    assert session.expires_at == request.granted_until == in_minutes(now, 30)
    assert selectors.usable_session(session.pk, now=in_minutes(now, 29.9)) is not None
    assert selectors.usable_session(session.pk, now=in_minutes(now, 30)) is None
    assert client.get(START).status_code == 200
    SupportSession.objects.update(expires_at=in_minutes(now, -1))
    assert client.get(START).status_code == 403
    session.refresh_from_db()
    assert session.ended_at == session.expires_at
    assert events(verb="support.session_ended").count() == 1


@pytest.mark.parametrize("way", ["sign-out", "sessions", "provider", "another's"])
def test_what_ends_the_staffs_own_sessions_ends_their_visit(
    approve: Approve,
    visit: Visit,
    platform: TenantRef,
    sam: User,
    make_person: Callable[..., User],
    now: datetime,
    way: str,
) -> None:
    client, home = visit(approve()), browser(platform, sam)
    assert client.get(START).status_code == 200
    with bound(platform.id):
        if way == "sign-out":
            assert home.post("/accounts/sign-out/").status_code == 302
        elif way == "sessions":
            end_sessions(sam, by=SYSTEM, now=now)
        elif way == "provider":
            end_sessions_of([sam.pk], why="its provider was switched off", by=SYSTEM, now=now)
        else:
            end_sessions(make_person("kim@omni.example", is_tenant_admin=True), by=SYSTEM, now=now)
    assert client.get(START).status_code == (200 if way == "another's" else 403)
    assert SupportSession.objects.filter(ended_at=None).exists() is (way == "another's")


def test_a_visit_that_nobody_goes_on_with_ends_after_staffs_limit_whatever_the_customers_own(inside: Client) -> None:
    assert tenant_by_slug("acme").limits.session_idle_min > 15

    def unused(minutes: float) -> int:
        UserSession.objects.filter(user=None).update(last_seen_at=in_minutes(timezone.now(), -minutes))
        return int(inside.get(START).status_code)

    assert unused(14.5) == 200
    assert unused(15) == 302


def test_what_staff_lose_at_home_ends_their_visit(inside: Client, platform: TenantRef) -> None:
    assert inside.get(START).status_code == 200
    with bound(platform.id):
        User.objects.update(is_active=False)
    assert inside.get(START).status_code == 403


def test_a_change_of_the_approval_bites_at_the_next_request(inside: Client) -> None:
    assert inside.get(START).status_code == 200
    SupportRequest.objects.update(state=SupportRequest.State.DENIED)
    assert inside.get(START).status_code == 403


def test_a_tile_of_an_ended_visit_is_refused_and_makes_the_page_load_again(inside: Client) -> None:
    SupportRequest.objects.update(state=SupportRequest.State.REVOKED)
    tile = inside.get(START, headers={"HX-Request": "true"})
    assert (tile.status_code, tile["HX-Refresh"], tile.content) == (403, "true", b"")
    assert b"Support access has ended" in inside.get(START).content


def test_the_api_answers_an_ended_visit_like_a_stranger(inside: Client) -> None:
    SupportRequest.objects.update(state=SupportRequest.State.REVOKED)
    assert inside.get("/api/v1/datasets").status_code == 401


def test_leaving_ends_the_visit_and_the_approval_stays(inside: Client, visit: Visit) -> None:
    assert inside.post("/support/leave/").status_code == 200
    assert SupportSession.objects.get().ended_by == "Sam (Omni support)"
    assert inside.get(START).status_code == 302
    again = visit(SupportRequest.objects.get())
    assert again.get(START).status_code == 200


def test_signing_out_ends_the_visit(inside: Client) -> None:
    assert inside.post("/accounts/sign-out/").status_code == 302
    assert SupportSession.objects.get().ended_at is not None
    assert inside.get(START).status_code == 302


def test_entering_anew_ends_the_earlier_visit(inside: Client, visit: Visit) -> None:
    second = visit(SupportRequest.objects.get())
    assert second.get(START).status_code == 200
    assert inside.get(START).status_code == 403
    assert SupportSession.objects.filter(ended_at=None).count() == 1
