"""The administrators' pages: the credential can be written, never read."""

from datetime import datetime
from uuid import UUID

import pytest

from apps.access.models import Role, RoleAssignment
from apps.access.services import grant_permission
from apps.accounts.models import User
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.connections.selectors import open_source
from apps.connections.services import check_now, save_connection
from apps.vault.models import TenantKey
from tests.apps.conftest import SignedIn, confirmed
from tests.apps.connections.conftest import Browse
from tests.warehouses.samples import PASSWORD

LIST = "/admin/connections/connection/"


def form_of(connection: Connection, **changes: str) -> dict[str, str]:
    fields = ("name", "dialect", "host", "database", "username", "max_rows", "max_bytes", "timeout_s", "max_running")
    inline = {"checks-TOTAL_FORMS": "0", "checks-INITIAL_FORMS": "0"}
    return {field: str(getattr(connection, field)) for field in fields} | {"options": "{}"} | inline | changes


def test_an_administrator_sees_connections_and_nobody_else_does(
    browse: Browse, mill: Connection, ada: User, ann: User
) -> None:
    for path in (LIST, f"{LIST}{mill.pk}/change/", f"{LIST}add/"):
        assert browse(ada).get(path).status_code == 200
        assert browse(ann).get(path).status_code == 404


def test_the_page_shows_the_target_and_never_the_credential(browse: Browse, mill: Connection, ada: User) -> None:
    page = browse(ada).get(f"{LIST}{mill.pk}/change/").content.decode()
    assert mill.username in page
    assert PASSWORD not in page
    assert bytes(mill.sealed_credential or b"").hex() not in page
    assert "sealed_credential" not in page


def test_a_limit_is_changed_and_the_credential_stays(browse: Browse, mill: Connection, ada: User) -> None:
    answer = browse(ada).post(f"{LIST}{mill.pk}/change/", form_of(mill, max_rows="7", password="ignored"))
    assert answer.status_code == 302, answer.content.decode()
    found = Connection.objects.get(pk=mill.pk)
    assert (found.max_rows, bytes(found.sealed_credential or b"")) == (7, bytes(mill.sealed_credential or b""))
    open_source(found).close()
    assert AuditEvent.objects.filter(verb="connections.connection_changed").count() == 1


def test_the_credential_is_replaced_only_when_asked(browse: Browse, mill: Connection, ada: User) -> None:
    page = browse(ada)
    empty = page.post(f"{LIST}{mill.pk}/change/", form_of(mill, replaces_credential="on"))
    assert empty.status_code == 200
    assert "Write the new password here." in empty.content.decode()
    answer = page.post(f"{LIST}{mill.pk}/change/", form_of(mill, replaces_credential="on", password="another-canary"))
    assert answer.status_code == 302
    found = Connection.objects.get(pk=mill.pk)
    assert bytes(found.sealed_credential or b"") != bytes(mill.sealed_credential or b"")
    assert "another-canary" not in page.get(f"{LIST}{mill.pk}/change/").content.decode()


@pytest.mark.parametrize(
    "change", [{"host": "8.8.8.8"}, {"database": "other"}, {"username": "somebody"}, {"port": "6543"}]
)
def test_another_target_asks_for_the_password(
    browse: Browse, mill: Connection, ada: User, change: dict[str, str]
) -> None:
    page = browse(ada)
    refused = page.post(f"{LIST}{mill.pk}/change/", form_of(mill, **change))
    assert refused.status_code == 200
    assert "Another target needs the password to be written again." in refused.content.decode()
    assert Connection.objects.get(pk=mill.pk).version == 1
    again = form_of(mill, **change, replaces_credential="on", password=PASSWORD)
    assert page.post(f"{LIST}{mill.pk}/change/", again).status_code == 302


def test_a_refused_option_is_an_error_at_its_field(browse: Browse, mill: Connection, ada: User) -> None:
    options = '{"password": "hunter2"}'
    answer = browse(ada).post(f"{LIST}{mill.pk}/change/", form_of(mill, options=options))
    assert answer.status_code == 200
    assert "is not allowed; allowed: sslmode" in answer.content.decode()


def test_a_connection_is_added_checked_and_removed(browse: Browse, mill: Connection, ada: User) -> None:
    page = browse(ada)
    form = form_of(mill, name="second", password=PASSWORD)
    assert page.post(f"{LIST}add/", form).status_code == 302
    second = Connection.objects.get(name="second")
    answer = page.post(
        LIST, {"action": "check_selected", "index": "0", "_selected_action": [str(second.pk)]}, follow=True
    )
    assert "second: reachable" in answer.content.decode()
    assert confirmed(page, f"{LIST}{second.pk}/delete/").status_code == 302
    assert not Connection.objects.filter(name="second").exists()
    verbs = list(AuditEvent.objects.filter(object_id=str(second.pk)).values_list("verb", flat=True))
    assert sorted(set(verbs)) == [
        "connections.check_requested", "connections.connection_checked", "connections.connection_created",
        "connections.connection_deleted",
    ]  # fmt: skip


def test_the_catalogue_is_there_to_look_at(browse: Browse, mill: Connection, ada: User, now: datetime) -> None:
    check_now(mill, by=SYSTEM, now=now)
    page = browse(ada)
    table = mill.tables.get()
    shown = page.get(f"/admin/connections/catalogtable/{table.pk}/change/").content.decode()
    assert "country" in shown
    assert page.post(f"/admin/connections/catalogtable/{table.pk}/change/", {"name": "x"}).status_code == 403
    found = page.get(f"{LIST}{mill.pk}/catalogue/", follow=True).content.decode()
    assert "orders" in found


