"""One decision, three readings: of one object, of a list, of a review. They agree with each other and with plain Python."""

import itertools
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

import pytest
from guardian.shortcuts import get_objects_for_user

from apps.access import reviewing
from apps.access.deciding import Way, decide, has_permission, held_anywhere, permitted
from apps.access.errors import UnknownPermissionError
from apps.access.models import Role, RoleAssignment
from apps.access.roles import Capability
from apps.access.rules import rule_of
from apps.access.selectors import actor_for_user, actor_for_view
from apps.access.services import grant_permission, revoke_permission, start_view
from apps.access.types import Actor, SupportScope
from apps.accounts.models import GroupMembership, User, UserGroup
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.dashboards.models import Dashboard, Folder
from apps.datamodels.models import DataModel, Dataset
from apps.tenants.binding import bound
from apps.tenants.types import TenantRef

CODENAMES = {
    Dashboard: ("view_dashboard", "edit_dashboard"), Folder: ("view_folder", "edit_folder"),
    Dataset: ("query_dataset",), DataModel: ("manage_datamodel",), Connection: ("manage_connection",),
}  # fmt: skip
IMPLIES = {"edit_dashboard": {"view_dashboard"}, "edit_folder": {"view_folder"}}
FLOORS = {"view_folder": {"view_dashboard", "view_folder"}}
FLOORS["edit_folder"] = FLOORS["view_folder"] | {"edit_dashboard", "edit_folder"}
ROLES = {
    "edit_dashboard": Capability.MANAGE_DASHBOARDS, "edit_folder": Capability.MANAGE_DASHBOARDS,
    "manage_datamodel": Capability.MANAGE_MODELS, "manage_connection": Capability.MANAGE_CONNECTIONS,
}  # fmt: skip


class World:
    """Folders in folders, objects, people in groups, and grants strewn over all of it, the same for a seed."""

    def __init__(self, seed: int, make_person: Callable[..., User], now: datetime, share: float = 0.12) -> None:
        pick = random.Random(seed)
        self.people = [make_person(f"{name}@acme.example") for name in ("kim", "lee", "max", "nil")]
        groups = [UserGroup.objects.create(name=name) for name in ("north", "south", "empty")]
        for user, group in itertools.product(self.people, groups[:2]):
            if pick.random() < 0.5:
                GroupMembership.objects.create(user=user, group=group)
        folders: list[Folder] = []
        for number in range(5):
            parent = pick.choice([None, *folders])
            folders.append(Folder.objects.create(name=f"f{number}", parent=parent))
        connection = Connection.objects.create(name="src", dialect="duckdb", database="x")
        model = DataModel.objects.create(name="m", connection=connection)
        self.objects: list[Folder | Dashboard | Dataset | DataModel | Connection] = [*folders, connection, model]
        for number in range(5):
            folder = pick.choice([None, *folders])
            self.objects.append(Dashboard.objects.create(slug=f"d{number}", title=f"D{number}", folder=folder))
        self.objects += [Dataset.objects.create(name=f"s{number}", data_model=model) for number in range(2)]
        RoleAssignment.objects.create(built_in="viewer")
        RoleAssignment.objects.create(group=groups[1], built_in=pick.choice(["modeler", "connection_administrator"]))
        self.granted: set[tuple[UUID, UUID, str]] = set()
        for obj in self.objects:
            for codename in CODENAMES[type(obj)]:
                for holder in (*self.people, *groups):
                    if pick.random() < share:
                        who = {"user": holder} if isinstance(holder, User) else {"group": holder}
                        grant_permission(**who, permission=codename, obj=obj, by=SYSTEM, now=now)  # type: ignore[arg-type]  # looser than the type on purpose
                        self.granted.add((holder.pk, obj.pk, codename))
        self.groups = groups

    def holds(self, user: User, codename: str, obj: object) -> bool:
        """Say it in plain Python, from the grants alone."""
        held_by = {user.pk, *GroupMembership.objects.filter(user=user).values_list("group_id", flat=True)}
        mine = {(key, code) for holder, key, code in self.granted if holder in held_by}
        if any(key == obj.pk and codename in {code} | IMPLIES.get(code, set()) for key, code in mine):
            return True
        above = obj.folder if isinstance(obj, Dashboard) else obj.parent if isinstance(obj, Folder) else None
        while above is not None:
            if any(key == above.pk and codename in FLOORS.get(code, set()) for key, code in mine):
                return True
            above = above.parent
        return ROLES.get(codename) in actor_for_user(user).capabilities


