"""SCIM: groups, which it fills itself, and what they bring to people."""

from datetime import datetime

from apps.access.models import RoleAssignment
from apps.access.selectors import actor_for_user
from apps.accounts.models import (
    GroupMembership,
    IdentityProvider,
    User,
    UserGroup,
)
from apps.accounts.services import (
    create_service_account,
)
from apps.audit.types import SYSTEM
from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef
from tests.apps.accounts.conftest import GROUP, ScimClient, sign_in
from tests.apps.conftest import SignedIn

NOBODY = "00000000-0000-0000-0000-000000000001"


def test_scim_sees_and_fills_its_own_groups_only(okta: ScimClient, ann: User, now: datetime) -> None:
    by_hand = UserGroup.objects.create(name="Administrators of everything")
    GroupMembership.objects.create(user=ann, group=by_hand)
    assert okta.get("/Groups")["totalResults"] == 0
    assert okta.send("GET", f"/Groups/{by_hand.pk}").status_code == 404
    add = {"op": "add", "path": "members", "value": [{"value": str(ann.pk)}]}
    assert okta.patch(f"/Groups/{by_hand.pk}", add).status_code == 404
    made = okta.make_group("Finance")
    finance = UserGroup.objects.get(pk=made["id"])
    GroupMembership.objects.create(user=ann, group=finance, source=GroupMembership.Source.ADMINISTRATOR)
    assert okta.get(f"/Groups/{made['id']}").get("members") is None
    okta.patch(f"/Groups/{made['id']}", add)
    assert actor_for_user(ann).group_ids == {by_hand.pk, finance.pk}
    okta.patch(f"/Groups/{made['id']}", {"op": "remove", "path": f'members[value eq "{ann.pk}"]'})
    assert GroupMembership.objects.get(group=finance).source == "administrator"
    assert okta.send("DELETE", f"/Groups/{made['id']}").status_code == 204
    assert actor_for_user(ann).group_ids == {by_hand.pk}


def test_groups_in_groups_are_refused(okta: ScimClient) -> None:
    inner, outer = okta.make_group("Inner"), okta.make_group("Outer")
    nested = {"op": "add", "path": "members", "value": [{"value": inner["id"], "type": "Group"}]}
    answer = okta.patch(f"/Groups/{outer['id']}", nested)
    assert answer.status_code == 400
    assert b"no groups" in answer.content


def test_no_service_account_is_put_into_a_group_over_scim(
    okta: ScimClient, ada: User, ann: User, now: datetime
) -> None:
    robot = create_service_account(name="Nightly", owner=ada, by=SYSTEM, now=now)
    group = okta.make_group("Analysts", str(ann.pk))["id"]
    for member, status in ((robot, 400), (ada, 200)):
        operation = {"op": "add", "path": "members", "value": [{"value": str(member.pk)}]}
        assert okta.patch(f"/Groups/{group}", operation).status_code == status
    body = {"schemas": [GROUP], "displayName": "Programs", "members": [{"value": str(robot.pk)}]}
    assert okta.send("POST", "/Groups", body).status_code == 400
    assert set(GroupMembership.objects.values_list("user_id", flat=True)) == {ann.pk, ada.pk}


def test_claims_and_scim_never_touch_each_others_members(
    okta: ScimClient, main: IdentityProvider, now: datetime
) -> None:
    from apps.accounts.models import ClaimMapping

    ClaimMapping.objects.create(provider=main, claim="groups")
    UserGroup.objects.create(name="Analysts", claim_value="Analysts")
    UserGroup.objects.create(name="Named only")
    object_id = UserGroup.objects.create(name="By id", claim_value="7c0e-11")
    made = okta.make("eve@acme.example")
    finance = okta.make_group("Finance", made["id"])
    eve = sign_in(main, "eve@acme.example", now, groups=["Analysts", "Finance", "7c0e-11", "By id", "Named only"])
    held = {(row.group.name, row.source) for row in GroupMembership.objects.select_related("group")}
    assert held == {("Finance", "scim"), ("Analysts", "claim"), ("By id", "claim")}
    okta.patch(f"/Groups/{finance['id']}", {"op": "replace", "path": "members", "value": []})
    assert actor_for_user(eve).group_names == {"Analysts", "By id"}
    sign_in(main, "eve@acme.example", now, groups=["Finance"])
    assert actor_for_user(eve).group_names == frozenset()
    assert object_id.claim_value == "7c0e-11"


def test_a_role_of_a_group_comes_and_goes_with_membership(okta: ScimClient, ann: User) -> None:
    made = okta.make_group("Modelers", str(ann.pk))
    RoleAssignment.objects.create(group_id=made["id"], built_in="modeler")
    assert "manage_models" in actor_for_user(ann).capabilities
    okta.patch(f"/Groups/{made['id']}", {"op": "remove", "path": "members", "value": [{"value": str(ann.pk)}]})
    assert "manage_models" not in actor_for_user(ann).capabilities


# Everything or nothing, and what is malformed


def test_a_directory_neither_finds_nor_removes_service_accounts(okta: ScimClient, ada: User, now: datetime) -> None:
    robot = create_service_account(name="Robot", owner=ada, by=SYSTEM, now=now)
    found = {person["id"] for person in okta.get("/Users", count=100)["Resources"]}
    assert str(ada.pk) in found
    assert str(robot.pk) not in found
    assert okta.send("GET", f"/Users/{robot.pk}").status_code == 404
    assert okta.send("DELETE", f"/Users/{robot.pk}").status_code == 404
    assert User.objects.get(pk=robot.pk).is_active


def test_a_groups_name_is_one_name_however_it_is_written(
    okta: ScimClient, ada: User, signed_in: SignedIn, globex: TenantRef
) -> None:
    """Who gives a group a permission chooses it by its name; policies read names."""
    okta.make_group("Café")
    page, admin = "/admin/accounts/usergroup/add/", signed_in(ada)
    empty = {f"{part}-{name}": "0" for part in ("memberships", "attribute_values") for name in ("TOTAL_FORMS", "INITIAL_FORMS")}  # fmt: skip
    for name in ("café", "CAFÉ", "Cafe\u0301", " Café "):
        assert okta.send("POST", "/Groups", {"schemas": [GROUP], "displayName": name}).status_code == 409
        with unbound():
            assert admin.post(page, {"name": name, **empty}).status_code == 200
    other = okta.make_group("Cafeteria\u0301")["id"]
    assert UserGroup.objects.get(pk=other).name == "Cafeteriá"
    rename = {"op": "replace", "path": "displayName", "value": "cafe\u0301"}
    assert okta.patch(f"/Groups/{other}", rename).status_code == 409
    assert okta.patch(f"/Groups/{other}", rename | {"value": "cafeteriá"}).status_code == 200
    with unbound():
        assert admin.post(page, {"name": "Cafe", **empty}).status_code == 302
    with bound(globex.id):
        UserGroup(name="Café").full_clean(exclude=["tenant"])


def test_groups_that_were_called_alike_before_can_be_changed(okta: ScimClient) -> None:
    first, second = (
        UserGroup.objects.create(name=name, origin=UserGroup.Origin.SCIM, namesake=number)
        for number, name in enumerate(("Sales", "sales"))
    )
    for group in (first, second):
        say = {"op": "replace", "path": "externalId", "value": "x"}
        assert okta.patch(f"/Groups/{group.pk}", say).status_code == 200
        group.full_clean(exclude=["tenant"])
