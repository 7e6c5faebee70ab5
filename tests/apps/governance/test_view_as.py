"""Seeing as another person: who may, what it shows, what it never allows, how it ends, and what is written down."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from apps.access.errors import UnknownPersonError
from apps.access.middleware import VIEW_KEY
from apps.access.models import ViewSession
from apps.access.policies import viewable_people
from apps.access.selectors import actor_for_user, actor_for_view, usable_view
from apps.access.services import VIEW_LIFETIME, start_view
from apps.access.types import Actor, SupportScope
from apps.accounts.models import User
from apps.accounts.services import issue_token
from apps.accounts.sessions import CONFIRMED_KEY
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.datamodels.models import Dataset
from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef
from tests.apps.conftest import SignedIn
from tests.apps.queries.conftest import analysts, ask, eve, max_, nil, sales, source

__all__ = ["analysts", "ask", "eve", "max_", "nil", "sales", "source"]
REGIONS = {"dataset": "Sales", "fields": ["orders.region", "orders.count"]}
Browse = Callable[[User], Client]


@pytest.fixture
def browse(acme: TenantRef, signed_in: SignedIn) -> Browse:
    """Return a browser of a person who has signed in a moment ago: seeing as somebody else needs that."""
    return signed_in


@pytest.fixture
def as_eve(ada: User, eve: User, browse: Browse) -> Client:
    """Ada's browser, in which she sees as Eve."""
    client = browse(ada)
    assert start(client, eve).status_code == 302
    return client


def start(client: Client, person: User | str, **more: str) -> Any:
    key = person if isinstance(person, str) else str(person.pk)
    with unbound():
        return client.post("/view-as/start/", {"person": key} | more)


def query(client: Client, body: Any = REGIONS, path: str = "/api/v1/query") -> Any:
    with unbound():
        return client.post(path, json.dumps(body), content_type="application/json")


def get(client: Client, path: str = "/", **headers: str) -> Any:
    with unbound():
        return client.get(path, headers=headers)


def post(client: Client, path: str) -> Any:
    with unbound():
        return client.post(path)


@pytest.fixture
def view(ada: User, eve: User, now: datetime) -> ViewSession:
    return start_view(eve.pk, by=actor_for_user(ada), now=now)


def seen(view: ViewSession, now: datetime) -> Actor:
    found = usable_view(view.pk, viewer_id=view.viewer_id, now=now)
    assert found is not None
    return actor_for_view(found)


def test_the_page_and_the_api_show_what_the_person_gets(as_eve: Client, ada: User, browse: Browse) -> None:
    assert query(as_eve).json()["rows"] == [["EU", 3]]
    assert [item["name"] for item in get(as_eve, "/api/v1/datasets").json()["datasets"]] == ["Sales"]
    assert query(browse(ada)).status_code == 404  # without a permission of her own she sees nothing as herself


def test_every_page_says_who_sees_as_whom_and_offers_to_end_it(
    as_eve: Client, ada: User, eve: User, browse: Browse
) -> None:
    for path in ("/", "/trust/", "/nowhere/", "/admin/"):
        page = get(as_eve, path).content.decode()
        assert "<strong>Ada</strong> sees this as <strong>Ann</strong>" in page, path
        assert 'action="/view-as/end/"' in page, path
        assert "view-banner" not in get(browse(ada), path).content.decode(), path
        assert "view-banner" not in get(browse(eve), path).content.decode(), path


def test_the_administration_is_closed_meanwhile(as_eve: Client, ada: User, browse: Browse) -> None:
    assert get(as_eve, "/admin/").status_code == 404
    assert get(as_eve, "/view-as/").status_code == 404
    assert get(browse(ada), "/admin/").status_code == 200
    assert get(browse(ada), "/view-as/").status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize(
    "path", ["/", "/admin/", "/view-as/start/", "/support/", "/api/v1/runs/00000000-0000-0000-0000-000000000001"]
)
def test_nothing_can_be_changed_meanwhile(as_eve: Client, method: str, path: str) -> None:
    with unbound():
        refused = getattr(as_eve, method)(path)
    assert refused.status_code == 403
    assert "Nothing can be changed" in refused.content.decode()


def test_a_run_cannot_be_cancelled_meanwhile(as_eve: Client, eve: User, browse: Browse) -> None:
    assert post(as_eve, f"/runs/{uuid4()}/cancel/").status_code == 403
    assert post(browse(eve), f"/runs/{uuid4()}/cancel/").status_code == 404


def test_views_are_never_chained(as_eve: Client, max_: User, ada: User, view: ViewSession, now: datetime) -> None:
    assert start(as_eve, max_).status_code == 403
    assert query(as_eve).json()["rows"] == [["EU", 3]]
    with pytest.raises(UnknownPersonError):
        start_view(max_.pk, by=seen(view, now), now=now)
    assert start_view(max_.pk, by=actor_for_user(ada), now=now)


