"""The permissions on one data set and on one model."""

from django.db.models import Q

from apps.access.reviewing import ReviewedKind, register_reviewed
from apps.access.roles import Capability
from apps.access.rules import PermissionRule, register_rule
from apps.datamodels.models import DataModel, Dataset

QUERY, MANAGE = "query_dataset", "manage_datamodel"

register_rule(PermissionRule(Dataset, QUERY, "query", reached=lambda visit: Q(pk__in=visit.dataset_ids)))
register_rule(PermissionRule(DataModel, MANAGE, "read, draft and publish", capability=Capability.MANAGE_MODELS))
register_reviewed(
    ReviewedKind("dataset", "Data set", lambda: Dataset.objects.filter(is_published=True).order_by("name"))
)
register_reviewed(ReviewedKind("datamodel", "Data model", lambda: DataModel.objects.order_by("name")))
