"""Erase a tenant: stopped first, then its keys, then rows, names and files, then the tenant itself, under one lock.

Every step can be repeated, and says in the request how far it got: an erasure that was interrupted, by whatever, is run
again and goes on. It works as the tables' owner; the role that serves requests cannot delete the audit log, and need not.
"""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connections, transaction
from django.utils import timezone

from apps.audit.notes import place_notes
from apps.audit.selectors import verify_chain
from apps.audit.services import last_place, record
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.queries.stopping import stop_all_runs
from apps.retention.certificates import FORMAT, signed
from apps.retention.erasure.catalogue import Catalogue, read_catalogue
from apps.retention.erasure.deleting import Deleter
from apps.retention.erasure.ordered import Standing, begin_order, standing_of
from apps.retention.erasure.tidying import tidy
from apps.retention.erasure.tombs import BEGAN, ENDED, bury
from apps.retention.erasure.traces import forget_in_redis, remove_files
from apps.retention.errors import ErasureError
from apps.retention.models import ErasureRequest
from apps.tenants.binding import bound, unbound
from apps.tenants.errors import UnknownTenantError
from apps.tenants.models import Tenant, TenantDomain, Tombstone
from apps.tenants.selectors import platform_tenant
from apps.vault.models import TenantKey, TimedKey
from apps.vault.services import destroy_tenant_keys, void_timed_keys
from apps.vault.signing import sign

OWNER = "owner"
IS_OWNER = "SELECT pg_has_role(current_user, c.relowner, 'USAGE') FROM pg_class c WHERE c.oid = 'public.audit_auditevent'::regclass"
NO_OWNER = "OMNI_DATABASE_OWNER_URL must name the tables' owner; see docs/settings.md"
LOCK_TIMEOUT = "30s"
STATEMENT = (
    "Everything that this installation held of the tenant was deleted: its keys first, so that nothing they sealed can be "
    "read, then every row of every table, its names in Redis and its files. The tenant's id is never let in again."
)
REMAINS = (
    "The write-ahead log and backups made before the end hold the deleted rows until they are overwritten or thrown away. "
    "A backup that is restored brings the tenant back as rows: it is refused, and erased again, by its tombstone.",
    "The platform's own audit log keeps that its staff asked for access to the tenant, by its short name, and when.",
    "A tombstone: the tenant's id, this certificate's id and two times.",
)


def has_owner() -> bool:
    """Say whether this process was given the address of the tables' owner."""
    with connections[OWNER].cursor() as cursor:
        cursor.execute(IS_OWNER)
        return bool(cursor.fetchone()[0])


def erase_tenant(slug: str, *, by: str, now: datetime, reason: str = "") -> tuple[ErasureRequest, str]:
    """Erase the tenant with this slug, or go on where it stopped; return its request and the certificate.

    Call :func:`hand_out` when the certificate is where it should be. Where a finished erasure of this slug still waits
    for that, only its certificate is returned: whoever has the slug now is somebody else. ``reason`` is why it is done
    although the tenant's own request waits still, or was taken back.

    Raises:
        UnknownTenantError: there is no such tenant.
        ErasureError: it cannot be erased here or now, or not without a reason.
        NoSigningKeyError: nothing could be signed here.
    """
    if not has_owner():
        raise ErasureError(NO_OWNER)
    sign("control", b"")  # before anything is done that only a certificate can end
    request = _request(slug, by=by, now=now, reason=reason)
    erase(request)
    return request, signed(_content(request))


def erase(request: ErasureRequest) -> None:
    """Carry out what is left of an erasure."""
    with unbound():
        catalogue = read_catalogue(OWNER)
        if request.ended_at is None:
            _stop(request)
            _destroy_keys(request)
            deleter = Deleter(request.erased_id, alias=OWNER, request_id=request.pk)
            deleter.delete_in_batches(catalogue)
            _remove_traces(request)
            _finish(request, deleter, catalogue)
        bury(request.erased_id, request.pk, ENDED, at=request.ended_at or timezone.now())
        undone = tidy((table for table, count in request.rows.items() if count), alias=OWNER)
        _note(request, not_vacuumed=undone)


