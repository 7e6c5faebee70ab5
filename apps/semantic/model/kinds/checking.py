"""Problems of types: sums of texts, texts compared with numbers, timeframes on what is no time.

An error where the database refuses or the outcome means nothing, a warning where it depends, silence where a type is unknown.
"""

from collections.abc import Iterable, Iterator

from sqlglot import exp

from apps.semantic.errors import Problem
from apps.semantic.model.kinds.conditions import TIMES, WORDS, unsuited
from apps.semantic.model.kinds.inferring import Columns, Kinds, kind_of_node, literal
from apps.semantic.model.kinds.operators import SEEN, STRICT, TRUE_NUMBERS, certain_kind, is_simple, misused, untrue
from apps.semantic.model.types import (
    Dimension,
    FieldFilter,
    FieldType,
    MaskKind,
    Measure,
    SemanticModel,
    Source,
    Topic,
    View,
)

NUMERIC = frozenset(("sum", "average", "median", "percentile"))
COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
LENIENT = frozenset(("mysql",))
"""dialects that read a text as a number, or as a date, without being asked"""
ADDS_TRUTH = frozenset(("mysql", "duckdb", "clickhouse"))
"""dialects in which the sum of true and false is the number of the true ones"""
MASKED: dict[MaskKind, tuple[FieldType, ...]] = {"bucket": ("number",), "truncate_date": ("date", "timestamp")}
"""masks that only values of some types have"""
UNLIKE: tuple[set[FieldType], ...] = ({"date", "number"}, {"timestamp", "number"})
"""pairs of types that no dialect compares but those that make a number of each value"""
WHOLE_DAYS = frozenset(("raw", "date"))


def check_kinds(model: SemanticModel, columns: Columns | None = None) -> Iterator[Problem]:
    """Yield what does not suit the types of a model's fields.

    Args:
        model: as read.
        columns: types of the source's columns by view and column in lower case, where a catalogue tells them.
    """
    parts: dict[int, tuple[SemanticModel, list[View]]] = {}
    for part, view in model.seen_views():
        parts.setdefault(id(part), (part, []))[1].append(view)
    for part, views in parts.values():
        yield from _of_views(views, Kinds(part, columns or {}))
    for topic in model.topics.values():
        yield from _of_topic(topic, Kinds(model.of_topic(topic.name), columns or {}))


def _of_views(views: Iterable[View], kinds: Kinds) -> Iterator[Problem]:
    for view in views:
        if view.alias_of is not None:
            continue
        for item in view.dimensions.values():
            yield from _dimension(item, kinds)
        for measure in view.measures.values():
            yield from _measure(measure, kinds)
        for field in view.filters.values():
            if field.default_filter is not None:
                for reason in unsuited(field.default_filter, field.type):
                    yield _at(field.source, f"“{field.id}” is a {WORDS[field.type]}: {reason}")
        for rule in view.query_source.filters if view.query_source is not None else ():
            yield from _filter(rule, view.source, kinds)


def _dimension(item: Dimension, kinds: Kinds) -> Iterator[Problem]:
    yield from _within(item.sql, item.view, item.source, kinds)
    yield from _mask(item, kinds)
    if item.level_of_detail is not None:
        yield from _aggregate(item, item.level_of_detail.aggregate, item.sql, kinds)
    elif item.duration is not None:
        for end in (item.duration.start, item.duration.end):
            kind = kinds.of_tree(end, item.view)
            if kind in ("number", "boolean") or (kind == "string" and kinds.model.dialect not in LENIENT):
                yield _at(item.source, f"“{item.id}” counts time, and one of its ends is a {WORDS[kind]}")
    elif item.timeframes:
        yield from _timeframes(item, kinds)


