"""A visit from the ticket to its end, over the pages."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

import psycopg
import pytest
from django.test import Client

from apps.access.selectors import actor_from_reference, permitted
from apps.access.types import Actor
from apps.accounts.models import User
from apps.audit.selectors import events, verify_chain
from apps.datamodels.models import Dataset
from apps.support import selectors, services, tickets
from apps.support.controls import CONTROLS
from apps.support.errors import RequestStateError, TicketError
from apps.support.models import SupportRequest, SupportSession
from apps.support.types import Entry
from apps.tenants.binding import bound
from apps.tenants.types import TenantRef
from tests import databases
from tests.apps.support.conftest import START, Approve, Ask, Visit, browser, in_minutes
from tests.environment import WORKER

NOBODYS = UUID(int=7)


def test_the_whole_story(
    sam_online: Client, ada_online: Client, datasets: tuple[Dataset, Dataset], acme: TenantRef
) -> None:
    asked = {
        "tenant": "acme",
        "reason": "customer_ticket",
        "reason_text": "Delay tile <b>",
        "minutes": "60",
        "asks_values": "on",
    }
    assert sam_online.post("/support/", asked).status_code == 302
    assert b"waiting" in sam_online.get("/support/").content
    request = SupportRequest.objects.get()
    assert sam_online.post(f"/support/requests/{request.pk}/enter/")["Location"] == "/support/"

    assert b"Delay tile &lt;b&gt;" in ada_online.get("/support/").content
    page = f"/support/requests/{request.pk}/"
    assert b"Approve" in ada_online.get(page).content
    too_long = ada_online.post(f"{page}approve/", {"minutes": "61", "datasets": [datasets[0].pk]})
    assert too_long.status_code == 422
    narrowed = {"minutes": "15", "datasets": [datasets[0].pk], "grants_values": "on"}
    assert ada_online.post(f"{page}approve/", narrowed).status_code == 302

    staff_page = sam_online.get("/support/")
    assert b"Enter" in staff_page.content
    assert "form-action 'self' http://acme.localhost;" in staff_page["Content-Security-Policy"]
    way_in = sam_online.post(f"/support/requests/{request.pk}/enter/")["Location"]
    assert way_in.startswith("http://acme.localhost/support/enter/")
    inside = browser(acme)
    path = way_in.removeprefix("http://acme.localhost")
    assert b"Enter as support" in inside.get(path).content
    assert inside.post(path)["Location"] == "/"
    shown = inside.get(START)
    assert shown.status_code == 200
    assert b"support-banner" in shown.content

    assert b"/runs/" not in ada_online.get(f"{page}log/").content
    assert inside.get("/dashboards/none/?f--country=NO").status_code == 404
    log = ada_online.get(f"{page}log/").content
    assert b"/dashboards/none/" in log
    assert b"country" not in log
    assert ada_online.post(f"{page}end/").status_code == 302

    refused = inside.get(START)
    assert refused.status_code == 403
    assert b"Support access has ended" in refused.content
    assert inside.get(START).status_code == 302  # to sign in: nobody any more
    assert sam_online.post(f"/support/requests/{request.pk}/enter/")["Location"] == "/support/"
    assert verify_chain().is_intact
    told = set(events().values_list("verb", flat=True))
    assert told >= {
        "support.access_requested", "support.request_approved", "support.session_opened", "support.page_viewed",
        "support.session_ended", "support.request_revoked",
    }  # fmt: skip


def test_the_actor_of_a_visit_reaches_what_was_granted_and_nothing_else(
    approve: Approve, visit: Visit, datasets: tuple[Dataset, Dataset], now: datetime
) -> None:
    visit(approve(asks_values=True))
    session = SupportSession.objects.get()
    actor = selectors.resolve_actor(session.pk, now)
    assert actor is not None
    assert actor.support is not None
    assert (actor.kind, actor.user_id, actor.label) == ("support", None, "Sam (Omni support)")
    assert actor.support.dataset_ids == {datasets[0].pk}
    assert actor.support.sees_values is False
    assert (actor.is_tenant_admin, actor.is_platform_staff, dict(actor.attributes)) == (False, False, {})
    assert list(permitted(actor, Dataset, "query_dataset")) == [datasets[0]]
    visit(approve(asks_values=True, grants_values=True))
    newest = SupportSession.objects.order_by("-started_at").first()
    assert newest is not None
    wider = selectors.resolve_actor(newest.pk, now)
    assert wider is not None
    assert wider.support is not None
    assert wider.support.sees_values is True


def test_a_task_derives_the_actor_again_until_the_visit_ends(
    inside: Client, ada_acts: Actor, globex: TenantRef, now: datetime
) -> None:
    session = SupportSession.objects.get()

    def derived() -> Actor | None:
        return actor_from_reference("support", user_id=None, token_id=None, support_session_id=session.pk, now=now)

    assert derived() is not None
    with bound(globex.id):
        assert derived() is None
    services.revoke_request(session.request, by=ada_acts, now=now)
    assert derived() is None


def test_without_approval_there_is_no_way_in(ask: Ask, sam_online: Client, ada_acts: Actor, now: datetime) -> None:
    for decide in (lambda request: None, lambda request: services.deny_request(request, by=ada_acts, now=now)):
        request = ask()
        decide(request)
        assert sam_online.post(f"/support/requests/{request.pk}/enter/")["Location"] == "/support/"
    assert not SupportSession.objects.exists()


def test_a_ticket_works_once_on_its_own_host_only(
    approve: Approve, sam: User, acme: TenantRef, globex: TenantRef, sam_online: Client, now: datetime
) -> None:
    request = approve()
    way_in = sam_online.post(f"/support/requests/{request.pk}/enter/")["Location"].removeprefix("http://acme.localhost")
    ticket = way_in.split("/")[3]
    assert browser(globex).get(way_in).status_code == 404
    assert browser(globex).post(way_in).status_code == 404
    first, second = browser(acme), browser(acme)
    assert first.get(way_in).status_code == second.get(way_in).status_code == 200
    assert first.post(way_in).status_code == 302
    assert second.post(way_in).status_code == 404
    assert second.get(START).status_code == 302
    assert first.get(START).status_code == 200
    with pytest.raises(TicketError):
        services.open_session(ticket, now=now)
    with pytest.raises(TicketError):
        services.open_session(tickets.issue(Entry(globex.id, request.pk, sam.pk)), now=now)
    assert browser(acme).post(f"/support/enter/{'A' * 43}/").status_code == 404


def test_a_ticket_is_kept_as_a_hash_and_redeemed_once(approve: Approve, acme: TenantRef, sam: User) -> None:
    entry = Entry(acme.id, approve().pk, sam.pk)
    ticket = tickets.issue(entry)
    assert ticket not in tickets._name(ticket)
    assert tickets.peek(ticket) == entry
    assert tickets.redeem(ticket) == entry
    assert tickets.redeem(ticket) is None


def test_a_ticket_does_not_outlive_the_approval(
    approve: Approve, sam: User, acme: TenantRef, ada_acts: Actor, now: datetime
) -> None:
    request = approve()
    ticket = tickets.issue(Entry(acme.id, request.pk, sam.pk))
    services.revoke_request(request, by=ada_acts, now=now)
    with pytest.raises(RequestStateError):
        services.open_session(ticket, now=now)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/admin/"),
        ("get", "/admin/support/supportrequest/"),
        ("get", "/support/"),
        ("get", f"/support/requests/{NOBODYS}/"),
        ("get", "/trust/"),
        ("post", "/api/v1/query"),
        ("put", "/"),
        ("delete", f"/api/v1/runs/{NOBODYS}"),
        ("post", "/accounts/oidc/main/login/"),
        ("post", "/support/leave/../requests/"),
    ],
)
def test_a_visit_reaches_no_administration_and_changes_nothing(
    inside: Client, ada_online: Client, method: str, path: str
) -> None:
    assert getattr(inside, method)(path).status_code == 404
    assert inside.get(START).status_code == 200
    assert ada_online.get("/support/").status_code == 200
    assert ada_online.get("/admin/").status_code == 200


def test_a_visit_cannot_decide_on_requests(inside: Client, ask: Ask, datasets: tuple[Dataset, Dataset]) -> None:
    request = ask()
    for step in ("approve", "deny", "end"):
        answer = inside.post(f"/support/requests/{request.pk}/{step}/", {"minutes": 5, "datasets": [datasets[0].pk]})
        assert answer.status_code == 404
    request.refresh_from_db()
    assert request.state == SupportRequest.State.PENDING


def test_a_persons_session_does_not_go_on_beside_a_visit(
    approve: Approve, sam_online: Client, ada_online: Client
) -> None:
    way_in = sam_online.post(f"/support/requests/{approve().pk}/enter/")["Location"]
    assert ada_online.get("/admin/").status_code == 200
    assert ada_online.post(way_in.removeprefix("http://acme.localhost")).status_code == 302
    assert ada_online.get("/admin/").status_code == 404


def test_every_request_of_a_visit_is_written_down_without_its_query(inside: Client) -> None:
    session = SupportSession.objects.get()
    inside.get("/?f--country=NO")
    inside.get("/admin/")
    inside.post("/api/v1/query", {}, content_type="application/json")
    seen = [event.facts for event in reversed(events(verb="support.page_viewed", support_session_id=session.pk))]
    assert seen == [
        {"path": "/", "method": "GET", "status": 200},
        {"path": "/admin/", "method": "GET", "status": 404},
        {"path": "/api/v1/query", "method": "POST", "status": 404},
    ]


@contextmanager
def audit_out_of_order() -> Iterator[None]:
    """Take the application's right to write events away."""
    with psycopg.connect(databases.admin_url(f"omni_test_{WORKER}"), autocommit=True) as owner:
        owner.execute("REVOKE INSERT ON audit_auditevent FROM omni_app")
        try:
            yield
        finally:
            owner.execute("GRANT INSERT ON audit_auditevent TO omni_app")


