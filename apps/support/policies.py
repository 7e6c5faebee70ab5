"""Who may see and decide requests. Views come through here and nowhere else."""

from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404

from apps.access.roles import Capability
from apps.access.types import Actor
from apps.support.models import SupportRequest
from apps.tenants.binding import bound_tenant_id


def may_review(actor: Actor) -> bool:
    """Say whether a role of the actor's lets them decide, in person: no token, no support session."""
    return actor.manages(Capability.DECIDE_SUPPORT) and actor.tenant_id == bound_tenant_id()


def may_ask(actor: Actor) -> bool:
    """Say whether the actor is one of our staff, in person, on our own host."""
    return actor.kind == "person" and actor.is_platform_staff and actor.tenant_id == bound_tenant_id()


def visible(actor: Actor) -> QuerySet[SupportRequest]:
    """Return the requests that the actor may see and decide."""
    return SupportRequest.objects.all() if may_review(actor) else SupportRequest.objects.none()


def visible_or_404(actor: Actor, request_id: UUID) -> SupportRequest:
    """Return the request, or answer as if there were none."""
    found = visible(actor).filter(pk=request_id).first()
    if found is None:
        raise Http404
    return found


def reviewer_or_404(actor: Actor) -> None:
    """Let administrators of the tenant pass."""
    if not may_review(actor):
        raise Http404


def staff_or_404(actor: Actor) -> None:
    """Let our staff pass."""
    if not may_ask(actor):
        raise Http404
