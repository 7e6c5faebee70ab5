"""What an expression becomes in the SQL of its database: what the proof never lets through is told of before publishing.

One way to write a thing may be read, and written for a database as something else: MySQL gets a calculation over texts for
``DATE_TRUNC``. A field of such a kind would be refused with each question.
"""

import sqlglot
from sqlglot import exp

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import TEMPLATED
from apps.semantic.verify.allowed import check_node, is_of_sql_view

PROVEN = frozenset(("postgres", "duckdb", "mysql", "spark"))
"""dialects whose statements are proven; others are written for review alone"""

WRITTEN_ALIKE = frozenset((
    exp.Column, exp.Identifier, exp.Placeholder, exp.Literal, exp.Paren, exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.Nullif, exp.Sum,
    exp.Count, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.And, exp.Or, exp.Not, exp.Null, exp.Is,
))  # fmt: skip
"""what every database has as it stands; most expressions are made of nothing else"""


def unproven_part(tree: exp.Expr, *, dialect: str) -> str:
    """Return the name of what an expression has in the SQL of its database that no statement may have; empty where nothing is."""
    if dialect not in PROVEN or all(type(node) in WRITTEN_ALIKE for node in tree.walk()):
        return ""
    if any(join.side == "FULL" for join in tree.find_all(exp.Join)):
        return ""  # a full join has a fault of its own where there is none
    holder = exp.Paren(this=tree.copy())
    for placeholder in list(holder.find_all(exp.Placeholder)):
        placeholder.replace(exp.column("x", quoted=True))
    for template in [item for item in holder.find_all(exp.Anonymous) if item.this == TEMPLATED]:
        first, *others = [item.copy() for item in template.expressions[1:]]
        template.replace(exp.Coalesce(this=first, expressions=others))
    try:
        written = sqlglot.parse_one(f"SELECT {holder.sql(dialect, copy=False)}", read=dialect)
        for node in written.walk():
            name = node.name if isinstance(node, exp.Anonymous) else node.key
            if not is_of_sql_view(node):
                check_node(node)
    except UnprovenSqlError:
        return str(name)[:40]
    except sqlglot.errors.SqlglotError:
        return ""  # no SQL of this database: that has faults of its own
    return ""
