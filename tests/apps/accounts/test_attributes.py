"""Attributes: every source keeps its own value, the strongest holds, and when it goes the next one does."""

from datetime import datetime
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.access.models import Role, RoleAssignment
from apps.access.selectors import actor_for_user, rights_of
from apps.accounts.attributes import GROUP, SYSTEM_ATTRIBUTES, Held, lines_of, standing, standing_by_person
from apps.accounts.claims import claim_at, claimable_groups, typed_values
from apps.accounts.errors import AttributeTypeError
from apps.accounts.models import (
    AttributeDefinition,
    ClaimMapping,
    GroupAttribute,
    GroupMembership,
    IdentityProvider,
    User,
    UserAttribute,
    UserGroup,
)
from apps.accounts.scim.keepers import hand_over, take_back
from apps.accounts.services import define_attribute, invite_user, save_provider, set_attribute, sign_in_from_claims
from apps.audit.types import SYSTEM
from apps.tenants.binding import unbound
from apps.tenants.types import TenantRef
from tests.apps.accounts.conftest import ATTRIBUTES, ScimClient
from tests.apps.conftest import SignedIn, confirmed


@pytest.fixture
def main(acme: TenantRef, now: datetime, region: AttributeDefinition) -> IdentityProvider:
    """Acme's provider, whose claim org.region becomes the region."""
    row = IdentityProvider(
        slug="main", name="Main", issuer="https://idp.example", client_id="omni", sealed_client_secret=b"-"
    )
    save_provider(row, client_secret="canary", by=SYSTEM, now=now)
    ClaimMapping.objects.create(provider=row, claim="org.region", definition=region)
    return row


def sign_in(provider: IdentityProvider, now: datetime, **claims: Any) -> User:
    said = {"sub": "s-1", "email": "eve@acme.example", "email_verified": True} | claims
    return sign_in_from_claims(provider=provider, claims=said, now=now)


def region_of(user: User) -> tuple[Any, ...] | None:
    held = actor_for_user(user).attributes.get("region")
    return held and (held.source, *held.values)


def test_the_strongest_source_holds_and_when_it_goes_the_next_one_does(
    okta: ScimClient, main: IdentityProvider, region: AttributeDefinition, now: datetime
) -> None:
    made = okta.make("eve@acme.example", **{ATTRIBUTES: {"region": ["SCIM"]}})
    eve = sign_in(main, now, org={"region": ["CLAIM"]})
    europe = UserGroup.objects.create(name="Europe")
    GroupMembership.objects.create(user=eve, group=europe)
    GroupAttribute.objects.create(group=europe, definition=region, values=["GROUP"])
    set_attribute(user=eve, definition=region, values=["HAND"], by=SYSTEM, now=now)
    assert region_of(eve) == ("administrator", "HAND")
    assert [line.holds for line in lines_of(eve.pk)] == [True, False, False, False]
    set_attribute(user=eve, definition=region, values=[], by=SYSTEM, now=now)
    assert region_of(eve) == ("scim", "SCIM")
    okta.patch(f"/Users/{made['id']}", {"op": "remove", "path": f"{ATTRIBUTES}:region"})
    assert region_of(eve) == ("claim", "CLAIM")
    sign_in(main, now)
    assert region_of(eve) == ("group", "GROUP")
    GroupMembership.objects.filter(user=eve).delete()
    assert region_of(eve) is None


def test_an_invitations_value_holds_until_the_provider_speaks_and_a_groups_is_weaker(
    main: IdentityProvider, region: AttributeDefinition, now: datetime
) -> None:
    eve = invite_user(
        email="eve@acme.example", attributes={"region": ["INVITED"]}, groups=["Europe"], by=SYSTEM, now=now
    )
    GroupAttribute.objects.create(group=UserGroup.objects.get(), definition=region, values=["GROUP"])
    assert region_of(eve) == ("invitation", "INVITED")
    sign_in(main, now)
    assert region_of(eve) == ("group", "GROUP")


