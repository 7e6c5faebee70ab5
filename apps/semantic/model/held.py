"""Which fields a rollup may hold: those that are the same for whoever asks, whatever they ask, over the base view alone.

A column of a rollup was worked out before anybody asked. Policies and masks of the base view hold on its table; those
of a joined view, of the rows beneath a level of detail or a ranking, a user attribute and a condition of the question do
not: they are in the column by then, as they were for whoever made it.
"""

from collections.abc import Iterator

from sqlglot import exp

from apps.semantic.model.types import Dimension, Measure, Rollup, SemanticModel, View

ATTRIBUTE = "omni_attributes."
FILTER = "filters."


def why_no_rollup(model: SemanticModel, rollup: Rollup) -> str:
    """Return why no table can stand for the base view at all; empty where one can."""
    base = model.views[rollup.base_view]
    if base.is_derived:
        return f"“{base.name}” reads a query, and the rules of what that reads would not hold on a table of its answer"
    return ""


def why_not_held(model: SemanticModel, base_view: str, field_id: str) -> str:
    """Return why a rollup of a view cannot hold a field; empty where it can."""
    seen, waiting = {field_id}, [field_id]
    while waiting:
        name = waiting.pop()
        field = model.dimension(name) or model.measure(name)
        if field is None:
            return f"“{name}” is no dimension and no measure"
        if reason := _why_not(field, base_view):
            return reason
        for other in named_by(field):
            if other.startswith(ATTRIBUTE):
                return f"“{name}” is another for each value of the user attribute “{other.removeprefix(ATTRIBUTE)}”"
            if other.startswith(FILTER):
                return f"“{name}” depends on the query's filter on “{other.removeprefix(FILTER)}”"
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return ""


def _why_not(field: Dimension | Measure, base_view: str) -> str:
    if field.view != base_view:
        return f"“{field.id}” is of another view than “{base_view}”, whose rules would not hold on the table"
    if field.level_of_detail is not None:
        return f"“{field.id}” has a level of detail: it counts rows that its reader may not see"
    if isinstance(field, Dimension) and field.top_n is not None:
        return f"“{field.id}” ranks its values by rows that its reader may not see"
    return ""


def named_by(field: Dimension | Measure) -> Iterator[str]:
    """Yield the ids of all that a field names, attributes and filters of the query with their prefixes."""
    trees: list[exp.Expression | None] = [field.sql]
    if isinstance(field, Measure):
        yield from (item.field.partition("[")[0] for item in field.filters)
        trees += field.distinct_on
    else:
        if field.order_by_field is not None:
            yield field.order_by_field.partition("[")[0]
        if field.duration is not None:
            trees += [field.duration.start, field.duration.end]
    for tree in trees:
        yield from (node.name.partition("[")[0] for node in tree.find_all(exp.Placeholder)) if tree is not None else ()


def told_apart(rollup: Rollup) -> bool:
    """Say whether each field has a column of its own."""
    columns = [column.lower() for _, column in rollup.columns]
    return len(set(columns)) == len(columns)


def is_of_same_schema(base: View, holder: View) -> bool:
    """Say whether a rollup's table is chosen by the same user attribute as its base view's, if by any."""
    return base.schema_attribute == holder.schema_attribute
