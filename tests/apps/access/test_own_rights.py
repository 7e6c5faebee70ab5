"""Nobody gives themself rights through the administration's pages, and who keeps people keeps no administrator's door."""

import contextlib
from datetime import datetime, timedelta

import pytest
from django.test import Client

from apps.access.models import Role, RoleAssignment
from apps.access.rules import rule_of
from apps.access.selectors import actor_for_user
from apps.access.types import AttributeValue
from apps.accounts.models import (
    ApiToken,
    AttributeDefinition,
    ClaimMapping,
    GroupMembership,
    IdentityProvider,
    User,
    UserGroup,
    UserSession,
)
from apps.accounts.services import create_service_account, issue_token, save_provider, set_active, sign_in_from_claims
from apps.audit.types import SYSTEM
from apps.dashboards.models import Dashboard
from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef
from tests.apps.conftest import SignedIn, confirmed

GROUP_PARTS = ("memberships", "attribute_values")
PERSON_PARTS = ("attribute_values", "memberships", "tokens")


def no(*prefixes: str) -> dict[str, str]:
    """Return empty parts of a page's form."""
    return {f"{prefix}-{name}": "0" for prefix in prefixes for name in ("TOTAL_FORMS", "INITIAL_FORMS")}


def give(user: User, capability: str) -> None:
    RoleAssignment.objects.create(user=user, role=Role.objects.create(name=capability, capabilities=[capability]))


def attribute(user: User, name: str) -> tuple[object, ...]:
    held = actor_for_user(User.objects.get(pk=user.pk)).attributes.get(name)
    return held.values if held is not None else ()


@pytest.mark.parametrize("is_admin", [False, True])
def test_nobody_changes_what_policies_read_of_themself(
    ada: User, ann: User, bob: User, signed_in: SignedIn, is_admin: bool
) -> None:
    who = ada if is_admin else ann
    if not is_admin:
        give(ann, "manage_people")
    browser = signed_in(who)
    wanted = {"email": "ceo@acme.example", "name": "The CEO", "timezone": "Asia/Tokyo", "is_active": "on"}
    before = {name: attribute(who, f"omni_user_{name}") for name in ("email", "name", "timezone")}
    for user in (who, bob):
        with unbound():
            browser.post(f"/admin/accounts/user/{user.pk}/change/", wanted | no(*PERSON_PARTS))
    assert {name: attribute(who, f"omni_user_{name}") for name in before} == before
    assert attribute(bob, "omni_user_email") == ("ceo@acme.example",)


def test_a_member_does_not_rename_the_group(ann: User, bob: User, signed_in: SignedIn) -> None:
    give(ann, "manage_people")
    own, other = UserGroup.objects.create(name="Interns"), UserGroup.objects.create(name="Guests")
    GroupMembership.objects.create(user=ann, group=own, source="claim")
    GroupMembership.objects.create(user=bob, group=other, source="claim")
    browser = signed_in(ann)
    for group, name in ((own, "Finance"), (other, "Sales")):
        form = {"name": name, "description": "x", "claim_value": "", **no(*GROUP_PARTS)}
        with unbound():
            browser.post(f"/admin/accounts/usergroup/{group.pk}/change/", form)
    assert (attribute(ann, "omni_user_groups"), attribute(bob, "omni_user_groups")) == (("Interns",), ("Sales",))


@pytest.mark.parametrize(("is_admin", "held"), [(False, ()), (True, ("EU",))])
def test_which_claim_makes_members_is_the_tenant_administrators(
    ada: User, ann: User, signed_in: SignedIn, now: datetime, is_admin: bool, held: tuple[str, ...]
) -> None:
    give(ann, "manage_people")
    region = AttributeDefinition.objects.create(name="region", label="Region", is_list=True)
    row = IdentityProvider(slug="m", name="M", issuer="https://idp.example", client_id="a")
    provider = save_provider(row, client_secret="s", by=SYSTEM, now=now)
    ClaimMapping.objects.create(provider=provider, claim="groups")
    form = {"name": "Mine", "description": "", "claim_value": "everyone", **no(*GROUP_PARTS)}
    form |= {
        "attribute_values-TOTAL_FORMS": "1",
        "attribute_values-0-definition": str(region.pk),
        "attribute_values-0-text": "EU",
    }
    browser = signed_in(ada if is_admin else ann)
    with unbound():
        assert browser.post("/admin/accounts/usergroup/add/", form).status_code == 302
    sign_in_from_claims(provider=provider, claims={"sub": "ann@acme.example", "groups": ["everyone"]}, now=now)
    assert attribute(ann, "region") == held


