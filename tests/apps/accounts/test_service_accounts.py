"""Service accounts: they act with tokens, never sign in, and wait while nobody answers for them."""

from datetime import datetime
from io import StringIO

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client

from apps.access.selectors import actor_from_reference
from apps.accounts.errors import SignInError
from apps.accounts.models import ApiToken, IdentityProvider, ServiceAccount, User
from apps.accounts.services import (
    create_service_account,
    invite_user,
    issue_token,
    save_provider,
    sign_in_from_claims,
)
from apps.audit.types import SYSTEM
from apps.tenants.binding import unbound
from tests.apps.accounts.test_tokens import PAGE, shown, status
from tests.apps.conftest import SignedIn, confirmed


@pytest.fixture
def robot(ada: User, now: datetime) -> ServiceAccount:
    return create_service_account(name="Nightly export", owner=ada, by=SYSTEM, now=now)


def test_a_service_account_acts_with_a_token_and_never_signs_in(
    robot: ServiceAccount, signed_in: SignedIn, now: datetime
) -> None:
    token = issue_token(user=robot, name="t", days=1, by=SYSTEM, now=now)
    assert status(token) == 200
    browser = signed_in(User.objects.get(pk=robot.pk))
    with unbound():
        assert browser.get(PAGE).status_code == 302
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=robot.pk).update(issuer="https://idp.example", subject="robot")
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=robot.pk).update(is_tenant_admin=True)


def test_no_provider_makes_a_person_into_a_service_account(robot: ServiceAccount, now: datetime) -> None:
    row = IdentityProvider(slug="m", name="M", issuer="https://idp.example", client_id="a", sealed_client_secret=b"-")
    provider = save_provider(row, client_secret="s", by=SYSTEM, now=now)
    claims = {"sub": "mallory", "email": robot.email, "email_verified": True}
    for admits in (False, True):
        provider.admits_uninvited = admits
        with pytest.raises(SignInError):
            sign_in_from_claims(provider=provider, claims=claims, now=now)
    with pytest.raises(ValidationError):
        invite_user(email=robot.email, is_admin=True, by=SYSTEM, now=now)
    assert sign_in_from_claims(provider=provider, claims=claims | {"email": "new@acme.example"}, now=now)


def test_administrators_make_disable_and_equip_service_accounts(signed_in: SignedIn, ada: User, ann: User) -> None:
    admin, stale, member = signed_in(ada), signed_in(ada, is_fresh=False), signed_in(ann)
    base = "/admin/accounts/serviceaccount/"
    with unbound():
        assert member.get(base).status_code == 404
        assert admin.post(f"{base}add/", {"name": "Robot", "owner": str(ann.pk)}).status_code == 302
    robot = ServiceAccount.objects.get(kind="service")
    assert (robot.owner_id, robot.email) == (ann.pk, "robot@service.invalid")
    with unbound():
        assert admin.post(f"{base}add/", {"name": "robot", "owner": str(ann.pk)}).status_code == 200
        assert b"Robot" in admin.get(f"{base}{robot.pk}/change/").content
        assert stale.post(f"{base}{robot.pk}/token/", {"name": "t", "scope": "query", "days": "1"}).status_code == 302
        made = admin.post(f"{base}{robot.pk}/token/", {"name": "t", "scope": "query", "days": "1"})
    token = shown(made.content)
    assert token is not None
    assert status(token) == 200
    with unbound():
        assert admin.post(f"{base}{robot.pk}/switch/", {"to": "disabled"}).status_code == 302
    assert status(token) == 401
    with unbound():
        assert admin.get(f"{base}{ann.pk}/change/").status_code == 302  # a person is none
        assert b"Robot" not in admin.get("/admin/accounts/user/").content