def test_what_cannot_be_recorded_is_not_shown(inside: Client, ada_online: Client) -> None:
    with audit_out_of_order():
        refused = inside.get(START)
        assert ada_online.get(START).status_code == 200
    assert refused.status_code == 503
    assert b"support-banner" not in refused.content
    assert inside.get(START).status_code == 200


def test_only_administrators_of_the_tenant_see_its_requests(
    approve: Approve,
    acme: TenantRef,
    globex: TenantRef,
    ann: User,
    ada_online: Client,
    make_person: Callable[..., User],
) -> None:
    request = approve()
    with bound(globex.id):
        gus = make_person("gus@globex.example", is_tenant_admin=True)
    paths = ["", "log/"]
    for client in (browser(acme, ann), browser(globex, gus)):
        for path in paths:
            assert client.get(f"/support/requests/{request.pk}/{path}").status_code == 404
        for step in ("approve", "deny", "end"):
            assert client.post(f"/support/requests/{request.pk}/{step}/").status_code == 404
    assert browser(acme, ann).get("/support/").status_code == 404
    theirs = browser(globex, gus).get("/support/")
    assert theirs.status_code == 200
    assert b"Sam" not in theirs.content
    for path in paths:
        assert ada_online.get(f"/support/requests/{request.pk}/{path}").status_code == 200


