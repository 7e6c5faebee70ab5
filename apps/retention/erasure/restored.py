"""Tenants that were erased and are here again, out of a backup: refused already, and now erased once more."""

import logging
from datetime import datetime
from uuid import UUID

from django.db import transaction

from apps.queries.stopping import stop_all_runs
from apps.retention.erasure.catalogue import read_catalogue
from apps.retention.erasure.deleting import Deleter
from apps.retention.erasure.erasing import OWNER, erase, hand_out, has_owner
from apps.retention.erasure.tombs import ENDED, Tomb, bury, erased_for_good
from apps.retention.erasure.traces import forget_in_redis
from apps.retention.models import ErasureRequest
from apps.tenants.binding import bound
from apps.tenants.models import Tenant, Tombstone
from apps.vault.services import destroy_tenant_keys, void_timed_keys

logger = logging.getLogger(__name__)
BY = "the tombstone, after a backup was restored"


def returned() -> dict[UUID, Tomb]:
    """Return the tenants that are here although their erasure has ended."""
    found = erased_for_good()
    here = Tenant.objects.filter(pk__in=list(found), kind=Tenant.Kind.CUSTOMER).values_list("pk", flat=True)
    return {tenant_id: found[tenant_id] for tenant_id in here}


def erase_returned(*, now: datetime) -> list[UUID]:
    """Erase them again; return those that are gone.

    As the owner wherever this process may be that. Otherwise their keys and all rows but the audit log go, and
    ``erase_tenant --again`` has to do the rest: a control says so until then. One that fails does not keep others waiting.
    """
    found, missing = returned(), _without_row()
    if not found and not missing:
        return []
    is_owner, gone = has_owner(), []
    for tenant_id, tomb in found.items():
        logger.warning("tenant %s was erased and is here again: erasing it", tenant_id)
        try:
            if is_owner:
                _erase_as_owner(tomb, now)
                gone.append(tenant_id)
            else:
                _erase_what_may_be(tenant_id, now)
        except (
            Exception
        ):  # whatever it was: it is refused meanwhile, a control says so, and the next minute tries again
            logger.exception("tenant %s could not be erased again", tenant_id)
    if is_owner:
        for tomb in missing:
            _restore_row(tomb)
    return gone


def remember(tenant_id: UUID, certificate_id: UUID, *, at: datetime) -> None:
    """Write the tombstone anew from a certificate, where the file was lost as well."""
    bury(tenant_id, certificate_id, ENDED, at=at)


def _erase_as_owner(tomb: Tomb, now: datetime) -> None:
    slug = Tenant.objects.get(pk=tomb.tenant_id).slug
    requests = ErasureRequest.objects.using(OWNER)
    request = requests.filter(erased_id=tomb.tenant_id, ended_at=None).first()  # out of the backup as well, perhaps
    if request is None:
        request = requests.create(erased_id=tomb.tenant_id, slug=slug, requested_by=BY, began_at=now)
        request.facts["files_until"] = tomb.at.isoformat()
        request.save(using=OWNER, update_fields=["facts"])
    erase(request)
    hand_out(request)


def _without_row() -> list[Tomb]:
    """Return the tombstones of the file that the table does not have: the backup was older than they are."""
    known = set(Tombstone.objects.exclude(ended_at=None).values_list("pk", flat=True))
    return [tomb for tomb in erased_for_good().values() if tomb.tenant_id not in known]


def _restore_row(tomb: Tomb) -> None:
    ended = {"certificate_id": tomb.certificate_id, "ended_at": tomb.at}
    Tombstone.objects.using(OWNER).update_or_create(
        pk=tomb.tenant_id, defaults=ended, create_defaults=ended | {"began_at": tomb.at}
    )


def _erase_what_may_be(tenant_id: UUID, now: datetime) -> None:
    with bound(tenant_id):
        run_ids = stop_all_runs(now=now, wait_s=0)
        with transaction.atomic():
            destroy_tenant_keys(now=now)
            void_timed_keys()
    deleter = Deleter(tenant_id, alias="default", request_id=None)
    deleter.delete_in_batches(deleter.may_delete(read_catalogue()))
    forget_in_redis(tenant_id, run_ids)
