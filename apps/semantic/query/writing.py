"""``SemanticQuery`` → the public form that :func:`parse_query` reads back as the same query."""

from collections.abc import Container
from typing import Any

from apps.semantic.model.filters import CASE, SINGLE
from apps.semantic.model.types import Condition, FieldFilter, SemanticModel
from apps.semantic.query.defaults import default_filters, with_defaults
from apps.semantic.query.types import FilterGroup, SemanticQuery


def public_form(query: SemanticQuery) -> dict[str, Any]:
    """Return a query as plain values."""
    found: dict[str, Any] = {
        "dataset": query.dataset,
        "fields": list(query.fields),
        "filters": {item.field: _condition(item.condition) for item in query.filters},
        "sorts": [{"field": sort.field, "desc": sort.is_descending} for sort in query.sorts],
    }
    for name in ("limit", "timezone"):
        if (said := getattr(query, name)) is not None:
            found[name] = said
    if query.default_filters:
        found["default_filters"] = True
    groups = [_child(group) for group in query.groups]
    # One key holds one group; ``and`` is read as what it holds.
    is_single = len({group.operator for group in query.groups}) == len(groups)
    for group in groups if is_single else [{"and": groups}]:
        found["filters"] |= group
    for name in ("pivots", "subtotals"):
        if values := getattr(query, name):
            found[name] = list(values)
    if query.totals:
        found["totals"] = True
    if query.top is not None:
        top = query.top
        found["top"] = {"field": top.field, "n": top.n, "by": top.by, "desc": top.is_descending, "others": top.other}
    if query.compare is not None:
        compare = query.compare
        found["compare"] = {"field": compare.field, "offset": f"{compare.count} {compare.unit}s"}
    return found


def defaults_of(dataset: str, model: SemanticModel, fields: Container[str]) -> dict[str, Any]:
    """Return what holds for a data set's questions that do not say, and the filters that it suggests, as plain values."""
    settled = with_defaults(SemanticQuery(dataset, ()), model, fields)
    suggested = {rule.field: _condition(rule.condition) for rule in default_filters(dataset, model, fields)}
    return {"limit": settled.limit, "timezone": settled.timezone, "filters": suggested}


def _condition(condition: Condition) -> dict[str, Any]:
    operator = condition.operator
    if operator == "not_and":
        return {"not": _condition(condition.children[0])}
    if operator in ("and", "or"):
        return {operator: [_condition(child) for child in condition.children]}
    values = list(condition.values)
    is_single = operator.removeprefix("not_") in SINGLE
    found: dict[str, Any] = {operator: values[0] if is_single else values}
    return found | ({CASE: True} if condition.is_case_insensitive else {})


def _group(group: FilterGroup) -> Any:
    children = [_child(child) for child in group.children]
    return children[0] if group.operator == "not" else children


def _child(child: FieldFilter | FilterGroup) -> dict[str, Any]:
    if isinstance(child, FieldFilter):
        return {child.field: _condition(child.condition)}
    return {child.operator: _group(child)}
