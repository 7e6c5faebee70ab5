"""What an explanation says. Places (``file:line``) and reasons for refusals are empty for whoever is no administrator."""

from dataclasses import dataclass
from typing import Literal

from apps.semantic.model.types import Scalar

RuleKind = Literal["permission", "grants", "grant", "row_filter", "mask", "model"]
FieldState = Literal["open", "masked", "unavailable"]
RowState = Literal["limited", "unfiltered", "missing"]


@dataclass(frozen=True, slots=True)
class AttributeUsed:
    """Someone's values of a user attribute; ``source`` is the kind of origin, ``origin`` says it in words."""

    name: str
    label: str
    values: tuple[Scalar, ...]
    source: str
    origin: str

    @property
    def values_text(self) -> str:
        """The first values, as people read them."""
        shown = ", ".join(str(value) for value in self.values[:8])
        return f"{shown} …" if len(self.values) > 8 else shown


@dataclass(frozen=True, slots=True)
class Because:
    """One rule and what came of it: ``holds`` is whether it let through."""

    kind: RuleKind
    text: str
    holds: bool
    place: str = ""
    attribute: AttributeUsed | None = None


@dataclass(frozen=True, slots=True)
class FieldExplained:
    """What becomes of one field; ``name`` as it was asked for."""

    name: str
    label: str
    state: FieldState
    text: str
    because: tuple[Because, ...] = ()


@dataclass(frozen=True, slots=True)
class RowsExplained:
    """What one row policy does; ``field`` is empty where the person may not know of it."""

    field: str
    label: str
    state: RowState
    text: str
    values: tuple[Scalar, ...]
    attribute: AttributeUsed
    place: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What applies to one person who asks one question.

    ``fields`` are those of the question, ``withheld`` (administrators only) the other closed and masked ones of the
    data set, ``masked`` the ids of all masked fields that the person may use. ``fingerprint`` and ``max_rows`` are empty where the question is refused.
    """

    person: str
    dataset: str
    dataset_label: str
    is_allowed: bool
    text: str
    is_complete: bool
    """whether rules, places and refusals are named: administrators only"""
    model_version: int | None = None
    because: tuple[Because, ...] = ()
    fields: tuple[FieldExplained, ...] = ()
    withheld: tuple[FieldExplained, ...] = ()
    rows: tuple[RowsExplained, ...] = ()
    masked: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    max_rows: int | None = None
    fingerprint: str = ""