@pytest.mark.parametrize("scope", ["query", "admin"])
def test_a_service_account_waits_while_nobody_answers_for_it(
    signed_in: SignedIn, ada: User, ann: User, bob: User, now: datetime, scope: str
) -> None:
    """What its owner held back or knew goes with them; whoever takes it on is named by an administrator."""
    robot = create_service_account(name="Nightly", owner=ann, by=SYSTEM, now=now)
    token = issue_token(user=robot, name="t", days=1, scope=scope, by=SYSTEM, now=now)
    row, path = ApiToken.objects.get(), "/api/v1/admin/tokens" if scope == "admin" else "/api/v1/datasets"

    def asks() -> bool:
        """Say whether what it has queued would be run."""
        return (
            actor_from_reference("token", user_id=robot.pk, token_id=row.pk, support_session_id=None, now=now)
            is not None
        )

    assert (status(token, path), asks()) == (200, True)
    people, base, admin = "/admin/accounts/user/", "/admin/accounts/serviceaccount/", signed_in(ada)
    shutting = {"action": "deactivate", "_selected_action": [str(ann.pk)]}
    with unbound():
        told = admin.post(people, shutting).content.decode()
    assert "Service accounts that they answer for wait" in told
    confirmed(admin, people, shutting)
    assert (status(token, path), asks()) == (401, False)
    assert ApiToken.objects.get().revoked_at is None
    with unbound():
        assert "waits: Ann has been shut out" in admin.get(base).content.decode()
        assert "until somebody else is named" in admin.get(f"{base}{robot.pk}/change/").content.decode()
        form = {"name": "Nightly", "owner": str(bob.pk)}
        form |= {f"{part}-{name}": "0" for part in ("attribute_values", "memberships", "tokens") for name in ("TOTAL_FORMS", "INITIAL_FORMS")}  # fmt: skip
        assert admin.post(f"{base}{robot.pk}/change/", form).status_code == 302
        assert "waits" not in admin.get(base).content.decode()
    assert (status(token, path), asks()) == (200, True)


@pytest.mark.parametrize(("is_owner_in", "state"), [(True, "valid"), (False, "waiting")])
def test_lists_say_of_a_waiting_accounts_token_that_it_waits(
    signed_in: SignedIn, ada: User, ann: User, now: datetime, is_owner_in: bool, state: str
) -> None:
    robot = create_service_account(name="Nightly", owner=ann, by=SYSTEM, now=now)
    issue_token(user=robot, name="export", days=1, by=SYSTEM, now=now)
    alarm = issue_token(user=ada, name="alarm", days=1, scope="admin", by=SYSTEM, now=now)
    User.objects.filter(pk=ann.pk).update(is_active=is_owner_in)
    program = Client(headers={"host": "acme.localhost", "authorization": f"Bearer {alarm}"})
    with unbound():
        listed = program.get("/api/v1/admin/tokens").json()["tokens"]
    browser = signed_in(ada)
    with unbound():
        pages = {
            one: browser.get("/admin/accounts/apitoken/", {"state": one}).context["cl"].result_list
            for one in ("valid", "waiting", "expired", "revoked")
        }
        accounts = browser.get("/admin/accounts/serviceaccount/").context["cl"].result_list
    assert {row["name"]: row["state"] for row in listed} == {"alarm": "valid", "export": state}
    named = {one: {token.name for token in found} for one, found in pages.items()}
    assert {one for one, names in named.items() if "export" in names} == {state}
    assert "alarm" in named["valid"]
    assert [account.valid for account in accounts] == [int(is_owner_in)]


def test_the_commands_make_accounts_and_tokens(ada: User) -> None:
    def run(*words: str) -> str:
        out = StringIO()
        with unbound():
            call_command(*words, stdout=out)
        return out.getvalue().strip()

    address = run("create_service_account", "acme", "Loader", "--owner", ada.email)
    token = run("issue_token", "acme", address, "--name", "t", "--days", "1", "--scope", "read")
    assert status(token) == 200
    assert ApiToken.objects.get().scope == "read"
    for words in (
        ("create_service_account", "acme", "Other", "--owner", "nobody@acme.example"),
        ("create_service_account", "acme", "Loader", "--owner", ada.email),
        ("issue_token", "acme", address, "--name", "t", "--days", "400"),
    ):
        with pytest.raises(CommandError):
            run(*words)
