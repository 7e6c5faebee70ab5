"""Write events: in the transaction of what they tell of, or not at all. :mod:`apps.audit.notes` has those of reads."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection, models

from apps.audit.chain import START, event_hash
from apps.audit.errors import AuditError
from apps.audit.models import AuditEvent
from apps.audit.types import AuditActor
from apps.tenants.binding import bound_tenant_id

SECRET_WORDS = re.compile(r"password|passwd|secret|token$|credential|api_key|private_key|values?$", re.IGNORECASE)
CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")
MAX_TEXT = 400
MAX_FACTS = 40


def record(
    verb: str, obj: models.Model | None, *, by: AuditActor, now: datetime, facts: Mapping[str, Any] | None = None
) -> AuditEvent:
    """Append an event to the bound tenant's chain.

    ``facts`` are names, counts and fingerprints: never values of customer data, never secrets.

    Raises:
        AuditError: outside a transaction, or the facts hold what they must not.
    """
    if not connection.in_atomic_block:
        raise AuditError(f"{verb} must be recorded in the transaction of what it tells of")
    content = content_of(verb, obj, by=by, now=now, facts=facts)
    sequence, previous = last_place(bound_tenant_id())
    content["sequence"] = sequence + 1
    event = AuditEvent(previous_hash=previous, hash=event_hash(content, previous), **content)
    event.save(force_insert=True)
    return event


def content_of(
    verb: str, obj: models.Model | None, *, by: AuditActor, now: datetime, facts: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return what an event says, by column.

    Raises:
        AuditError: the facts hold what they must not.
    """
    return {
        "tenant_id": bound_tenant_id(),
        "happened_at": now.astimezone(UTC),
        "verb": verb,
        "actor_kind": by.kind,
        "actor_id": by.user_id,
        "actor_label": _clean(by.label, 200),
        "on_behalf_of": _clean(by.on_behalf_of, 200),
        "support_session_id": by.support_session_id,
        "object_type": obj._meta.label_lower if obj is not None else "",
        "object_id": str(obj.pk) if obj is not None else "",
        "object_label": _clean(str(obj), 200) if obj is not None else "",
        "facts": _checked(facts or {}),
    }


def last_place(tenant_id: UUID) -> tuple[int, bytes]:
    """Lock the tenant's chain until the transaction ends; return its last sequence and hash."""
    with connection.cursor() as cursor:
        # One writer per tenant at a time; the lock is taken before the snapshot that reads the end of the chain.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('audit ' || %s, 0))", (str(tenant_id),))
        cursor.execute(
            "SELECT sequence, hash FROM audit_auditevent WHERE sequence IS NOT NULL ORDER BY sequence DESC LIMIT 1"
        )
        row = cursor.fetchone()
    return (row[0], bytes(row[1])) if row else (0, START)


def _clean(text: str, length: int = MAX_TEXT) -> str:
    return CONTROL.sub(" ", text)[:length]


def _checked(facts: Mapping[str, Any]) -> dict[str, Any]:
    if len(facts) > MAX_FACTS:
        raise AuditError("too many facts in one event")
    for name in facts:
        if SECRET_WORDS.search(name):
            raise AuditError(f"an event may not carry {name!r}")
    return {name: _fact(value) for name, value in facts.items()}


def _fact(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_fact(item) for item in list(value)[:MAX_FACTS]]
    return _clean(str(value))
