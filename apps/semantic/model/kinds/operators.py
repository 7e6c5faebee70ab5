"""Whether operators and functions of an expression are given what they take, as far as types are certain.

What is refused was tried on PostgreSQL 15, DuckDB and MariaDB; dialects that are not executed here are told as doubtful.
A type is certain where a cast, a literal or the operator itself tells it; whatever else is silent.
"""

from collections.abc import Iterable, Iterator

from sqlglot import exp

from apps.semantic.model.kinds.conditions import WORDS
from apps.semantic.model.kinds.inferring import kind_of_node, literal
from apps.semantic.model.types import FieldType

COERCES = frozenset(("mysql",))
"""dialects that make of each value what an operator takes"""
STRICT = frozenset(("postgres", "redshift", "duckdb", "bigquery", "trino"))
TRUE_NUMBERS = frozenset(("mysql", "duckdb", "clickhouse"))
"""dialects in which a number is true or false, and the other way round"""
ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg)
SCALES = (exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg)
OF_TEXTS = (exp.Lower, exp.Upper, exp.Trim, exp.Length, exp.Substring, exp.Like, exp.ILike, exp.Left, exp.Right)
OF_NUMBERS = (exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.Sqrt, exp.Ln, exp.Exp, exp.Pow, exp.Sign)
OF_TIMES = (exp.TimestampTrunc, exp.DateTrunc, exp.Extract)
SAYS: dict[type[exp.Expr], str] = {
    exp.Like: "LIKE",
    exp.ILike: "ILIKE",
    exp.Ceil: "CEIL",
    exp.TimestampTrunc: "DATE_TRUNC",
    exp.DateTrunc: "DATE_TRUNC",
}
MADE_OF_TEXT = (exp.Lower, exp.Upper, exp.Trim, exp.Substring, exp.Left, exp.Right, exp.Concat)
MADE_OF_NUMBERS = (exp.Count, exp.Length, exp.Extract, exp.Abs, exp.Floor, exp.Ceil)
TAKES_TEXT: tuple[FieldType, ...] = ("string",)
TAKES_NUMBER: tuple[FieldType, ...] = ("number",)
TAKES_TIME: tuple[FieldType, ...] = ("date", "timestamp")
CONNECTED = (exp.And, exp.Or)
SIMPLE = frozenset((
    exp.Column, exp.Identifier, exp.Placeholder, exp.Literal, exp.Paren, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.Nullif,
    exp.Sum, exp.Count, exp.Avg, exp.Star,
))  # fmt: skip
"""what calculates, and takes any number"""
SEEN = (*ARITHMETIC, *CONNECTED, exp.Not, exp.Case, exp.If, exp.Coalesce, *OF_TEXTS, *OF_NUMBERS, *OF_TIMES)


def misused(tree: exp.Expr, dialect: str) -> Iterator[tuple[str, bool]]:
    """Yield what an operator or function of a typed expression cannot take, and whether that is doubtful.

    Args:
        tree: with a type on each node (``Kinds.annotated``).
        dialect: of the connection.
    """
    for node in tree.find_all(*SEEN):
        if isinstance(node, ARITHMETIC):
            yield from _arithmetic(node, dialect)
        elif isinstance(node, (*CONNECTED, exp.Not)):
            sides = [node.this] if isinstance(node, exp.Not) else [node.left, node.right]
            yield from _truths(sides, f"{node.key.upper()} joins", dialect)
        elif isinstance(node, exp.Case | exp.Coalesce):
            yield from _branches(node, dialect)
        elif isinstance(node, exp.If):
            case = node.parent
            if not (isinstance(case, exp.Case) and case.this is not None):
                yield from _truths([node.this], "WHEN asks", dialect)
        else:
            yield from _argument(node, dialect)


def is_simple(tree: exp.Expr) -> bool:
    """Say whether an expression only calculates, with nothing in it that tells another type than a number's."""
    return all(type(node) in SIMPLE and not (type(node) is exp.Literal and node.is_string) for node in tree.walk())


