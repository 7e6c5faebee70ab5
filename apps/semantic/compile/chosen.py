"""Chooses rows first: whatever may fail is worked out around them, so that its failure tells of no row that a rule hides.

``SELECT … FROM (SELECT columns FROM tables and joins WHERE rules OFFSET 0) AS "chosen rows" WHERE what may fail``: no
database works out on a row what stands around a fence before all that stands within has kept the row: policies, joins and
the rules of the data set. The proof reads such a SELECT as the plain one that it is made of.

PostgreSQL leaves off reading where a LIMIT over an index's order is reached. Where something may fail on a hidden row, whether
it comes to that row would depend on what is asked. No order of an index comes out of a fence: what is around it reads all.
"""

from collections.abc import Iterable, Iterator, Sequence

from sqlglot import exp

from apps.semantic.compile.fences import FENCES, STORED, Failing, chooses, fence, fence_tables, holds_risk, risks_of
from apps.semantic.compile.leaves import ROWS
from apps.semantic.compile.nodes import all_hold, column, literal_number, name
from apps.semantic.compile.sources import NOTHING
from apps.semantic.compile.taken_over import refuse_probing
from apps.semantic.compile.values import Values

CHOSEN = "chosen rows"
LAZY = frozenset(("postgres",))
"""databases that read no further than an index's order and a LIMIT make them"""


def choose_rows(
    select: exp.Select,
    rules: Sequence[exp.Expr],
    others: Sequence[exp.Expr],
    *,
    around: Sequence[exp.Expr] = (),
    beside: Iterable[exp.Expr | None] = (),
    values: Values,
    dialect: str,
) -> None:
    """Give a SELECT its WHERE, and set what may fail apart from the choice of its rows if rules or policies choose any.

    Joined answers must have names with a space in them, views none.

    Args:
        rules: conditions that hold whoever asks; ``others`` are those of the question.
        around: conditions of a SELECT around this one, on its answer, that aggregate nothing.
        beside: trees over the same tables that go with the SELECT and are no part of it yet.

    Raises:
        QueryError: as :func:`refuse_probing`.
    """
    joins: list[exp.Join] = select.args["joins"]
    sources = [select.args["from_"].this, *(join.this for join in joins)]
    tables = [node for node in sources if " " not in node.alias]
    where = all_hold([*rules, *others])
    select.set("where", exp.Where(this=where) if where is not None else None)
    if not rules and not any(map(chooses, tables)):
        return
    of_tables = [join for join in joins if " " not in join.this.alias]
    refuse_probing(tables[0], of_tables, rules, values=values, dialect=dialect)
    if dialect not in FENCES:
        return
    risks = risks_of(tables)
    of_model = [*rules, *_conditions(joins, of_answers=False)]
    fence_tables(tables, of_model, values, dialect)
    of_groups_and_around = [*without_aggregates(select.args.get("having")), *around]
    # What fails beneath the fence fails on the same rows whatever is asked: nothing of a question chooses them.
    is_chosen = bool(others or of_groups_and_around or len(tables) < len(sources) or dialect in LAZY)
    is_doubtful = is_chosen and _are_doubtful(tables, of_model, values, is_ruled=bool(rules))
    of_sources = Failing(risks, values, dialect, is_strict=True)
    failing = [node for node in others if of_sources.may(node)]
    shown = frozenset(item.alias for item in select.expressions if of_sources.may(item.unalias()))
    of_groups = Failing({**risks, ROWS: shown}, values, dialect, is_strict=True)
    joined = Failing(risks, values, dialect)
    is_needed = (
        bool(failing)
        or any(map(of_groups.may, of_groups_and_around))
        or any(map(joined.may, _conditions(joins, of_answers=True)))
        or is_doubtful
    )
    if is_needed:
        apart = {id(node) for node in others if is_doubtful or _reads_answers(node)}
        apart |= {id(node) for node in failing}
        inside = [*rules, *(node for node in others if id(node) not in apart)]
        _close(select, inside, [node for node in others if id(node) in apart], beside, dialect)


