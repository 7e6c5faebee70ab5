"""Promises of retention: what is stored is stored for a while only."""

import resource
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection

from apps.queries.keeping import longest_kept_s
from apps.queries.models import CachedResult, QueryRun
from apps.retention.erasure.catalogue import read_catalogue, tables_of_models
from apps.retention.erasure.restored import returned
from apps.retention.erasure.tombs import ENDED, tombs
from apps.retention.ordering import open_order
from apps.retention.selectors import held_data
from apps.tenants.models import Tombstone
from apps.tenants.types import Control, ControlResult, Notice
from apps.vault.errors import ExpiredKeyError, SealError
from apps.vault.models import TimedKey
from apps.vault.services import open_timed
from apps.vault.signing import can_sign, is_signed, sign, trusted_keys

PURGE_GRACE = timedelta(minutes=5)
MAX_TRIED = 50
ERASED_WITHIN = timedelta(hours=1)
CARRIED_OUT_WITHIN = timedelta(days=7)


def _purge_alive() -> ControlResult:
    held, now = held_data(), datetime.now(UTC)
    if held.last_purge_at is None:
        return ControlResult(held.results + held.keys == 0, f"never purged, {held.results} results held")
    age = now - held.last_purge_at
    is_idle = held.results + held.keys == 0
    return ControlResult(is_idle or age <= PURGE_GRACE, f"last purge {int(age.total_seconds())} s ago")


def _nothing_late() -> ControlResult:
    limit = datetime.now(UTC) - PURGE_GRACE
    late = (
        CachedResult.objects.filter(expires_at__lte=limit).count()
        + QueryRun.objects.filter(expires_at__lte=limit).count()
    )
    return ControlResult(late == 0, f"{late} rows kept past their time")


def _opens(row: CachedResult, now: datetime) -> bool:
    """Say whether the key of a result can still be used. The context is nobody's: the data itself stays shut."""
    try:
        open_timed(bytes(row.sealed), key_id=row.timed_key_id, context=b"control", now=now)
    except ExpiredKeyError:
        return False
    except SealError:
        return True
    return True


def _unreadable() -> ControlResult:
    now = datetime.now(UTC)
    living = TimedKey.objects.filter(slot_end__gt=now).values_list("pk", flat=True)
    over = CachedResult.objects.exclude(timed_key_id__in=list(living))[:MAX_TRIED]
    opened = sum(_opens(row, now) for row in over)
    return ControlResult(opened == 0, f"{len(over)} results of past slots tried, {opened} keys could be used")