def hand_out(request: ErasureRequest) -> None:
    """Forget the request, and with it the tenant's name: its certificate is where it should be."""
    _tell_platform(request)
    ErasureRequest.objects.using(OWNER).filter(pk=request.pk).delete()


def _request(slug: str, *, by: str, now: datetime, reason: str) -> ErasureRequest:
    """Return the request that waits for this slug, or make one; from the transaction of that on nobody is let in.

    Were they, they could ask for an erasure, and take it back, while it is under way already.
    """
    requests, tenants = ErasureRequest.objects.using(OWNER), Tenant.objects.using(OWNER)
    found = requests.filter(slug=slug).order_by("began_at").first()
    if found is not None:
        return found
    tenant = tenants.filter(slug=slug).first()
    if tenant is None:
        raise UnknownTenantError(slug)
    if tenant.kind == Tenant.Kind.PLATFORM:
        raise ErasureError("the platform's own tenant cannot be erased")
    with transaction.atomic(using=OWNER):
        asked = begin_order(tenant, reason=reason, now=now, using=OWNER)
        request = requests.create(
            erased_id=tenant.pk, slug=slug, requested_by=by, began_at=now, facts={"asked_for": asked}
        )
        _refuse(request)
    return request


def standing(slug: str, *, now: datetime) -> Standing:
    """Return how a tenant's own request to be erased stands; an erasure that has begun needs no further word."""
    if ErasureRequest.objects.using(OWNER).filter(slug=slug).exists():
        return Standing(slug, "begun")
    return standing_of(Tenant.objects.using(OWNER).filter(slug=slug).first(), slug=slug, now=now, using=OWNER)


@transaction.atomic(using=OWNER)
def _refuse(request: ErasureRequest) -> Tombstone:
    """Let no request, token, session or task in any more, whatever happens to this process; return the tombstone."""
    Tenant.objects.using(OWNER).filter(pk=request.erased_id).update(is_active=False)
    stone, _ = Tombstone.objects.using(OWNER).get_or_create(
        pk=request.erased_id, defaults={"certificate_id": request.pk, "began_at": request.began_at}
    )
    return stone


def _stop(request: ErasureRequest) -> None:
    """Refuse the tenant, in the file too, end what runs, and write down how its log ends."""
    tenant_id, stone = request.erased_id, _refuse(request)
    if stone.certificate_id != request.pk:
        _note(request, erased_before=str(stone.certificate_id))
    bury(tenant_id, request.pk, BEGAN, at=request.began_at)
    with bound(tenant_id):
        run_ids = stop_all_runs(now=timezone.now(), wait_s=settings.OMNI_ERASURE_WAIT_S)
        if "audit" not in request.facts:
            place_notes()
            with transaction.atomic():
                record(
                    "retention.erasure_begun",
                    None,
                    by=SYSTEM,
                    now=timezone.now(),
                    facts={"certificate": str(request.pk)},
                )
            report = verify_chain()
            with transaction.atomic():
                length, head = last_place(tenant_id)
            audit = {"events": length, "head": head.hex(), "was_intact": report.is_intact}
            links = Connection.objects.values_list("pk", flat=True)
            _note(request, audit=audit, ids=[str(key) for key in (*run_ids, *links)])


def _destroy_keys(request: ErasureRequest) -> None:
    with bound(request.erased_id):
        if "keys" not in request.facts:
            living = TenantKey.objects.filter(destroyed_at=None).count()
            _note(request, keys={"tenant_keys": living, "timed_keys": TimedKey.objects.count()})
        destroy_tenant_keys(now=timezone.now())
        void_timed_keys()
    if request.keys_destroyed_at is None:
        request.keys_destroyed_at = timezone.now()
        request.save(using=OWNER, update_fields=["keys_destroyed_at"])


