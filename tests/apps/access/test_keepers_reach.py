"""How far who keeps people reaches: to no claim, no program and no tenant administrator, by whatever page."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from apps.access.models import Role, RoleAssignment
from apps.access.selectors import actor_for_user, has_permission
from apps.access.services import grant_permission
from apps.accounts.models import (
    AttributeDefinition,
    ClaimMapping,
    GroupAttribute,
    GroupMembership,
    IdentityProvider,
    User,
    UserGroup,
)
from apps.accounts.services import create_service_account, issue_token, save_provider, sign_in_from_claims
from apps.audit.types import SYSTEM
from apps.datamodels.models import Dataset, DatasetGroupPermission
from apps.tenants.binding import unbound
from tests.apps.access.test_own_rights import GROUP_PARTS, PERSON_PARTS, attribute, give, no
from tests.apps.conftest import SignedIn
from tests.apps.queries.conftest import sales, source

__all__ = ["sales", "source"]
ALL = {"attribute_values-TOTAL_FORMS": "1", "attribute_values-INITIAL_FORMS": "0", "attribute_values-0-text": "ALL"}


@pytest.fixture
def provider(now: datetime) -> IdentityProvider:
    """A provider that tells groups."""
    row = IdentityProvider(slug="m", name="M", issuer="https://idp.example", client_id="a")
    found = save_provider(row, client_secret="s", by=SYSTEM, now=now)
    ClaimMapping.objects.create(provider=found, claim="groups")
    return found


@pytest.fixture
def keeper(ann: User) -> User:
    """Ann, who keeps people and is no administrator."""
    give(ann, "manage_people")
    return ann


def region() -> AttributeDefinition:
    return AttributeDefinition.objects.get_or_create(name="region", defaults={"label": "Region", "is_list": True})[0]


def post(browser: Client, path: str, form: dict[str, str]) -> int:
    with unbound():
        return int(browser.post(path, form).status_code)


def come(user: User, provider: IdentityProvider, now: datetime) -> User:
    sign_in_from_claims(provider=provider, claims={"sub": user.email, "groups": ["everyone"]}, now=now)
    return User.objects.get(pk=user.pk)


@pytest.mark.parametrize(
    ("told", "claim_value", "is_kept"),
    [("everyone", "everyone", True), ("everyone", "executives", False), (None, "executives", True), (None, "", False)],
)
def test_a_group_into_which_ones_claims_will_put_one_is_as_ones_own(
    keeper: User, signed_in: SignedIn, provider: IdentityProvider, sales: Dataset, now: datetime,
    told: str | None, claim_value: str, is_kept: bool,
) -> None:  # fmt: skip
    """An administrator has set it since the last sign-in; where no claims are kept, none is known not to be one's own."""
    if told is not None:
        come(keeper, provider, now)
    group = UserGroup.objects.create(name="Executives", claim_value=claim_value)
    browser = signed_in(User.objects.get(pk=keeper.pk))
    form = {"name": "Everyone", "description": "", **no("memberships"), **ALL}
    form["attribute_values-0-definition"] = str(region().pk)
    post(browser, f"/admin/accounts/usergroup/{group.pk}/change/", form)
    post(browser, f"/admin/datamodels/dataset/{sales.pk}/change/", {"query_dataset_groups": str(group.pk)})
    assert (UserGroup.objects.get().name == "Executives") == is_kept
    assert GroupAttribute.objects.exists() != is_kept
    assert DatasetGroupPermission.objects.exists() != is_kept


@pytest.mark.parametrize("is_named_by_an_administrator", [False, True])
def test_a_group_that_is_renamed_takes_nobody_in_by_its_name(
    keeper: User, signed_in: SignedIn, provider: IdentityProvider, now: datetime, is_named_by_an_administrator: bool
) -> None:
    come(keeper, provider, now)
    value = "everyone" if is_named_by_an_administrator else "executives"
    group = UserGroup.objects.create(name="Executives", claim_value=value)
    GroupAttribute.objects.create(group=group, definition=region(), values=["ALL"])
    RoleAssignment.objects.create(group=group, role=Role.objects.create(name="log", capabilities=["read_audit"]))
    form = {"name": "everyone", "description": "", **no(*GROUP_PARTS)}
    assert post(signed_in(User.objects.get(pk=keeper.pk)), f"/admin/accounts/usergroup/{group.pk}/change/", form) == 302
    me = come(keeper, provider, now)
    assert UserGroup.objects.get().name == ("Executives" if is_named_by_an_administrator else "everyone")
    assert attribute(me, "region") == (("ALL",) if is_named_by_an_administrator else ())
    assert ("read_audit" in actor_for_user(me).capabilities) == is_named_by_an_administrator