@pytest.mark.parametrize("seed", range(3))
def test_a_decision_a_list_and_a_review_never_disagree(
    acme: TenantRef, make_person: Callable[..., User], now: datetime, seed: int
) -> None:
    world = World(seed, make_person, now)
    seen: set[bool] = set()
    for user in world.people:
        actor = actor_for_user(user)
        for model, codenames in CODENAMES.items():
            objects = [obj for obj in world.objects if isinstance(obj, model)]
            for codename in codenames:
                wanted = {obj.pk for obj in objects if world.holds(user, codename, obj)}
                decisions = {obj.pk: decide(actor, codename, obj) for obj in objects}
                assert {key for key, found in decisions.items() if found.is_allowed} == wanted
                assert all(bool(found.through) == found.is_allowed for found in decisions.values())
                assert {obj.pk for obj in permitted(actor, model, codename)} == wanted
                seen |= {found.is_allowed for found in decisions.values()}
        administrative = [rule_of(model, code) for model, codes in CODENAMES.items() for code in codes if code in ROLES]
        assert held_anywhere(actor, administrative) == {
            rule for rule in administrative if permitted(actor, rule.model, rule.codename).exists()
        }
        lines = {(entry.kind, entry.object) for entry in reviewing.WhatSees(user).whole()}
        for kind in reviewing.kinds():
            for obj in kind.within():
                reaches = any(has_permission(actor, rule.codename, obj) for rule in kind.rules)
                assert ((kind.label, str(obj)) in lines) is reaches
                people = {entry.email for entry in reviewing.WhoSees(kind.name, obj).whole()}
                assert (user.email in people) is reaches
    assert seen == {True, False}


@pytest.mark.parametrize("seed", range(20))
def test_who_may_edit_anything_is_who_may_edit_one(
    acme: TenantRef, make_person: Callable[..., User], now: datetime, seed: int
) -> None:
    world = World(seed, make_person, now, share=0.04)
    rules = [rule_of(model, code) for model, codes in CODENAMES.items() for code in codes if code in ROLES]
    for user in world.people:
        actor = actor_for_user(user)
        wanted = {rule for rule in rules if any(
            world.holds(user, rule.codename, obj) for obj in world.objects if isinstance(obj, rule.model)
        )}  # fmt: skip
        assert held_anywhere(actor, rules) == wanted
        assert held_anywhere(replace(actor, kind="token"), rules) == frozenset()
    with pytest.raises(TypeError, match="query_dataset"):
        held_anywhere(actor, [rule_of(Dataset, "query_dataset")])


def test_grants_on_the_object_itself_are_what_guardian_says(
    acme: TenantRef, make_person: Callable[..., User], now: datetime
) -> None:
    world = World(7, make_person, now, share=0.4)
    found = [
        set(get_objects_for_user(user, "query_dataset", Dataset, with_superuser=False, accept_global_perms=False))
        for user in world.people
    ]
    assert found == [set(permitted(actor_for_user(user), Dataset, "query_dataset")) for user in world.people]
    assert any(found)


@pytest.fixture
def inside(acme: TenantRef) -> Dashboard:
    """A dashboard in a folder in a folder."""
    outer = Folder.objects.create(name="Company")
    return Dashboard.objects.create(
        slug="inside", title="Inside", folder=Folder.objects.create(name="Sales", parent=outer)
    )


