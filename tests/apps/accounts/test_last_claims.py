"""The last claims of a person: sealed, shown to few, written down, and gone in time."""

from datetime import datetime
from typing import Any

import pytest
from django.db import connection

from apps.access.models import RoleAssignment
from apps.access.roles import Capability
from apps.accounts.models import AttributeDefinition, ClaimMapping, IdentityProvider, LastClaims, User, UserGroup
from apps.accounts.services import invite_user, save_provider, set_active, sign_in_from_claims
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef
from tests.apps.accounts.conftest import Browser

CLAIMS = {
    "email": "eve@acme.example", "email_verified": True, "org": {"region": ["EU-canary"], "level": "three"}, "salary": "canary-90000",
    "groups": ["Analysts", "Nowhere"], "nonce": "canary-nonce",
}  # fmt: skip


@pytest.fixture
def main(acme: TenantRef, now: datetime, region: AttributeDefinition, level: AttributeDefinition) -> IdentityProvider:
    row = IdentityProvider(
        slug="main", name="Main", issuer="https://idp.example", client_id="omni", sealed_client_secret=b"-"
    )
    save_provider(row, client_secret="canary", by=SYSTEM, now=now)
    UserGroup.objects.create(name="Analysts")
    for claim, definition in (("org.region", region), ("org.level", level), ("groups", None)):
        ClaimMapping.objects.create(provider=row, claim=claim, definition=definition)
    return row


@pytest.fixture
def eve(main: IdentityProvider, now: datetime) -> User:
    """Somebody who has signed in with these claims."""
    invite_user(email="eve@acme.example", name="Eve", by=SYSTEM, now=now)
    return sign_in_from_claims(provider=main, claims={"sub": "s-1"} | CLAIMS, now=now)


def page(browser: Any, user: User, **asked: str) -> Any:
    with unbound():
        return browser.get(f"/admin/accounts/user/{user.pk}/claims/", asked)


def test_an_administrator_sees_what_the_mappings_make_of_them_and_no_other_value(
    as_: Browser, ada: User, eve: User
) -> None:
    answer = page(as_(ada), eve)
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "EU-canary" in text  # a mapping uses it
    assert "salary" in text
    assert "canary-90000" not in text
    assert "canary-nonce" not in text
    assert "level holds numbers, the claim is text" in text
    assert "Analysts" in text
    event = AuditEvent.objects.get(verb="accounts.claims_viewed")
    assert (event.actor_id, event.object_id) == (ada.pk, str(eve.pk))


def test_a_mapping_can_be_tried_without_being_saved_or_telling_a_value(
    as_: Browser, ada: User, eve: User, region: AttributeDefinition, level: AttributeDefinition
) -> None:
    browser = as_(ada)
    assert "1 value" in page(browser, eve, claim="salary", attribute=str(region.pk)).content.decode()
    assert "canary-90000" not in page(browser, eve, claim="salary", attribute=str(region.pk)).content.decode()
    assert "Not taken" in page(browser, eve, claim="salary", attribute=str(level.pk)).content.decode()
    assert "was not there" in page(browser, eve, claim="salary.deep", attribute=str(region.pk)).content.decode()
    assert ClaimMapping.objects.count() == 3


def test_nobody_else_sees_them(
    as_: Browser, ada: User, ann: User, bob: User, eve: User, globex: TenantRef, make_person: Any
) -> None:
    with bound(globex.id):
        theirs = make_person("gus@globex.example")
    RoleAssignment.objects.create(user=bob, built_in="connection_administrator")
    assert Capability.MANAGE_PEOPLE not in {"query"}
    assert page(as_(ann), eve).status_code == 404
    assert page(as_(bob), eve).status_code == 404
    assert page(as_(ada), theirs).status_code == 404
    assert page(as_(ada), eve).status_code == 200
    assert AuditEvent.objects.filter(verb="accounts.claims_viewed").count() == 1


def test_they_are_sealed_replaced_at_the_next_sign_in_and_gone_when_the_person_is_shut_out(
    main: IdentityProvider, eve: User, now: datetime
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed_claims FROM accounts_lastclaims")
        sealed = bytes(cursor.fetchone()[0])
    assert b"canary" not in sealed
    sign_in_from_claims(provider=main, claims={"sub": "s-1", "email": "eve@acme.example"}, now=now)
    assert bytes(LastClaims.objects.get().sealed_claims) != sealed
    sign_in_from_claims(provider=main, claims={"sub": "s-1", "blob": "x" * 70_000}, now=now)
    assert not LastClaims.objects.exists()
    sign_in_from_claims(provider=main, claims={"sub": "s-1"}, now=now)
    set_active(eve, is_active=False, by=SYSTEM, now=now)
    assert not LastClaims.objects.exists()