def test_a_group_that_is_made_takes_nobody_in_by_its_name(
    keeper: User, signed_in: SignedIn, provider: IdentityProvider, now: datetime
) -> None:
    form = {"name": "everyone", "description": "", **no("memberships"), **ALL}
    form["attribute_values-0-definition"] = str(region().pk)
    assert post(signed_in(keeper), "/admin/accounts/usergroup/add/", form) == 302
    assert attribute(come(keeper, provider, now), "region") == ()
    UserGroup.objects.update(claim_value="everyone")
    assert attribute(come(keeper, provider, now), "region") == ("ALL",)


@pytest.mark.parametrize("is_admin", [False, True])
def test_a_program_gets_nothing_through_its_group_from_who_keeps_people(
    ada: User, keeper: User, signed_in: SignedIn, sales: Dataset, now: datetime, is_admin: bool
) -> None:
    robot = create_service_account(name="Nightly", owner=keeper, by=SYSTEM, now=now)
    token = issue_token(user=robot, name="t", days=1, by=SYSTEM, now=now)
    group = UserGroup.objects.create(name="Programs")
    GroupMembership.objects.create(user=robot, group=group)
    browser = signed_in(ada if is_admin else keeper)
    form = {"name": "Renamed", "description": "", "claim_value": "", **no("memberships"), **ALL}
    form["attribute_values-0-definition"] = str(region().pk)
    post(browser, f"/admin/accounts/usergroup/{group.pk}/change/", form)
    post(browser, f"/admin/datamodels/dataset/{sales.pk}/change/", {"query_dataset_groups": str(group.pk)})
    program = Client(headers={"host": "acme.localhost", "authorization": f"Bearer {token}"})
    question = json.dumps({"dataset": "Sales", "fields": ["orders.region"]})
    with unbound():
        listed = program.get("/api/v1/datasets").json()["datasets"]
        answer = program.post("/api/v1/query", question, content_type="application/json")
    assert (bool(listed), answer.status_code == 200) == (is_admin, is_admin)
    assert UserGroup.objects.get().name == ("Renamed" if is_admin else "Programs")
    if not is_admin:
        assert post(browser, f"/admin/accounts/usergroup/{group.pk}/delete/", {"post": "yes"}) == 403
        assert post(browser, f"/admin/accounts/usergroup/{group.pk}/keeper/", {}) == 404


def test_a_group_of_people_alone_is_kept_as_before(
    keeper: User, bob: User, signed_in: SignedIn, sales: Dataset
) -> None:
    group = UserGroup.objects.create(name="People")
    GroupMembership.objects.create(user=bob, group=group)
    browser = signed_in(keeper)
    form = {"name": "Renamed", "description": "", **no("memberships"), **ALL}
    form["attribute_values-0-definition"] = str(region().pk)
    assert post(browser, f"/admin/accounts/usergroup/{group.pk}/change/", form) == 302
    path = f"/admin/datamodels/dataset/{sales.pk}/change/"
    assert post(browser, path, {"query_dataset_groups": str(group.pk)}) == 302
    assert attribute(bob, "region") == ("ALL",)
    assert has_permission(actor_for_user(User.objects.get(pk=bob.pk)), "query_dataset", sales)


@pytest.mark.parametrize(("who", "is_in"), [("bob", True), ("ada", False)])
def test_only_administrators_put_one_another_into_groups(
    request: Any, keeper: User, signed_in: SignedIn, make_person: Callable[..., User], who: str, is_in: bool
) -> None:
    user: User = request.getfixturevalue(who)
    group = UserGroup.objects.create(name="Ops")
    browser, theirs = signed_in(keeper), signed_in(user)
    form = {"name": "Ops", "description": "", **no(*GROUP_PARTS), "memberships-TOTAL_FORMS": "1"}
    path = f"/admin/accounts/usergroup/{group.pk}/change/"
    assert post(browser, path, form | {"memberships-0-user": str(user.pk)}) == (302 if is_in else 200)
    assert GroupMembership.objects.filter(user=user).exists() == is_in
    with unbound():
        assert (theirs.get("/accounts/sessions/").status_code == 200) != is_in
    other = make_person("cleo@acme.example", is_tenant_admin=True)
    by_hand = [GroupMembership.objects.create(user=one, group=group) for one in (other, make_person("d@acme.example"))]
    for row in by_hand:  # who is in already is not put out either
        form = {
            "name": "Ops",
            "description": "",
            **no(*GROUP_PARTS),
            "memberships-TOTAL_FORMS": "1",
            "memberships-INITIAL_FORMS": "1",
        }
        form |= {"memberships-0-id": str(row.pk), "memberships-0-user": str(row.user_id), "memberships-0-DELETE": "on"}
        post(browser, path, form)
    assert [GroupMembership.objects.filter(pk=row.pk).exists() for row in by_hand] == [True, False]


