"""Roles: what each opens, that the highest of base, group and own applies, and that none opens data."""

from collections.abc import Callable
from datetime import datetime

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client

from apps.access.admin.shown import deletion_digest
from apps.access.models import Role, RoleAssignment
from apps.access.roles import BUILT_IN, Capability
from apps.access.selectors import actor_for_user, usable_view
from apps.access.services import start_view
from apps.accounts.models import GroupMembership, User, UserGroup
from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef
from tests.apps.conftest import SignedIn, confirmed
from tests.apps.queries.conftest import source

__all__ = ["source"]

PAGES = {
    Capability.MANAGE_PEOPLE: ("accounts/user/", "accounts/usergroup/", "accounts/attributedefinition/", "accounts/apitoken/", "accounts/usersession/"),
    Capability.MANAGE_IDENTITY: ("tenants/signinsettings/",),
    Capability.MANAGE_CONNECTIONS: ("connections/connection/",),
    Capability.MANAGE_MODELS: ("datamodels/datamodel/", "datamodels/dataset/"),
    Capability.MANAGE_DASHBOARDS: ("dashboards/dashboard/", "dashboards/folder/"),
    Capability.READ_AUDIT: ("audit/auditevent/",),
    Capability.DECIDE_SUPPORT: ("support/supportrequest/",),
    Capability.REVIEW_ACCESS: ("access/accessreview/",),
}  # fmt: skip
ADMINISTRATORS_ONLY = (
    "access/role/", "access/roleassignment/", "accounts/serviceaccount/", "governance/approvalrequest/",
)  # fmt: skip
SHARED_WITH_PEOPLE = (
    "datamodels/dataset/", "datamodels/datamodel/", "dashboards/dashboard/", "dashboards/folder/", "connections/connection/",
)  # fmt: skip


@pytest.fixture
def status(acme: TenantRef, signed_in: SignedIn) -> Callable[..., int]:
    def get(who: User, path: str, method: str = "get", /, **data: object) -> int:
        client = signed_in(who)
        with unbound():
            return int(getattr(client, method)(path, data or None).status_code)

    return get


def custom(user: User, *capabilities: Capability) -> None:
    role = Role.objects.create(name=str(len(capabilities)) + user.email, capabilities=list(capabilities))
    RoleAssignment.objects.create(user=user, role=role)


def held(user: User) -> frozenset[Capability]:
    return actor_for_user(User.objects.get(pk=user.pk)).capabilities


def test_without_any_role_everybody_is_a_querier(ann: User, ada: User) -> None:
    assert held(ann) == BUILT_IN["querier"]
    assert held(ada) == frozenset(Capability)


@pytest.mark.parametrize("is_custom", [True, False])
def test_everybodys_role_is_not_deleted_into_a_wider_one(
    signed_in: SignedIn, ann: User, ada: User, is_custom: bool
) -> None:
    """Without a base role everybody is a querier; deleting a narrower one, or the set it names, would give that to all."""
    role = Role.objects.create(name="Readers", capabilities=[]) if is_custom else None
    base = RoleAssignment.objects.create(role=role, built_in="" if is_custom else "viewer")
    gone = {f"/admin/access/roleassignment/{base.pk}/delete/": base}
    if role is not None:
        gone[f"/admin/access/role/{role.pk}/delete/"] = role
    sent = {page: {"post": "yes", "shown": deletion_digest([row], is_locking=False)} for page, row in gone.items()}
    browser, listed = signed_in(ada), "/admin/access/roleassignment/"
    with unbound():
        for page, button in sent.items():
            assert "Without one everybody is querier" in browser.get(page).content.decode()
            browser.post(page, button)  # which the page does not offer
            chosen = {"action": "delete_selected", "_selected_action": str(base.pk)}
            browser.post(listed, chosen | sent[f"{listed}{base.pk}/delete/"])
        own = {"built_in": base.built_in, "role": str(role.pk) if role is not None else ""}
        browser.post(f"{listed}{base.pk}/change/", {"user": str(ada.pk), "group": "", **own})
    assert held(ann) == frozenset()
    RoleAssignment.objects.create(built_in="querier")
    assert confirmed(browser, f"{listed}{base.pk}/delete/").status_code == 302
    assert held(ann) == BUILT_IN["querier"]
    assert not RoleAssignment.objects.filter(pk=base.pk).exists()


def test_the_highest_of_base_group_and_own_role_applies(ann: User, bob: User) -> None:
    RoleAssignment.objects.create(built_in="viewer")
    assert held(ann) == held(bob) == frozenset()
    group = UserGroup.objects.create(name="Modelers")
    GroupMembership.objects.create(user=ann, group=group)
    RoleAssignment.objects.create(group=group, built_in="modeler")
    custom(ann, Capability.READ_AUDIT)
    assert held(ann) == BUILT_IN["modeler"] | {Capability.READ_AUDIT}
    RoleAssignment.objects.create(user=ann, built_in="viewer")  # a lower role takes nothing away
    assert held(ann) == BUILT_IN["modeler"] | {Capability.READ_AUDIT}
    assert held(bob) == frozenset()


