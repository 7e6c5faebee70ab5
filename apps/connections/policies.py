"""Who may see and use connections: a tenant's administrators. Everybody else finds nothing."""

from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404

from apps.access.roles import Capability
from apps.access.types import Actor
from apps.connections.models import Connection


def visible(actor: Actor) -> QuerySet[Connection]:
    """Return the connections whose target and health the actor may see; their credentials nobody may."""
    return Connection.objects.all() if can_manage(actor) else Connection.objects.none()


def visible_or_404(actor: Actor, key: UUID) -> Connection:
    """Return one connection, or answer as if there were none."""
    found = visible(actor).filter(pk=key).first()
    if found is None:
        raise Http404
    return found


def can_manage(actor: Actor) -> bool:
    """Say whether the actor may write, check and remove connections: a person in person, no token, no support."""
    return actor.manages(Capability.MANAGE_CONNECTIONS)
