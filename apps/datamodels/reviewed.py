"""Data sets, for the review of who can see what."""

from apps.access.reviewing import ReviewedKind, register_reviewed
from apps.datamodels.models import Dataset, DatasetGroupPermission, DatasetUserPermission

register_reviewed(
    ReviewedKind(
        "dataset",
        "Data set",
        "query_dataset",
        DatasetUserPermission,
        DatasetGroupPermission,
        lambda: Dataset.objects.filter(is_published=True).order_by("name"),
    )
)