def _mask(item: Dimension, kinds: Kinds) -> Iterator[Problem]:
    """Yield a problem where a mask cuts what a field of its type does not have: the database would refuse, or show nothing."""
    if item.mask_unless_access_grants is None or item.mask.kind not in MASKED:
        return
    kind, suited = kinds.of_tree(item.sql, item.view), MASKED[item.mask.kind]
    if kind != "unknown" and kind not in suited and item.level_of_detail is None and item.duration is None:
        is_doubtful = kind == "string" and kinds.model.dialect in LENIENT
        wanted = " or a ".join(WORDS[name] for name in suited)
        text = f"“{item.id}” is a {WORDS.get(kind, kind)}; its mask {item.mask.kind} is for a {wanted}"
        yield _at(item.source, text, is_warning=is_doubtful)


def _timeframes(item: Dimension, kinds: Kinds) -> Iterator[Problem]:
    kind = kinds.of_tree(item.sql, item.view)
    if kind in TIMES and item.timeframes:
        yield from _mistaken_time(item, kind)
    if kind in (*TIMES, "unknown") or set(item.timeframes) == {"raw"}:
        return
    is_doubtful = kind == "string" and (kinds.model.dialect in LENIENT or WHOLE_DAYS.issuperset(item.timeframes))
    advice = "cast it to a date or a timestamp" if kind == "string" else "make a date of it in sql, or drop timeframes"
    message = f"“{item.id}” has timeframes and is a {WORDS[kind]}: {advice}"
    yield _at(item.source, message, is_warning=is_doubtful)


def _mistaken_time(item: Dimension, kind: FieldType) -> Iterator[Problem]:
    """Yield a warning where a day is taken for a moment, or a moment for a day, as the name of a plain column has it."""
    text = ""
    if kind == "date" and item.type == "timestamp" and item.converts_timezone:
        text = (
            "is a date and is taken for a moment, by its name: west of UTC it is shown as the day before. Cast it to a date in "
            "sql, or write convert_tz: false"
        )
    elif kind == "timestamp" and item.type == "date":
        text = (
            "is a moment and is taken for a date, by its name: no zone and no time of the day counts. Cast it to a timestamp in "
            "sql"
        )
    if text:
        yield _at(item.source, f"“{item.id}” {text}", is_warning=True)


def _measure(item: Measure, kinds: Kinds) -> Iterator[Problem]:
    if item.sql is not None:
        yield from _within(item.sql, item.view, item.source, kinds)
        detail = item.level_of_detail
        yield from _aggregate(item, detail.aggregate if detail is not None else item.aggregate, item.sql, kinds)
        if item.aggregate == "expression":
            yield from _aggregates_within(item, item.sql, kinds)
    for rule in item.filters:
        yield from _filter(rule, item.source, kinds)


def _aggregates_within(item: Measure, tree: exp.Expression, kinds: Kinds) -> Iterator[Problem]:
    for node in tree.find_all(exp.Sum, exp.Avg, exp.Median):
        name = "average" if isinstance(node, exp.Avg) else node.key
        yield from _aggregate(item, name, node.this, kinds)


def _aggregate(item: Dimension | Measure, name: str, tree: exp.Expression, kinds: Kinds) -> Iterator[Problem]:
    if name not in NUMERIC or isinstance(tree, exp.Distinct):
        return
    kind, dialect = kinds.of_tree(tree, item.view), kinds.model.dialect
    if kind in ("number", "unknown") or (kind == "boolean" and name == "sum" and dialect in ADDS_TRUTH):
        return
    if kind == "boolean" and dialect in LENIENT:
        return
    is_doubtful = kind in TIMES and name != "sum" and dialect == "duckdb"
    advice = {"string": "cast it to a number, or count it", "boolean": "count it with a filter"}.get(
        kind, "use min, max or a duration"
    )
    yield _at(item.source, f"“{item.id}”: {name} over a {WORDS[kind]}; {advice}", is_warning=is_doubtful)