def test_another_tenants_roles_are_nobodys_here(ann: User, globex: TenantRef) -> None:
    with bound(globex.id):
        RoleAssignment.objects.create(built_in="modeler")
    assert held(ann) == BUILT_IN["querier"]


@pytest.mark.parametrize("capability", sorted(PAGES))
def test_a_capability_opens_its_pages_and_no_others(
    ann: User, status: Callable[..., int], capability: Capability
) -> None:
    assert status(ann, "/admin/") == 404
    custom(ann, capability)
    assert status(ann, "/admin/") == 200
    for other, pages in PAGES.items():
        for page in pages:
            is_shared = capability == Capability.MANAGE_PEOPLE and page in SHARED_WITH_PEOPLE
            assert (status(ann, f"/admin/{page}") == 200) is (other == capability or is_shared), page
    for page in ADMINISTRATORS_ONLY:
        assert status(ann, f"/admin/{page}") in (403, 404)


def test_roles_are_given_by_tenant_administrators_only(ann: User, ada: User, status: Callable[..., int]) -> None:
    custom(ann, *(item for item in Capability))
    new = {"user": str(ann.pk), "built_in": "modeler"}
    assert status(ann, "/admin/access/roleassignment/add/", "post", **new) in (403, 404)
    assert not RoleAssignment.objects.filter(built_in="modeler").exists()
    assert status(ada, "/admin/access/roleassignment/add/", "post", **new) == 302
    assert RoleAssignment.objects.filter(built_in="modeler", user=ann).exists()


def test_whoever_manages_people_cannot_touch_administrators_nor_make_any(
    signed_in: SignedIn, ann: User, bob: User, ada: User, status: Callable[..., int]
) -> None:
    custom(ann, Capability.MANAGE_PEOPLE)
    blank = {
        f"{prefix}-{name}": "0"
        for prefix in ("attribute_values", "memberships", "tokens")
        for name in ("TOTAL_FORMS", "INITIAL_FORMS")
    }

    def edit(who: User, **fields: str) -> int:
        return status(
            ann, f"/admin/accounts/user/{who.pk}/change/", "post", email=who.email, timezone="UTC", **fields, **blank
        )

    assert edit(bob, name="Robert", is_active="on", is_tenant_admin="on") == 302
    bob.refresh_from_db()
    assert (bob.name, bob.is_tenant_admin, bob.is_active) == ("Robert", False, True)
    assert edit(ada, name="Eve") in (403, 404)
    act = {"action": "deactivate", "_selected_action": [str(ada.pk), str(bob.pk)]}
    browser = signed_in(ann)
    assert confirmed(browser, "/admin/accounts/user/", act).status_code == 302
    ada.refresh_from_db(), bob.refresh_from_db()
    assert (ada.name != "Eve", ada.is_active, bob.is_active) == (True, True, False)


def test_a_viewer_asks_no_questions_of_their_own(ann: User, status: Callable[..., int]) -> None:
    question = '{"dataset": "Sales", "fields": ["a.b"]}'

    def ask() -> int:
        client = Client(headers={"host": "acme.localhost"})
        client.force_login(ann, backend="apps.accounts.backends.IdentityBackend")
        with unbound():
            return client.post("/api/v1/query", question, content_type="application/json").status_code

    assert ask() == 404  # no such data set: the question was looked at
    RoleAssignment.objects.create(built_in="viewer")
    assert ask() == 403
    assert status(ann, "/api/v1/datasets") == 403
    assert status(ann, "/") == 200


def test_a_role_of_seeing_as_others_is_read_again_each_time(ann: User, bob: User, ada: User, now: datetime) -> None:
    custom(ann, Capability.VIEW_AS)
    view = start_view(bob.pk, by=actor_for_user(ann), now=now)
    assert usable_view(view.pk, viewer_id=ann.pk, now=now) == view
    RoleAssignment.objects.all().delete()
    assert usable_view(view.pk, viewer_id=ann.pk, now=now) is None


def test_malformed_roles_are_refused(ann: User) -> None:
    group = UserGroup.objects.create(name="G")
    for wrong in (
        RoleAssignment(user=ann, group=group, built_in="viewer"), RoleAssignment(user=ann), Role(name="x", capabilities=["fly"]),
    ):  # fmt: skip
        with pytest.raises(ValidationError):
            wrong.clean()
    for wrong in (RoleAssignment(user=ann, group=group, built_in="viewer"), RoleAssignment(user=ann)):
        with pytest.raises(IntegrityError), transaction.atomic():
            wrong.save()
    RoleAssignment.objects.create(user=ann, built_in="viewer")
    with pytest.raises(IntegrityError), transaction.atomic():
        RoleAssignment.objects.create(user=ann, built_in="viewer")
