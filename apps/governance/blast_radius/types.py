"""What a version would change, as immutable values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from apps.semantic.model.types import Mask

Kind = Literal[
    "dataset_gained", "dataset_lost", "field_gained", "field_gained_masked", "field_lost", "field_unmasked",
    "field_masked", "mask_changed", "count_unmasked", "count_masked", "field_redefined", "rows_lifted", "rows_added",
    "rows_removed", "rows_limited", "rows_narrowed", "rows_redefined", "test_removed", "test_changed",
]  # fmt: skip
NARROWING = frozenset(
    ("dataset_lost", "field_lost", "field_masked", "count_masked", "rows_removed", "rows_limited", "rows_narrowed")
)
"""everything else may show more, and counts as widening"""


@dataclass(frozen=True, slots=True)
class FieldRight:
    """A field that can be asked for; ``definition`` is a hash of all that its values come from.

    Attributes:
        masks: by the dimension whose mask it is: what the values are made of, the field's own mask or those of what it
            rests on; empty where it is in clear.
        intervals: what a duration can be counted in. Of a date or moment all frames are coarser than the bare field.
        is_counted: it is a measure, which counts the masked values.
    """

    definition: str
    masks: Mapping[str, Mask] = field(default_factory=dict)
    is_counted: bool = False
    intervals: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RowRule:
    """What decides on the rows of a data set, whoever asks: conditions that always hold, a join, a table.

    Attributes:
        conditions: hashes of its conditions, all of which hold; of anything else one hash.
        rests_on: by its name for people, a hash of each field and source that it rests on, to any depth.
        does: what it does to the rows where it comes, the reverse where it goes: it leaves ``fewer``, it may give
            ``other`` ones, or ``none`` change by it alone, as by a left join.
    """

    conditions: frozenset[str]
    rests_on: Mapping[str, str]
    does: Literal["fewer", "other", "none"]


@dataclass(frozen=True, slots=True)
class DatasetRights:
    """What one person may have of one data set.

    Attributes:
        fields: open fields by id.
        rows: by (where the policy stands, its field): the values that may occur, as texts.
        beneath: masks of columns that the data set reads without offering them, by where they stand and their field.
        compared: by the same: a hash of everything that the policy's field comes from.
        rules: what decides on rows apart from policies, by its name for people.
        turning: where fewer rows may mean other ones: how such places begin, and which rule chooses.
    """

    fields: Mapping[str, FieldRight]
    rows: Mapping[tuple[str, str], frozenset[str]]
    beneath: Mapping[str, Mask]
    compared: Mapping[tuple[str, str], str]
    rules: Mapping[str, RowRule]
    turning: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference for whoever has the same rights. ``subject`` is a field, a rule, a test, or empty for the data set."""

    kind: Kind
    dataset: str
    subject: str = ""
    values: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class PersonRef:
    id: UUID
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Effect:
    """One difference, for all whom it meets; several fields that meet the same people are one effect.

    Without people where it is a policy test that goes: whom it would meet is not known.
    """

    kind: Kind
    dataset: str
    subjects: tuple[str, ...]
    values: tuple[str, ...]
    why: str
    people: tuple[PersonRef, ...]

    @property
    def is_widening(self) -> bool:
        return self.kind not in NARROWING


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """What publishing would change for the people who are here now.

    ``people`` were looked at, in ``groups`` of equal rights; ``base`` is the number of the version that answers now.
    """

    model: str
    base: int | None
    target: str
    people: int
    groups: int
    effects: tuple[Effect, ...]

    @property
    def widening(self) -> tuple[Effect, ...]:
        return tuple(effect for effect in self.effects if effect.is_widening)

    @property
    def narrowing(self) -> tuple[Effect, ...]:
        return tuple(effect for effect in self.effects if not effect.is_widening)