def untrue(tree: exp.Expr, dialect: str) -> Iterator[tuple[str, bool]]:
    """Yield a problem where a condition is certainly neither true nor false."""
    yield from _truths([tree], "a condition is", dialect)


def certain_kind(node: exp.Expr | None) -> FieldType:
    """Return the type of a node that cannot be another; a literal in quotes may be anything that it spells."""
    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, exp.Literal):
        return "unknown" if node.is_string else "number"
    if isinstance(node, exp.Cast | exp.TryCast):
        return kind_of_node(node)
    if isinstance(node, exp.Predicate | exp.Not | exp.And | exp.Or | exp.Boolean):
        return "boolean"
    if isinstance(node, MADE_OF_TEXT):
        return "string"
    return "number" if isinstance(node, MADE_OF_NUMBERS) else "unknown"


def _arithmetic(node: exp.Expr, dialect: str) -> Iterator[tuple[str, bool]]:
    if dialect in COERCES:
        return
    sides = [certain_kind(side) for side in (node.args.get("this"), node.args.get("expression")) if side is not None]
    for kind in ("string", "boolean"):
        if kind in sides and not (kind == "boolean" and dialect not in STRICT):
            yield f"a {WORDS[kind]} is calculated with; cast it to a number", dialect not in STRICT
            return
    is_time = any(kind in TAKES_TIME for kind in sides)
    if is_time and isinstance(node, SCALES):
        yield "a date or moment cannot be multiplied, divided or negated", dialect not in STRICT
    elif "timestamp" in sides and "number" in sides:
        yield "a number is added to a moment; add an interval, such as INTERVAL '1 day'", dialect not in STRICT


def _truths(sides: Iterable[exp.Expr], who: str, dialect: str) -> Iterator[tuple[str, bool]]:
    for side in sides:
        kind = certain_kind(side)
        if kind in ("boolean", "unknown") or dialect in COERCES or (kind == "number" and dialect in TRUE_NUMBERS):
            continue
        yield (
            f"{who} what is true or false, and this is a {WORDS[kind]}; compare it with something",
            dialect not in STRICT,
        )


def _branches(node: exp.Case | exp.Coalesce, dialect: str) -> Iterator[tuple[str, bool]]:
    """Yield a problem where the values of CASE or COALESCE have no type in common."""
    if isinstance(node, exp.Case):
        values = [branch.args["true"] for branch in node.args["ifs"]] + [node.args.get("default")]
    else:
        values = [node.this, *node.expressions]
    kinds = {certain_kind(value) for value in values if value is not None} - {"unknown"}
    if kinds & {*TAKES_TIME}:
        kinds = kinds - {"timestamp"} | {"date"}
    if dialect in TRUE_NUMBERS:
        kinds = {"number" if kind == "boolean" else kind for kind in kinds}
    texts = [text for value in values if (text := literal(value)) is not None and text.is_string]
    if not kinds <= {"string"} and any(not _spells(text.name, kinds) for text in texts):
        kinds = kinds | {"string"}
    if len(kinds) > 1 and dialect not in COERCES:
        told = " and a ".join(sorted(WORDS[kind] for kind in kinds))
        name = "CASE" if isinstance(node, exp.Case) else "COALESCE"
        yield f"{name} gives a {told}; cast one of them", dialect not in STRICT


def _spells(text: str, kinds: set[FieldType]) -> bool:
    """Say whether a literal may be of these types: of numbers alone it is certain."""
    if kinds != {"number"}:
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def _argument(node: exp.Expr, dialect: str) -> Iterator[tuple[str, bool]]:
    wanted = TAKES_TEXT if isinstance(node, OF_TEXTS) else TAKES_NUMBER if isinstance(node, OF_NUMBERS) else TAKES_TIME
    given = node.expression if isinstance(node, exp.Extract) else node.this
    kind = certain_kind(given)
    if kind == "unknown" or kind in wanted or dialect in COERCES:
        return
    name = SAYS.get(type(node), node.key.upper())
    needs = " or ".join(dict.fromkeys(WORDS[one] for one in wanted))
    yield f"{name} takes a {needs}, and is given a {WORDS[kind]}; cast it", dialect not in STRICT
