"""Rules that no row, and nobody, can meet: conditions on one field that exclude each other, grants that never hold together.

Only what is certain is told.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from decimal import Decimal
from itertools import islice, product

from sqlglot import exp

from apps.semantic.errors import Problem
from apps.semantic.model.boxes import Boxes, Reading, all_of, boxes_of
from apps.semantic.model.kinds.inferring import kind_of_frame
from apps.semantic.model.types import (
    NO_FIELDS,
    Condition,
    FieldFilter,
    FieldType,
    GrantRule,
    Scalar,
    SemanticModel,
    Source,
    Topic,
)

MAX_STEPS = 32
MAX_CHOICES = 1_000
OPERATORS: dict[type[exp.Expr], tuple[str, str]] = {
    exp.GT: ("greater_than", "less_than"), exp.GTE: ("greater_than_or_equal_to", "less_than_or_equal_to"),
    exp.LT: ("less_than", "greater_than"), exp.LTE: ("less_than_or_equal_to", "greater_than_or_equal_to"),
}  # fmt: skip
"""comparison → operator of the format with the field on the left, and on the right"""
Part = tuple[str, Condition, Source]


def check_contradictions(model: SemanticModel) -> Iterator[Problem]:
    """Yield a problem for each rule of a data set that no row can meet, a warning for other filters that let nothing through."""
    for topic in model.topics.values():
        yield from _topic(topic, model.of_topic(topic.name))
    for part, view in model.seen_views():
        if view.alias_of is not None:
            continue
        for measure in view.measures.values():
            text = f"“{measure.id}” counts nothing: its filters on"
            yield from _conflicts(_given(measure.filters, measure.source), part, text, is_warning=True)
        if view.query_source is not None:
            text = "this query view has no rows: its filters on"
            yield from _conflicts(_given(view.query_source.filters, view.source), part, text, is_warning=True)


def _topic(topic: Topic, model: SemanticModel) -> Iterator[Problem]:
    always = [*_given(topic.always_where_filters, topic.source), *_written(topic.placed_where, model)]
    having = [*_given(topic.always_having_filters, topic.source), *_written(topic.placed_having, model)]
    nobody = "nobody gets a row of this data set: its conditions on"
    yield from _conflicts(always, model, nobody)
    yield from _conflicts(having, model, nobody)
    for tree, source in (*topic.placed_where, *topic.placed_having):
        if any(_is_never(part) for part in _conjuncts(tree)):
            yield _at(source, "nobody gets a row of this data set: one of its conditions never holds")
    own = _given(topic.default_filters, topic.source)
    yield from _conflicts(own, model, "no row meets the default filters on", is_warning=True)
    for join in topic.joins:
        item = join.relationship
        if item.where_sql is not None:
            where = list(_written(((item.where_sql, item.source),), model))
            names = {_same_field(name, model) for name, _, _ in where}
            met = [part for part in always if _same_field(part[0], model) in names]
            if not list(_conflicts(met, model, "")):
                yield from _conflicts(
                    [*met, *where], model, f"no row is left once “{join.view}” is joined: conditions on"
                )


def _given(rules: Iterable[FieldFilter], source: Source) -> list[Part]:
    return [(rule.field, rule.condition, rule.source or source) for rule in rules]


def _conflicts(
    parts: Collection[Part], model: SemanticModel, text: str, *, is_warning: bool = False
) -> Iterator[Problem]:
    by_field: dict[str, list[tuple[Condition, Source]]] = defaultdict(list)
    for name, condition, source in parts:
        by_field[_same_field(name, model)].append((condition, source))
    for name, found in by_field.items():
        reading = Reading(_kind(name, model), model.dialect)
        boxes: list[Boxes] = [boxes_of(condition, reading) for condition, _ in found]
        if not all_of(boxes, reading):
            yield _at(found[-1][1], f"{text} “{name}” exclude each other", is_warning=is_warning)


def _same_field(name: str, model: SemanticModel) -> str:
    """Return the field that a name comes to: one that merely refers to another is that other."""
    for _ in range(MAX_STEPS):
        field_id, _, frame = name.partition("[")
        found = model.dimension(field_id)
        is_plain = found is not None and not (found.duration or found.top_n or found.level_of_detail)
        if found is None or frame or not is_plain or not isinstance(found.sql, exp.Placeholder):
            return name
        if found.sql.name.startswith(NO_FIELDS):
            return name
        name = found.sql.name
    return name


def _kind(name: str, model: SemanticModel) -> FieldType:
    field_id, _, frame = name.partition("[")
    found = model.dimension(field_id)
    measure = model.measure(field_id)
    base = found.type if found is not None else measure.type if measure is not None else "unknown"
    return kind_of_frame(frame.removesuffix("]"), base)


def _written(trees: Iterable[tuple[exp.Expression, Source]], model: SemanticModel) -> Iterator[Part]:
    """Yield those conditions of expressions that compare one field with values, all of which must hold."""
    for tree, source in trees:
        for part in _conjuncts(tree):
            found = _condition(part)
            if found is None or _kind(_same_field(found[0], model), model) in ("date", "timestamp"):
                continue
            yield (*found, source)


def _conjuncts(tree: exp.Expr) -> Iterator[exp.Expr]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, exp.Paren):
            waiting.append(node.this)
        elif isinstance(node, exp.And):
            waiting += [node.expression, node.this]
        else:
            yield node


def _is_never(node: exp.Expr) -> bool:
    if isinstance(node, exp.Boolean):
        return not node.this
    sides = [node.this, node.expression] if isinstance(node, exp.EQ) else []
    return (
        len(sides) == 2
        and all(isinstance(side, exp.Literal) and not side.is_string for side in sides)
        and Decimal(sides[0].name) != Decimal(sides[1].name)
    )


def _condition(node: exp.Expr) -> tuple[str, Condition] | None:
    if isinstance(node, exp.Not):
        inner = _condition(node.this) if isinstance(node.this, exp.Is) else None
        return None if inner is None else (inner[0], Condition("not", inner[1].values))
    if isinstance(node, exp.Is):
        name = _field(node.this)
        return (name, Condition("is", (None,))) if name and isinstance(node.expression, exp.Null) else None
    if isinstance(node, exp.In):
        name, values = _field(node.this), [_value(item) for item in node.expressions]
        is_plain = name and values and None not in values
        return (str(name), Condition("is", tuple(values))) if is_plain else None
    if isinstance(node, exp.Between):
        name, ends = _field(node.this), (_value(node.args["low"]), _value(node.args["high"]))
        return (name, Condition("between", ends)) if name and None not in ends else None
    return _comparison(node)


def _comparison(node: exp.Expr) -> tuple[str, Condition] | None:
    if not isinstance(node, exp.EQ | exp.NEQ | exp.GT | exp.GTE | exp.LT | exp.LTE):
        return None
    left, right = _field(node.this), _field(node.expression)
    value = _value(node.expression if left else node.this)
    name = left or right
    if not name or (left and right) or value is None:
        return None
    if isinstance(node, exp.EQ):
        return name, Condition("is", (value,))
    if isinstance(node, exp.NEQ):
        return name, Condition("and", (), (Condition("not", (value,)), Condition("not", (None,))))
    if isinstance(value, str | bool):
        return None
    return name, Condition(OPERATORS[type(node)][0 if left else 1], (value,))


def _field(node: exp.Expr) -> str:
    while isinstance(node, exp.Paren):
        node = node.this
    is_field = isinstance(node, exp.Placeholder) and not node.name.startswith(NO_FIELDS)
    return node.name if is_field else ""


def _value(node: exp.Expr) -> Scalar:
    """Return a literal's value; None for anything else."""
    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if isinstance(node, exp.Neg):
        inner = _value(node.this)
        return -inner if isinstance(inner, int | float) and not isinstance(inner, bool) else None
    if not isinstance(node, exp.Literal):
        return None
    if node.is_string:
        return node.name
    try:
        return int(node.name) if node.name.isdigit() else float(node.name)
    except ValueError:
        return None


