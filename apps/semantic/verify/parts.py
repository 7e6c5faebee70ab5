"""Proves the parts of which every governed subquery consists: its table, its policies, its masks."""

from sqlglot import exp

from apps.semantic.model.types import Scalar, View
from apps.semantic.scope import RowPolicy
from apps.semantic.verify.demands import Ledger, demand, given
from apps.semantic.verify.trees import bare, conjuncts, in_text_order


def prove_mask(node: exp.Expr, masks: list[exp.Expr], ledger: Ledger) -> None:
    """Prove that an expression is one of some masks, and note its key."""
    demand(bare(node) in masks, "Something leaves a table that is neither column nor mask.")
    key = node.find(exp.Placeholder)
    if key is not None:
        ledger.expect_key(key)


def prove_physical(table: exp.Expr, expected: tuple[str, str, str], view: View, ledger: Ledger) -> None:
    """Prove that a table is the expected one of a view, by its full and quoted name, and note it where it is stored."""
    demand(type(table) is exp.Table and isinstance(table.this, exp.Identifier), "A subquery reads no plain table.")
    demand(given(table) <= {"this", "db", "catalog", "alias"}, "A table has options.")
    demand(not table.alias or " " in table.alias, "A table goes by a name that a column may have.")
    demand(not given(table.args.get("alias") or exp.Null()) - {"this"}, "A table renames its columns.")
    demand((table.text("catalog"), table.text("db"), table.name) == expected, "A table is not its view's.")
    quoted = (table.args.get(key) for key in ("this", "db", "catalog"))
    demand(all(item.args.get("quoted") for item in quoted if item), "A table's name is not quoted.")
    if not view.is_worked_out:
        ledger.stored.add(id(table))


def prove_columns(inner: exp.Select, table: exp.Expr) -> None:
    """Prove that no column may be taken for the whole row, which goes by the name of its table."""
    names = {node.name.lower() for node in inner.find_all(exp.Column)}
    demand((table.alias or table.name).lower() not in names, "A column has the name of its table.")


def prove_policies(inner: exp.Select, expected: list[tuple[exp.Expr, RowPolicy]], ledger: Ledger) -> None:
    """Prove that a subquery's WHERE holds row policies, and nothing else."""
    where = inner.args.get("where")
    found = conjuncts(where.this if where else None)
    demand(len(found) == len(expected), "A table is filtered by something else than its row policies.")
    for tree, policy in expected:
        found.remove(take_policy(found, tree, policy.values, ledger))


def take_policy(found: list[exp.Expr], tree: exp.Expr, values: tuple[Scalar, ...], ledger: Ledger) -> exp.Expr:
    """Return the condition that is a policy, its values noted."""
    matching = next((node for node in found if is_policy(node, tree, values)), None)
    demand(matching is not None, "A row policy is missing.")
    if isinstance(matching, exp.In):
        ledger.expect(matching.expressions, values)
    return matching or exp.Null()


def is_policy(node: exp.Expr, tree: exp.Expr, values: tuple[Scalar, ...]) -> bool:
    """Say whether a condition is ``tree IN (as many placeholders as values)``, or false without values."""
    if not values:
        return type(node) is exp.Boolean and node.args.get("this") is False
    if type(node) is not exp.In or given(node) != {"this", "expressions"}:
        return False
    is_bound = all(type(item) is exp.Placeholder for item in node.expressions)
    return is_bound and len(node.expressions) == len(values) and bare(node.this) == tree


def placeholders(node: exp.Expr) -> list[exp.Expr]:
    """Return the placeholders of a tree in the order of the text."""
    return [item for item in in_text_order(node) if type(item) is exp.Placeholder]
