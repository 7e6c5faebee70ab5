"""Whose word counts for the address of somebody who has not come in yet, where people may come by several providers."""

from datetime import datetime

import pytest

from apps.accounts.errors import NotInvitedError
from apps.accounts.models import EmailDomain, IdentityProvider, User
from apps.accounts.services import invite_user, save_provider, sign_in_from_claims
from apps.audit.types import SYSTEM
from apps.tenants.types import TenantRef

BOSS, FRIEND = "boss@acme.example", "friend@partner.example"


def provider(slug: str, now: datetime, *domains: str, **fields: bool) -> IdentityProvider:
    row = IdentityProvider(slug=slug, name=slug, issuer=f"https://{slug}.example", client_id="a", **fields)
    found = save_provider(row, client_secret="s", by=SYSTEM, now=now)
    for domain in domains:
        EmailDomain.objects.create(provider=found, domain=domain)
    return found


def comes_in(by: IdentityProvider, email: str, now: datetime) -> bool:
    claims = {"sub": f"{by.slug} {email}", "email": email, "email_verified": True}
    try:
        sign_in_from_claims(provider=by, claims=claims, now=now)
    except NotInvitedError:
        return False
    return User.objects.get(email=email).issuer == by.issuer


@pytest.mark.parametrize("is_admin", [True, False])
def test_a_second_provider_takes_no_invitation_of_a_domain_that_is_not_listed_for_it(
    acme: TenantRef, now: datetime, is_admin: bool
) -> None:
    own, partner = provider("own", now), provider("partner", now, "partner.example")
    invite_user(email=BOSS, is_admin=is_admin, by=SYSTEM, now=now)
    invite_user(email=FRIEND, by=SYSTEM, now=now)
    assert not comes_in(partner, BOSS, now)
    assert not comes_in(own, BOSS, now)  # nobody has said so yet
    assert not comes_in(own, FRIEND, now)
    assert comes_in(partner, FRIEND, now)
    EmailDomain.objects.create(provider=own, domain="acme.example")
    assert not comes_in(partner, BOSS, now)
    assert comes_in(own, BOSS, now)


def test_the_only_provider_speaks_for_domains_that_are_listed_for_none(acme: TenantRef, now: datetime) -> None:
    own, former = provider("own", now), provider("former", now, is_enabled=False)
    invite_user(email=BOSS, is_admin=True, by=SYSTEM, now=now)
    assert comes_in(own, BOSS, now)
    EmailDomain.objects.create(provider=former, domain="partner.example")
    invite_user(email=FRIEND, by=SYSTEM, now=now)
    assert not comes_in(own, FRIEND, now)  # listed for one that is switched off only


def test_who_comes_uninvited_is_believed_by_the_same_rule(acme: TenantRef, now: datetime) -> None:
    own = provider("own", now, "acme.example", admits_uninvited=True)
    partner = provider("partner", now, "partner.example", admits_uninvited=True)
    assert not comes_in(partner, BOSS, now)
    assert not comes_in(partner, "ceo@unlisted.example", now)
    assert not User.objects.exists()
    assert comes_in(own, BOSS, now)
    assert comes_in(partner, FRIEND, now)


def test_who_has_come_in_before_comes_again_whatever_is_listed(acme: TenantRef, now: datetime) -> None:
    own = provider("own", now)
    invite_user(email=BOSS, by=SYSTEM, now=now)
    assert comes_in(own, BOSS, now)
    provider("partner", now, "acme.example")
    assert comes_in(own, BOSS, now)


@pytest.mark.parametrize(
    ("address", "is_theirs"),
    [
        ("miss.ada@acme.example", True), ("MISS.Ada@Acme.Example", True), ("mıss.ada@acme.example", False),
        ("mi\u017fs.ada@acme.example", False), ("MİSS.ADA@acme.example", False), ("miss.ada@acme.exampl\u0435", False),
        ("miss.ada@acme.example ", False), ("ｍiss.ada@acme.example", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("admits_uninvited", [True, False])
def test_an_invitation_is_for_one_address_and_for_none_that_looks_alike(
    acme: TenantRef, now: datetime, address: str, is_theirs: bool, admits_uninvited: bool
) -> None:
    own = provider("own", now, admits_uninvited=admits_uninvited)
    invited = invite_user(email="miss.ada@acme.example", is_admin=True, by=SYSTEM, now=now)
    claims = {"sub": "a", "email": address, "email_verified": True}
    try:
        found = sign_in_from_claims(provider=own, claims=claims, now=now)
        assert (found.pk == invited.pk) == is_theirs
        assert found.is_tenant_admin == is_theirs
    except NotInvitedError:
        assert not is_theirs
    invited.refresh_from_db()
    assert (invited.subject == "a") == is_theirs


@pytest.mark.parametrize(
    ("told", "is_in"),
    [
        ({}, True), ({"name": "Ada"}, True), ({"name": "A\0da"}, True), ({"name": {"given": "Ada"}}, True), ({"name": "A" * 999}, True),
        ({"sub": "s" * 256}, False), ({"sub": "s\0"}, False), ({"sub": "\ud800"}, False), ({"sub": 7}, False),
        ({"email": "nobody"}, False), ({"email": "new@acme.example\n"}, False), ({"email": "new@acme.example\0"}, False),
        ({"email": f"{'x' * 250}@acme.example"}, False), ({"email": "nightly@service.invalid"}, False),
        ({"email": "x@Removed.INVALID"}, False), ({"email": ["new@acme.example"]}, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_invited", [True, False])
def test_claims_that_cannot_be_kept_or_are_nobodys_let_nobody_in(
    acme: TenantRef, now: datetime, told: dict[str, object], is_in: bool, is_invited: bool
) -> None:
    own = provider("own", now, admits_uninvited=not is_invited)
    if is_invited:
        invite_user(email="new@acme.example", by=SYSTEM, now=now)
    claims = {"sub": "a", "email": "new@acme.example", "email_verified": True} | told
    try:
        sign_in_from_claims(provider=own, claims=claims, now=now)
    except NotInvitedError:
        assert not is_in
    assert User.objects.exclude(subject=None).exists() == is_in
    assert set(User.objects.values_list("name", flat=True)) <= {"", "Ada", "A" * 150}