def check_grants_meet(rules: Iterable[GrantRule], model: SemanticModel, single: Collection[str]) -> Iterator[Problem]:
    """Yield a problem for each rule whose grants nobody passes together: they want two values of what has one.

    Args:
        rules: of the model.
        model: holds the grants.
        single: user attributes that have one value, not a list.
    """
    for rule in rules:
        choices = product(*(element for element in rule.all_of))
        tried = list(islice(choices, MAX_CHOICES + 1))
        if tried and len(tried) <= MAX_CHOICES and not any(_meet(choice, model, single) for choice in tried):
            yield _at(
                rule.source, "nobody passes this: its grants want different values of an attribute that has only one"
            )


def _meet(choice: tuple[tuple[str, ...], ...], model: SemanticModel, single: Collection[str]) -> bool:
    """Say whether somebody may pass all grants of these alternatives."""
    allowed: dict[str, set[str]] = {}
    for name in (name for alternative in choice for name in alternative):
        grant = model.access_grants.get(name)
        if grant is not None and grant.user_attribute in single:
            kept = allowed.setdefault(grant.user_attribute, set(grant.allowed_values))
            kept &= set(grant.allowed_values)
    return all(allowed.values())


def _at(source: Source, message: str, *, is_warning: bool = False) -> Problem:
    return Problem(source.file, source.line, source.column, message, is_warning)
