"""The review of access says what the pages do: compared with what people can really open."""

import csv
import io
from collections.abc import Callable
from datetime import datetime

import pytest
from django.http import Http404
from django.test import Client

from apps.access import reviewing
from apps.access.models import AccessReview, Role, RoleAssignment
from apps.access.roles import Capability
from apps.access.selectors import actor_for_user
from apps.access.services import grant_permission
from apps.accounts.models import GroupMembership, User, UserGroup
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.dashboards import policies
from apps.dashboards.models import Dashboard, Folder
from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef


@pytest.fixture
def house(ann: User, bob: User, now: datetime) -> dict[str, object]:
    """A folder in a folder, a dashboard in it, one outside; Ann through a group on the outer folder, Bob personally."""
    outer = Folder.objects.create(name="Company")
    inner = Folder.objects.create(name="Sales", parent=outer)
    inside = Dashboard.objects.create(slug="inside", title="Inside", folder=inner)
    outside = Dashboard.objects.create(slug="outside", title="=Outside")
    group = UserGroup.objects.create(name="Sellers")
    GroupMembership.objects.create(user=ann, group=group)
    grant_permission(group=group, permission="view_folder", obj=outer, by=SYSTEM, now=now)
    grant_permission(user=bob, permission="view_dashboard", obj=inside, by=SYSTEM, now=now)
    grant_permission(user=bob, permission="view_dashboard", obj=outside, by=SYSTEM, now=now)
    return {"inside": inside, "outside": outside, "outer": outer}


def test_who_sees_an_object_is_who_can_open_it(house: dict[str, Dashboard], ann: User, bob: User, ada: User) -> None:
    for name in ("inside", "outside"):
        found = {entry.email for entry in reviewing.who_sees("dashboard", house[name])}
        opens = {
            user.email
            for user in User.objects.all()
            if policies.visible(actor_for_user(user)).filter(pk=house[name].pk).exists()
        }
        assert found == opens
    ways = {entry.email: entry.through for entry in reviewing.who_sees("dashboard", house["inside"])}
    assert ways == {ann.email: ("Folder Company: group Sellers",), bob.email: ("personally",)}


def test_what_a_person_sees_is_what_they_can_open(house: dict[str, Dashboard], ann: User, bob: User) -> None:
    for user in (ann, bob):
        found = {entry.object for entry in reviewing.what_sees(user) if entry.kind == "Dashboard"}
        assert found == {str(dashboard) for dashboard in policies.visible(actor_for_user(user))}
    assert {entry.object for entry in reviewing.what_sees(ann) if entry.kind == "Folder"} == {"Company", "Sales"}
    bob.is_active = False
    bob.save()
    assert reviewing.what_sees(bob) == []
    assert [entry.email for entry in reviewing.who_sees("dashboard", house["outside"])] == []


def test_the_pages_are_for_reviewers_and_a_sign_off_is_kept(
    house: dict[str, Dashboard],
    ann: User,
    bob: User,
    acme: TenantRef,
    globex: TenantRef,
    make_person: Callable[..., User],
) -> None:
    role = Role.objects.create(name="Reviewers", capabilities=[Capability.REVIEW_ACCESS])
    RoleAssignment.objects.create(user=ann, role=role)

    def page(user: User, path: str, **post: str) -> tuple[int, str]:
        client = Client(headers={"host": "acme.localhost"})
        client.force_login(user, backend="apps.accounts.backends.IdentityBackend")
        with unbound():
            answer = client.post(path, post) if post else client.get(path)
        return answer.status_code, answer.content.decode()

    path = f"/admin/access/accessreview/of/dashboard/{house['inside'].pk}/"
    status, text = page(ann, path)
    assert status == 200
    assert "Folder Company: group Sellers" in text
    assert page(bob, path)[0] == 404
    assert page(bob, path, note="x")[0] == 404
    rows = list(csv.reader(io.StringIO(page(ann, f"{path}?format=csv")[1])))
    assert rows[0] == ["person", "email", "kind", "object", "through"]
    assert len(rows) == 3
    assert page(ann, path, note="all right")[0] == 302
    review = AccessReview.objects.get()
    assert (review.entries, review.note, review.reviewed_by) == (2, "all right", ann)
    assert AuditEvent.objects.filter(verb="access.review_signed_off").count() == 1
    assert "all right" in page(ann, path)[1]
    person = page(ann, f"/admin/access/accessreview/of/person/{bob.pk}/?format=csv")[1]
    assert "'=Outside" in person
    with bound(globex.id):
        stranger = make_person("gus@globex.example")
        theirs = Dashboard.objects.create(slug="x", title="Theirs")
    for other in (f"dashboard/{theirs.pk}", f"person/{stranger.pk}", f"nothing/{theirs.pk}"):
        assert page(ann, f"/admin/access/accessreview/of/{other}/")[0] == 404
    assert "Company" in page(ann, "/admin/access/accessreview/")[1]


def test_nobody_signs_off_without_the_capability(house: dict[str, Dashboard], bob: User, now: datetime) -> None:
    with pytest.raises(Http404):
        reviewing.sign_off("dashboard", house["inside"], [], note="", by=actor_for_user(bob), now=now)
    assert not AccessReview.objects.exists()
