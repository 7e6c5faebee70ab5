"""Who may see as whom. Views come through here and nowhere else."""

from django.db.models import QuerySet
from django.http import Http404

from apps.access.roles import Capability
from apps.access.types import Actor
from apps.accounts.models import User
from apps.tenants.binding import bound_tenant_id


def may_view_as(actor: Actor) -> bool:
    """Say whether a role of the actor's lets them see as others, in person, in the bound tenant.

    No token, no support session, and nobody who sees as somebody already: views are never chained.
    """
    return actor.manages(Capability.VIEW_AS) and actor.support is None and actor.tenant_id == bound_tenant_id()


def viewable_people(actor: Actor) -> QuerySet[User]:
    """Return the people as whom the actor may see: active, no administrators, not themselves."""
    if not may_view_as(actor) or actor.user_id is None:
        return User.objects.none()
    return User.objects.filter(is_active=True, is_tenant_admin=False).exclude(pk=actor.user_id)


def viewer_or_404(actor: Actor) -> None:
    """Let those pass who may see as others."""
    if not may_view_as(actor):
        raise Http404
