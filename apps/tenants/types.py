"""Frozen values that cross apps."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class TenantRef:
    """Which tenant a request or task is for."""

    id: UUID
    slug: str
    name: str
    is_platform: bool
    host: str = ""


@dataclass(frozen=True, slots=True)
class ControlResult:
    """What a control found just now."""

    holds: bool
    figure: str


@dataclass(frozen=True, slots=True)
class Control:
    """A promise that checks itself; ``promise`` is its number in the design, e.g. ``P2``. It runs with a tenant bound."""

    id: str
    promise: str
    statement: str
    check: Callable[[], ControlResult]
