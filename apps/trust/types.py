"""Frozen values of the trust page."""

from dataclasses import dataclass
from datetime import datetime

from apps.tenants.types import Control, ControlResult


@dataclass(frozen=True, slots=True)
class Promise:
    """What we promise, in plain words."""

    number: str
    title: str
    statement: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A control and what it found."""

    control: Control
    result: ControlResult


@dataclass(frozen=True, slots=True)
class PromiseState:
    """A promise, what checks it, and how it stands: ``holds``, ``broken`` or ``unchecked``."""

    promise: Promise
    checks: tuple[Checked, ...]

    @property
    def state(self) -> str:
        if not self.checks:
            return "unchecked"
        return "holds" if all(check.result.holds for check in self.checks) else "broken"


@dataclass(frozen=True, slots=True)
class Checks:
    """All controls of a tenant, run at one time."""

    at: datetime
    checks: tuple[Checked, ...]


@dataclass(frozen=True, slots=True)
class TemporaryData:
    """How much of the tenant's data is kept, and how old the oldest is."""

    results: int
    size_bytes: int
    oldest_age_s: int
    max_age_s: int
