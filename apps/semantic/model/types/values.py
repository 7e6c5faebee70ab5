"""What rules and filters are made of."""

from dataclasses import dataclass
from dataclasses import field as dataclass_field

from apps.semantic.model.types.words import MaskKind, Scalar


@dataclass(frozen=True, slots=True)
class Source:
    """Where something was written, for messages and for explain. Lines and columns count from 1."""

    file: str
    line: int
    column: int = 1


@dataclass(frozen=True, slots=True)
class Condition:
    """Operator and values of one filter, e.g. ``Condition("is", ("paid", "open"))``; see part 4.10 of the format.

    ``operator`` may carry the prefix ``not_``; ``and``, ``or`` hold ``children`` instead of values.
    ``is_case_insensitive`` lets texts match whatever their case.
    """

    operator: str
    values: tuple[Scalar, ...] = ()
    children: tuple["Condition", ...] = ()
    is_case_insensitive: bool = False


@dataclass(frozen=True, slots=True)
class FieldFilter:
    """A condition on a field ``view.field`` (or ``view.field[timeframe]``)."""

    field: str
    condition: Condition
    source: "Source | None" = dataclass_field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class GrantRule:
    """``required_access_grants`` and the like, parsed: every element of ``all_of`` must hold, each is an OR of ANDs.

    ``a|b&c`` means a OR (b AND c); parentheses are allowed; several list items are combined with AND.
    An element is a tuple of alternatives, an alternative a tuple of grant names that must all pass.
    """

    all_of: tuple[tuple[tuple[str, ...], ...], ...]
    source: Source
    is_joined: bool = dataclass_field(default=False, compare=False)
    """made of several rules of the files, all of which must hold"""


@dataclass(frozen=True, slots=True)
class AccessGrant:
    """Passes when any value of the user attribute is among the allowed values."""

    name: str
    user_attribute: str
    allowed_values: tuple[str, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class AccessFilter:
    """Row policy: ``field`` must equal one of the actor's values of ``user_attribute``, unless one of them lifts it."""

    field: str
    user_attribute: str
    values_for_unfiltered: tuple[str, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class Mask:
    """What stands in for a value: a keyed hash, a fixed text, nothing, the last letters, the start of a period, a range.

    ``argument`` is the number of letters kept, the timeframe (``month``, ``quarter``, ``year``) or the width of a range.
    """

    kind: MaskKind = "hash"
    argument: str | int | float | None = None


HASHED = Mask()
"""what a mask is where the files do not say"""


@dataclass(frozen=True, slots=True)
class LabelAccess:
    """``classification_access``: what holds for every field of one classification, beside the field's own rules."""

    name: str
    source: Source
    required_access_grants: GrantRule | None = None
    mask_unless_access_grants: GrantRule | None = None
    mask: Mask = HASHED
