"""Notes: events of reads, which come in great numbers. They are written at once and get their place in the chain soon after.

A note rides on the statement that reads what it tells of, so there is no read without its note. The server may lose the
notes of the last moments before a crash of its own (it does not wait for the disk), never one that a reader's statement
was refused for. The runtime role cannot change or delete a note; a trigger lets it give each its place once. See ADR 17.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import connection, models, transaction

from apps.audit.chain import FIELDS, event_hash
from apps.audit.models import AuditEvent
from apps.audit.services import content_of, last_place
from apps.audit.types import AuditActor
from apps.tenants.binding import bound_tenant_id

BATCH = 2_000
INSERT = """INSERT INTO audit_auditevent (id, tenant_id, happened_at, verb, actor_kind, actor_id, actor_label, on_behalf_of,
    support_session_id, object_type, object_id, object_label, facts, previous_hash, hash)
  SELECT gen_random_uuid(), %(note_tenant_id)s, %(note_happened_at)s, %(note_verb)s, %(note_actor_kind)s,
    %(note_actor_id)s::uuid, %(note_actor_label)s, %(note_on_behalf_of)s, %(note_support_session_id)s::uuid,
    %(note_object_type)s, %(note_object_id)s, %(note_object_label)s, %(note_facts)s::jsonb"""
"""the head of an INSERT that another statement carries; ``|| jsonb`` and a FROM may follow before :data:`REST`"""
REST = """, ''::bytea, ''::bytea"""
UNHURRIED = "set_config('synchronous_commit', 'off', true)"
"""what such a statement selects as well: its transaction does not wait for the disk"""


def note(
    verb: str, obj: models.Model | None, *, by: AuditActor, now: datetime, facts: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the parameters of :data:`INSERT`.

    Raises:
        AuditError: the facts hold what they must not.
    """
    content = content_of(verb, obj, by=by, now=now, facts=facts)
    return {f"note_{name}": json.dumps(value) if name == "facts" else value for name, value in content.items()}


def place_notes() -> int:
    """Give the bound tenant's notes their places in the chain, oldest first; return how many."""
    placed = 0
    while count := _place_batch():
        placed += count
        if count < BATCH:
            break
    return placed


def is_waiting() -> bool:
    """Say whether a note of the bound tenant has no place yet."""
    return AuditEvent.objects.filter(sequence=None).exists()


@transaction.atomic
def _place_batch() -> int:
    if not is_waiting():
        return 0
    sequence, previous = last_place(bound_tenant_id())
    waiting = AuditEvent.objects.filter(sequence=None).order_by("happened_at", "id")[:BATCH]
    places = []
    for event in waiting.values("id", *FIELDS):
        sequence += 1
        content = event | {"sequence": sequence, "happened_at": event["happened_at"].astimezone(UTC)}
        found = event_hash(content, previous)
        places.append((event["id"], sequence, previous, found))
        previous = found
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE audit_auditevent SET sequence = %s, previous_hash = %s, hash = %s WHERE id = %s AND sequence IS NULL",
            [(number, before, own, key) for key, number, before, own in places],
        )
    return len(places)
