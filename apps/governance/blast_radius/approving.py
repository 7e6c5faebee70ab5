"""Ask another administrator, and decide. Each write is audited in its own transaction; nobody decides on their own wish."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from apps.access.types import Actor
from apps.audit.services import record
from apps.datamodels.models import DataModel, ModelVersion
from apps.governance.blast_radius.asking import (
    administrator_id,
    base_of,
    is_about_today,
    needs_second_administrator,
    requests,
)
from apps.governance.blast_radius.errors import RequestRefusedError, UnknownRequestError
from apps.governance.blast_radius.radius import version_radius
from apps.governance.models import ApprovalRequest, PublishingPolicy
from apps.semantic.errors import ModelError

LIFETIME = timedelta(days=7)
MAX_NOTE = 500
State = ApprovalRequest.State


@transaction.atomic
def switch_on(*, by: Actor, now: datetime) -> None:
    """Let widening need a second administrator, from the next publication on."""
    administrator_id(by)
    policy, _ = PublishingPolicy.objects.select_for_update().get_or_create(defaults={"changed_at": now})
    if policy.needs_second_administrator:
        return
    policy.needs_second_administrator, policy.changed_at = True, now
    policy.save()
    record("governance.second_administrator_switched_on", policy, by=by, now=now)


@transaction.atomic
def ask_to_switch_off(*, note: str = "", by: Actor, now: datetime) -> ApprovalRequest:
    """Ask that one administrator may publish alone again; only another one can make it so.

    Raises:
        RequestRefusedError: it is off already, or somebody has asked.
        UnknownRequestError: the actor is no administrator in person.
    """
    asker = administrator_id(by)
    policy = PublishingPolicy.objects.select_for_update().filter(needs_second_administrator=True).first()
    if policy is None:
        raise RequestRefusedError("A second administrator is not needed as it is.")
    _lapse(now, kind=ApprovalRequest.Kind.SWITCH_OFF)
    if requests().filter(kind=ApprovalRequest.Kind.SWITCH_OFF, state=State.PENDING).exists():
        raise RequestRefusedError("Somebody has asked for this already.")
    request = ApprovalRequest.objects.create(
        kind=ApprovalRequest.Kind.SWITCH_OFF, requested_by_id=asker, requested_at=now, expires_at=now + LIFETIME,
        note=note[:MAX_NOTE],
    )  # fmt: skip
    record("governance.approval_requested", request, by=by, now=now, facts=_facts(request))
    return request


@transaction.atomic
def ask_to_publish(version: ModelVersion, *, note: str = "", by: Actor, now: datetime) -> ApprovalRequest:
    """Ask another administrator to approve exactly these files over exactly the version that answers now.

    Raises:
        RequestRefusedError: nothing is widened, somebody has asked, or the version cannot be published.
        UnknownRequestError: the actor is no administrator in person.
    """
    asker = administrator_id(by)
    DataModel.objects.select_for_update().get(pk=version.data_model_id)
    version = ModelVersion.objects.select_related("data_model__connection").get(pk=version.pk)
    try:
        is_widening = bool(version_radius(version).widening)
    except ModelError as error:
        raise RequestRefusedError(f"Its files do not make a model: {error.problems[0]}") from None
    if not is_widening:
        raise RequestRefusedError("It widens nothing: no approval is needed.")
    _lapse(now, version=version)
    if requests().filter(version=version, digest=version.digest, state=State.PENDING).exists():
        raise RequestRefusedError("Somebody has asked for this already.")
    base_version, base_publication = base_of(version.data_model)
    request = ApprovalRequest.objects.create(
        kind=ApprovalRequest.Kind.PUBLISH, data_model=version.data_model, version=version, digest=version.digest,
        base_version_id=base_version, base_publication_id=base_publication, requested_by_id=asker, requested_at=now,
        expires_at=now + LIFETIME, note=note[:MAX_NOTE],
    )  # fmt: skip
    record("governance.approval_requested", request, by=by, now=now, facts=_facts(request))
    return request


def _lapse(now: datetime, **about: object) -> None:
    """Close requests that nobody can decide any more: expired, or about files or a version that are gone."""
    for request in requests().filter(state=State.PENDING, **about):
        if now >= request.expires_at or not is_about_today(request):
            request.state = State.WITHDRAWN
            request.save(update_fields=["state"])


@transaction.atomic
def approve(request_id: UUID, *, by: Actor, now: datetime) -> ApprovalRequest:
    """Approve somebody else's request, for seven days; one to switch off takes effect at once.

    Raises:
        RequestRefusedError: it or its files are the actor's own, or it has been decided, has expired, or is void.
        UnknownRequestError: there is none, or the actor is no administrator in person.
    """
    request = _decided(request_id, State.APPROVED, by=by, now=now)
    request.expires_at = now + LIFETIME
    request.save(update_fields=["expires_at"])
    record("governance.approval_given", request, by=by, now=now, facts=_facts(request))
    if request.kind == ApprovalRequest.Kind.SWITCH_OFF and needs_second_administrator():
        PublishingPolicy.objects.update(needs_second_administrator=False, changed_at=now)
        record("governance.second_administrator_switched_off", request, by=by, now=now, facts=_facts(request))
    return request


@transaction.atomic
def refuse(request_id: UUID, *, by: Actor, now: datetime) -> ApprovalRequest:
    """Refuse somebody else's request.

    Raises:
        RequestRefusedError, UnknownRequestError: as :func:`approve`.
    """
    request = _decided(request_id, State.REFUSED, by=by, now=now)
    record("governance.approval_refused", request, by=by, now=now, facts=_facts(request))
    return request


def _decided(request_id: UUID, state: ApprovalRequest.State, *, by: Actor, now: datetime) -> ApprovalRequest:
    decider = administrator_id(by)
    request = _locked(request_id)
    if request.requested_by_id == decider:
        raise RequestRefusedError("This is your own request: another administrator has to decide.")
    if request.state != State.PENDING:
        raise RequestRefusedError("Somebody has decided already, or it was withdrawn.")
    if now >= request.expires_at:
        raise RequestRefusedError("The request has expired; it has to be made again.")
    if state == State.APPROVED and _wrote(request, by):
        raise RequestRefusedError("You wrote these files, or changed them last: another administrator has to decide.")
    if state == State.APPROVED and not is_about_today(request):
        raise RequestRefusedError("The files or the published version have changed since; it has to be asked again.")
    request.state, request.decided_by_id, request.decided_at = state, decider, now
    request.save(update_fields=["state", "decided_by", "decided_at"])
    return request


def _wrote(request: ApprovalRequest, by: Actor) -> bool:
    """Say whether the files that a request is about are the actor's own, whoever asked."""
    version = request.version
    return version is not None and (version.author_id == by.user_id or version.changed_by == by.label)


