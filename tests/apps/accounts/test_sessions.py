"""Sessions: their limits, who sees and ends them, and what ends them at once."""

import re
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import GroupMembership, IdentityProvider, User, UserGroup, UserSession
from apps.accounts.services import delete_provider, save_provider, set_active, set_administrator
from apps.accounts.sessions import PROVIDER_KEY, Arrival, SessionStore, is_over, session_digest
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.tenants.binding import bound, unbound
from apps.tenants.limits import narrowest
from apps.tenants.models import Tenant
from apps.tenants.selectors import tenant_by_slug
from apps.tenants.types import TenantRef
from tests.apps.accounts.conftest import GROUP, ScimClient
from tests.apps.conftest import SignedIn, confirmed, without_csrf

PAGE = "/accounts/sessions/"
READABLE = """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
  AND has_table_privilege(oid, 'SELECT')"""
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"


def is_in(client: Client) -> bool:
    with unbound():
        return bool(client.get(PAGE).status_code == 200)


def moved_back(**ages: timedelta) -> None:
    """Make every session older."""
    for row in UserSession.objects.all():
        for name, age in ages.items():
            setattr(row, name, getattr(row, name) - age)
        row.save()


def test_a_session_ends_when_nobody_uses_it(signed_in: SignedIn, ann: User) -> None:
    browser = signed_in(ann)
    moved_back(last_seen_at=timedelta(minutes=119))
    assert is_in(browser)
    moved_back(last_seen_at=timedelta(minutes=121))
    assert not is_in(browser)


def test_a_session_ends_however_much_it_is_used(signed_in: SignedIn, ann: User) -> None:
    browser = signed_in(ann)
    moved_back(started_at=timedelta(hours=7), expire_date=-timedelta(days=3))
    assert is_in(browser)
    moved_back(started_at=timedelta(hours=5))
    assert not is_in(browser)


def test_a_session_of_before_all_were_ended_is_nobodys_though_its_row_is_there(signed_in: SignedIn, ann: User) -> None:
    """A sign-in that was on its way when all sessions of the person were ended writes its row after that."""
    browser = signed_in(ann)
    assert is_in(browser)
    User.objects.filter(pk=ann.pk).update(session_version=F("session_version") + 1)
    assert UserSession.objects.filter(user=ann).exists()
    assert not is_in(browser)
    assert not UserSession.objects.filter(user=ann).exists()
    ann.refresh_from_db()
    assert is_in(signed_in(ann))


def test_at_its_limit_to_the_second_a_session_is_over(acme: TenantRef, ann: User, now: datetime) -> None:
    row = UserSession(user=ann, started_at=now, last_seen_at=now, expire_date=now + timedelta(days=1))
    idle, longest = acme.limits.session_idle_min, acme.limits.session_lifetime_min
    assert not is_over(row, acme.limits, now + timedelta(minutes=idle, seconds=-1))
    assert is_over(row, acme.limits, now + timedelta(minutes=idle))
    row.last_seen_at = now + timedelta(minutes=longest)
    assert not is_over(row, acme.limits, now + timedelta(minutes=longest, seconds=-1))
    assert is_over(row, acme.limits, now + timedelta(minutes=longest))


def test_a_tenants_limits_lie_within_the_operators(acme: TenantRef, settings: Any) -> None:
    Tenant.objects.filter(pk=acme.id).update(session_idle_min=600, session_lifetime_min=5000, token_max_days=300)
    found = tenant_by_slug("acme").limits
    assert (found.session_idle_min, found.session_lifetime_min, found.token_max_days) == (600, 5000, 300)
    settings.OMNI_SESSION_IDLE_MAX_MIN, settings.OMNI_SESSION_MAX_MIN, settings.OMNI_TOKEN_MAX_DAYS = 30, 60, 7
    found = tenant_by_slug("acme").limits
    assert (found.session_idle_min, found.session_lifetime_min, found.token_max_days) == (30, 60, 7)


def test_our_staffs_sessions_are_short(
    platform: TenantRef, make_person: Callable[..., User], signed_in: SignedIn
) -> None:
    with bound(platform.id):
        Tenant.objects.filter(pk=platform.id).update(session_idle_min=600, session_lifetime_min=6000)
        found = tenant_by_slug("platform").limits
        assert (found.session_idle_min, found.session_lifetime_min) == (15, 480)
        browser = signed_in(make_person("sam@omni.example", is_tenant_admin=True), host="localhost")
        moved_back(last_seen_at=timedelta(minutes=14))
        assert is_in(browser)
        moved_back(last_seen_at=timedelta(minutes=16))
        assert not is_in(browser)