def test_who_keeps_sign_in_opens_no_provider(ada: User, ann: User, signed_in: SignedIn, now: datetime) -> None:
    give(ann, "manage_identity")
    row = IdentityProvider(slug="m", name="M", issuer="https://idp.example", client_id="a")
    provider = save_provider(row, client_secret="s", by=SYSTEM, now=now)
    listed = "/admin/accounts/identityprovider/"
    page = f"{listed}{provider.pk}/change/"
    form = {
        "name": "Mine", "slug": "m", "protocol": "oidc", "issuer": "https://evil.example", "client_id": "a", "client_secret": "x",
        "scopes": "openid", "is_enabled": "on", **no("mappings", "domains"),
    }  # fmt: skip
    keeper, admin = signed_in(ann), signed_in(ada)
    with unbound():
        assert keeper.get("/admin/tenants/signinsettings/").status_code == 200
        found = {
            keeper.get(path).status_code for path in (listed, page, f"{listed}add/", f"{listed}{provider.pk}/test/")
        }
        assert found <= {403, 404}
        assert keeper.post(f"{listed}add/", form | {"slug": "n"}).status_code in (403, 404)
        assert keeper.post(page, form).status_code in (403, 404)
        assert keeper.post(f"{listed}{provider.pk}/delete/", {"post": "yes"}).status_code in (403, 404)
    assert list(IdentityProvider.objects.values_list("issuer", flat=True)) == ["https://idp.example"]
    with unbound():
        assert {admin.get(path).status_code for path in (listed, page, f"{listed}add/")} == {200}


def test_log_out_in_the_administration_signs_out(ada: User, signed_in: SignedIn) -> None:
    browser = signed_in(ada)
    with unbound():
        assert browser.get("/admin/logout/").status_code == 405
        assert browser.get("/admin/").status_code == 200
        gone = browser.post("/admin/logout/")
        assert (gone.status_code, gone["Location"]) == (302, "/accounts/sign-in/")
        assert gone["Clear-Site-Data"] == '"cache", "storage"'
        assert browser.get("/admin/").status_code != 200
    assert UserSession.objects.filter(user=ada).count() == 0


def test_the_form_that_asks_for_an_address_is_counted_like_the_buttons(acme: TenantRef, settings: object) -> None:
    settings.OMNI_RATES = dict.fromkeys(("sign_in", "person", "failed_token", "recovery", "api", "scim"), "3/minute")  # type: ignore[attr-defined]  # pytest-django's settings
    browser = Client(headers={"host": "acme.localhost"})
    with unbound():
        assert {browser.get("/accounts/sign-in/").status_code for _ in range(8)} == {200}
        found = [browser.post("/accounts/sign-in/", {"email": "eve@acme.example"}).status_code for _ in range(5)]
    assert found == [200, 200, 200, 429, 429]


@pytest.mark.parametrize(
    ("demanded", "stated", "is_in"),
    [
        ("hwk", "hwk", False), ("PWD", "PWD", False), ("password", "password", False), ("0", "0", False),
        ("urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
         "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport", False),
        ("urn:two-factors", "urn:two-factors", False), ("hwk", "mfa", True), ("", "mfa", True),
        ("https://refeds.org/profile/mfa", "https://refeds.org/profile/mfa", True), ("https://refeds.org/profile/mfa", "mfa", False),
    ],
)  # fmt: skip
def test_our_staff_come_by_more_than_one_factor_whatever_is_set(
    platform: TenantRef, make_person: object, now: datetime, demanded: str, stated: str, is_in: bool
) -> None:
    with bound(platform.id):
        make_person("sam@omni.example", issuer="https://idp.example", subject="sam")  # type: ignore[operator]  # a fixture that is called
        row = IdentityProvider(slug="m", name="M", issuer="https://idp.example", client_id="a", required_amr=demanded)
        provider = save_provider(row, client_secret="s", by=SYSTEM, now=now)

        def come() -> User:
            return sign_in_from_claims(provider=provider, claims={"sub": "sam"}, amr=[stated], now=now)

        if is_in:
            assert come().email == "sam@omni.example"
        else:
            with pytest.raises(Exception, match="second factor"):
                come()


