"""What administrators have asked of each other, and whether it still holds."""

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from apps.access.types import Actor
from apps.datamodels.models import DataModel, ModelPublication, ModelVersion
from apps.governance.blast_radius.errors import UnknownRequestError
from apps.governance.models import ApprovalRequest, PublishingPolicy
from apps.tenants.binding import bound_tenant_id


def needs_second_administrator() -> bool:
    """Say whether the tenant has it that widening needs another administrator."""
    return PublishingPolicy.objects.filter(needs_second_administrator=True).exists()


def administrator_id(actor: Actor) -> UUID:
    """Return the id of an administrator of the bound tenant, in person: no token, no support session, no view.

    Raises:
        UnknownRequestError: it is somebody else.
    """
    is_in_person = actor.kind == "person" and actor.viewing is None and actor.support is None
    if not is_in_person or not actor.is_tenant_admin or actor.tenant_id != bound_tenant_id() or actor.user_id is None:
        raise UnknownRequestError
    return actor.user_id


def requests() -> QuerySet[ApprovalRequest]:
    """Return all requests with what is shown of them."""
    return ApprovalRequest.objects.select_related(
        "version__data_model__connection", "data_model", "requested_by", "decided_by"
    )


def base_of(data_model: DataModel) -> tuple[UUID | None, UUID | None]:
    """Return what answers now: the current version, and the publication that made it so.

    A version that is published again is another base: what was approved over the first is void.
    """
    current = ModelVersion.objects.filter(data_model=data_model, is_current=True).values_list("pk", flat=True).first()
    published = ModelPublication.objects.filter(version__data_model=data_model).order_by("-published_at", "-pk")
    return current, published.values_list("pk", flat=True).first()


def is_about_today(request: ApprovalRequest) -> bool:
    """Say whether a request to publish is about the files and the current version as they are now."""
    if request.version is None or request.data_model is None:
        return request.kind == ApprovalRequest.Kind.SWITCH_OFF
    base = (request.base_version_id, request.base_publication_id)
    return request.version.digest == request.digest and base_of(request.data_model) == base


def approval_of(data_model: DataModel, digest: str, *, now: datetime) -> ApprovalRequest | None:
    """Return the approval that lets these files be published over what answers now, if one holds.

    It is asked again at the moment of publishing: whoever approved must still be an active administrator.
    """
    version_id, publication_id = base_of(data_model)
    found = requests().filter(
        kind=ApprovalRequest.Kind.PUBLISH, state=ApprovalRequest.State.APPROVED, data_model=data_model, digest=digest,
        base_version_id=version_id, base_publication_id=publication_id, expires_at__gt=now,
        decided_by__is_active=True, decided_by__is_tenant_admin=True,
    )  # fmt: skip
    return next((request for request in found if request.decided_by_id != request.requested_by_id), None)


def open_request(version: ModelVersion, *, now: datetime) -> ApprovalRequest | None:
    """Return the request about a version's files as they are now, waiting or approved."""
    states = (ApprovalRequest.State.PENDING, ApprovalRequest.State.APPROVED)
    found = requests().filter(version=version, digest=version.digest, state__in=states, expires_at__gt=now)
    return next((request for request in found if is_about_today(request)), None)
