"""Who may see and change connections: whose role holds all, or who was granted one. Everybody else finds nothing."""

from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404

from apps.access.deciding import permitted
from apps.access.types import Actor
from apps.connections.models import Connection
from apps.connections.rules import MANAGE


def visible(actor: Actor) -> QuerySet[Connection]:
    """Return the connections whose target and health the actor may see; their credentials nobody may."""
    return permitted(actor, Connection, MANAGE)


def visible_or_404(actor: Actor, key: UUID) -> Connection:
    """Return one connection, or answer as if there were none."""
    found = visible(actor).filter(pk=key).first()
    if found is None:
        raise Http404
    return found
