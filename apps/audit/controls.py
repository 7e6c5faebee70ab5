"""Promises of the audit log."""

from django.conf import settings
from django.db import connection

from apps.audit.selectors import verify_chain
from apps.tenants.types import Control, ControlResult


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
    return ControlResult(not held, f"the runtime role may {', '.join(held)}" if held else "insert and select only")


CONTROLS = (
    Control("audit.chain", "P9", "No audit event has been changed, removed or reordered", _chain),
    Control("audit.append_only", "P9", "The application cannot change or delete audit events", _append_only),
)
