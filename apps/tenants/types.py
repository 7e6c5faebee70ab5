"""Frozen values that cross apps."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class SignInLimits:
    """What holds for sign-in to a tenant: its own settings, within the operator's ceilings.

    Networks are in CIDR notation; none means from anywhere.
    """

    session_idle_min: int
    session_lifetime_min: int
    token_max_days: int
    confirm_within_min: int
    networks_people: tuple[str, ...] = ()
    networks_tokens: tuple[str, ...] = ()
    networks_scim: tuple[str, ...] = ()

    @property
    def idle_words(self) -> str:
        return minutes_words(self.session_idle_min)

    @property
    def lifetime_words(self) -> str:
        return minutes_words(self.session_lifetime_min)


def minutes_words(minutes: int) -> str:
    """Say a number of minutes as people do: ``90 minutes``, ``2 hours``, ``7 days``."""
    for size, unit in ((24 * 60, "day"), (60, "hour")):
        if minutes % size == 0 and minutes >= size:
            return f"{minutes // size} {unit}{'' if minutes == size else 's'}"
    return f"{minutes} minute{'' if minutes == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class TenantRef:
    """Which tenant a request or task is for."""

    id: UUID
    slug: str
    name: str
    is_platform: bool
    limits: SignInLimits
    host: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """What everybody of a tenant should know now, in words for people; shown on the trust page."""

    title: str
    text: str


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
