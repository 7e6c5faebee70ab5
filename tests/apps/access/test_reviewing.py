"""The review of access says what the pages do: compared with what people can really open."""

import csv
import io
from collections.abc import Callable
from datetime import datetime

import pytest
from django.http import Http404
from django.test import Client

from apps.access import reviewing
from apps.access.errors import ReviewChangedError
from apps.access.exporting import as_csv, as_text, digest_of
from apps.access.models import AccessReview, Role, RoleAssignment
from apps.access.roles import Capability
from apps.access.selectors import actor_for_user
from apps.access.services import grant_permission, sign_off
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
        found = {entry.email: entry.through for entry in reviewing.WhoSees("dashboard", house[name]).whole()}
        opens = {
            user.email
            for user in User.objects.all()
            if policies.visible(actor_for_user(user)).filter(pk=house[name].pk).exists()
        }
        edits = {email for email, through in found.items() if any(way.startswith("edit") for way in through)}
        assert edits == {ada.email}
        assert found.keys() - edits == opens
    ways = {entry.email: entry.through for entry in reviewing.WhoSees("dashboard", house["inside"]).whole()}
    assert ways == {
        ada.email: ("edit: through a role: edit dashboards and folders",),
        ann.email: ("view: folder Company: through group Sellers",),
        bob.email: ("view: personally",),
    }


def test_what_a_person_sees_is_what_they_can_open(house: dict[str, Dashboard], ann: User, bob: User) -> None:
    for user in (ann, bob):
        found = {entry.object for entry in reviewing.WhatSees(user).whole() if entry.kind == "Dashboard"}
        assert found == {str(dashboard) for dashboard in policies.visible(actor_for_user(user))}
    assert {entry.object for entry in reviewing.WhatSees(ann).whole() if entry.kind == "Folder"} == {"Company", "Sales"}
    bob.is_active = False
    bob.save()
    assert list(reviewing.WhatSees(bob).whole()) == []
    assert bob.email not in {entry.email for entry in reviewing.WhoSees("dashboard", house["outside"]).whole()}


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
    assert "view: folder Company: through group Sellers" in text
    for part in ("", "export/", "sign/"):
        assert page(bob, f"{path}{part}")[0] == 404
    assert page(bob, f"{path}sign/", note="x", digest="y")[0] == 404
    exported = page(ann, f"{path}export/")[1]
    rows = list(csv.reader(io.StringIO(exported)))
    assert rows[0] == ["person", "email", "kind", "object", "through", "model"]
    assert len(rows) == 3
    digest = digest_of(exported.encode())
    assert digest in page(ann, f"{path}sign/")[1]
    assert page(ann, f"{path}sign/", note="all right", digest=digest)[0] == 302
    review = AccessReview.objects.get()
    assert (review.entries, review.note, review.reviewed_by, review.digest) == (2, "all right", ann, digest)
    assert AuditEvent.objects.filter(verb="access.review_signed_off").count() == 1
    assert "all right" in page(ann, path)[1]
    person = page(ann, f"/admin/access/accessreview/of/person/{bob.pk}/export/")[1]
    assert "'=Outside" in person
    assert "Inside" in page(ann, "/admin/access/accessreview/find/?text=insid")[1]
    assert "Outside" not in page(ann, "/admin/access/accessreview/find/?text=insid")[1]
    assert page(bob, "/admin/access/accessreview/find/")[0] == 404
    with bound(globex.id):
        stranger = make_person("gus@globex.example")
        theirs = Dashboard.objects.create(slug="x", title="Theirs")
    for other in (f"dashboard/{theirs.pk}", f"person/{stranger.pk}", f"nothing/{theirs.pk}"):
        assert page(ann, f"/admin/access/accessreview/of/{other}/")[0] == 404
    assert "Company" in page(ann, "/admin/access/accessreview/")[1]


def test_nobody_signs_off_without_the_capability(house: dict[str, Dashboard], bob: User, now: datetime) -> None:
    with pytest.raises(Http404):
        sign_off("dashboard", house["inside"], digest="", note="", by=actor_for_user(bob), now=now)
    assert not AccessReview.objects.exists()


def test_a_list_that_has_changed_since_is_not_signed_off(
    house: dict[str, Dashboard], ada: User, ann: User, now: datetime
) -> None:
    def digest() -> str:
        return digest_of(as_csv(reviewing.WhoSees("dashboard", house["outside"]).whole()))

    seen = digest()
    grant_permission(user=ann, permission="edit_dashboard", obj=house["outside"], by=SYSTEM, now=now)
    facts = {"note": "", "by": actor_for_user(ada), "now": now}
    with pytest.raises(ReviewChangedError):
        sign_off("dashboard", house["outside"], digest=seen, **facts)
    assert not AccessReview.objects.exists()
    assert sign_off("dashboard", house["outside"], digest=digest(), **facts).entries == 3


def test_base_and_group_roles_stand_in_the_review(house: dict[str, Dashboard], ann: User, bob: User, ada: User) -> None:
    def editors() -> set[str]:
        lines = reviewing.WhoSees("dashboard", house["outside"]).whole()
        return {line.email for line in lines if any("through a role" in way for way in line.through)}

    assert editors() == {ada.email}
    RoleAssignment.objects.create(group=UserGroup.objects.get(), built_in="modeler")
    assert editors() == {ada.email, ann.email}
    assert reviewing.roles_of(ann)[0] == "Modeler (through group Sellers)"
    RoleAssignment.objects.create(built_in="modeler")
    assert editors() == {ada.email, ann.email, bob.email}
    assert reviewing.roles_of(bob) == ["Modeler (everybody's)"]
    assert reviewing.roles_of(ada) == ["Tenant administrator"]


def test_pages_of_a_review_are_the_whole_of_it(house: dict[str, Dashboard], ann: User, ada: User) -> None:
    for review in (reviewing.WhatSees(ada), reviewing.WhoSees("dashboard", house["inside"])):
        whole = list(review.whole())
        assert len(whole) == review.count() > 2
        assert [line for start in range(review.count()) for line in review.entries(start, 1)] == whole


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", " =1+1", "\uff1d1", "\u00a0@x"])
def test_no_cell_of_an_export_is_a_formula(text: str) -> None:
    assert as_text(text) == f"'{text}"
    assert as_text("Sales = 1") == "Sales = 1"


@pytest.mark.parametrize("text", ["=1+1", " =1+1", "\u00a0@x", "\uff1d1", "-1"])
def test_no_part_of_a_cell_is_a_formula_where_semicolons_part_cells(text: str) -> None:
    """Much of Europe's spreadsheets read a file with commas so, whatever the quotes say that begin within a cell."""
    sign = text.lstrip()
    assert as_text(f"group A;{text}") == f"group A;{text.removesuffix(sign)}'{sign}"
    assert as_text("group A; group B - C; see = 1") == "group A; group B - C; see = 1"