def test_shutting_out_by_the_form_revokes_tokens_for_good(
    ada: User, ann: User, signed_in: SignedIn, now: datetime
) -> None:
    issue_token(user=ann, name="t", days=1, by=SYSTEM, now=now)
    form = {"email": ann.email, "name": "Ann", "timezone": "UTC", **no(*PERSON_PARTS)}
    browser = signed_in(ada)
    with unbound():
        assert browser.post(f"/admin/accounts/user/{ann.pk}/change/", form).status_code == 302
    assert not User.objects.get(pk=ann.pk).is_active
    set_active(User.objects.get(pk=ann.pk), is_active=True, by=SYSTEM, now=now + timedelta(seconds=1))
    assert ApiToken.objects.get().revoked_at is not None


def test_nobody_joins_a_group_on_their_own_page(ada: User, ann: User, bob: User, signed_in: SignedIn) -> None:
    give(ann, "manage_people")
    group = UserGroup.objects.create(name="Finance")
    browser = signed_in(ann)
    for user in (ann, bob):
        form = {"email": user.email, "name": "X", "timezone": "UTC", "is_active": "on", **no(*PERSON_PARTS)}
        form |= {"memberships-TOTAL_FORMS": "1", "memberships-0-group": str(group.pk)}
        with unbound():
            browser.post(f"/admin/accounts/user/{user.pk}/change/", form)
    assert list(GroupMembership.objects.values_list("user__email", flat=True)) == [bob.email]


@pytest.mark.parametrize("is_admin", [False, True])
def test_nobody_changes_their_own_row_on_a_groups_page(
    ada: User, ann: User, bob: User, signed_in: SignedIn, is_admin: bool
) -> None:
    """Neither taken out nor made somebody else's; of the same rows in one form, another person's goes."""
    who, group = ada if is_admin else ann, UserGroup.objects.create(name="Analysts")
    if not is_admin:
        give(ann, "manage_people")
    rows = {user.pk: GroupMembership.objects.create(user=user, group=group) for user in (who, bob)}
    browser, path = signed_in(who), f"/admin/accounts/usergroup/{group.pk}/change/"
    plain = {"name": "Analysts", "description": "", "claim_value": "", **no(*GROUP_PARTS)}

    def form(whose: User, **more: str) -> dict[str, str]:
        row = {"id": str(rows[whose.pk].pk), "group": str(group.pk), "user": str(whose.pk)} | more
        parts = {"memberships-TOTAL_FORMS": "1", "memberships-INITIAL_FORMS": "1"}
        return plain | parts | {f"memberships-0-{name}": value for name, value in row.items()}

    with unbound():
        assert str(rows[who.pk].pk) not in browser.get(path).content.decode()
        for more in ({"DELETE": "on"}, {"user": str(bob.pk)}):
            browser.post(path, form(who, **more))
    assert set(group.memberships.values_list("pk", "user_id")) == {(row.pk, user) for user, row in rows.items()}
    with unbound():
        assert browser.post(path, form(bob, DELETE="on")).status_code == 302
    assert set(group.memberships.values_list("user_id", flat=True)) == {who.pk}


def test_an_actor_is_frozen_to_its_attributes(ann: User) -> None:
    actor = actor_for_user(ann)
    with pytest.raises(TypeError):
        actor.attributes["region"] = AttributeValue(("EU",), "string", "me")  # type: ignore[index]  # what is tried
    assert "region" not in actor.attributes


