"""Proves that the groups of an answer are chosen as the topic says (``always_having_*``), and rows as its filters say.

What a measure adds up is not written out again. Its place in the condition is a hole, into which an aggregate over
the measure's columns must fit; what is around the hole, and every value, must be the model's.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import TEMPLATED, FieldFilter, Measure, Scalar, SemanticModel, Topic
from apps.semantic.verify.conditions import HOLE, UNKNOWN, Columns, HoleRule, group_rule, rule_of
from apps.semantic.verify.demands import Ledger, demand
from apps.semantic.verify.fences import HIDDEN, Doubts, guards_in, unguarded
from apps.semantic.verify.trees import ATTRIBUTE, Expected, conjuncts, folded, in_text_order

Marks = list[tuple[exp.Expr, Scalar]]


@dataclass(frozen=True, slots=True)
class GroupRules:
    """Conditions on groups: a topic's filters, what it has written, and those of a query view's own question."""

    filters: tuple[HoleRule, ...] = ()
    written: tuple[HoleRule, ...] = ()
    own: tuple[HoleRule, ...] = ()

    @property
    def count(self) -> int:
        """How many conditions they are."""
        return sum(len(rule.parts) for rule in (*self.filters, *self.written, *self.own))


def group_rules(topic: Topic, model: SemanticModel, expected: Expected) -> GroupRules:
    """Return the conditions that whoever asks the topic has on their groups.

    Raises:
        UnprovenSqlError: one of them cannot be written out.
    """
    return GroupRules(
        filters=tuple(group_filter(item, model, expected) for item in topic.always_having_filters),
        written=tuple(_of_tree(sql, model, expected) for sql in topic.always_having),
    )


def group_filter(item: FieldFilter, model: SemanticModel, expected: Expected) -> HoleRule:
    """Return a filter on a measure as it must stand."""
    measure = _measure(item.field, model)
    return group_rule(item.condition, measure.type, measure_columns(measure, model, expected.dialect), expected)


def _of_tree(sql: exp.Expression, model: SemanticModel, expected: Expected) -> HoleRule:
    holder = exp.Paren(this=sql.copy())
    columns: list[Columns] = []
    expected.exact(holder)
    for node in [item for item in in_text_order(holder) if isinstance(item, exp.Placeholder)]:
        if node.name.startswith(ATTRIBUTE):
            continue
        measure = _measure(node.name, model)
        node.replace(exp.column(exp.to_identifier(f"{HOLE}{len(columns)}", quoted=True)))
        columns.append(measure_columns(measure, model, expected.dialect))
    return rule_of(expected.rule_in(holder.this), tuple(columns))


def _measure(name: str, model: SemanticModel) -> Measure:
    found = model.measure(name)
    if found is None:
        raise UnprovenSqlError("A condition of the data set on groups is on no measure.")
    return found


def measure_columns(measure: Measure, model: SemanticModel, dialect: str) -> Columns:
    """Return the columns that a measure is sure to read: not those of its filters, which a question may cancel."""
    found: set[tuple[str, str]] = set()
    waiting, seen = [measure.id], set[str]()
    while waiting:
        name = waiting.pop().partition("[")[0]
        field = model.measure(name) or model.dimension(name)
        if field is None or name in seen:
            continue
        seen.add(name)
        if field.sql is None:
            continue
        for node in field.sql.find_all(exp.Column, exp.Placeholder, exp.Anonymous):
            if isinstance(node, exp.Anonymous) and node.this == TEMPLATED:
                return frozenset()
            if isinstance(node, exp.Column):
                found.add((field.view, folded(node, dialect)))
            elif isinstance(node, exp.Placeholder):
                waiting.append(node.name)
    return frozenset(found)


def chooses_groups(select: exp.Select, rules: GroupRules, ledger: Ledger) -> bool:
    """Say whether all rules are in a SELECT's HAVING, their values noted.

    Beside those of the topic nothing may stand that could fail on a group which they drop.

    Raises:
        UnprovenSqlError: something does.
    """
    having = select.args.get("having")
    every = conjuncts(having.this if having is not None else None)
    # Of several alike, the topic's filters stand first and what it has written last.
    found = _matches([(node, node) for node in every], _parts(rules.filters), select)
    taken = {id(node) for node, _ in found or ()}
    backwards = [(node, node) for node in reversed(every) if id(node) not in taken]
    found_last = _matches(backwards, reversed(_parts(rules.written)), select)
    if found is None or found_last is None:
        return False
    taken |= {id(node) for node, _ in found_last}
    of_topic = [node for node in every if id(node) in taken]
    others = [node for node in every if id(node) not in taken]
    own = _matches([(node, unguarded(node, of_topic)) for node in others], _parts(rules.own), select)
    if own is None:
        return False
    for _, marks in (*found, *found_last, *own):
        ledger.expect([node for node, _ in marks], [value for _, value in marks])
    guards = [case for node in others for case in guards_in(node, of_topic, ledger)]
    doubts = Doubts({}, ledger, guards)
    demand(not of_topic or not any(map(doubts.may_fail, others)), HIDDEN)
    return True


def _parts(rules: Iterable[HoleRule]) -> list[tuple[exp.Expr, HoleRule]]:
    return [(part, rule) for rule in rules for part in rule.parts]


def _matches(
    found: list[tuple[exp.Expr, exp.Expr]], parts: Iterable[tuple[exp.Expr, HoleRule]], select: exp.Select
) -> list[tuple[exp.Expr, Marks]] | None:
    """Return the first node that is each part of a rule, and what its placeholders must be; None where there is none.

    Args:
        found: each node and what it asks.
    """
    left, taken = [*found], []
    for part, rule in parts:
        for at, (node, asked) in enumerate(left):
            if (marks := _match(asked, part, rule, select)) is not None:
                taken.append((node, marks))
                del left[at]
                break
        else:
            return None
    return taken


def _match(node: exp.Expr, part: exp.Expr, rule: HoleRule, select: exp.Select) -> Marks | None:
    holes: list[tuple[int, exp.Expr]] = []
    marks: Marks = []
    if not _is_like(node, part, rule, holes, marks):
        return None
    return marks if all(is_over(filled, rule.columns[at], select) for at, filled in holes) else None


def _is_like(
    node: Any, part: Any, rule: HoleRule, holes: list[tuple[int, exp.Expr]], marks: list[tuple[exp.Expr, Scalar]]
) -> bool:
    """Say whether a tree is a pattern, parentheses aside, and note what stands at holes and placeholders."""
    while isinstance(node, exp.Paren):
        node = node.this
    while isinstance(part, exp.Paren):
        part = part.this
    if isinstance(part, exp.Column) and part.name.startswith(HOLE):
        holes.append((int(part.name.removeprefix(HOLE)), node))
        return True
    if type(node) is not type(part):
        return False
    if isinstance(part, list):
        pairs = zip(node, part, strict=False)
        return len(node) == len(part) and all(_is_like(one, other, rule, holes, marks) for one, other in pairs)
    if not isinstance(part, exp.Expr):
        return bool(node == part)
    if isinstance(part, exp.Placeholder):
        if rule.values[id(part)] != UNKNOWN:
            marks.append((node, rule.values[id(part)]))
        return True
    given, wanted = ({key: value for key, value in item.args.items() if value} for item in (node, part))
    return given.keys() == wanted.keys() and all(
        _is_like(given[key], wanted[key], rule, holes, marks) for key in wanted
    )


def take_filter(
    found: Iterable[exp.Expr], rule: HoleRule, fits: Callable[[exp.Expr], bool] | None = None
) -> tuple[list[exp.Expr], Marks] | None:
    """Return the conjuncts of a WHERE that are a filter, and the values to demand; None where it is not there.

    Args:
        fits: says whether an expression may stand at a hole; unless given, one over exactly the rule's columns may.
    """
    fits = fits or (lambda node: _names(node) == rule.columns[0])
    found = [*found]
    taken: list[exp.Expr] = []
    noted: Marks = []
    for part in rule.parts:
        for node in found:
            holes: list[tuple[int, exp.Expr]] = []
            marks: Marks = []
            is_new = not any(node is other for other in taken)
            if is_new and _is_like(node, part, rule, holes, marks) and all(fits(item) for _, item in holes):
                taken.append(node)
                noted += marks
                break
        else:
            return None
    return taken, noted


def _names(node: exp.Expr) -> Columns:
    return frozenset((item.table, item.name) for item in node.find_all(exp.Column))


def is_over(node: exp.Expr, columns: Columns, select: exp.Select) -> bool:
    """Say whether an expression aggregates, and reads at least these columns, through any number of SELECTs."""
    return node.find(exp.AggFunc) is not None and columns <= set(traced(node, select))


def _sources(select: exp.Select) -> dict[str, exp.Expr]:
    given = [select.args["from_"].this] if select.args.get("from_") else []
    given += [join.this for join in select.args.get("joins") or ()]
    return {item.alias: item.this for item in given if isinstance(item, exp.Subquery)}


def traced(node: exp.Expr, select: exp.Select) -> Iterator[tuple[str, str]]:
    """Yield (view, column) for each column of a table that an expression comes from; a view's name has no space.

    Nor has a column's: what leaves a table under a name that has one is a mask, of the columns within it.
    """
    sources = _sources(select)
    for column in node.find_all(exp.Column):
        if " " not in column.table and " " not in column.name:
            yield column.table, column.name
            continue
        for inner in _selects(sources.get(column.table)):
            for item in inner.expressions:
                if item.alias_or_name != column.name:
                    continue
                if " " in column.table:
                    yield from traced(item, inner)
                else:
                    yield from ((column.table, within.name) for within in item.find_all(exp.Column))


def written(node: exp.Expr, select: exp.Select) -> Iterator[exp.Expr]:
    """Yield every node of an expression, and of what it comes from through any number of SELECTs."""
    sources = _sources(select)
    for part in node.walk():
        yield part
        if isinstance(part, exp.Column) and " " in part.table:
            for inner in _selects(sources.get(part.table)):
                for item in inner.expressions:
                    if item.alias_or_name == part.name:
                        yield from written(item, inner)


def _selects(query: exp.Expr | None) -> Iterator[exp.Select]:
    if isinstance(query, exp.Select):
        yield query
    elif isinstance(query, exp.Union):
        yield from _selects(query.this)
        yield from _selects(query.expression)
