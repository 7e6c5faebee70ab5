"""Who may see and change models: whose role holds all, or who was granted one; in person. Others find nothing."""

from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404

from apps.access.deciding import permitted
from apps.access.types import Actor
from apps.datamodels.models import DataModel, ModelVersion
from apps.datamodels.rules import MANAGE
from apps.datamodels.selectors import version_by_number


def visible(actor: Actor) -> QuerySet[DataModel]:
    """Return the models whose files the actor may read; data sets have their own permission."""
    return permitted(actor, DataModel, MANAGE).select_related("connection")


def visible_or_404(actor: Actor, key: UUID) -> DataModel:
    """Return one model, or answer as if there were none."""
    found = visible(actor).filter(pk=key).first()
    if found is None:
        raise Http404
    return found


def version_or_404(actor: Actor, key: UUID, number: int) -> ModelVersion:
    """Return one version of a model, or answer as if there were none; a discarded draft is none."""
    found = version_by_number(visible_or_404(actor, key), number)
    if found is None or found.discarded_at is not None:
        raise Http404
    return found
