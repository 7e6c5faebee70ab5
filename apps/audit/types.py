"""Who an event is by, and what a check of the chain found."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


class AuditActor(Protocol):
    """What the log needs to know of whoever did it."""

    @property
    def kind(self) -> str: ...
    @property
    def user_id(self) -> UUID | None: ...
    @property
    def label(self) -> str: ...
    @property
    def on_behalf_of(self) -> str: ...
    @property
    def support_session_id(self) -> UUID | None: ...


@dataclass(frozen=True, slots=True)
class SystemActor:
    """The installation itself: commands on the server and timed tasks."""

    kind: str = "system"
    user_id: UUID | None = None
    label: str = "system"
    on_behalf_of: str = ""
    support_session_id: UUID | None = None


SYSTEM = SystemActor()


@dataclass(frozen=True, slots=True)
class ChainReport:
    """``length`` events were read; ``bad_sequence`` is the first that does not fit, 0 when all do."""

    is_intact: bool
    length: int
    bad_sequence: int = 0
    reason: str = ""
