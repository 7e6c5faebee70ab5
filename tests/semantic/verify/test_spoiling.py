"""Whatever is spoiled in the SQL of a nested statement is refused, at every place where it can be spoiled.

Each statement asks nothing but what rules and rights demand, so that every condition in it is one of a rule. Values
follow their placeholders, so that nothing is refused merely because their number is wrong.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from apps.semantic.compile import CompiledQuery, compile_query
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.query.reading import parse_query
from apps.semantic.scope import AccessScope
from apps.semantic.verify import verify
from tests.semantic.features.store import MASK_KEY, TODAY, everything, model, policy

MODEL = model()
MARK = re.compile(r"omni_value_(\d+)_")
PEOPLE = {
    "orders": (policy("orders.status", "paid", "open"),),
    "customers": (policy("customers.region", "EU"),),
    "items": (policy("items.sku", "x"),),
    "tickets": (policy("tickets.minutes", 5),),
    "flat": (policy("flat.region", "EU"),),
    "customer_facts": (policy("customer_facts.customer_id", 1),),
}
MASKED = frozenset(("customers.mail", "customers.email"))
CLOSED = frozenset((
    "orders.amount", "items.price", "customers.credit", "customers.credit_band", "payments.paid", "big_orders.size",
))  # fmt: skip


def scope(name: str) -> AccessScope:
    """Return rights with policies on everything, masks, and columns that only measures may use."""
    whole = everything(MODEL, name)

    def narrowed(of: AccessScope) -> AccessScope:
        policies = () if of.topic not in ("Sales", "Guarded") else (policy("customers.name", "Ola", "Joe"),)
        return replace(
            of, fields=of.fields - CLOSED, masked=MASKED, row_policies=PEOPLE, topic_policies=policies,
            attributes={"region": ("EU",)}, mask_key=MASK_KEY,
        )  # fmt: skip

    nested = {topic: narrowed(inner) for topic, inner in whole.nested.items()}
    return narrowed(replace(whole, nested=nested)) if name != "Both" else replace(whole, nested=nested)


def ask(dataset: str, *fields: str, **rest: Any) -> dict[str, Any]:
    return {"dataset": dataset, "fields": list(fields), **rest}


QUESTIONS = {
    "flat": ask("Sales", "customers.mail", "orders.revenue"),
    "told apart": ask("Sales", "customers.mail", "orders.revenue", "items.sold", "customers.credits"),
    "level of detail": ask("Sales", "orders.status", "orders.per_customer"),
    "ranking": ask("Sales", "orders.best_customers", "orders.revenue"),
    "compared": ask(
        "Sales", "orders.status", "orders.revenue", compare={"field": "orders.ordered_at", "offset": "1 year"}
    ),
    "composite": ask("Both", "@_shared_dimensions_.region", "@Sales.orders.revenue", "@Tickets.tickets.minutes_spent"),
    "query view": ask("Facts", "customer_facts.count", "customer_facts.best"),
    "sql view": ask("Big", "big_orders.mail", "big_orders.total"),
    "rules": ask("Guarded", "orders.status", "orders.revenue"),
    "rollup": ask("Flat", "flat.ordered_at[year]", "flat.revenue"),
}


@dataclass(frozen=True)
class Statement:
    compiled: CompiledQuery
    rights: AccessScope

    def tree(self) -> exp.Expression:
        """Return the SQL with a name in the place of each value."""
        numbers = iter(range(len(self.compiled.parameters)))
        return sqlglot.parse_one(
            re.sub(r"\?", lambda _: f"omni_value_{next(numbers)}_", self.compiled.sql), read="duckdb"
        )

    def accepts(self, tree: exp.Expression) -> bool:
        """Say whether the proof lets a statement through, its values where their names are."""
        text = tree.sql("duckdb")
        places = [int(place) for place in MARK.findall(text)]
        sql = MARK.sub("?", text)
        changed = replace(
            self.compiled, sql=sql, shape=hashlib.sha256(sql.encode()).hexdigest(),
            parameters=tuple(self.compiled.parameters[place] for place in places),
        )  # fmt: skip
        try:
            verify(changed, model=MODEL, scope=self.rights)
        except UnprovenSqlError:
            return False
        return True


def statement(name: str) -> Statement:
    query = parse_query(QUESTIONS[name])
    rights = scope(query.dataset)
    return Statement(compile_query(query, model=MODEL, scope=rights, today=TODAY), rights)


Spoil = Callable[[exp.Expression], Iterator[Callable[[], None]]]


def where_conjuncts(tree: exp.Expression) -> Iterator[Callable[[], None]]:
    """Drop each condition of each WHERE."""
    for where in tree.find_all(exp.Where):
        if isinstance(where.parent, exp.Filter):
            continue
        yield lambda where=where: where.pop()
        for node in list(where.find_all(exp.And)):
            yield lambda node=node: node.replace(node.this)
            yield lambda node=node: node.replace(node.expression)


def policies_turned(tree: exp.Expression) -> Iterator[Callable[[], None]]:
    """Turn, widen or fix each list of values."""
    for node in tree.find_all(exp.In):
        yield lambda node=node: node.replace(exp.Not(this=node.copy()))
        yield lambda node=node: node.replace(exp.Or(this=node.copy(), expression=exp.true()))
        yield lambda node=node: node.append("expressions", exp.Literal.string("US"))
        yield lambda node=node: node.set("expressions", [exp.Literal.string("US")])
        yield lambda node=node: node.set("this", exp.column("id", quoted=True))


def tables(tree: exp.Expression) -> Iterator[Callable[[], None]]:
    """Read another table, or the table itself."""
    for table in tree.find_all(exp.Table):
        yield lambda table=table: table.set("this", exp.to_identifier("secrets", quoted=True))
        yield lambda table=table: table.set("db", exp.to_identifier("other", quoted=True))
        yield lambda table=table: table.set("db", None)
        yield lambda table=table: table.set("this", exp.to_identifier(table.name))
        subquery = table.find_ancestor(exp.Subquery)
        if subquery is not None:
            bare = exp.Table(this=table.this.copy(), db=table.args["db"].copy(), alias=subquery.args["alias"].copy())
            yield lambda subquery=subquery, bare=bare: subquery.replace(bare)


def columns_leaving(tree: exp.Expression) -> Iterator[Callable[[], None]]:
    """Let another column, or a masked one in clear, leave a table."""
    for table in tree.find_all(exp.Table):
        inner = table.find_ancestor(exp.Select)
        if inner is None:
            continue
        secret = exp.column("secret", quoted=True)
        yield lambda inner=inner, secret=secret: inner.append("expressions", secret)
        for node in inner.expressions:
            if isinstance(node, exp.Alias) and not isinstance(node.this, exp.Literal):
                email = exp.column("email", quoted=True)
                yield lambda node=node, email=email: node.set("this", email)
                yield lambda node=node: node.set("this", node.this.this.copy())


def joins(tree: exp.Expression) -> Iterator[Callable[[], None]]:
    """Join in another way, on anything, or not at all where that decides about rows."""
    for join in tree.find_all(exp.Join):
        if join.find_ancestor(exp.Join) is None and " " in join.this.alias:
            continue
        yield lambda join=join: join.set("side", "FULL")
        yield lambda join=join: (join.set("side", None), join.set("kind", "CROSS"), join.set("on", None))
        yield lambda join=join: join.set("on", exp.true())


def aggregates_opened(tree: exp.Expression) -> Iterator[Callable[[], None]]:
    """Show what only an aggregate may see."""
    for node in tree.find_all(exp.Sum):
        if node.find_ancestor(exp.Select) is not tree:
            continue
        top = node.parent if isinstance(node.parent, exp.Filter) else node
        yield lambda top=top, node=node: top.replace(node.this.copy())


def answers(tree: exp.Expression) -> Iterator[Callable[[], None]]:
    """Answer with another name, more columns, more rows, or twice."""
    select = tree
    yield lambda: select.set("limit", None)
    yield lambda: select.args["limit"].set("expression", exp.Literal.number(10_000_000))
    yield lambda: select.append("expressions", exp.alias_(exp.Literal.number(1), "orders.amount", quoted=True))
    yield lambda: select.expressions[0].set("alias", exp.to_identifier("orders.amount", quoted=True))
    yield lambda: select.set("distinct", exp.Distinct())
    yield lambda: select.set("with_", exp.With(expressions=[]))
    for union in tree.find_all(exp.Union):
        yield lambda union=union: union.args.update(distinct=True)
    inner = sqlglot.parse_one("SELECT 1 AS x FROM information_schema.tables", read="duckdb")
    yield lambda: select.append("expressions", exp.alias_(exp.Subquery(this=inner), "orders.status", quoted=True))
    yield lambda: select.set("having", exp.Having(this=exp.Exists(this=inner.copy())))


SPOILS: dict[str, Spoil] = {
    "conditions": where_conjuncts, "policies": policies_turned, "tables": tables, "columns": columns_leaving,
    "joins": joins, "aggregates": aggregates_opened, "answers": answers,
}  # fmt: skip


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_statement_itself_is_proven(name: str) -> None:
    found = statement(name)
    assert found.accepts(found.tree())


@pytest.mark.parametrize("spoil", SPOILS)
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_statement_spoiled_anywhere_is_refused(name: str, spoil: str) -> None:
    found = statement(name)
    count = sum(1 for _ in SPOILS[spoil](found.tree()))
    accepted = []
    for number in range(count):
        tree = found.tree()
        whole = tree.sql("duckdb")
        next(change for place, change in enumerate(SPOILS[spoil](tree)) if place == number)()
        if tree.sql("duckdb") != whole and found.accepts(tree):
            accepted.append(tree.sql("duckdb"))
    assert accepted == []


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_value_of_a_rule_is_pinned(name: str) -> None:
    found = statement(name)
    for place, value in enumerate(found.compiled.parameters):
        changed = [*found.compiled.parameters]
        changed[place] = f"{value} " if isinstance(value, str) else 7
        spoiled = replace(found.compiled, parameters=tuple(changed))
        # What stands for the rest of a ranking, and what the topic asks of groups, are no rules about rows.
        if value in ("the rest", 0):
            continue
        with pytest.raises(UnprovenSqlError):
            verify(spoiled, model=MODEL, scope=found.rights)