def test_it_ends_when_the_viewer_says_so(as_eve: Client) -> None:
    answered = post(as_eve, "/view-as/end/")
    assert answered.status_code == 302
    page = get(as_eve, answered["Location"]).content.decode()
    assert "You see as yourself again" in page
    assert "view-banner" not in page
    assert query(as_eve).status_code == 404
    assert ViewSession.objects.get().ended_at is not None
    assert post(as_eve, "/view-as/end/").status_code == 404


def test_it_ends_by_itself_and_says_so_before_anything_else(as_eve: Client, now: datetime) -> None:
    ViewSession.objects.update(expires_at=now - timedelta(seconds=1))
    assert query(as_eve).status_code == 403
    panel = get(as_eve, "/", **{"HX-Request": "true"})
    assert (panel.status_code, panel["HX-Refresh"]) == (403, "true")
    assert query(as_eve).status_code == 403  # neither of them ended it: no reader would have noticed
    page = get(as_eve)
    assert page.status_code == 403
    assert "You see as yourself again" in page.content.decode()
    assert get(as_eve).status_code == 200
    assert query(as_eve).status_code == 404
    ended = AuditEvent.objects.get(verb="access.view_ended")
    assert "time is over" in ended.facts["why"]


def test_it_lasts_thirty_minutes(view: ViewSession, now: datetime) -> None:
    assert timedelta(minutes=30) == VIEW_LIFETIME
    assert usable_view(view.pk, viewer_id=view.viewer_id, now=now + timedelta(minutes=29)) is not None
    assert usable_view(view.pk, viewer_id=view.viewer_id, now=now + timedelta(minutes=30)) is None


@pytest.mark.parametrize(
    ("who", "change"),
    [
        ("ada", {"is_active": False}),
        ("ada", {"is_tenant_admin": False}),
        ("eve", {"is_active": False}),
        ("eve", {"is_tenant_admin": True}),
    ],
)
def test_it_ends_at_once_when_an_account_changes(
    view: ViewSession, ada: User, eve: User, who: str, change: dict[str, bool], now: datetime
) -> None:
    assert usable_view(view.pk, viewer_id=ada.pk, now=now) is not None
    User.objects.filter(pk={"ada": ada, "eve": eve}[who].pk).update(**change)
    assert usable_view(view.pk, viewer_id=ada.pk, now=now) is None


def test_signing_out_ends_it(as_eve: Client) -> None:
    assert post(as_eve, "/accounts/sign-out/").status_code in (200, 302)
    assert AuditEvent.objects.get(verb="access.view_ended").facts["why"] == "signed out"
    assert ViewSession.objects.get().ended_at is not None


def test_a_view_belongs_to_its_viewer(
    as_eve: Client, eve: User, make_person: Callable[..., User], browse: Browse, now: datetime
) -> None:
    view = ViewSession.objects.get()
    other = browse(make_person("abe@acme.example", is_tenant_admin=True))
    session = other.session
    session[VIEW_KEY] = str(view.pk)
    session.save()
    assert query(other).status_code == 403
    assert usable_view(view.pk, viewer_id=view.viewer_id, now=now) is not None


def test_a_page_of_another_view_loads_anew_before_it_shows_anything(as_eve: Client) -> None:
    view = ViewSession.objects.get()
    own = get(as_eve, "/", **{"HX-Request": "true", "Omni-View": str(view.pk)})
    assert own.status_code == 200
    assert f'"Omni-View": "{view.pk}"' in own.content.decode()
    for stale in ("", str(uuid4())):
        page = get(as_eve, "/", **{"HX-Request": "true", "Omni-View": stale})
        assert (page.status_code, page["HX-Refresh"], page.content) == (409, "true", b"")
    post(as_eve, "/view-as/end/")
    assert get(as_eve, "/", **{"HX-Request": "true", "Omni-View": str(view.pk)}).status_code == 409
    assert get(as_eve, "/", **{"HX-Request": "true", "Omni-View": ""}).status_code == 200


def test_a_member_cannot(eve: User, max_: User, ada: User, browse: Browse, now: datetime) -> None:
    member = browse(max_)
    assert get(member, "/view-as/").status_code == 404
    assert start(member, eve).status_code == 404
    assert "/view-as/" not in get(member).content.decode()
    with pytest.raises(UnknownPersonError):
        start_view(eve.pk, by=actor_for_user(max_), now=now)
    assert not ViewSession.objects.exists()
    assert "/view-as/" in get(browse(ada)).content.decode()


def test_support_and_tokens_cannot(ada: User, eve: User, sales: Dataset, now: datetime) -> None:
    scope = SupportScope(uuid4(), uuid4(), frozenset([sales.pk]), sees_values=True, staff_label="Sam")
    admin = actor_for_user(ada)
    for actor in (
        Actor("support", sales.tenant_id, None, "Sam", support=scope),
        replace(admin, kind="token", token_id=uuid4()),
        actor_for_user(ada, token_id=uuid4()),
        replace(admin, support=scope),
        replace(admin, tenant_id=uuid4()),
    ):
        assert not viewable_people(actor).exists()
        with pytest.raises(UnknownPersonError):
            start_view(eve.pk, by=actor, now=now)
    assert viewable_people(admin).filter(pk=eve.pk).exists()


