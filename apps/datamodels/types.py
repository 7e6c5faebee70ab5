"""What the pages and commands show of versions."""

from dataclasses import dataclass, field
from typing import Literal

from apps.semantic.errors import Problem

ChangeKind = Literal["added", "removed", "changed"]
LineKind = Literal["same", "added", "removed", "gap"]


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a comparison; a number is None on the side that does not have the line."""

    kind: LineKind
    text: str
    old: int | None = None
    new: int | None = None

    @property
    def sign(self) -> str:
        return {"added": "+", "removed": "-", "same": " ", "gap": "…"}[self.kind]


@dataclass(frozen=True, slots=True)
class FileDiff:
    """What happened to one file. ``is_too_large`` when its lines are not compared."""

    path: str
    kind: ChangeKind
    lines: tuple[DiffLine, ...] = ()
    added: int = 0
    removed: int = 0
    is_too_large: bool = False


@dataclass(frozen=True, slots=True)
class MeaningChange:
    """What a change means: ``what`` is a kind of thing, e.g. "field"; ``details`` names what differs in it."""

    kind: ChangeKind
    what: str
    name: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Validation:
    """What is known of a version before publishing: problems at their place, and what stands against publishing it.

    ``objections`` are asked for only where no problem stands in the way, and only when somebody wants to know.
    """

    problems: tuple[Problem, ...] = ()
    objections: tuple[str, ...] = ()

    @property
    def faults(self) -> tuple[Problem, ...]:
        return tuple(item for item in self.problems if not item.is_warning)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(item for item in self.problems if item.is_warning)

    @property
    def is_publishable(self) -> bool:
        return not self.faults and not self.objections


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """Two versions compared; ``meaning`` is None where one of them has faults and means nothing."""

    files: tuple[FileDiff, ...]
    meaning: tuple[MeaningChange, ...] | None = None


@dataclass(frozen=True, slots=True)
class UnclassifiedField:
    """A field that nobody sees until somebody says what it holds."""

    id: str
    view: str
    name: str
    type: str
    file: str
    line: int
    is_measure: bool = False


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a comparison of the model with its source came to. ``files`` are the model's with proposals in them."""

    files: dict[str, str]
    new_views: tuple[str, ...] = ()
    new_fields: tuple[str, ...] = ()
    """ids, in the order of the source's columns"""
    missing: tuple[Problem, ...] = ()
    """tables and columns that the model reads and the source does not have"""
    skipped: tuple[str, ...] = field(default=())
    """sentences about what could not be proposed"""