def _remove_traces(request: ErasureRequest) -> None:
    until = request.facts.get("files_until")  # after a restore: the folder may be somebody else's by now
    found = remove_files(request.slug, until=datetime.fromisoformat(until) if until else None)
    files = request.facts.get("files", 0) + found
    names = request.facts.get("names", 0) + forget_in_redis(request.erased_id, request.facts.get("ids", ()))
    _note(request, files=files, names=names)


def _finish(request: ErasureRequest, deleter: Deleter, catalogue: Catalogue) -> None:
    """Delete the tenant itself and whatever was written meanwhile, under a lock that no further row gets past."""
    tenant_id, ended_at = request.erased_id, timezone.now()
    with transaction.atomic(using=OWNER):
        with connections[OWNER].cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            cursor.execute("SELECT FROM tenants_tenant WHERE id = %s FOR UPDATE", [tenant_id])
        if not ErasureRequest.objects.using(OWNER).filter(pk=request.pk, ended_at=None).exists():
            raise ErasureError("another process has erased this tenant meanwhile")
        deleter.delete_rest(catalogue)
        if left := deleter.left(catalogue):
            raise ErasureError(f"rows are left in {', '.join(left)}; run it again")
        mentions = _delete_mentions(deleter, catalogue)
        domains, _ = TenantDomain.objects.using(OWNER).filter(tenant_id=tenant_id).delete()
        # Django's delete() would ask every model that points here, and they refuse to be asked with nobody bound.
        Tenant.objects.using(OWNER).filter(pk=tenant_id)._raw_delete(OWNER)
        Tombstone.objects.using(OWNER).filter(pk=tenant_id).update(ended_at=ended_at)
        request.refresh_from_db(using=OWNER)
        request.rows |= {"tenants_tenantdomain": domains, "tenants_tenant": 1}
        request.facts["elsewhere"], request.ended_at = mentions, ended_at
        request.save(using=OWNER, update_fields=["rows", "facts", "ended_at"])


def _delete_mentions(deleter: Deleter, catalogue: Catalogue) -> dict[str, int]:
    try:
        return deleter.delete_mentions(catalogue, platform_tenant().id)
    except UnknownTenantError:  # an installation without staff
        return {}


def _tell_platform(request: ErasureRequest) -> None:
    """Write into our own log that a tenant was erased, by its id."""
    facts = {"tenant": str(request.erased_id), "certificate": str(request.pk), "rows": sum(request.rows.values())}
    try:
        with bound(platform_tenant().id), transaction.atomic():
            record("retention.tenant_erased", None, by=SYSTEM, now=timezone.now(), facts=facts)
    except UnknownTenantError:
        return  # an installation without staff has no such log


def _note(request: ErasureRequest, **facts: Any) -> None:
    request.facts |= facts
    request.save(using=OWNER, update_fields=["facts"])


def _content(request: ErasureRequest) -> dict[str, Any]:
    """Return what the certificate says. It goes to the customer, who knows its own name; we keep none of it."""
    facts, rows = request.facts, dict(sorted(request.rows.items()))
    return {
        "format": FORMAT, "id": str(request.pk), "tenant": {"id": str(request.erased_id), "slug": request.slug},
        "requested_by": request.requested_by, "began_at": _said(request.began_at),
        "keys_destroyed_at": _said(request.keys_destroyed_at), "ended_at": _said(request.ended_at),
        "keys": facts["keys"], "audit": facts["audit"], "rows": rows, "row_count": sum(rows.values()),
        "elsewhere": {"rows_of_ours": facts["elsewhere"], "redis": facts["names"], "files": facts["files"], "not_vacuumed": facts["not_vacuumed"]},
        "asked_for": facts.get("asked_for"), "erased_before": facts.get("erased_before"), "statement": STATEMENT, "remains": list(REMAINS),
    }  # fmt: skip


def _said(time: datetime | None) -> str | None:
    return time.isoformat(timespec="seconds") if time is not None else None