def test_a_decision_names_every_way(inside: Dashboard, ann: User, now: datetime) -> None:
    group = UserGroup.objects.create(name="Sellers")
    GroupMembership.objects.create(user=ann, group=group)
    facts = {"by": SYSTEM, "now": now}
    refused = decide(actor_for_user(ann), "view_dashboard", inside)
    assert (refused.is_allowed, refused.ways, refused.through) == (False, (), ())
    assert refused.facts()["decision"] == "denied"
    grant_permission(group=group, permission="view_folder", obj=inside.folder.parent, **facts)
    grant_permission(user=ann, permission="edit_dashboard", obj=inside, **facts)
    found = decide(actor_for_user(ann), "view_dashboard", inside)
    assert found.ways == (Way("personally"), Way("folder", "Sellers", "Company"))
    assert found.through == ("personally", "folder Company: through group Sellers")
    assert found.facts() == {
        "permission": "view_dashboard", "decision": "allowed", "through": list(found.through), "limited_by_viewer": False,
    }  # fmt: skip
    assert decide(actor_for_user(ann), "edit_dashboard", inside).ways == (Way("personally"),)


def test_moving_out_of_a_folder_ends_its_floor_at_once(inside: Dashboard, ann: User, now: datetime) -> None:
    grant_permission(user=ann, permission="view_folder", obj=inside.folder.parent, by=SYSTEM, now=now)
    actor = actor_for_user(ann)
    assert has_permission(actor, "view_dashboard", inside)
    Folder.objects.filter(pk=inside.folder_id).update(parent=None)
    assert not has_permission(actor, "view_dashboard", inside)
    Folder.objects.filter(pk=inside.folder_id).update(parent=Folder.objects.get(name="Company"))
    assert has_permission(actor, "view_dashboard", inside)
    revoke_permission(user=ann, permission="view_folder", obj=inside.folder.parent, by=SYSTEM, now=now)
    assert not has_permission(actor, "view_dashboard", inside)


def test_folders_in_a_circle_end(inside: Dashboard, ann: User, now: datetime) -> None:
    Folder.objects.filter(name="Company").update(parent=inside.folder)
    assert not has_permission(actor_for_user(ann), "view_dashboard", inside)
    grant_permission(user=ann, permission="view_folder", obj=inside.folder, by=SYSTEM, now=now)
    assert has_permission(actor_for_user(ann), "view_dashboard", inside)
    assert list(permitted(actor_for_user(ann), Dashboard, "view_dashboard")) == [inside]


def test_a_folder_opens_no_data(inside: Dashboard, ann: User, now: datetime) -> None:
    connection = Connection.objects.create(name="src", dialect="duckdb", database="x")
    data = Dataset.objects.create(name="Sales", data_model=DataModel.objects.create(name="m", connection=connection))
    inside.tiles.create(dataset=data, title="T", chart="kpi", query={})
    grant_permission(user=ann, permission="edit_folder", obj=inside.folder, by=SYSTEM, now=now)
    actor = actor_for_user(ann)
    assert has_permission(actor, "view_dashboard", inside)
    assert not has_permission(actor, "query_dataset", data)


def test_no_role_opens_data_and_roles_open_what_is_administered(inside: Dashboard, ann: User, ada: User) -> None:
    connection = Connection.objects.create(name="src", dialect="duckdb", database="x")
    model = DataModel.objects.create(name="m", connection=connection)
    data = Dataset.objects.create(name="Sales", data_model=model)
    role = Role.objects.create(name="All", capabilities=[item.value for item in Capability])
    RoleAssignment.objects.create(user=ann, role=role)
    for user in (ann, ada):
        actor = actor_for_user(user)
        assert not has_permission(actor, "query_dataset", data)
        assert not has_permission(actor, "view_dashboard", inside)
        assert decide(actor, "edit_dashboard", inside).ways[0].kind == "role"
        assert has_permission(actor, "manage_connection", connection)
        assert has_permission(actor, "manage_datamodel", model)