def test_a_session_of_which_nobody_says_the_tenant_has_the_narrowest_limits() -> None:
    assert SessionStore().arrival == Arrival(narrowest())
    assert narrowest().session_idle_min == 15


def test_when_it_was_last_seen_is_written_once_a_minute(signed_in: SignedIn, ann: User) -> None:
    browser = signed_in(ann)
    moved_back(last_seen_at=timedelta(seconds=61))
    before = UserSession.objects.get().last_seen_at
    with unbound(), CaptureQueriesContext(connection) as first:
        browser.get(PAGE)
    with unbound(), CaptureQueriesContext(connection) as second:
        browser.get(PAGE)
    writes = [[query["sql"] for query in found if "UPDATE" in query["sql"]] for found in (first, second)]
    assert [len(found) for found in writes] == [1, 0]
    assert UserSession.objects.get().last_seen_at > before
    with unbound(), CaptureQueriesContext(connection) as third:
        browser.get(PAGE)
    reads = [query["sql"] for query in third if 'FROM "accounts_usersession"' in query["sql"]]
    assert sum("digest" in sql.partition("WHERE")[2] for sql in reads) == 1


def test_what_a_page_asks_by_itself_keeps_no_session_going(acme: TenantRef, signed_in: SignedIn, ann: User) -> None:
    """A page that is left open would never be left alone otherwise."""
    browser, asks = signed_in(ann), {"HTTP_OMNI_UNATTENDED": "1", "HTTP_HX_REQUEST": "true"}
    moved_back(last_seen_at=timedelta(minutes=acme.limits.session_idle_min - 1))
    before = UserSession.objects.get().last_seen_at
    with unbound():
        assert browser.get(PAGE, **asks).status_code == 200
    assert UserSession.objects.get().last_seen_at == before
    moved_back(last_seen_at=timedelta(minutes=2))
    with unbound():
        assert browser.get(PAGE, **asks).status_code == 401
    other = signed_in(ann)
    moved_back(last_seen_at=timedelta(minutes=acme.limits.session_idle_min - 1))
    with unbound():
        assert [other.get(PAGE).status_code, other.get(PAGE, **asks).status_code] == [200, 200]
    assert UserSession.objects.latest("last_seen_at").last_seen_at > before + timedelta(minutes=5)


def test_every_page_that_goes_on_asking_says_so() -> None:
    """What stops by itself when work is done may count: it is bounded by the time that work may take."""
    asking = [
        (path.name, element)
        for path in sorted((settings.BASE_DIR / "templates").rglob("*.html"))
        for element in re.findall(
            r"<[^<>]*hx-trigger=\"[^\"]*every [^<>]*>", re.sub(r"{%.*?%}|{{.*?}}", "", path.read_text())
        )
    ]
    ending = {"_tile.html", "_tile_working.html", "download.html"}
    assert {name for name, _ in asking} == {*ending, "request_detail.html"}
    assert all("Omni-Unattended" in element for name, element in asking if name not in ending)


def test_people_see_their_sessions_and_end_one(signed_in: SignedIn, ann: User, bob: User) -> None:
    here, there, of_bob = signed_in(ann), signed_in(ann), signed_in(bob)
    with unbound():
        there.get(PAGE, HTTP_USER_AGENT=FIREFOX, REMOTE_ADDR="203.0.113.9")
    row = UserSession.objects.get(digest=session_digest(there.cookies["omni_session"].value))
    row.browser, row.address, row.provider_name = FIREFOX, "203.0.113.9", "Main"
    row.save()
    with unbound():
        page = here.get(PAGE).content.decode()
    assert "Firefox 128 on Windows" in page
    assert "203.0.113.9" in page
    assert "Main" in page
    assert page.count("this one") == 1
    assert page.count('type="submit">End<') == 1
    assert not any(client.cookies["omni_session"].value in page for client in (here, there, of_bob))
    with unbound():
        assert here.post(f"{PAGE}{row.pk}/end/").status_code == 302
    assert (is_in(here), is_in(there), is_in(of_bob)) == (True, False, True)
    assert AuditEvent.objects.filter(verb="accounts.sessions_ended", actor_id=ann.pk).count() == 1


