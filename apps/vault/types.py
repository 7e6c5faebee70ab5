"""Frozen values that cross apps."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class TimedKeyRef:
    """A key of one time slot; data sealed under it is unreadable from ``slot_end`` on."""

    id: UUID
    slot_end: datetime
