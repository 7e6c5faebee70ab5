"""Which fields a rollup may hold: those that are the same for whoever asks, whatever they ask, over the base view alone.

A column of a rollup was worked out before anybody asked. Policies and masks of the base view hold on its table; those
of a joined view, of the rows beneath a level of detail or a ranking, a user attribute and a condition of the question do
not: they are in the column by then, as they were for whoever made it. It was made of what the model of all says, too: what a
topic has otherwise in views of its own is not there, whatever its name.
"""

import re
from collections.abc import Iterator
from dataclasses import fields

from sqlglot import exp

from apps.semantic.model.types import ATTRIBUTE, Condition, Dimension, FieldFilter, Measure, Rollup, SemanticModel, View

FILTER = "filters."
FIXED = re.compile(r"\s*\d{4}(-\d{2}(-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?)?)?\s*", re.ASCII)
"""a time that is the same on every day of asking"""
DATED = frozenset(("before", "on_or_after", "between_dates", "time_for_duration"))
TIMES = ("date", "timestamp")
UNMEANT = frozenset((
    "label", "description", "format", "group_label", "is_hidden", "is_ignored", "tags", "decoration", "source",
    "required_access_grants", "mask_unless_access_grants", "mask", "reads_in_clear", "classification", "is_closed_by_label",
    "timeframes", "references",
))  # fmt: skip
"""what a field is besides the values that its column holds; rights and masks are asked for whoever reads it"""


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
        if isinstance(field, Measure) and any(_is_of_a_day(rule, model) for rule in field.filters):
            return f"“{name}” is another on each day: its filter counts from the day of asking"
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


def _is_of_a_day(rule: FieldFilter, model: SemanticModel) -> bool:
    field_id, bracket, _ = rule.field.partition("[")
    field = model.dimension(field_id)
    return _counts_from_today(rule.condition, is_time=bool(bracket) or field is None or field.type in TIMES)


def _counts_from_today(condition: Condition, *, is_time: bool) -> bool:
    """Say whether a condition names a time by its distance from the day of asking."""
    operator = condition.operator.removeprefix("not_")
    if any(_counts_from_today(child, is_time=is_time) for child in condition.children):
        return True
    if operator not in DATED and not (is_time and operator in ("is", "not")):
        return False
    times = condition.values[:1] if operator == "time_for_duration" else condition.values
    return any(isinstance(value, str) and not FIXED.fullmatch(value) for value in times)


def is_as_all_have(own: SemanticModel, field_id: str) -> bool:
    """Say whether a field, and all that it rests on, means for a topic what it means in the model of all."""
    of_all = own.of_all
    if of_all is None:
        return True
    seen, waiting = {field_id}, [field_id]
    while waiting:
        name = waiting.pop()
        mine, theirs = _found(own, name), _found(of_all, name)
        if mine is None or theirs is None:
            return False
        if mine is not theirs and (type(mine) is not type(theirs) or _meaning(mine) != _meaning(theirs)):
            return False
        waiting += [other for other in named_by(mine) if other not in seen]
        seen.update(named_by(mine))
    return True


def _found(model: SemanticModel, name: str) -> Dimension | Measure | None:
    return model.dimension(name) or model.measure(name)


def _meaning(field: Dimension | Measure) -> list[object]:
    return [getattr(field, item.name) for item in fields(field) if item.name not in UNMEANT]


def is_same_rollup(own: SemanticModel, rollup_view: str) -> bool:
    """Say whether a view is said to hold for a topic what the model of all says that it holds."""
    theirs = own.views[rollup_view] if own.of_all is None else own.of_all.views.get(rollup_view)
    return theirs is not None and own.views[rollup_view].rollup == theirs.rollup


def is_held_for(own: SemanticModel, rollup_view: str) -> bool:
    """Say whether a topic leaves a rollup, its table and that of its base view as the model of all has them."""
    rollup = own.views[rollup_view].rollup
    if own.of_all is None:
        return True
    names = (rollup_view, rollup.base_view) if rollup is not None else ()
    return is_same_rollup(own, rollup_view) and all(
        name in own.of_all.views and _place(own.views[name]) == _place(own.of_all.views[name]) for name in names
    )


def _place(view: View) -> tuple[object, ...]:
    return view.catalog, view.schema, view.table_name, view.schema_attribute, view.is_derived


def told_apart(rollup: Rollup) -> bool:
    """Say whether each field has a column of its own."""
    columns = [column.lower() for _, column in rollup.columns]
    return len(set(columns)) == len(columns)


def is_of_same_schema(base: View, holder: View) -> bool:
    """Say whether a rollup's table is chosen by the same user attribute as its base view's, if by any."""
    return base.schema_attribute == holder.schema_attribute