def _are_doubtful(tables: Sequence[exp.Expr], of_model: Sequence[exp.Expr], values: Values, *, is_ruled: bool) -> bool:
    """Say whether anything of the model's own may fail on hidden rows, in its rules and joins or within a table's subquery."""
    if any(holds_risk(node, values) for node in of_model):
        return True
    choosing = [node for node in tables if chooses(node)]
    return any(_is_doubtful(node, is_ruled or any(other is not node for other in choosing), values) for node in tables)


def _is_doubtful(table: exp.Expr, is_hidden_outside: bool, values: Values) -> bool:
    """Say whether something within a table's subquery may fail on rows that are hidden around it, or by a rule that may itself."""
    select = table.this
    source, where = select.args["from_"].this, select.args.get("where")
    is_plain = isinstance(source, exp.Table) and bool(source.meta.get(STORED))
    if where is not None and not is_hidden_outside:
        is_hidden_outside = not is_plain or holds_risk(where.this, values)
    return is_hidden_outside and holds_risk(table, values)


def _reads_answers(node: exp.Expr) -> bool:
    return any(" " in item.table for item in node.find_all(exp.Column))


def without_aggregates(having: exp.Expr | None) -> list[exp.Expr]:
    """Return the conditions on groups that a database may hold rows to, as they aggregate nothing."""
    return [node for node in _conjuncts(having.this) if not node.find(exp.AggFunc)] if having is not None else []


def _conditions(joins: Iterable[exp.Join], *, of_answers: bool) -> list[exp.Expr]:
    found = [join for join in joins if (" " in join.this.alias) == of_answers]
    return [join.args["on"] for join in found if join.args.get("on") is not None]


def _close(
    select: exp.Select,
    inside: Sequence[exp.Expr],
    outside: Sequence[exp.Expr],
    beside: Iterable[exp.Expr | None],
    dialect: str,
) -> None:
    """Put the tables, their joins and conditions into a fenced subquery, and read what is left from that."""
    answers = [join for join in select.args["joins"] if " " in join.this.alias]
    inner_joins = [join for join in select.args["joins"] if " " not in join.this.alias]
    for join in inner_joins:
        if join.args.get("on") is not None:
            join.set("on", join.args["on"].copy())  # what it compares may stand in the answer as well
    kept = all_hold([node.copy() for node in inside])
    tables = {select.args["from_"].this.alias, *(join.this.alias for join in inner_joins)}
    trees = [*select.expressions, select.args.get("group"), select.args.get("having"), *outside, *beside]
    trees += [join.args.get("on") for join in answers]
    found: dict[tuple[str, str], str] = {}
    for tree in trees:
        for node in [*tree.find_all(exp.Column)] if tree is not None else ():
            if node.table in tables:
                alias = found.setdefault((node.table, node.name), f"column {len(found) + 1}")
                node.set("this", name(alias))
                node.set("table", name(CHOSEN))
    columns = [exp.Alias(this=column(table, text), alias=name(alias)) for (table, text), alias in found.items()]
    inner = exp.Select(
        expressions=columns or [exp.Alias(this=literal_number(1), alias=name(NOTHING))],
        from_=select.args["from_"],
        joins=inner_joins,
        where=exp.Where(this=kept) if kept is not None else None,
    )
    fence(inner, dialect)
    where = all_hold(outside)
    select.set("from_", exp.From(this=exp.Subquery(this=inner, alias=exp.TableAlias(this=name(CHOSEN)))))
    select.set("joins", answers)
    select.set("where", exp.Where(this=where) if where is not None else None)


def _conjuncts(node: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(node, exp.And):
        yield from _conjuncts(node.this)
        yield from _conjuncts(node.expression)
    elif isinstance(node, exp.Paren):
        yield from _conjuncts(node.this)
    else:
        yield node
