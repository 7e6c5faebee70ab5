"""Rules that may let through other rows where there are fewer beneath them: a list of the blocked, the ten best, small groups. Pure."""

from collections.abc import Iterable, Iterator

from sqlglot import exp

from apps.semantic.compile.facts import facts_of, references
from apps.semantic.model.types import (
    Condition,
    Dimension,
    FieldFilter,
    Measure,
    QuerySource,
    SemanticModel,
    Topic,
    View,
)

STEADY = (
    exp.And, exp.Or, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In, exp.Between, exp.Like,
    exp.Placeholder, exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Cast, exp.DataType,
)  # fmt: skip
"""what is not true of a row without a match"""
AT_LEAST = ("greater_than", "greater_than_or_equal_to")
COUNTS = ("count", "count_distinct")
INNER = "inner"
OF_ROWS, OF_GROUPS = "what always filters it", "what always filters its groups"
"""conditions that always hold, as people know them"""
MAX_DEPTH = 16
Rule = tuple[str, FieldFilter | exp.Expr]
"""a condition, and whose it is"""


def turning(model: SemanticModel, topic: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield where fewer rows may mean other ones, with what chooses them.

    The places are those of row policies; each stands for all that begin with it, the empty one for every place.
    """
    found = model.topics[topic]
    if _chooses_groups((*found.always_having_filters,), found.always_having, model):
        yield "", OF_GROUPS
    rules = (*_always(found), *_of_joins(found))
    yield from _of_unmatched(found, model, rules)
    yield from _of_totals(model, (*map(_named, rules), *_of_policies(found, model)))
    for name in found.views if depth < MAX_DEPTH else ():
        view = model.views[name]
        if view.sql_source is not None and _is_turning(view.sql_source.tree):
            yield from ((place, f"the source of {name}") for place in _places(view, model))
        if view.query_source is not None:
            yield from _of_query(name, view.query_source, model, depth)


def _of_query(name: str, source: QuerySource, model: SemanticModel, depth: int) -> Iterator[tuple[str, str]]:
    own, what = model.of_topic(source.topic), f"the source of {name}"
    of_groups = tuple(rule for rule in source.filters if own.measure(rule.field) is not None)
    found = [("", what)] if source.limit is not None or _chooses_groups(of_groups, (), own) else []
    rules = [(what, rule) for rule in source.filters]
    found += _of_unmatched(own.topics[source.topic], own, rules)
    found += _of_totals(own, map(_named, rules))
    for place, chooses in (*found, *turning(own, source.topic, depth + 1)):
        yield f"{source.topic}: {place}", chooses


def _chooses_groups(filters: tuple[FieldFilter, ...], trees: Iterable[exp.Expr], model: SemanticModel) -> bool:
    """Say whether groups are chosen by anything else than that they are large enough."""
    return any(not _counts(rule.field, model) or rule.condition.operator not in AT_LEAST for rule in filters) or any(
        not _is_large(part, model) for tree in trees for part in _parts(tree)
    )


def _parts(tree: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the conditions that an expression joins: of fewer rows none of them, and so not all, is met that was not."""
    tree = tree.unnest()
    if isinstance(tree, exp.And | exp.Or):
        yield from _parts(tree.this)
        yield from _parts(tree.expression)
    else:
        yield tree


def _is_large(part: exp.Expr, model: SemanticModel) -> bool:
    is_least = isinstance(part, exp.GT | exp.GTE) and isinstance(part.expression, exp.Literal)
    return is_least and isinstance(part.this, exp.Placeholder) and _counts(part.this.name, model)


def _counts(field_id: str, model: SemanticModel) -> bool:
    measure = model.measure(field_id)
    return measure is not None and measure.aggregate in COUNTS and measure.level_of_detail is None


def _always(topic: Topic) -> Iterator[Rule]:
    yield from ((OF_ROWS, rule) for rule in topic.always_where_filters)
    yield from ((OF_ROWS, tree) for tree in topic.always_where)
    yield from ((OF_GROUPS, rule) for rule in topic.always_having_filters)
    yield from ((OF_GROUPS, tree) for tree in topic.always_having)


def _of_joins(topic: Topic) -> Iterator[Rule]:
    for join in topic.joins:
        trees = (join.relationship.on_sql, join.relationship.where_sql)
        yield from ((f"the join of {join.view}", tree) for tree in trees if tree is not None)


def _of_policies(topic: Topic, model: SemanticModel) -> Iterator[tuple[str, tuple[str, ...]]]:
    policies = [*topic.access_filters, *(item for view in topic.views for item in model.views[view].access_filters)]
    yield from ((f"the row policy on `{item.field}`", (item.field,)) for item in policies)


def _named(rule: Rule) -> tuple[str, tuple[str, ...]]:
    """Return whose a rule is, and the fields that it names."""
    what, condition = rule
    return what, (condition.field,) if isinstance(condition, FieldFilter) else tuple(references(condition))


def _of_totals(model: SemanticModel, rules: Iterable[tuple[str, tuple[str, ...]]]) -> Iterator[tuple[str, str]]:
    """Yield what lies beneath views whose totals a rule compares: of fewer rows they are others, and so are the rows chosen by them."""
    facts = facts_of(model)
    for what, names in rules:
        for item in {below for name in names for below in facts.closure(facts.field(name))}:
            field = facts.field(item)
            if _is_total(field, model):
                yield from ((place, what) for place in _beneath(model.views[field.view], model))


def _is_total(field: Dimension | Measure, model: SemanticModel) -> bool:
    """Say whether a field of a derived view may hold what its query works out of several rows."""
    view = model.views[field.view]
    names = [node.name for node in field.sql.find_all(exp.Column)] if field.sql is not None else []
    if view.sql_source is not None:
        return _are_totals(names, view.sql_source.tree)
    if view.query_source is None:
        return False
    own, facts = model.of_topic(view.query_source.topic), facts_of(model.of_topic(view.query_source.topic))
    columns = {column: name.partition("[")[0] for name, column in view.query_source.columns}
    for name in names:
        inner = own.dimension(columns.get(name, ""))
        below = [facts.field(item) for item in facts.closure(inner)] if inner is not None else []
        if not below or any(_is_compared(item) or _is_total(item, own) for item in below):
            return True
    return False


def _are_totals(names: Iterable[str], query: exp.Expr) -> bool:
    """Say whether one of a query's columns may be worked out of several rows."""
    kinds = (exp.AggFunc, exp.Window)
    if not isinstance(query, exp.Select) or any(node.parent_select is not query for node in query.find_all(*kinds)):
        return query.find(*kinds) is not None
    columns = {item.alias_or_name.lower(): item for item in query.expressions}
    return any((item := columns.get(name.lower())) is None or item.find(*kinds) is not None for name in names)


def _is_compared(field: Dimension | Measure) -> bool:
    """Say whether a field's value is what other rows have to do with it: a level of detail, or a ranking."""
    return field.level_of_detail is not None or (isinstance(field, Dimension) and field.top_n is not None)


def _of_unmatched(topic: Topic, model: SemanticModel, rules: Iterable[Rule]) -> Iterator[tuple[str, str]]:
    """Yield the views of joins that keep rows without a match, where a rule may ask for just those."""
    outer = {join.view for join in topic.joins if join.relationship.join_type != INNER}
    facts = facts_of(model)
    for what, rule in rules:
        names = _named((what, rule))[1]
        is_steady = _is_steady(rule.condition) if isinstance(rule, FieldFilter) else not _is_turning(rule)
        below = [facts.field(item) for name in names for item in facts.closure(facts.field(name))]
        if any(map(_is_compared, below)):
            yield "", what
        if not is_steady or any(map(_may_miss, below)):
            for view in sorted(outer & {item.view for item in below}):
                yield from ((place, what) for place in _places(model.views[view], model))


def _may_miss(field: Dimension | Measure) -> bool:
    """Say whether a field may have its value for the reason that something is not there."""
    filters = field.filters if isinstance(field, Measure) else ()
    return (field.sql is not None and _is_turning(field.sql)) or not all(_is_steady(rule.condition) for rule in filters)


def _is_steady(condition: Condition) -> bool:
    is_plain = condition.operator != "not" and not condition.operator.startswith("not_")
    return (
        is_plain
        and None not in condition.values
        and "falsey" not in condition.values
        and all(map(_is_steady, condition.children))
    )


def _is_turning(tree: exp.Expr) -> bool:
    """Say whether an expression may be true of a row for the reason that something is not there."""
    if isinstance(tree, exp.Query):
        outer = any(join.side or join.kind not in ("", "INNER", "CROSS") for join in tree.find_all(exp.Join))
        return outer or any(tree.find_all(exp.Except, exp.Having, exp.Limit, exp.Subquery, exp.Exists, exp.Window))
    return any(not isinstance(node, STEADY) for node in tree.walk())


def _places(view: View, model: SemanticModel) -> Iterator[str]:
    """Yield where the policies stand that decide on a view's rows."""
    yield f"view {view.name}"
    yield from _beneath(view, model)


def _beneath(view: View, model: SemanticModel) -> Iterator[str]:
    """Yield where the policies stand that decide on the rows that a derived view is made of."""
    yield from (f"view {table}" for table in model.governed_tables(view.name))
    if view.query_source is not None:
        yield f"{view.query_source.topic}: "