def _age() -> ControlResult:
    oldest, limit = held_data().oldest_at, timedelta(seconds=longest_kept_s() or settings.OMNI_HANDOVER_S)
    if oldest is None:
        return ControlResult(holds=True, figure="nothing held")
    age = datetime.now(UTC) - oldest
    minutes, most = int(age.total_seconds() // 60), int(limit.total_seconds() // 60)
    return ControlResult(age <= limit + PURGE_GRACE, f"oldest result {minutes} min old, {most} min at most")


def _unlogged() -> ControlResult:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE oid = to_regclass('public.queries_cachedresult')")
        row = cursor.fetchone()
    is_unlogged = row is not None and str(row[0]) == "u"
    return ControlResult(is_unlogged, "unlogged: in no write-ahead log, replica or backup" if is_unlogged else "logged")


def _no_core_dumps() -> ControlResult:
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    return ControlResult(limits == (0, 0), "off" if limits == (0, 0) else f"up to {limits[0]} bytes")


def _erasable() -> ControlResult:
    """Every table that the database knows is one of a tenant's, of the platform, or of a library and shut; all can go in order."""
    catalogue = read_catalogue()
    names = {table.name for table in catalogue.tables}
    forgotten = tables_of_models() - names
    figure = f"{len(names)} tables in {len(catalogue.groups)} steps"
    return ControlResult(
        bool(names) and not forgotten, figure + (f"; not {', '.join(sorted(forgotten))}" if forgotten else "")
    )


def _stays_erased() -> ControlResult:
    """Nobody whose erasure has ended is here, and the file outside of the database says of all of them that they were erased."""
    signed, unsigned = tombs()
    kept = set(Tombstone.objects.exclude(ended_at=None).values_list("pk", flat=True))
    filed = {tomb.tenant_id for tomb in signed if tomb.state == ENDED}
    wrong = {"here again": len(returned()), "not in the file": len(kept - filed), "lines without signature": unsigned}
    figure = ", ".join(f"{count} {what}" for what, count in wrong.items() if count)
    # How many were erased is nothing that other customers should read.
    return ControlResult(not figure, figure or "nobody is here again; the table and the file agree")


def _unfinished() -> ControlResult:
    """An erasure that was begun is run to its end: its tenant is stopped and unreadable, but its rows are there."""
    limit = datetime.now(UTC) - ERASED_WITHIN
    late = Tombstone.objects.filter(ended_at=None, began_at__lte=limit).count()
    return ControlResult(late == 0, f"{late} erasures begun and not ended" if late else "none is left half done")


def _certificates() -> ControlResult:
    """The key is known, and where this process can sign, what it signs is found genuine and its like with a change is not."""
    keys = trusted_keys()
    if not keys:
        return ControlResult(holds=False, figure="there is no key to sign certificates")
    if not can_sign():
        return ControlResult(holds=True, figure=f"signed elsewhere; public key {keys[0]}")
    key, signature = sign("control", b"canary")
    is_sound = is_signed("control", b"canary", signature=signature, by=key)
    is_loose = is_signed("control", b"canarY", signature=signature, by=key)
    return ControlResult(is_sound and not is_loose, f"signed and checked; public key {key}")


def _asked_for() -> ControlResult:
    """What administrators asked for, and waited for, is done soon after."""
    now = datetime.now(UTC)
    order = open_order(now)
    if order is None or order.due_at is None:
        return ControlResult(holds=True, figure="nothing that was asked for waits to be carried out")
    late = now - order.due_at
    figure = f"asked for, to be carried out from {order.due_at:%Y-%m-%d %H:%M} UTC on"
    return ControlResult(late <= CARRIED_OUT_WITHIN, figure)


def erasure_notice() -> Notice | None:
    """Tell everybody of a tenant that its erasure was asked for, and until when it can be taken back."""
    now = datetime.now(UTC)
    order = open_order(now)
    if order is None:
        return None
    asked = (
        f"{order.requested_by} asked on {order.requested_at:%-d %B %Y} for the erasure of everything that is kept here."
    )
    if order.due_at is None:
        until = f"Another administrator has until {order.confirm_by:%-d %B %Y, %H:%M} UTC to confirm it; until then nothing happens."
    else:
        until = f"It can be carried out from {order.due_at:%-d %B %Y, %H:%M} UTC on. Until it is, any administrator can take it back: Administration, Erasure."
    return Notice("The erasure of everything was asked for", f"{asked} {until}")


NOTICES = (erasure_notice,)
CONTROLS = (
    Control("retention.purge_alive", "P11", "Expired data is purged every few minutes", _purge_alive),
    Control("retention.nothing_late", "P11", "Nothing is kept past its time", _nothing_late),
    Control("retention.unreadable", "P11", "What is past its time cannot be read, purged or not", _unreadable),
    Control("retention.age", "P11", "No result is kept longer than the longest time allowed", _age),
    Control("retention.core_dumps", "P11", "A process that dies leaves nothing of its memory on disk", _no_core_dumps),
    Control(
        "retention.erasable",
        "P12",
        "Every table that holds something of yours is one that erasing goes through",
        _erasable,
    ),
    Control("retention.stays_erased", "P12", "Nobody who was erased is back, not even from a backup", _stays_erased),
    Control(
        "retention.orders", "P12", "An erasure that your administrators asked for is carried out in time", _asked_for
    ),
    Control("retention.erasures_end", "P12", "An erasure that was begun has ended", _unfinished),
    Control(
        "retention.certificates", "P12", "A certificate of erasure can be checked with a public key", _certificates
    ),
    Control("retention.unlogged", "P11", "Temporary results never reach a log, a replica or a backup", _unlogged),
)