def test_who_keeps_people_gives_themself_no_object(ada: User, ann: User, bob: User, signed_in: SignedIn) -> None:
    give(ann, "manage_people")
    group, other = UserGroup.objects.create(name="Mine"), UserGroup.objects.create(name="Others")
    GroupMembership.objects.create(user=ann, group=group)
    board = Dashboard.objects.create(slug="d", title="D")

    def save(who: User, people: list[User], groups: list[UserGroup]) -> tuple[set[object], set[object]]:
        form = {"title": "D", "slug": "d", **no("filters", "tiles")}
        form |= {"view_dashboard_people": [str(one.pk) for one in people]}  # type: ignore[dict-item]  # several values
        form |= {"view_dashboard_groups": [str(one.pk) for one in groups]}  # type: ignore[dict-item]  # several values
        browser = signed_in(User.objects.get(pk=who.pk))
        with unbound():
            browser.post(f"/admin/dashboards/dashboard/{board.pk}/change/", form)
        rule = rule_of(Dashboard, "view_dashboard")
        return (
            set(rule.user_table.objects.values_list("user_id", flat=True)),
            set(rule.group_table.objects.values_list("group_id", flat=True)),
        )

    assert save(ann, [ann], []) == (set(), set())
    assert save(ann, [], [group]) == (set(), set())
    assert save(ann, [bob], [other]) == ({bob.pk}, {other.pk})
    assert save(ada, [bob, ann], [other, group]) == ({bob.pk, ann.pk}, {other.pk, group.pk})
    assert save(ann, [ann], [group]) == ({ann.pk}, {group.pk})
    assert save(ann, [], [group]) == ({ann.pk}, {group.pk})


def test_programs_get_no_rights_from_who_keeps_people(ada: User, ann: User, signed_in: SignedIn, now: datetime) -> None:
    give(ann, "manage_people")
    robot = create_service_account(name="Nightly", owner=ann, by=SYSTEM, now=now)
    group, board = UserGroup.objects.create(name="Finance"), Dashboard.objects.create(slug="d", title="D")

    def try_both(who: User) -> tuple[bool, bool]:
        browser = signed_in(User.objects.get(pk=who.pk))
        member = {"name": "Finance", "description": "", "claim_value": "", **no(*GROUP_PARTS)}
        member |= {"memberships-TOTAL_FORMS": "1", "memberships-0-user": str(robot.pk)}
        holder = {"title": "D", "slug": "d", "view_dashboard_people": str(robot.pk), **no("filters", "tiles")}
        with unbound():
            browser.post(f"/admin/accounts/usergroup/{group.pk}/change/", member)
            browser.post(f"/admin/dashboards/dashboard/{board.pk}/change/", holder)
        holders = rule_of(Dashboard, "view_dashboard").user_table.objects
        return GroupMembership.objects.filter(user=robot).exists(), holders.filter(user_id=robot.pk).exists()

    assert try_both(ann) == (False, False)
    assert try_both(ada) == (True, True)


def test_nobody_does_away_with_a_group_that_they_are_in(ada: User, ann: User, signed_in: SignedIn) -> None:
    give(ann, "manage_people")
    own, other = UserGroup.objects.create(name="Mine"), UserGroup.objects.create(name="Others")
    GroupMembership.objects.create(user=ann, group=own)
    browser = signed_in(User.objects.get(pk=ann.pk))
    with unbound():
        assert browser.get(f"/admin/accounts/usergroup/{own.pk}/keeper/").status_code == 404
        assert browser.get(f"/admin/accounts/usergroup/{other.pk}/keeper/").status_code == 200
        assert browser.post(f"/admin/accounts/usergroup/{own.pk}/delete/", {"post": "yes"}).status_code == 403
    for group in (own, other):
        chosen = {"action": "delete_selected", "_selected_action": [str(group.pk)]}
        with contextlib.suppress(AssertionError, LookupError):  # there may be nothing to confirm
            confirmed(browser, "/admin/accounts/usergroup/", chosen)
    assert list(UserGroup.objects.values_list("name", flat=True)) == ["Mine"]
