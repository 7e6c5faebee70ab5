"""What ends the sessions of whom, by each way that leads there, and what does not."""

from collections.abc import Callable
from datetime import datetime

import pytest
from django.test import Client

from apps.accounts.models import (
    AttributeDefinition,
    ClaimMapping,
    GroupMembership,
    IdentityProvider,
    User,
    UserAttribute,
    UserGroup,
)
from apps.accounts.services import delete_provider, issue_token, save_provider, sign_in_from_claims
from apps.accounts.sessions import PROVIDER_KEY
from apps.audit.types import SYSTEM
from apps.tenants.binding import unbound
from apps.tenants.models import TenantDomain
from apps.tenants.types import TenantRef
from tests.apps.access.test_own_rights import PERSON_PARTS, no
from tests.apps.accounts.saml_browser import make_provider
from tests.apps.accounts.saml_forge import STRANGER
from tests.apps.conftest import SignedIn, confirmed


def is_in(browser: Client) -> bool:
    with unbound():
        return bool(browser.get("/accounts/sessions/").status_code == 200)


def test_a_claim_that_changes_groups_ends_the_sessions_begun_before(
    ann: User, bob: User, signed_in: SignedIn, now: datetime
) -> None:
    row = IdentityProvider(slug="m", name="M", issuer="https://idp.example", client_id="a")
    provider = save_provider(row, client_secret="s", by=SYSTEM, now=now)
    ClaimMapping.objects.create(provider=provider, claim="groups")
    UserGroup.objects.create(name="Finance", claim_value="finance")

    def come(groups: list[str]) -> None:
        sign_in_from_claims(provider=provider, claims={"sub": ann.email, "groups": groups}, now=now)

    come(["finance"])
    before, other = signed_in(User.objects.get(pk=ann.pk)), signed_in(bob)
    come(["finance"])
    assert is_in(before)
    come([])
    assert not is_in(before)
    assert is_in(other)
    assert not GroupMembership.objects.exists()


def test_deleting_a_group_in_its_list_ends_the_sessions_of_members(
    ada: User, ann: User, bob: User, signed_in: SignedIn
) -> None:
    group = UserGroup.objects.create(name="Finance")
    GroupMembership.objects.create(user=ann, group=group)
    admin, member, other = signed_in(ada), signed_in(ann), signed_in(bob)
    confirmed(admin, "/admin/accounts/usergroup/", {"action": "delete_selected", "_selected_action": [str(group.pk)]})
    assert not UserGroup.objects.exists()
    assert not is_in(member)
    assert is_in(other)


def test_a_membership_on_a_persons_page_ends_their_sessions(
    ada: User, ann: User, bob: User, signed_in: SignedIn
) -> None:
    group = UserGroup.objects.create(name="Ops")
    admin, member, other = signed_in(ada), signed_in(bob), signed_in(ann)
    form = {"email": bob.email, "name": "Bob", "timezone": "UTC", "is_active": "on", **no(*PERSON_PARTS)}
    form |= {"memberships-TOTAL_FORMS": "1", "memberships-0-group": str(group.pk)}
    with unbound():
        assert admin.post(f"/admin/accounts/user/{bob.pk}/change/", form).status_code == 302
    assert GroupMembership.objects.filter(user=bob, group=group).exists()
    assert not is_in(member)
    assert is_in(other)


@pytest.mark.parametrize(
    ("change", "ends"),
    [
        ({"name": "Another label"}, False),
        ({"sso_url": "https://other.example/sso"}, True),
        ({"certificates": [STRANGER[1].decode().replace("\n", "").split("-----")[2]]}, True),
    ],
)
def test_another_address_or_key_of_a_saml_provider_is_another_provider(
    acme: TenantRef, ann: User, signed_in: SignedIn, now: datetime, change: dict[str, object], ends: bool
) -> None:
    provider = make_provider(now)
    browser = signed_in(ann, **{PROVIDER_KEY: str(provider.pk)})
    assert is_in(browser)
    for name, value in change.items():
        setattr(provider, name, value)
    save_provider(provider, client_secret=None, by=SYSTEM, now=now)
    assert is_in(browser) is not ends


def test_a_tenants_other_host_shows_the_same_tenant_and_no_other_tenants_session(
    acme: TenantRef, globex: TenantRef, ann: User, signed_in: SignedIn
) -> None:
    with unbound():
        TenantDomain.objects.create(tenant_id=acme.id, host="second.localhost")
    browser = signed_in(ann)
    for host, expected in (("second.localhost", True), ("globex.localhost", False), ("third.localhost", False)):
        elsewhere = Client(HTTP_HOST=host)
        assert not is_in(elsewhere)
        elsewhere.cookies["omni_session"] = browser.cookies["omni_session"].value
        assert is_in(elsewhere) is expected


@pytest.mark.parametrize(("is_local", "status"), [(True, 302), (False, 502)])
def test_outside_of_local_set_ups_nobody_is_sent_to_a_saml_provider_without_tls(
    acme: TenantRef, ann: User, now: datetime, settings: object, is_local: bool, status: int
) -> None:
    provider = make_provider(now)
    IdentityProvider.objects.filter(pk=provider.pk).update(sso_url="http://idp.acme.example/sso")
    settings.OMNI_IS_LOCAL = is_local  # type: ignore[attr-defined]  # pytest-django's settings
    browser = Client(HTTP_HOST="acme.localhost")
    with unbound():
        assert browser.post("/accounts/saml/corp/login/", {"next": "/"}).status_code == status
    IdentityProvider.objects.filter(pk=provider.pk).update(sso_url="https://idp.acme.example/sso")
    with unbound():
        assert Client(HTTP_HOST="acme.localhost").post("/accounts/saml/corp/login/", {"next": "/"}).status_code == 302