def test_what_is_administered_is_for_people_in_person(inside: Dashboard, ann: User, ada: User, now: datetime) -> None:
    grant_permission(user=ann, permission="edit_dashboard", obj=inside, by=SYSTEM, now=now)
    actor = actor_for_user(ann)
    token = actor_for_user(ann, token_id=uuid4())
    seen = actor_for_view(start_view(ann.pk, by=actor_for_user(ada), now=now))
    assert has_permission(actor, "edit_dashboard", inside)
    assert not has_permission(token, "edit_dashboard", inside)
    assert not has_permission(seen, "edit_dashboard", inside)
    assert has_permission(token, "view_dashboard", inside)
    assert has_permission(seen, "view_dashboard", inside)
    assert decide(seen, "view_dashboard", inside).viewed == str(ann)


def test_a_view_is_limited_by_the_viewers_own_permissions(
    inside: Dashboard, ann: User, bob: User, ada: User, now: datetime
) -> None:
    grant_permission(user=ann, permission="view_dashboard", obj=inside, by=SYSTEM, now=now)
    seen = actor_for_view(start_view(ann.pk, by=actor_for_user(ada), now=now))
    assert seen.viewing is not None
    limited = replace(seen, viewing=replace(seen.viewing, limits=actor_for_user(bob)))
    found = decide(limited, "view_dashboard", inside)
    assert (found.is_allowed, found.is_limited, found.through) == (False, True, ())
    assert not permitted(limited, Dashboard, "view_dashboard").exists()
    grant_permission(user=bob, permission="view_dashboard", obj=inside, by=SYSTEM, now=now)
    assert has_permission(limited, "view_dashboard", inside)


def test_a_support_visit_reaches_what_was_approved(inside: Dashboard, acme: TenantRef) -> None:
    connection = Connection.objects.create(name="src", dialect="duckdb", database="x")
    model = DataModel.objects.create(name="m", connection=connection)
    data, other = (Dataset.objects.create(name=name, data_model=model) for name in ("Sales", "Other"))
    scope = SupportScope(uuid4(), uuid4(), frozenset({data.pk}), sees_values=False, staff_label="Sam")
    visit = Actor(kind="support", tenant_id=acme.id, user_id=None, label="Sam", support=scope)
    assert decide(visit, "query_dataset", data).ways == (Way("support"),)
    assert not has_permission(visit, "query_dataset", other)
    assert not has_permission(visit, "view_dashboard", inside)
    inside.tiles.create(dataset=data, title="T", chart="kpi", query={})
    assert has_permission(visit, "view_dashboard", inside)
    assert list(permitted(visit, Dashboard, "view_dashboard")) == [inside]
    for codename, obj in (("manage_connection", connection), ("manage_datamodel", model), ("edit_dashboard", inside)):
        assert not has_permission(visit, codename, obj)


def test_another_tenants_object_is_refused(
    acme: TenantRef, globex: TenantRef, ann: User, ada: User, make_person: Callable[..., User], now: datetime
) -> None:
    with bound(globex.id):
        gus = make_person("gus@globex.example")
        theirs = Dashboard.objects.create(slug="x", title="Theirs")
        grant_permission(user=gus, permission="view_dashboard", obj=theirs, by=SYSTEM, now=now)
        assert has_permission(actor_for_user(gus), "view_dashboard", theirs)
        of_gus = actor_for_user(gus)
    assert not has_permission(of_gus, "view_dashboard", theirs)
    assert not has_permission(actor_for_user(ada), "edit_dashboard", theirs)
    assert not permitted(of_gus, Dashboard, "view_dashboard").exists()


def test_a_permission_that_nobody_has_named_is_an_error(inside: Dashboard, ann: User) -> None:
    for ask in (lambda actor: decide(actor, "fly", inside), lambda actor: permitted(actor, Dashboard, "fly")):
        with pytest.raises(UnknownPermissionError):
            ask(actor_for_user(ann))
