"""Promises of support access: asked for, approved by the customer, limited in time, written down."""

from datetime import UTC, datetime

from django.db.models import F, Q

from apps.audit.selectors import events
from apps.support.models import RequestedDataset, SupportRequest, SupportSession
from apps.support.selectors import resolve_actor, running_sessions
from apps.tenants.types import Control, ControlResult

State = SupportRequest.State
DECIDED = (State.APPROVED, State.REVOKED)
MAX_TRIED = 200


def _consent() -> ControlResult:
    unnamed = Q(decided_by="") | Q(decided_at=None) | Q(granted_until=None)
    bad = SupportRequest.objects.filter(unnamed, state__in=DECIDED).count()
    without = SupportSession.objects.exclude(request__state__in=DECIDED).count()
    total = SupportSession.objects.count()
    return ControlResult(
        bad + without == 0, f"{total} visits, {without} without approval, {bad} approvals without a name"
    )


def _scope() -> ControlResult:
    approved = SupportRequest.objects.filter(state__in=DECIDED)
    wider = approved.filter(
        Q(granted_minutes__gt=F("asked_minutes")) | Q(grants_values=True, asks_values=False)
    ).count()
    early = RequestedDataset.objects.filter(is_granted=True).exclude(request__state__in=DECIDED).count()
    return ControlResult(
        wider + early == 0, f"{approved.count()} approvals, {wider + early} wider than asked or approved"
    )


def _expiry() -> ControlResult:
    now = datetime.now(UTC)
    late = SupportSession.objects.filter(Q(expires_at__gt=F("request__granted_until"))).count()
    over = SupportSession.objects.filter(
        Q(expires_at__lte=now) | Q(ended_at__isnull=False) | ~Q(request__state=State.APPROVED)
    )
    tried = list(over.order_by("-started_at").values_list("pk", flat=True)[:MAX_TRIED])
    usable = sum(resolve_actor(pk, now) is not None for pk in tried)
    running = running_sessions(now=now).count()
    return ControlResult(
        late + usable == 0, f"{running} visits now; {len(tried)} that are over tried, {usable} could be used"
    )


def _recorded() -> ControlResult:
    visits = set(SupportSession.objects.values_list("pk", flat=True))
    told = set(events(verb="support.session_opened").values_list("support_session_id", flat=True))
    return ControlResult(visits <= told, f"{len(visits)} visits, {len(visits - told)} without a record")


CONTROLS = (
    Control("support.consent", "P8", "Nobody of our staff came in without a named approval of yours", _consent),
    Control("support.scope", "P8", "No approval gives more than was asked for", _scope),
    Control("support.expiry", "P8", "A visit that has ended, or whose time is over, cannot be used", _expiry),
    Control("support.recorded", "P8", "Every visit is in the audit log", _recorded),
)
