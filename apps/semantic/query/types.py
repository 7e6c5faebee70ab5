"""The query as immutable values: what the JSON of the public interface becomes."""

from dataclasses import dataclass
from typing import Literal

from apps.semantic.model.types import FieldFilter

DEFAULT_LIMIT = 1_000
DEFAULT_ZONE = "UTC"
CompareUnit = Literal["day", "week", "month", "quarter", "year"]


@dataclass(frozen=True, slots=True)
class Sort:
    field: str
    is_descending: bool = False


@dataclass(frozen=True, slots=True)
class FilterGroup:
    """Conditions on several fields under one roof: ``and``, ``or``, or ``not`` (of one child)."""

    operator: Literal["and", "or", "not"]
    children: tuple["FieldFilter | FilterGroup", ...]


@dataclass(frozen=True, slots=True)
class Top:
    """Only the ``n`` values of ``field`` with the most of the measure ``by``; ``other`` gathers the rest, None drops it."""

    field: str
    n: int
    by: str
    is_descending: bool = True
    other: str | None = "Other"


@dataclass(frozen=True, slots=True)
class Compare:
    """Beside each measure its value ``count`` ``unit``s earlier, by the time dimension ``field`` (without timeframe)."""

    field: str
    count: int
    unit: CompareUnit


@dataclass(frozen=True, slots=True)
class SemanticQuery:
    """``fields`` are ``view.field`` or ``view.field[timeframe]`` in the order asked for; ``limit`` is at least 1.

    ``pivots`` are some of the fields, whose values become columns; ``totals`` and ``subtotals`` (leading fields to keep)
    are questions of their own over the same rows: see :mod:`apps.semantic.query.totals`.
    """

    dataset: str
    fields: tuple[str, ...]
    filters: tuple[FieldFilter, ...] = ()
    sorts: tuple[Sort, ...] = ()
    limit: int | None = None
    """None: the data set's own, see :mod:`apps.semantic.query.defaults`"""
    timezone: str | None = None
    """None: the model's own"""
    groups: tuple[FilterGroup, ...] = ()
    pivots: tuple[str, ...] = ()
    totals: bool = False
    subtotals: tuple[str, ...] = ()
    top: Top | None = None
    compare: Compare | None = None
    default_filters: bool = False
    """whether the data set's suggestions hold for fields that the question does not filter"""

    @property
    def row_limit(self) -> int:
        """Return how many rows are wanted at most."""
        return DEFAULT_LIMIT if self.limit is None else self.limit

    @property
    def zone(self) -> str:
        """Return the time zone that times are read in."""
        return self.timezone or DEFAULT_ZONE
