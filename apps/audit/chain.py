"""The hash chain: every event covers its own content and the event before. Pure, so that it can be checked offline."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from apps.audit.types import ChainReport

START = b"\0" * 32
FIELDS = (
    "tenant_id", "sequence", "happened_at", "verb", "actor_kind", "actor_id", "actor_label", "on_behalf_of",
    "support_session_id", "object_type", "object_id", "object_label", "facts",
)  # fmt: skip


def event_hash(content: Mapping[str, Any], previous: bytes) -> bytes:
    """Return SHA-256 over the previous hash and the event's canonical JSON (32 bytes)."""
    canonical = json.dumps(
        {name: content[name] for name in FIELDS}, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str
    )
    return hashlib.sha256(previous + canonical.encode()).digest()


def check_chain(events: Iterable[Mapping[str, Any]], *, head: tuple[int, bytes] | None = None) -> ChainReport:
    """Check events in order of sequence, from the first.

    ``head`` is the sequence and hash that the chain must end with; without it a cut-off end cannot be seen.
    """
    previous, expected = START, 1
    for event in events:
        if event["sequence"] != expected:
            return ChainReport(
                is_intact=False,
                length=expected - 1,
                bad_sequence=expected,
                reason=f"event {expected} is missing or out of order",
            )
        if bytes(event["previous_hash"]) != previous or event_hash(event, previous) != bytes(event["hash"]):
            return ChainReport(
                is_intact=False, length=expected, bad_sequence=expected, reason=f"event {expected} was changed"
            )
        previous, expected = bytes(event["hash"]), expected + 1
    length = expected - 1
    if head and (length, previous) != head:
        return ChainReport(
            is_intact=False,
            length=length,
            bad_sequence=expected,
            reason=f"the chain ends at {length}, its head says {head[0]}",
        )
    return ChainReport(is_intact=True, length=length)
