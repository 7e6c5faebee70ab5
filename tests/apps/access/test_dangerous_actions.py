"""What gives power asks for a fresh sign-in; what only takes it away never does. test_what_asks lists every page that writes."""

import pytest

from apps.access.models import Role, RoleAssignment
from apps.accounts.models import ScimToken, User
from apps.accounts.scim.tokens import issue_scim_token
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.tenants.binding import unbound
from tests.apps.conftest import SignedIn, confirmed

CONFIRM = "/accounts/confirm/?next="


@pytest.fixture
def role(ada: User) -> Role:
    return Role.objects.create(name="Auditor", capabilities=["read_audit"])


@pytest.mark.parametrize("path", ["add/", "{pk}/change/", "{pk}/delete/"])
@pytest.mark.parametrize("label", ["role", "roleassignment"])
def test_roles_and_who_has_them(
    signed_in: SignedIn, ada: User, ann: User, bob: User, role: Role, label: str, path: str
) -> None:
    given = RoleAssignment.objects.create(user=ann, role=role)
    address = f"/admin/access/{label}/{path.format(pk=role.pk if label == 'role' else given.pk)}"
    stale, fresh, member = signed_in(ada, is_fresh=False), signed_in(ada), signed_in(bob)
    with unbound():
        assert stale.get(address)["Location"].startswith(CONFIRM)
        assert stale.post(address, {"post": "yes", "name": "Mine"})["Location"].startswith(CONFIRM)
        stale.post(f"/admin/access/{label}/", {"action": "delete_selected", "_selected_action": [str(given.pk)]})
        assert fresh.get(address).status_code == 200
        assert member.get(address).status_code == 404
    assert (Role.objects.get().name, RoleAssignment.objects.get().pk) == ("Auditor", given.pk)


def test_giving_somebody_a_role(signed_in: SignedIn, ada: User, ann: User) -> None:
    form = {"user": str(ann.pk), "built_in": "modeler"}
    stale, fresh = signed_in(ada, is_fresh=False), signed_in(ada)
    with unbound():
        assert stale.post("/admin/access/roleassignment/add/", form)["Location"].startswith(CONFIRM)
    assert not RoleAssignment.objects.exists()
    with unbound():
        assert fresh.post("/admin/access/roleassignment/add/", form)["Location"] == "/admin/access/roleassignment/"
    assert RoleAssignment.objects.get().user == ann


def test_making_a_scim_token_asks_and_revoking_one_does_not(
    signed_in: SignedIn, ada: User, ann: User, now: object
) -> None:
    form, listed = {"name": "Okta", "days": "30"}, "/admin/accounts/scimtoken/"
    stale, fresh, member = signed_in(ada, is_fresh=False), signed_in(ada), signed_in(ann)
    with unbound():
        assert stale.get(f"{listed}add/")["Location"].startswith(CONFIRM)
        assert stale.post(f"{listed}add/", form)["Location"].startswith(CONFIRM)
        assert member.post(f"{listed}add/", form).status_code == 404
    assert not ScimToken.objects.exists()
    with unbound():
        assert fresh.post(f"{listed}add/", form).status_code == 200
    token = ScimToken.objects.get()
    confirmed(stale, listed, {"action": "revoke", "_selected_action": [str(token.pk)]})
    token.refresh_from_db()
    assert token.revoked_at is not None


def test_writing_a_credential_asks_and_a_limit_does_not(signed_in: SignedIn, ada: User) -> None:
    form = {
        "name": "mill", "dialect": "postgres", "host": "8.8.8.8", "port": "5432", "database": "mill", "username": "r",
        "options": "{}", "max_rows": "100", "max_bytes": "1000000", "timeout_s": "30", "max_running": "2",
        "checks-TOTAL_FORMS": "0", "checks-INITIAL_FORMS": "0",
    }  # fmt: skip
    stale, fresh, listed = signed_in(ada, is_fresh=False), signed_in(ada), "/admin/connections/connection/"
    with unbound():
        assert stale.post(f"{listed}add/", form | {"password": "x"})["Location"].startswith(CONFIRM)
    assert not Connection.objects.exists()
    with unbound():
        made = fresh.post(f"{listed}add/", form | {"password": "x"})
    assert made.status_code == 302, made.context["errors"]
    mill = Connection.objects.get()
    secret = {"replaces_credential": "on", "password": "y", "host": "8.8.4.4"}
    with unbound():
        answer = stale.post(f"{listed}{mill.pk}/change/", form | secret)
        assert answer["Location"].startswith(CONFIRM)
        assert stale.post(f"{listed}{mill.pk}/change/", form | {"max_rows": "99"})["Location"] == listed
        assert stale.get(f"{listed}{mill.pk}/rotate/")["Location"].startswith(CONFIRM)
        assert stale.post(f"{listed}{mill.pk}/rotate/", {"password": "y"})["Location"].startswith(CONFIRM)
        assert fresh.get(f"{listed}{mill.pk}/rotate/").status_code == 200
    found = Connection.objects.get()
    assert (found.host, found.max_rows) == ("8.8.8.8", 99)
    assert bytes(found.sealed_credential or b"") == bytes(mill.sealed_credential or b"")


def test_ending_what_others_have_open_never_asks(signed_in: SignedIn, ada: User, ann: User, now: object) -> None:
    """Whoever sees an intruder ends their sessions at once, also while the provider does not answer."""
    stale, of_ann = signed_in(ada, is_fresh=False), signed_in(ann)
    issue_scim_token(name="t", days=1, by=SYSTEM, now=now)  # type: ignore[arg-type]  # looser than the type on purpose
    confirmed(stale, "/admin/accounts/user/", {"action": "deactivate", "_selected_action": [str(ann.pk)]})
    with unbound():
        assert of_ann.get("/accounts/sessions/").status_code == 302
    assert not User.objects.get(pk=ann.pk).is_active