def test_what_a_member_of_two_groups_may_is_not_widened_by_rights_of_the_other(
    keeper: User, bob: User, signed_in: SignedIn, sales: Dataset, now: datetime
) -> None:
    """A program's group that holds something already keeps it: neither given nor taken by who keeps people."""
    robot = create_service_account(name="Nightly", owner=keeper, by=SYSTEM, now=now)
    mixed = UserGroup.objects.create(name="Mixed")
    GroupMembership.objects.create(user=robot, group=mixed)
    GroupMembership.objects.create(user=bob, group=mixed)
    grant_permission(group=mixed, permission="query_dataset", obj=sales, by=SYSTEM, now=now)
    path = f"/admin/datamodels/dataset/{sales.pk}/change/"
    assert post(signed_in(keeper), path, {"query_dataset_people": ""}) == 200
    assert has_permission(actor_for_user(User.objects.get(pk=bob.pk)), "query_dataset", sales)


@pytest.mark.parametrize(
    ("capabilities", "is_admin"), [(["manage_models"], False), ([], False), (["manage_models"], True)]
)
def test_who_has_a_role_through_a_group_is_for_tenant_administrators(
    ada: User, keeper: User, bob: User, signed_in: SignedIn, capabilities: list[str], is_admin: bool
) -> None:
    group = UserGroup.objects.create(name="Modelers")
    RoleAssignment.objects.create(group=group, role=Role.objects.create(name="m", capabilities=capabilities))
    browser, may = signed_in(ada if is_admin else keeper), is_admin or not capabilities
    of_group = {
        "name": "Modelers",
        "description": "",
        "claim_value": "",
        **no(*GROUP_PARTS),
        "memberships-TOTAL_FORMS": "1",
    }
    of_person = {"email": bob.email, "name": bob.name, "timezone": "UTC", "is_active": "on", **no(*PERSON_PARTS)}
    for path, form in (
        (f"/admin/accounts/usergroup/{group.pk}/change/", of_group | {"memberships-0-user": str(bob.pk)}),
        (
            f"/admin/accounts/user/{bob.pk}/change/",
            of_person | {"memberships-TOTAL_FORMS": "1", "memberships-0-group": str(group.pk)},
        ),
    ):
        post(browser, path, form)
        assert GroupMembership.objects.filter(user=bob, group=group).exists() == may, path
        GroupMembership.objects.all().delete()
    GroupMembership.objects.create(
        user=bob, group=group
    )  # by an administrator: the keeper's page of Bob goes on working
    assert post(browser, f"/admin/accounts/user/{bob.pk}/change/", of_person | {"name": "Robert"}) == 302
    assert User.objects.get(pk=bob.pk).name == "Robert"
    with unbound():
        assert browser.get(f"/admin/accounts/usergroup/{group.pk}/keeper/").status_code == (200 if may else 404)


@pytest.mark.parametrize("through_group", [True, False])
@pytest.mark.parametrize(("capabilities", "may"), [(["read_audit"], False), ([], True)])
def test_who_keeps_people_does_not_say_who_gets_a_role_that_waits(
    keeper: User, signed_in: SignedIn, capabilities: list[str], may: bool, through_group: bool
) -> None:
    """Whoever changes the address of an invitation says who comes in by it."""
    boss = User.objects.create(email="boss@acme.example")
    role = Role.objects.create(name="log", capabilities=capabilities)
    if through_group:
        group = UserGroup.objects.create(name="Board")
        GroupMembership.objects.create(user=boss, group=group)
        RoleAssignment.objects.create(group=group, role=role)
    else:
        RoleAssignment.objects.create(user=boss, role=role)
    form = {"email": "mine@acme.example", "name": "", "timezone": "UTC", "is_active": "on", **no(*PERSON_PARTS)}
    if through_group and may:
        row = GroupMembership.objects.get()
        form |= {"memberships-TOTAL_FORMS": "1", "memberships-INITIAL_FORMS": "1", "memberships-0-id": str(row.pk)}
        form |= {"memberships-0-user": str(boss.pk), "memberships-0-group": str(row.group_id)}
    assert post(signed_in(keeper), f"/admin/accounts/user/{boss.pk}/change/", form) == 302
    boss.refresh_from_db()
    assert (boss.email == "mine@acme.example") == may