def _locked(request_id: UUID) -> ApprovalRequest:
    if not ApprovalRequest.objects.select_for_update().filter(pk=request_id).exists():
        raise UnknownRequestError
    return requests().get(pk=request_id)


@transaction.atomic
def withdraw(request_id: UUID, *, by: Actor, now: datetime) -> None:
    """Take back a wish of one's own, or an approval that one gave: nothing can be published on it any more.

    Raises:
        RequestRefusedError: it is neither, or it is over.
        UnknownRequestError: there is none, or the actor is no administrator in person.
    """
    who = administrator_id(by)
    request = _locked(request_id)
    is_own = request.requested_by_id == who and request.state in (State.PENDING, State.APPROVED)
    was_given = request.decided_by_id == who and request.state == State.APPROVED
    if not is_own and not was_given:
        raise RequestRefusedError("Only whoever asked or approved can take it back, and only while it holds.")
    request.state = State.WITHDRAWN
    request.save(update_fields=["state"])
    record("governance.approval_withdrawn", request, by=by, now=now, facts=_facts(request))


def _facts(request: ApprovalRequest) -> dict[str, str]:
    facts = {"request": request.kind, "requested_by": str(request.requested_by_id)}
    return facts | {"version": str(request.version), "digest": request.digest} if request.version_id else facts