def test_nobody_ends_anothers_session(signed_in: SignedIn, ann: User, bob: User) -> None:
    mine, theirs = signed_in(ann), signed_in(bob)
    row = UserSession.objects.get(user=bob)
    with unbound():
        found = mine.post(f"{PAGE}{row.pk}/end/")
        missing = mine.post(f"{PAGE}{uuid4()}/end/")
    assert found.status_code == missing.status_code == 404
    assert without_csrf(found.content) == without_csrf(missing.content)
    assert is_in(theirs)


def test_all_other_sessions_end_or_all_of_them(signed_in: SignedIn, ann: User) -> None:
    here, there = signed_in(ann), signed_in(ann)
    with unbound():
        assert here.post(f"{PAGE}end/", {"which": "others"}).status_code == 302
    assert (is_in(here), is_in(there)) == (True, False)
    there = signed_in(ann)
    with unbound():
        answer = here.post(f"{PAGE}end/", {"which": "all"})
    assert answer["Clear-Site-Data"] == '"cache", "storage"'
    assert (is_in(here), is_in(there)) == (False, False)


def test_signing_out_ends_the_session_and_clears_the_browser(signed_in: SignedIn, ann: User) -> None:
    browser = signed_in(ann)
    stolen = Client(HTTP_HOST="acme.localhost")
    stolen.cookies["omni_session"] = browser.cookies["omni_session"].value
    assert is_in(stolen)
    with unbound():
        answer = browser.post("/accounts/sign-out/")
    assert answer["Clear-Site-Data"] == '"cache", "storage"'
    assert not is_in(stolen)


def test_a_session_is_nothing_on_another_tenants_host(
    signed_in: SignedIn, ann: User, globex: TenantRef, make_person: Callable[..., User]
) -> None:
    browser = signed_in(ann)
    with bound(globex.id):
        twin = make_person("ann@acme.example")
        assert UserSession.objects.count() == 0
        assert is_in(signed_in(twin, host="globex.localhost"))
    stranger = Client(HTTP_HOST="globex.localhost")
    stranger.cookies["omni_session"] = browser.cookies["omni_session"].value
    assert not is_in(stranger)
    assert is_in(browser)


@pytest.fixture
def provider(acme: TenantRef, now: datetime) -> IdentityProvider:
    row = IdentityProvider(
        slug="main", name="Main", issuer="https://idp.example", client_id="a", sealed_client_secret=b"-"
    )
    return save_provider(row, client_secret="s", by=SYSTEM, now=now)


@pytest.mark.parametrize(
    ("change", "ends"),
    [
        ({"name": "Another label"}, False),
        ({"is_enabled": False}, True),
        ({"issuer": "https://other.example"}, True),
        ({"client_id": "b"}, True),
        ({"required_amr": "mfa"}, True),
        ({"name_id_format": IdentityProvider.NameId.EMAIL}, True),
        ({"email_attribute": "mail"}, True),
        ({"allows_unsolicited": True}, True),
        (None, True),
    ],
)
def test_another_provider_means_another_sign_in(
    signed_in: SignedIn, ann: User, bob: User, provider: IdentityProvider, now: datetime,
    change: dict[str, object] | None, ends: bool,
) -> None:  # fmt: skip
    through, otherwise = signed_in(ann, **{PROVIDER_KEY: str(provider.pk)}), signed_in(bob)
    assert is_in(through)
    if change is None:
        delete_provider(provider, by=SYSTEM, now=now)
    else:
        for name, value in change.items():
            setattr(provider, name, value)
        save_provider(provider, client_secret=None, by=SYSTEM, now=now)
    assert is_in(through) is not ends
    assert is_in(otherwise)


def test_who_is_shut_out_or_no_longer_administrator_is_out_at_once(
    signed_in: SignedIn, ada: User, ann: User, now: datetime
) -> None:
    admin, member = signed_in(ada), signed_in(ann)
    set_administrator(ada, is_tenant_admin=False, by=SYSTEM, now=now)
    assert (is_in(admin), is_in(member)) == (False, True)
    set_active(ann, is_active=False, by=SYSTEM, now=now)
    assert not is_in(member)
    set_active(ann, is_active=True, by=SYSTEM, now=now)
    assert not is_in(member)
    assert is_in(signed_in(User.objects.get(pk=ann.pk)))