@pytest.mark.parametrize(
    ("is_list", "first", "second", "values"),
    [
        (True, ("EU",), ("US", "EU"), ("EU", "US")),
        (False, ("EU",), ("EU",), ("EU",)),
        (False, ("EU",), ("US",), ()),
        (False, (1,), (True,), ()),
        (False, (1,), (1.0,), ()),
        (True, (1,), (True,), (1, True)),
    ],
)
def test_groups_add_up_in_lists_and_must_agree_on_single_values(
    is_list: bool, first: tuple[Any, ...], second: tuple[Any, ...], values: tuple[Any, ...]
) -> None:
    rows = [Held("a", "string", is_list, given, GROUP, name) for name, given in (("One", first), ("Two", second))]
    found = standing(rows)["a"].values
    assert [(type(one), one) for one in found] == [(type(one), one) for one in values]


def test_groups_that_contradict_each_other_give_nothing(ann: User) -> None:
    tier = AttributeDefinition.objects.create(name="tier", label="Tier")
    for name in ("Gold", "Silver"):
        group = UserGroup.objects.create(name=name)
        GroupMembership.objects.create(user=ann, group=group)
        GroupAttribute.objects.create(group=group, definition=tier, values=[name])
    assert "tier" not in actor_for_user(ann).attributes
    assert {line.note for line in lines_of(ann.pk)} == {"groups contradict each other: unset"}
    GroupMembership.objects.filter(group__name="Silver").delete()
    assert actor_for_user(ann).attributes["tier"].values == ("Gold",)


def test_rights_are_read_in_one_statement_and_everybodys_agree_with_them(
    ann: User, bob: User, region: AttributeDefinition, level: AttributeDefinition
) -> None:
    for source in UserAttribute.Source.values:
        UserAttribute.objects.create(user=ann, definition=region, values=[source], source=source)
    for name in ("One", "Two"):
        group = UserGroup.objects.create(name=name)
        GroupAttribute.objects.create(group=group, definition=region, values=[name])
        GroupAttribute.objects.create(group=group, definition=level, values=[7])
        for user in (ann, bob):
            for member_by in GroupMembership.Source.values:
                GroupMembership.objects.create(user=user, group=group, source=member_by)
    with CaptureQueriesContext(connection) as statements:
        found = {user.pk: rights_of(user) for user in (ann, bob)}
    assert len([one for one in statements if "SELECT" in one["sql"]]) == 2
    assert sorted(name for _, name in found[bob.pk].groups) == ["One", "Two"]
    assert found[ann.pk].attributes["region"].values == ("administrator",)
    assert found[bob.pk].attributes["region"].values == ("One", "Two")
    everybody = standing_by_person(("region", "level"))
    for user in (ann, bob):
        held = {name: (one.values, one.source) for name, one in everybody[user.pk].items()}
        assert held == {name: (one.values, one.source) for name, one in found[user.pk].attributes.items()}


def test_an_attribute_that_claims_fill_is_deleted_by_who_decides_on_providers(
    ada: User, ann: User, signed_in: SignedIn, now: datetime
) -> None:
    RoleAssignment.objects.create(user=ann, role=Role.objects.create(name="Keeper", capabilities=["manage_people"]))
    row = IdentityProvider(slug="m", name="Main", issuer="https://idp.example", client_id="a")
    provider = save_provider(row, client_secret="s", by=SYSTEM, now=now)
    filled, free = (AttributeDefinition.objects.create(name=name, label=name) for name in ("region", "shoe_size"))
    ClaimMapping.objects.create(provider=provider, claim="org.region", definition=filled)
    listed, keeper = "/admin/accounts/attributedefinition/", signed_in(ann)
    with unbound():
        assert "org.region of Main" in keeper.get(f"{listed}{filled.pk}/change/").content.decode()
        assert keeper.get(f"{listed}{filled.pk}/delete/").status_code == 403
        assert keeper.post(f"{listed}{filled.pk}/delete/", {"post": "yes"}).status_code == 403
    confirmed(keeper, f"{listed}{free.pk}/delete/")
    assert list(AttributeDefinition.objects.values_list("name", flat=True)) == ["region"]
    assert ClaimMapping.objects.get().definition == filled
    confirmed(signed_in(ada), f"{listed}{filled.pk}/delete/")
    assert not ClaimMapping.objects.exists()