def test_staff_see_and_use_their_own_requests_only(
    approve: Approve, platform: TenantRef, make_person: Callable[..., User], sam_online: Client
) -> None:
    request = approve()
    with bound(platform.id):
        sue = make_person("sue@omni.example", is_tenant_admin=True)
        guest = make_person("guest@omni.example")
    other = browser(platform, sue)
    assert b"acme" not in other.get("/support/").content
    for step in ("enter", "withdraw"):
        assert other.post(f"/support/requests/{request.pk}/{step}/").status_code == 404
        assert browser(platform, guest).post(f"/support/requests/{request.pk}/{step}/").status_code == 404
    assert browser(platform, guest).get("/support/").status_code == 404
    assert b"acme" in sam_online.get("/support/").content
    assert sam_online.post(f"/support/requests/{request.pk}/enter/").status_code == 302


def test_an_unknown_tenant_is_refused_without_saying_why(sam_online: Client, acme: TenantRef) -> None:
    asked = {"tenant": "nobody", "reason": "incident", "reason_text": "x", "minutes": "10"}
    refused = sam_online.post("/support/", asked)
    assert refused.status_code == 422
    assert b"cannot be sent" in refused.content
    assert sam_online.post("/support/", asked | {"tenant": "acme"}).status_code == 302


def test_the_controls_hold_and_see_what_is_wrong(inside: Client, now: datetime) -> None:
    def broken() -> set[str]:
        return {control.id for control in CONTROLS if not control.check().holds}

    assert broken() == set()
    SupportRequest.objects.update(decided_by="")
    assert broken() == {"support.consent"}
    SupportRequest.objects.update(decided_by="Ada", granted_minutes=500)
    assert broken() == {"support.scope"}
    SupportRequest.objects.update(granted_minutes=30)
    SupportSession.objects.update(expires_at=in_minutes(now, 999))
    assert broken() == {"support.expiry"}
    SupportSession.objects.update(expires_at=in_minutes(now, 30))
    request = SupportRequest.objects.get()
    SupportSession.objects.create(request=request, started_at=now, expires_at=in_minutes(now, 1))
    assert broken() == {"support.recorded"}
