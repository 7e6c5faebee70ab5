"""What ends the sessions of whom, by each way that leads there, and what does not."""

from datetime import datetime

import pytest
from django.test import Client

from apps.accounts.models import (
    ClaimMapping,
    GroupMembership,
    IdentityProvider,
    User,
    UserGroup,
)
from apps.accounts.services import save_provider, sign_in_from_claims
from apps.accounts.sessions import PROVIDER_KEY
from apps.audit.types import SYSTEM
from apps.tenants.binding import unbound
from apps.tenants.models import TenantDomain
from apps.tenants.types import TenantRef
from tests.apps.access.test_own_rights import PERSON_PARTS, no
from tests.apps.accounts.saml_forge import STRANGER
from tests.apps.accounts.test_saml_forgeries import make_provider
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