def test_a_change_of_groups_ends_the_sessions_of_those_who_joined_or_left(
    signed_in: SignedIn, ada: User, ann: User, bob: User
) -> None:
    finance = UserGroup.objects.create(name="Finance")
    held = GroupMembership.objects.create(user=bob, group=finance)
    admin, of_ann, of_bob = signed_in(ada), signed_in(ann), signed_in(bob)
    data = {
        "name": "Finance", "memberships-TOTAL_FORMS": "2", "memberships-INITIAL_FORMS": "1",
        "memberships-0-id": str(held.pk), "memberships-0-group": str(finance.pk), "memberships-0-user": str(bob.pk),
        "memberships-1-user": str(ann.pk), "memberships-1-group": str(finance.pk),
        "attribute_values-TOTAL_FORMS": "0", "attribute_values-INITIAL_FORMS": "0",
    }  # fmt: skip
    with unbound():
        assert admin.post(f"/admin/accounts/usergroup/{finance.pk}/change/", data).status_code == 302
    assert (is_in(admin), is_in(of_ann), is_in(of_bob)) == (True, False, True)
    of_ann = signed_in(User.objects.get(pk=ann.pk))
    gone = confirmed(admin, f"/admin/accounts/usergroup/{finance.pk}/delete/")
    assert gone.status_code == 302
    assert (is_in(of_ann), is_in(of_bob), is_in(admin)) == (False, False, True)


def test_a_change_of_groups_over_scim_ends_sessions_too(
    okta: ScimClient, signed_in: SignedIn, ann: User, bob: User
) -> None:
    of_ann, of_bob = signed_in(ann), signed_in(bob)
    body = {"schemas": [GROUP], "displayName": "Operations", "members": [{"value": str(ann.pk)}]}
    made = okta.send("POST", "/Groups", body)
    assert made.status_code == 201, made.content
    assert (is_in(of_ann), is_in(of_bob)) == (False, True)
    of_ann = signed_in(User.objects.get(pk=ann.pk))
    group = UserGroup.objects.get(name="Operations")
    assert okta.send("DELETE", f"/Groups/{group.pk}").status_code == 204
    assert (is_in(of_ann), is_in(of_bob)) == (False, True)


def test_nothing_in_the_database_opens_a_session(signed_in: SignedIn, ann: User) -> None:
    browser = signed_in(ann)
    key = browser.cookies["omni_session"].value
    assert is_in(browser)
    with connection.cursor() as cursor:
        cursor.execute(READABLE)
        tables = [name for (name,) in cursor.fetchall()]
        rows = []
        for table in tables:
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            rows += [text for (text,) in cursor.fetchall()]
    row = UserSession.objects.get()
    digest = bytes(row.digest)
    assert any(digest.hex() in text for text in rows)
    assert not [text for text in rows if key in text]
    assert key not in str(SessionStore().decode(row.session_data))
    thief = Client(HTTP_HOST="acme.localhost")
    kept = (
        digest.hex(),
        digest.decode("latin-1"),
        b64encode(digest).decode(),
        row.pk.hex,
        str(row.pk),
        row.session_data,
    )
    for taken in kept:
        thief.cookies["omni_session"] = taken
        assert not is_in(thief)
    thief.cookies["omni_session"] = key
    assert is_in(thief)


def test_a_request_on_its_way_does_not_bring_an_ended_session_back(signed_in: SignedIn, ann: User) -> None:
    browser = signed_in(ann)
    store = SessionStore(browser.cookies["omni_session"].value)
    store["something"] = 1
    UserSession.objects.all().delete()
    with pytest.raises(UpdateError):
        store.save()
    assert not is_in(browser)


def test_administrators_find_and_end_anybodys_session(signed_in: SignedIn, ada: User, ann: User, bob: User) -> None:
    admin, of_ann, of_bob = signed_in(ada), signed_in(ann), signed_in(bob)
    listed = "/admin/accounts/usersession/"
    row = UserSession.objects.get(user=ann)
    with unbound():
        page = admin.get(f"{listed}?q=ann@acme").content.decode()
        assert str(row.pk) in page
        assert "bob@acme.example" not in page.partition("<tbody")[2]
        assert of_ann.cookies["omni_session"].value not in page
        assert of_bob.get(listed).status_code == 404
    confirmed(admin, listed, {"action": "end", "_selected_action": [str(row.pk)]})
    assert (is_in(of_ann), is_in(of_bob)) == (False, True)


@pytest.mark.parametrize("lookup", ["digest__startswith", "session_data__contains", "user__issuer__startswith"])
def test_no_query_string_guesses_a_session_key(signed_in: SignedIn, ada: User, lookup: str) -> None:
    admin = signed_in(ada)
    with unbound():
        allowed = admin.get("/admin/accounts/usersession/?kind__exact=provider")
        guess = admin.get(f"/admin/accounts/usersession/?{lookup}=a")
    assert allowed.status_code == 200
    assert guess.status_code in (302, 400)