def test_a_page_shows_rights_encryption_and_health(browse: Browse, mill: Connection, ada: User, now: datetime) -> None:
    mill.options = {"sslmode": "prefer"}
    save_connection(mill, secret=None, by=SYSTEM, now=now)
    check_now(mill, by=SYSTEM, now=now)
    page = browse(ada).get(f"/admin/connections/connection/{mill.pk}/change/").content.decode()
    for text in ("may change the data of orders", "Relaxed by choice: sslmode=prefer", "Health over time", "reachable"):
        assert text.lower() in page.lower()


def test_the_buttons_check_and_rotate_for_administrators_only(
    browse: Browse, mill: Connection, ada: User, ann: User
) -> None:
    page = f"/admin/connections/connection/{mill.pk}"
    assert browse(ada).get(f"{page}/check/").status_code == 200
    assert Connection.objects.get(pk=mill.pk).health == "unknown"  # looking is not doing
    assert browse(ada).post(f"{page}/check/").status_code == 302
    assert Connection.objects.get(pk=mill.pk).health == "ok"
    assert "sealed at once" in browse(ada).get(f"{page}/rotate/").content.decode()
    assert browse(ada).post(f"{page}/rotate/", {"password": PASSWORD}).status_code == 302
    assert Connection.objects.get(pk=mill.pk).version == 2
    assert browse(ada).post(f"{page}/rotate/", {"password": "wrong"}).status_code == 302
    assert Connection.objects.get(pk=mill.pk).version == 2
    for action in ("check", "rotate"):
        assert browse(ann).get(f"{page}/{action}/").status_code == 404
        assert browse(ann).post(f"{page}/{action}/", {"password": "x"}).status_code == 404


def test_who_keeps_people_checks_the_connections_that_they_may_manage(
    browse: Browse, mill: Connection, ada: User, ann: User, now: datetime
) -> None:
    """Saying who may manage a connection opens its page, and its source to nobody."""
    role = Role.objects.create(name="Keeper", capabilities=["manage_people"])
    RoleAssignment.objects.create(user=ann, role=role)
    own = save_connection(Connection(name="own", dialect="duckdb", database="x"), secret=None, by=SYSTEM, now=now)
    both = {"action": "check_selected", "index": "0", "_selected_action": [str(mill.pk), str(own.pk)]}
    keeper = browse(ann)

    def checked() -> set[str]:
        keys = AuditEvent.objects.filter(verb="connections.check_requested").values_list("object_id", flat=True)
        names = dict(Connection.objects.values_list("pk", "name"))
        return {names[UUID(str(key))] for key in keys}

    assert keeper.get(f"{LIST}{mill.pk}/change/").status_code == 200
    assert 'value="check_selected"' not in keeper.get(LIST).content.decode()
    keeper.post(LIST, both)
    for path in ("check", "rotate"):
        assert keeper.post(f"{LIST}{mill.pk}/{path}/", {"password": "x"}).status_code == 404
    assert checked() == set()
    grant_permission(user=ann, permission="manage_connection", obj=own, by=SYSTEM, now=now)
    keeper = browse(ann)
    assert 'value="check_selected"' in keeper.get(LIST).content.decode()
    keeper.post(LIST, both)
    assert checked() == {"own"}
    browse(ada).post(LIST, both)
    assert checked() == {"own", "mill"}


def test_a_connections_page_shows_the_buttons_that_answer_its_reader(
    browse: Browse, mill: Connection, ada: User, ann: User, bob: User, now: datetime
) -> None:
    role = Role.objects.create(name="Keeper", capabilities=["manage_people"])
    RoleAssignment.objects.create(user=ann, role=role)
    grant_permission(user=bob, permission="manage_connection", obj=mill, by=SYSTEM, now=now)
    base = f"{LIST}{mill.pk}/"
    for user, expected in ((ann, set()), (bob, {"check", "rotate"}), (ada, {"check", "rotate", "catalogue"})):
        browser = browse(user)
        page = browser.get(f"{base}change/").content.decode()
        assert {name for name in ("check", "rotate", "catalogue") if f'href="{base}{name}/"' in page} == expected
        answered = {
            name: browser.get(f"{base}{name}/", follow=True).status_code for name in ("check", "rotate", "catalogue")
        }
        assert answered == {name: 200 if name in expected else 404 for name in answered}


def test_the_tenant_key_is_rotated_by_a_button_after_a_fresh_sign_in(
    browse: Browse, signed_in: SignedIn, mill: Connection, ada: User, ann: User
) -> None:
    page = "/admin/vault/tenantkey/rotate/"
    fresh = signed_in(ada)
    assert "Rotate the key now" in fresh.get(page).content.decode()
    assert browse(ann).post(page).status_code == 404
    assert signed_in(ada, is_fresh=False).post(page)["Location"].startswith("/accounts/confirm/")
    assert TenantKey.objects.count() == 1
    assert confirmed(fresh, page).status_code == 302
    assert TenantKey.objects.count() == 2
    assert "under way since" in fresh.get(page).content.decode()
    listed = browse(ada).get("/admin/vault/tenantkey/").content.decode()
    assert bytes(TenantKey.objects.latest("version").wrapped).hex()[:20] not in listed