def _of_topic(topic: Topic, kinds: Kinds) -> Iterator[Problem]:
    for rule in (*topic.always_where_filters, *topic.default_filters, *topic.always_having_filters):
        yield from _filter(rule, topic.source, kinds)
    for tree, source in (*topic.placed_where, *topic.placed_having):
        yield from _within(tree, topic.base_view, source, kinds, is_condition=True)
    for join in topic.joins:
        for joined in (join.relationship.on_sql, join.relationship.where_sql):
            if joined is not None:
                yield from _within(joined, join.view, join.relationship.source, kinds, is_condition=True)


def _filter(rule: FieldFilter, source: Source, kinds: Kinds) -> Iterator[Problem]:
    if rule.condition.operator == "date_offset_from_query":
        return
    kind = kinds.of_name(rule.field)
    found = kinds.model.dimension(rule.field)
    if kind == "unknown" and found is not None:
        kind = found.type  # as questions with such a filter take it
    is_doubtful = kinds.model.dialect in LENIENT and kinds.knows_from_source(rule.field)
    for reason in unsuited(rule.condition, kind):
        message = f"the filter on “{rule.field}”, a {WORDS[kind]}, does not suit it: {reason}"
        yield _at(rule.source or source, message, is_warning=is_doubtful)


def _within(
    tree: exp.Expression, view: str, source: Source, kinds: Kinds, *, is_condition: bool = False
) -> Iterator[Problem]:
    """Yield a problem for each operator or function of an expression that cannot take what it is given."""
    if not is_condition and _is_silent(tree, view, kinds):
        return
    dialect = kinds.model.dialect
    typed = kinds.annotated(tree, view)
    found = [*_comparisons(typed, dialect), *misused(typed, dialect)]
    if is_condition:
        found += untrue(typed, dialect)
    for message, is_doubtful in found:
        yield _at(source, message, is_warning=is_doubtful)


def _is_silent(tree: exp.Expression, view: str, kinds: Kinds) -> bool:
    """Say whether nothing in an expression could be told of, before it is looked at closely."""
    if isinstance(tree, exp.Column | exp.Placeholder) or tree.find(*COMPARED, exp.In, exp.Between, *SEEN) is None:
        return True
    return is_simple(tree) and all(
        kinds.of_tree(leaf, view) in ("unknown", "number") for leaf in tree.find_all(exp.Column, exp.Placeholder)
    )


def _comparisons(typed: exp.Expression, dialect: str) -> Iterator[tuple[str, bool]]:
    """Yield what is compared with something of another type, and whether the database might do it all the same."""
    is_doubtful = dialect in LENIENT
    for node in typed.find_all(*COMPARED, exp.In, exp.Between):
        for other in _others(node):
            pair = {_compared_kind(node.this, other), _compared_kind(other, node.this)}
            if pair == {"string", "number"}:
                yield (
                    "a text is compared with a number here; cast one of them, or write numbers without quotes",
                    is_doubtful,
                )
            elif (sure := {certain_kind(node.this), certain_kind(other)}) in _unlike(dialect):
                first, second = sorted(WORDS[kind] for kind in sure)
                yield f"a {first} is compared with a {second} here; cast one of them", dialect not in STRICT


def _unlike(dialect: str) -> tuple[set[FieldType], ...]:
    """Return the pairs of types that a dialect does not compare."""
    if dialect in LENIENT:
        return ()
    return UNLIKE if dialect in TRUE_NUMBERS else (*UNLIKE, {"boolean", "number"})


def _others(node: exp.Expr) -> list[exp.Expr]:
    if isinstance(node, exp.In):
        return list(node.expressions)
    if isinstance(node, exp.Between):
        return [node.args["low"], node.args["high"]]
    return [node.expression]


def _compared_kind(node: exp.Expr, other: exp.Expr) -> FieldType:
    """Return the type of one side; a text that spells a number is one where it stands beside a number."""
    written = literal(node)
    if written is not None and written.is_string and kind_of_node(other) == "number":
        return "number" if _is_number(written.name) else "string"
    return kind_of_node(node)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _at(source: Source, message: str, *, is_warning: bool = False) -> Problem:
    return Problem(source.file, source.line, source.column, message, is_warning)