@pytest.fixture
def come(ann: User, now: datetime) -> Callable[[IdentityProvider], None]:
    """Ann comes in by a provider that tells her region and her group, and gets a token."""

    def act(provider: IdentityProvider) -> None:
        ClaimMapping.objects.create(provider=provider, claim="groups")
        region = AttributeDefinition.objects.get_or_create(name="region", defaults={"label": "R", "is_list": True})[0]
        ClaimMapping.objects.create(provider=provider, claim="region", definition=region)
        UserGroup.objects.get_or_create(name="Finance", claim_value="finance")
        claims = {"sub": ann.email, "groups": ["finance"], "region": ["EU"]}
        sign_in_from_claims(provider=provider, claims=claims, now=now)

    return act


def make_oidc(now: datetime, slug: str, issuer: str = "https://idp.example") -> IdentityProvider:
    row = IdentityProvider(slug=slug, name=slug, issuer=issuer, client_id="a")
    return save_provider(row, client_secret="s", by=SYSTEM, now=now)


def said_of(user: User) -> tuple[int, int]:
    """Count what claims have said of a person: attributes, and groups."""
    attributes = UserAttribute.objects.filter(user=user, source="claim").count()
    return attributes, GroupMembership.objects.filter(user=user, source="claim").count()


@pytest.mark.parametrize("is_the_only_one", [True, False])
def test_what_a_provider_has_said_goes_with_it_and_so_do_tokens(
    ann: User, bob: User, come: Callable[[IdentityProvider], None], now: datetime, is_the_only_one: bool
) -> None:
    provider = make_oidc(now, "m")
    if not is_the_only_one:
        make_oidc(now, "n")  # the same people may come in by this one
    come(provider)
    by_hand = GroupMembership.objects.create(user=ann, group=UserGroup.objects.create(name="Ops"))
    User.objects.filter(pk=bob.pk).update(issuer="https://other.example")
    secrets = {user: issue_token(user=user, name="t", days=1, by=SYSTEM, now=now) for user in (ann, bob)}

    def works(user: User) -> bool:
        program = Client(headers={"host": "acme.localhost", "authorization": f"Bearer {secrets[user]}"})
        with unbound():
            return bool(program.get("/api/v1/datasets").status_code == 200)

    assert (said_of(ann), works(ann), works(bob)) == ((1, 1), True, True)
    delete_provider(provider, by=SYSTEM, now=now)
    assert (said_of(ann) == (0, 0), works(ann), works(bob)) == (is_the_only_one, not is_the_only_one, True)
    assert GroupMembership.objects.filter(pk=by_hand.pk).exists()


@pytest.mark.parametrize(("issuer", "stays"), [("https://idp.example", True), ("https://else.example", False)])
def test_what_a_provider_has_said_goes_when_it_names_other_people(
    ann: User, come: Callable[[IdentityProvider], None], now: datetime, issuer: str, stays: bool
) -> None:
    provider = make_oidc(now, "m")
    come(provider)
    provider.issuer, provider.name = issuer, "Renamed"
    save_provider(provider, client_secret=None, by=SYSTEM, now=now)
    assert said_of(ann) == ((1, 1) if stays else (0, 0))


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({}, (1, 1)),
        ({"mappings-0-DELETE": "on"}, (1, 0)),
        ({"mappings-1-DELETE": "on"}, (0, 1)),
        ({"mappings-1-claim": "area"}, (0, 1)),
    ],
)
def test_what_a_claim_has_said_goes_with_its_mapping(
    ada: User, ann: User, bob: User, signed_in: SignedIn, come: Callable[[IdentityProvider], None], now: datetime,
    changes: dict[str, str], left: tuple[int, int],
) -> None:  # fmt: skip
    provider = make_oidc(now, "m")
    come(provider)
    theirs, other = signed_in(User.objects.get(pk=ann.pk)), signed_in(bob)
    rows = ClaimMapping.objects.order_by("claim")  # groups, region
    form = {
        "name": "m", "slug": "m", "protocol": "oidc", "issuer": provider.issuer, "client_id": "a", "scopes": "openid",
        "is_enabled": "on", "name_id_format": provider.name_id_format, **no("domains"), "mappings-TOTAL_FORMS": "2", "mappings-INITIAL_FORMS": "2",
    }  # fmt: skip
    for place, row in enumerate(rows):
        form |= {f"mappings-{place}-id": str(row.pk), f"mappings-{place}-claim": row.claim}
        form |= {f"mappings-{place}-definition": str(row.definition_id or "")}
    admin, path = signed_in(ada), f"/admin/accounts/identityprovider/{provider.pk}/change/"
    with unbound():
        assert admin.post(path, form | changes).status_code == 302
    assert said_of(ann) == left
    assert (is_in(theirs), is_in(other)) == (not changes, True)