def test_a_token_in_the_browser_of_a_view_is_its_own(as_eve: Client, max_: User, now: datetime) -> None:
    token = issue_token(user=max_, name="t", days=1, by=SYSTEM, now=now)
    with unbound():
        found = as_eve.post(
            "/api/v1/query", json.dumps(REGIONS), content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )  # fmt: skip
    assert sorted(found.json()["rows"]) == [["EU", 3], ["US", 4]]


def test_whom_one_may_not_see_as_reads_like_nobody(
    ada: User, eve: User, make_person: Callable[..., User], globex: TenantRef, browse: Browse
) -> None:
    with bound(globex.id):
        zoe = make_person("zoe@globex.example")
    abe = make_person("abe@acme.example", is_tenant_admin=True)
    gone = make_person("gone@acme.example", is_active=False)
    client = browse(ada)
    missing = start(client, str(uuid4()))
    assert missing.status_code == 404
    for person in (zoe, abe, gone, ada, "", "nobody"):
        assert start(client, person).status_code == 404
    assert not ViewSession.objects.exists()
    page = get(client, "/view-as/").content.decode()
    assert "ann@acme.example" in page
    assert not [mail for mail in ("zoe@", "abe@", "gone@") if mail in page]
    assert start(client, eve).status_code == 302


def test_nobody_sees_as_themself(ada: User, now: datetime) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        ViewSession.objects.create(viewer=ada, person=ada, started_at=now, expires_at=now)


def test_beginning_ending_and_every_question_are_recorded_under_both(as_eve: Client, ada: User, eve: User) -> None:
    query(as_eve)
    query(as_eve, {"dataset": "Nothing", "fields": ["a.b"]})
    post(as_eve, "/view-as/end/")
    events = list(AuditEvent.objects.order_by("happened_at", "sequence").exclude(verb__startswith="accounts."))
    told = [event for event in events if event.actor_id == ada.pk]
    assert [event.verb for event in told] == [
        "access.view_started", "queries.query_answered", "queries.query_denied", "access.view_ended",
    ]  # fmt: skip
    assert told[0].facts["person_id"] == told[-1].facts["person_id"] == str(eve.pk)
    for event in told[1:]:
        assert event.on_behalf_of == f"ann@acme.example ({eve.pk})"
        assert event.actor_label == "Ada"


def test_the_search_narrows_the_list(ada: User, eve: User, max_: User, browse: Browse) -> None:
    page = get(browse(ada), "/view-as/?q=ANN").content.decode()
    assert "ann@acme.example" in page
    assert "bob@acme.example" not in page
    assert "Nobody is found" in get(browse(ada), "/view-as/?q=%3Cb%3E").content.decode()


@pytest.mark.parametrize(
    "evil",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/admin/",
        "javascript:alert(1)",
        "/view-as/end/",
        "///evil.example/",
    ],
)
def test_it_never_leads_elsewhere(ada: User, eve: User, browse: Browse, evil: str) -> None:
    client = browse(ada)
    assert start(client, eve, next=evil)["Location"] == "/"
    with unbound():
        assert client.post("/view-as/end/", {"next": evil})["Location"] == "/view-as/"


def test_it_leads_back_to_the_dashboard(ada: User, eve: User, browse: Browse) -> None:
    client = browse(ada)
    assert (
        start(client, eve, next="/dashboards/sales/?f--status=paid")["Location"] == "/dashboards/sales/?f--status=paid"
    )


def test_beginning_needs_a_fresh_sign_in_and_ending_does_not(ada: User, eve: User, signed_in: SignedIn) -> None:
    stale = signed_in(ada, is_fresh=False)
    page = "/dashboards/sales/?f--status=paid"
    away = start(stale, eve, next=page)
    assert away["Location"] == f"/accounts/confirm/?{urlencode({'next': '/view-as/?' + urlencode({'next': page})})}"
    assert start(stale, eve)["Location"] == "/accounts/confirm/?next=%2Fview-as%2F"
    assert not ViewSession.objects.exists()
    session = stale.session
    session[CONFIRMED_KEY] = int(datetime.now(UTC).timestamp())
    session.save()
    assert start(stale, eve, next=page)["Location"] == page
    session = stale.session
    session[CONFIRMED_KEY] = 0
    session.save()
    assert post(stale, "/view-as/end/")["Location"] == "/view-as/"
    assert ViewSession.objects.get().ended_at is not None


def test_a_forged_request_begins_nothing(ada: User, eve: User) -> None:
    client = Client(headers={"host": "acme.localhost"}, enforce_csrf_checks=True)
    client.force_login(ada, backend="apps.accounts.backends.IdentityBackend")
    assert start(client, eve).status_code == 403
    assert not ViewSession.objects.exists()