def test_a_definition_cannot_take_a_name_of_the_systems(acme: TenantRef) -> None:
    for name in SYSTEM_ATTRIBUTES:
        with pytest.raises(ValidationError):
            define_attribute(AttributeDefinition(name=name, label="Mine"))
    assert define_attribute(AttributeDefinition(name="mine", label="Mine")).pk


def test_the_list_of_system_attributes_is_complete(ann: User) -> None:
    given = {name for name, held in actor_for_user(ann).attributes.items() if held.source == "system"}
    assert set(SYSTEM_ATTRIBUTES) - given == {"omni_user_groups", "omni_user_embed_entity"}  # in no group, not embedded
    assert given <= set(SYSTEM_ATTRIBUTES)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("region", "EU"), ("org.region", ["US"]), ("org.unit.name", "Sales"), ("https://acme.example/region", "ASIA"),
        ("https://acme.example/org.level", 3), ("roles.name", ["a", "b"]), ("roles.tags", ["x", "y"]), ("nothing", None),
        ("org", {"region": ["US"], "unit": {"name": "Sales"}}), ("region.deeper", None), ("org.region.0", None), ("", None),
        ("null", None), ("org..region", None), ("a.b", "whole name first"),
    ],
)  # fmt: skip
def test_a_dotted_path_finds_its_claim(path: str, found: Any) -> None:
    claims = {
        "region": "EU", "org": {"region": ["US"], "unit": {"name": "Sales"}}, "https://acme.example/region": "ASIA",
        "https://acme.example/org": {"level": 3}, "null": None, "a.b": "whole name first", "a": {"b": "parts"},
        "roles": [{"name": "a", "tags": ["x"]}, {"name": "b", "tags": ["y"]}, "text"],
    }  # fmt: skip
    assert claim_at(claims, path) == found


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("number", float("nan")), ("number", float("inf")), ("number", True), ("number", "5"), ("number", 10**400),
        ("string", 5), ("string", "a\x00b"), ("string", "\ud800"), ("string", "x" * 501), ("string", ["a", ["b"]]),
        ("boolean", "true"), ("boolean", 1), ("date", "31.01.2026"), ("date", 20260131), ("string", {"$ne": ""}),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_no_value(kind: str, raw: Any) -> None:
    with pytest.raises(AttributeTypeError):
        typed_values(raw, AttributeDefinition(name="a", type=kind, is_list=True))


def test_a_group_that_changes_hands_loses_only_what_the_other_side_put_in(
    ann: User, bob: User, ada: User, now: datetime
) -> None:
    group = UserGroup.objects.create(name="Finance")
    for user, source in ((ann, "claim"), (bob, "administrator")):
        GroupMembership.objects.create(user=user, group=group, source=source)
    hand_over(group, by=SYSTEM, now=now)
    assert actor_for_user(ann).group_names == frozenset()
    assert actor_for_user(bob).group_names == {"Finance"}
    GroupMembership.objects.create(user=ada, group=group, source="scim")
    take_back(group, by=SYSTEM, now=now)
    assert actor_for_user(ada).group_names == frozenset()
    assert actor_for_user(bob).group_names == {"Finance"}


def test_claims_fill_no_group_that_scim_keeps_whatever_value_it_bears(acme: TenantRef) -> None:
    by_hand = UserGroup.objects.create(name="Finance", claim_value="finance")
    UserGroup.objects.create(name="Sales", claim_value="sales", origin=UserGroup.Origin.SCIM)
    UserGroup.objects.create(name="support")
    assert [*claimable_groups({"finance", "sales", "support", ""})] == [by_hand]
