"""Promises of the audit log."""

from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone

from apps.audit.models import AuditEvent
from apps.audit.selectors import verify_chain
from apps.tenants.types import Control, ControlResult

PLACE = ("sequence", "previous_hash", "hash")
PLACED_WITHIN = timedelta(minutes=5)


def _chain() -> ControlResult:
    report = verify_chain()
    return ControlResult(report.is_intact, report.reason or f"{report.length} events, each fits the one before")


def _append_only() -> ControlResult:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p FROM unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) p WHERE has_table_privilege(%s, 'audit_auditevent', p)",
            (settings.OMNI_RUNTIME_ROLE,),
        )
        held = [row[0] for row in cursor.fetchall()]
        cursor.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'audit_auditevent'::regclass AND attnum > 0 "
            "AND NOT attisdropped AND has_column_privilege(%s, attrelid, attnum, 'UPDATE')",
            (settings.OMNI_RUNTIME_ROLE,),
        )
        held += [f"change {row[0]}" for row in cursor.fetchall() if row[0] not in PLACE]
        cursor.execute(
            "SELECT 1 FROM pg_trigger WHERE tgrelid = 'audit_auditevent'::regclass AND tgname = 'audit_place_once' "
            "AND tgenabled = 'A'"
        )
        held += [] if cursor.fetchone() else ["change an event's place"]
    return ControlResult(
        not held, f"the runtime role may {', '.join(held)}" if held else "insert, select, and a note's place once"
    )


def _notes_placed() -> ControlResult:
    late = AuditEvent.objects.filter(sequence=None, happened_at__lt=timezone.now() - PLACED_WITHIN).count()
    return ControlResult(
        late == 0, f"{late} notes wait for their place in the chain" if late else "every note has its place"
    )


CONTROLS = (
    Control("audit.chain", "P9", "No audit event has been changed, removed or reordered", _chain),
    Control("audit.append_only", "P9", "The application cannot change or delete audit events", _append_only),
    Control("audit.notes_placed", "P9", "Events of reads get their place in the chain soon", _notes_placed),
)
