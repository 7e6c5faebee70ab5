"""The permissions on dashboards and folders. A folder's are a floor for everything in it and below; neither opens data."""

from django.db.models import Q

from apps.access.reviewing import ReviewedKind, register_reviewed
from apps.access.roles import Capability
from apps.access.rules import Floor, PermissionRule, register_rule
from apps.access.types import SupportScope
from apps.dashboards.models import Dashboard, Folder, Tile

VIEW, EDIT = "view_dashboard", "edit_dashboard"
VIEW_FOLDER, EDIT_FOLDER = "view_folder", "edit_folder"


def _reached(visit: SupportScope) -> Q:
    """A support visit opens the dashboards that have a tile on an approved data set."""
    return Q(pk__in=Tile.objects.filter(dataset_id__in=visit.dataset_ids).values("dashboard_id"))


def _floor(column: str, *given_by: str) -> Floor:
    return Floor(Folder, column, "parent_id", given_by)


register_rule(
    PermissionRule(
        Dashboard, VIEW, "view", (EDIT,), floor=_floor("folder_id", VIEW_FOLDER, EDIT_FOLDER), reached=_reached
    )
)
register_rule(
    PermissionRule(
        Dashboard, EDIT, "edit", floor=_floor("folder_id", EDIT_FOLDER), capability=Capability.MANAGE_DASHBOARDS
    )
)
register_rule(
    PermissionRule(Folder, VIEW_FOLDER, "view", (EDIT_FOLDER,), floor=_floor("parent_id", VIEW_FOLDER, EDIT_FOLDER))
)
register_rule(
    PermissionRule(
        Folder, EDIT_FOLDER, "edit", floor=_floor("parent_id", EDIT_FOLDER), capability=Capability.MANAGE_DASHBOARDS
    )
)
register_reviewed(
    ReviewedKind("dashboard", "Dashboard", lambda: Dashboard.objects.filter(archived_at=None).order_by("title", "pk"))
)
register_reviewed(ReviewedKind("folder", "Folder", lambda: Folder.objects.order_by("name", "pk")))
