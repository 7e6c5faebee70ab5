"""Dashboards and folders, for the review of who can see what. A folder opens everything in it and below."""

from collections.abc import Iterator
from typing import Any

from apps.access.reviewing import ReviewedKind, register_reviewed
from apps.dashboards.models import (
    Dashboard,
    DashboardGroupPermission,
    DashboardUserPermission,
    Folder,
    FolderGroupPermission,
    FolderUserPermission,
)

FOLDER = "folder"


def _chain(folder: Folder | None) -> Iterator[tuple[str, Any]]:
    seen = set()
    while folder is not None and folder.pk not in seen:
        seen.add(folder.pk)
        yield FOLDER, folder
        folder = folder.parent


register_reviewed(
    ReviewedKind(
        "dashboard",
        "Dashboard",
        "view_dashboard",
        DashboardUserPermission,
        DashboardGroupPermission,
        lambda: Dashboard.objects.filter(archived_at=None).select_related("folder__parent__parent").order_by("title"),
        lambda dashboard: _chain(dashboard.folder),
    )
)
register_reviewed(
    ReviewedKind(
        FOLDER,
        "Folder",
        "view_folder",
        FolderUserPermission,
        FolderGroupPermission,
        lambda: Folder.objects.select_related("parent__parent").order_by("name"),
        lambda folder: _chain(folder.parent),
    )
)
