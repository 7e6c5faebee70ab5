"""A permission on one object opens that object's administration to somebody without a role, and nothing else."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError

from apps.access.models import Role, RoleAssignment
from apps.access.roles import Capability
from apps.access.selectors import actor_for_user, has_permission
from apps.access.services import grant_permission
from apps.accounts.models import User, UserGroup
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.dashboards.models import Dashboard, Folder
from apps.datamodels.models import DataModel
from apps.tenants.binding import unbound
from apps.tenants.types import TenantRef
from tests.apps.conftest import SignedIn

Page = Callable[..., tuple[int, str]]
NO_ROWS = {f"{prefix}-{name}": "0" for prefix in ("filters", "tiles") for name in ("TOTAL_FORMS", "INITIAL_FORMS")}


@pytest.fixture
def page(acme: TenantRef, signed_in: SignedIn) -> Page:
    def act(user: User, path: str, **post: Any) -> tuple[int, str]:
        client = signed_in(user)
        with unbound():
            answer = client.post(path, post) if post else client.get(path)
        return answer.status_code, answer.content.decode()

    return act


@pytest.fixture
def things(acme: TenantRef) -> dict[str, Any]:
    folder, other = (Folder.objects.create(name=name) for name in ("Sales", "Other"))
    connection = Connection.objects.create(name="source", dialect="duckdb", database="x")
    Connection.objects.create(name="another", dialect="duckdb", database="y")
    return {
        "dashboards/folder": folder, "other": other, "connections/connection": connection,
        "dashboards/dashboard": Dashboard.objects.create(slug="own", title="Own", folder=folder),
        "hidden": Dashboard.objects.create(slug="hidden", title="Hidden"),
        "datamodels/datamodel": DataModel.objects.create(name="m", connection=connection),
    }  # fmt: skip


GRANTS = (
    ("dashboards/dashboard", "edit_dashboard"), ("dashboards/folder", "edit_folder"),
    ("connections/connection", "manage_connection"), ("datamodels/datamodel", "manage_datamodel"),
)  # fmt: skip


@pytest.mark.parametrize(("kind", "codename"), GRANTS)
def test_one_object_is_open_and_nothing_else(
    things: dict[str, Any], page: Page, ann: User, bob: User, now: datetime, kind: str, codename: str
) -> None:
    own = f"/admin/{kind}/{things[kind].pk}/change/"
    for path in ("/admin/", f"/admin/{kind}/", own):
        assert page(ann, path)[0] == 404
    grant_permission(user=ann, permission=codename, obj=things[kind], by=SYSTEM, now=now)
    for path in ("/admin/", f"/admin/{kind}/", own):
        assert page(ann, path)[0] == 200
        assert page(bob, path)[0] == 404
    listed = page(ann, f"/admin/{kind}/")[1]
    assert str(things[kind].pk) in listed
    for hidden in ("Hidden", "Other", "another"):
        assert hidden not in listed
    hidden, missing = (
        page(ann, f"/admin/dashboards/dashboard/{key}/change/")[0] for key in (things["hidden"].pk, uuid4())
    )
    assert hidden == missing != 200
    for closed in ("add/", f"{things[kind].pk}/delete/"):
        assert page(ann, f"/admin/{kind}/{closed}")[0] in (403, 404)
    for other in ("accounts/user/", "access/role/", "access/accessreview/", "audit/auditevent/", "datamodels/dataset/"):
        assert page(ann, f"/admin/{other}")[0] in (403, 404)


def test_an_editor_edits_and_moves_only_between_their_own_folders(
    things: dict[str, Any], page: Page, ann: User, now: datetime
) -> None:
    own, folder, other = things["dashboards/dashboard"], things["dashboards/folder"], things["other"]
    path = f"/admin/dashboards/dashboard/{own.pk}/change/"
    fields = {"title": "Mine", "slug": "own", **NO_ROWS}
    grant_permission(user=ann, permission="edit_dashboard", obj=own, by=SYSTEM, now=now)
    assert page(ann, path, folder=str(other.pk), **fields)[0] == 302
    own.refresh_from_db()
    assert (own.title, own.folder) == ("Mine", folder)  # who may edit the dashboard alone leaves it where it is
    grant_permission(user=ann, permission="edit_folder", obj=folder, by=SYSTEM, now=now)
    assert page(ann, path, folder=str(other.pk), **fields)[0] == 200  # refused in the form
    grant_permission(user=ann, permission="edit_folder", obj=other, by=SYSTEM, now=now)
    assert page(ann, path, folder=str(other.pk), **fields)[0] == 302
    own.refresh_from_db()
    assert own.folder == other


def test_an_editor_cannot_say_who_else_may(
    things: dict[str, Any], page: Page, ann: User, bob: User, now: datetime
) -> None:
    own = things["dashboards/dashboard"]
    path = f"/admin/dashboards/dashboard/{own.pk}/change/"
    grant_permission(user=ann, permission="edit_dashboard", obj=own, by=SYSTEM, now=now)
    assert "view_dashboard_people" not in page(ann, path)[1]
    assert page(ann, path, title="Own", slug="own", view_dashboard_people=[str(bob.pk)], **NO_ROWS)[0] == 302
    assert not has_permission(actor_for_user(bob), "view_dashboard", own)


def test_who_manages_people_grants_each_permission_and_changes_nothing_else(
    things: dict[str, Any], page: Page, ann: User, bob: User
) -> None:
    role = Role.objects.create(name="People", capabilities=[Capability.MANAGE_PEOPLE])
    RoleAssignment.objects.create(user=ann, role=role)
    group = UserGroup.objects.create(name="Sellers")
    for kind, codename in GRANTS:
        tail = "holders" if kind == "datamodels/datamodel" else "change"
        path = f"/admin/{kind}/{things[kind].pk}/{tail}/"
        assert page(ann, path)[0] == 200
        held = {f"{codename}_people": [str(bob.pk)], f"{codename}_groups": [str(group.pk)]}
        assert page(ann, path, title="X", name="x", slug="x", **held, **NO_ROWS)[0] == 302
        assert has_permission(actor_for_user(bob), codename, things[kind])
        assert str(things[kind]) in ("Own", "Sales", "source", "m")
        things[kind].refresh_from_db()
        assert str(things[kind]) in ("Own", "Sales", "source", "m")
        assert page(ann, path, title="X", name="x", slug="x", **NO_ROWS)[0] == 302
        assert not has_permission(actor_for_user(bob), codename, things[kind])
    assert AuditEvent.objects.filter(verb="access.permission_granted").count() == 8
    assert AuditEvent.objects.filter(verb="access.permission_revoked").count() == 8


def test_a_folder_cannot_lie_in_itself(things: dict[str, Any]) -> None:
    folder, other = things["dashboards/folder"], things["other"]
    other.parent = folder
    other.clean()
    other.save()
    folder.parent = other
    with pytest.raises(ValidationError):
        folder.clean()


def test_the_list_of_dashboards_comes_in_pages(page: Page, ann: User, now: datetime, acme: TenantRef) -> None:
    folder = Folder.objects.create(name="Many")
    Dashboard.objects.bulk_create(
        Dashboard(slug=f"d{number}", title=f"D{number:03}", folder=folder) for number in range(51)
    )
    grant_permission(user=ann, permission="view_folder", obj=folder, by=SYSTEM, now=now)
    first, second, beyond = (page(ann, f"/?page={number}")[1] for number in (1, 2, 3))
    assert ("D000" in first, "D049" in first, "D050" in first) == (True, True, False)
    assert ("D049" in second, "D050" in second) == (False, True)
    assert "There are no more dashboards" in beyond
    assert "D000" in page(ann, "/?page=x")[1]
