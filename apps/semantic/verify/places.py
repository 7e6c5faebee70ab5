"""What must stand in the SQL in the place of a dimension, worked out from the model alone."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.carried_masks import resting
from apps.semantic.model.types import TEMPLATED, Dimension, Measure, SemanticModel
from apps.semantic.query.types import Top
from apps.semantic.verify.conditions import Columns
from apps.semantic.verify.grouped import named
from apps.semantic.verify.groups import is_over, measure_columns
from apps.semantic.verify.trees import NOT_FIELDS, Expected, columns_of

AGGREGATES: Mapping[str, type[exp.AggFunc]] = {
    "count": exp.Count, "count_distinct": exp.Count, "sum": exp.Sum, "average": exp.Avg, "min": exp.Min, "max": exp.Max,
}  # fmt: skip
Reading = Literal["exactly", "within", "over", "anything"]
"""how the columns that stand in the place of a dimension are to those that it is made of"""


@dataclass(frozen=True, slots=True)
class Place:
    """What must stand in the place of a dimension: its tree where the model says it all, else columns.

    ``may_be_empty``: a mask or a filter of the question may leave none of them.
    """

    columns: Columns
    reading: Reading
    tree: exp.Expr | None = None
    may_be_empty: bool = False

    def fits(self, found: frozenset[tuple[str, str]]) -> bool:
        """Say whether columns are those of the dimension."""
        if self.reading == "anything":
            return True
        if self.reading == "over":
            return self.columns <= found
        is_within = found == self.columns if self.reading == "exactly" else found <= self.columns
        return is_within and (bool(found) or self.may_be_empty or not self.columns)


@dataclass(frozen=True, slots=True)
class MeasurePlace:
    """What must stand in the place of a measure: columns that it is sure to read, and its aggregate where it is a plain one."""

    columns: Columns
    aggregate: type[exp.AggFunc] | None

    def fits(self, node: exp.Expr, select: exp.Select) -> bool:
        """Say whether an expression of a SELECT may be the measure."""
        kinds = {type(item) for item in node.find_all(exp.AggFunc)}
        return (self.aggregate is None or kinds == {self.aggregate}) and is_over(node, self.columns, select)


class Places:
    """What stands for the fields of a model, as the topic of a scope sees it."""

    def __init__(self, model: SemanticModel, masked: frozenset[str], expected: Expected) -> None:
        self.model, self.masked, self.expected = model, masked, expected

    def of(self, name: str) -> Place:
        """Return what stands for a dimension, named with its timeframe or without."""
        dimension = self.dimension(name)
        columns = frozenset(columns_of(dimension, self.model, frozenset(), self.expected.dialect))
        parts = [*self.parts(dimension)]
        is_changed = any(_is_templated(part) or part.id in self.masked for part in parts)
        is_detail = any(part.level_of_detail is not None for part in parts)
        if is_detail:
            return Place(columns, "anything" if is_changed else "over")
        if is_changed:
            return Place(columns, "within", may_be_empty=True)
        is_cut = any("[" in node.name for part in parts for node in part.sql.find_all(exp.Placeholder))
        if is_cut or any(part.duration is not None for part in parts):
            return Place(columns, "within")
        is_whole = name.partition("[")[2] in ("", "raw]") and dimension.top_n is None
        tree = self.expected.dimension(dimension, is_qualified=True) if is_whole else None
        return Place(columns, "exactly", tree)

    def parts(self, start: Dimension) -> Iterator[Dimension]:
        """Yield a dimension and all that its expressions rest on."""
        for name in sorted(resting((start.id,), self.model)):
            found = self.model.dimension(name)
            if found is not None:
                yield found

    def dimension(self, name: str) -> Dimension:
        """Return a dimension that must be there, named with its timeframe or without."""
        found = self.model.dimension(name.partition("[")[0])
        if found is None:
            raise UnprovenSqlError("A rule is on what is no dimension.")
        return found

    def top(self, name: str) -> Top | None:
        """Return the ranking that the model gives a field as it is named."""
        found = self.model.dimension(name)
        if found is None or found.top_n is None or self.masked & reached((name,), self.model):
            return None
        return Top(name, found.top_n.n, found.top_n.by, found.top_n.is_descending, found.top_n.other)

    def measure(self, measure: Measure) -> MeasurePlace:
        """Return what stands for a measure."""
        is_masked = bool(self.masked & reached((measure.id,), self.model))
        columns = frozenset() if is_masked else measure_columns(measure, self.model, self.expected.dialect)
        return MeasurePlace(columns, AGGREGATES.get(measure.aggregate))


def _is_templated(dimension: Dimension) -> bool:
    """Say whether filters of the question stand in a dimension."""
    nodes = dimension.sql.find_all(exp.Placeholder, exp.Anonymous)
    return any(
        node.this == TEMPLATED if isinstance(node, exp.Anonymous) else node.name.startswith(NOT_FIELDS[1])
        for node in nodes
    )


def reached(names: Iterable[str], model: SemanticModel) -> frozenset[str]:
    """Return the ids of some fields and of all that they rest on."""
    found, waiting = set[str](), [*names]
    while waiting:
        name = waiting.pop().partition("[")[0]
        field = model.dimension(name) or model.measure(name)
        if field is not None and name not in found:
            found.add(name)
            waiting += named(field)
    return frozenset(found)
