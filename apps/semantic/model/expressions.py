"""``sql:`` texts → trees. References become placeholders on the tree; what is not on the allow-list is refused."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.dialects.mysql import MySQL
from sqlglot.tokenizer_core import TokenType

from apps.semantic.model.provable import unproven_part
from apps.semantic.model.types import INTERVALS, TEMPLATED, TIMEFRAMES, FieldType
from apps.semantic.verify.allowed import FUNCTIONS

NODES = frozenset((
    exp.Column, exp.Identifier, exp.Placeholder, exp.Literal, exp.Boolean, exp.Null, exp.Var, exp.Interval,
    exp.DataType, exp.DataTypeParam, exp.Distinct, exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE,
    exp.LT, exp.LTE, exp.Is, exp.In, exp.Between, exp.Like, exp.ILike, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv,
    exp.Mod, exp.Neg, exp.DPipe, exp.Case, exp.If, exp.Cast, exp.TryCast, exp.Coalesce, exp.Nullif,
))  # fmt: skip
AGGREGATES = (exp.AggFunc,)
VOLATILE = (exp.CurrentDate,)
REFERENCE = re.compile(r"\$\{([^{}]*)\}|\{\{([^{}]*)\}\}|@\{([^{}]*)\}")
QUOTED_ATTRIBUTE = re.compile(r"'(\{\{\s*omni_attributes\.[A-Za-z_]\w*\s*\}\})'")
SECTION = re.compile(
    r"\{\{#\s*([\w.]+)\.filter\s*\}\}(.*?)\{\{/\s*\1\.filter\s*\}\}"
    r"(?:\s*\{\{\^\s*\1\.filter\s*\}\}(.*?)\{\{/\s*\1\.filter\s*\}\})?",
    re.DOTALL,
)
PLAIN_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
KEYWORDS = frozenset(("null", "true", "false", "current_date", "current_timestamp", "current_time", "current_user"))
NAME = re.compile(r"(?:([A-Za-z_]\w*)\.)?([A-Za-z_]\w*)(?:\[([a-z_]+)\])?")
ATTRIBUTE = re.compile(r"\s*omni_attributes\.([A-Za-z_]\w*)\s*")
FILTER_VALUE = re.compile(r"\s*filters\.([A-Za-z_]\w*\.[A-Za-z_]\w*\.(?:value|range_start|range_end))\s*")
FILTER_NAME = re.compile(r"[A-Za-z_]\w*\.[A-Za-z_]\w*")
STATEMENT_OR_FUNCTION = re.compile(r"\s*replace\s*\(", re.IGNORECASE)
TEMPLATE = re.compile(r"\{\{|\{%|@\{|\$\{|\{#")
ESCAPING = frozenset(("spark", "databricks"))
"""dialects that have more escapes in texts than the parser knows"""
ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
ESCAPED = frozenset("'\"\\nrt%_")
MISSING: Mapping[str, tuple[type[exp.Expr], ...]] = {"postgres": (exp.DateDiff,)}
"""what a dialect's parser reads and its database does not have"""
MAX_TEXT = 20_000
MAX_SECTIONS = 50
COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In, exp.Between, exp.Like, exp.ILike,
               exp.And, exp.Or, exp.Not, exp.Boolean)  # fmt: skip
NUMBERS = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg, exp.Abs, exp.Round, exp.Floor, exp.Ceil,
           exp.Length, exp.Extract, exp.Sqrt, exp.Pow)  # fmt: skip
TEXTS = (exp.DPipe, exp.Concat, exp.Upper, exp.Lower, exp.Trim, exp.Substring, exp.Replace, exp.Left, exp.Right)


class ExpressionError(ValueError):
    """A ``sql:`` text is refused; the message says why."""


@dataclass(frozen=True, slots=True)
class ParsedExpression:
    """A tree with placeholders, and the ids that it refers to directly."""

    tree: exp.Expression
    references: frozenset[str]


Constants = Mapping[str, exp.Expression]
NO_CONSTANTS: Constants = {}


def parse_expression(
    text: str, *, view: str, dialect: str, may_aggregate: bool = False, constants: Constants = NO_CONSTANTS
) -> ParsedExpression:
    """Parse one expression of a view in the connection's dialect.

    Raises:
        ExpressionError: a query, a forbidden function, a reference inside a text, or no SQL at all.
    """
    if len(text) > MAX_TEXT:
        raise ExpressionError("the expression is too long")
    if simple := _simple(text.strip(), view):
        return simple
    tree, names = _read(text, view, dialect, constants)
    _check(tree, may_aggregate=may_aggregate)
    demand_provable(tree, dialect)
    return ParsedExpression(tree, fields_in(names))


def parse_query_text(text: str, *, dialect: str, constants: Constants = NO_CONSTANTS) -> exp.Expression:
    """Parse the SELECT of an SQL view, with attributes and templated filters; the caller checks what is in it.

    Raises:
        ExpressionError: a reference to a field, or no SQL at all.
    """
    if len(text) > MAX_TEXT:
        raise ExpressionError("the query is too long")
    tree, names = _read(text, "", dialect, constants)
    if fields_in(names):
        raise ExpressionError("an SQL view names tables and columns, not fields of the model")
    return tree


def demand_provable(tree: exp.Expr, dialect: str) -> None:
    """Refuse what would be written for its database in a way that is never proven.

    Raises:
        ExpressionError: something in it would be.
    """
    missing = tree.find(*MISSING[dialect]) if dialect in MISSING else None
    if missing is not None:
        raise ExpressionError(f"this database has no {missing.key.upper()}; subtract one from the other")
    if part := unproven_part(tree, dialect=dialect):
        raise ExpressionError(
            f"this is “{part}” in the SQL of this database, which no question can have; write it in another way"
        )


def fields_in(names: Iterable[str]) -> frozenset[str]:
    """Return the ids of fields among the names of placeholders."""
    return frozenset(name.partition("[")[0] for name in names if not name.startswith(("omni_attributes.", "filters.")))


def _simple(text: str, view: str) -> ParsedExpression | None:
    """Return what needs no parser: most expressions are one column or one reference."""
    if PLAIN_COLUMN.fullmatch(text) and text.lower() not in KEYWORDS:
        return ParsedExpression(exp.Column(this=exp.Identifier(this=text, quoted=False)), frozenset())
    if text.startswith("${") and text.endswith("}") and text.count("{") == 1:
        name = _field(text[2:-1], view)
        return ParsedExpression(exp.Placeholder(this=name), frozenset((name.partition("[")[0],)))
    return None


def _read(text: str, view: str, dialect: str, constants: Constants) -> tuple[exp.Expression, list[str]]:
    """Return a tree with everything that stood in braces on it, and the names of its placeholders."""
    if "omni_reference_" in text or TEMPLATED in text.lower():
        raise ExpressionError("names that begin with “omni_reference_” or “omni_templated” are reserved")
    tokens: dict[str, exp.Expression] = {}

    def tokenize(match: re.Match[str]) -> str:
        token = f"omni_reference_{len(tokens)}_"
        tokens[token] = _reference(match, view, constants)
        return f" {token} "

    def wrap(match: re.Match[str]) -> str:
        name = match.group(1)
        if not FILTER_NAME.fullmatch(name):
            raise ExpressionError(f"“{name}” is no filter; write view.field")
        token = f"omni_reference_{len(tokens)}_"
        tokens[token] = exp.Placeholder(this=f"filters.{name}")
        default = "" if match.group(3) is None else f", {match.group(3)}"
        return f" {TEMPLATED}({token}, {match.group(2)}{default}) "

    if dialect in ESCAPING and any(found[1] not in ESCAPED for found in ESCAPE.finditer(text)):
        raise ExpressionError("behind a backslash, only a quote, a backslash, n, r, t, % and _ can stand")
    plain = QUOTED_ATTRIBUTE.sub(r"\1", text)
    sections = plain.count("{{#")
    if sections > MAX_SECTIONS or plain.count("@{") > MAX_SECTIONS:
        raise ExpressionError(f"more than {MAX_SECTIONS} templated filters or constants stand in one expression")
    plain, found = SECTION.subn(wrap, plain)
    if found != sections:
        raise ExpressionError("a templated filter is not closed, or stands inside another of its name")
    plain = REFERENCE.sub(tokenize, plain)
    if TEMPLATE.search(plain):
        raise ExpressionError("only ${field}, @{constant} and {{omni_attributes.name}} can stand in an expression")
    tree = _with_types(_resolved(_parse(plain, dialect), tokens), dialect)
    names = [node.name for node in tree.find_all(exp.Placeholder)]
    return tree, names


def _reference(match: re.Match[str], view: str, constants: Constants) -> exp.Expression:
    if match.group(3) is not None:
        constant = constants.get(match.group(3).strip())
        if constant is None:
            raise ExpressionError(f"there is no constant “{match.group(3).strip()[:60]}” that is SQL")
        return exp.Paren(this=constant.copy())
    if match.group(2) is not None:
        if attribute := ATTRIBUTE.fullmatch(match.group(2)):
            return exp.Placeholder(this=f"omni_attributes.{attribute.group(1)}")
        if value := FILTER_VALUE.fullmatch(match.group(2)):
            return exp.Placeholder(this=f"filters.{value.group(1)}")
        raise ExpressionError(f"“{match.group(0)}” is not supported; only omni_attributes and filters can stand there")
    return exp.Placeholder(this=_field(match.group(1), view))


def _field(text: str, view: str) -> str:
    name = NAME.fullmatch(text.strip().removesuffix("//").strip())
    if name is None:
        raise ExpressionError(f"“${{{text}}}” is no reference to a field")
    timeframe = name.group(3)
    if timeframe and timeframe not in TIMEFRAMES and timeframe not in INTERVALS:
        raise ExpressionError(f"there is no timeframe “{timeframe}”")
    if not name.group(1) and not view:
        raise ExpressionError(f"write “${{view.{name.group(2)}}}” here")
    return f"{name.group(1) or view}.{name.group(2)}" + (f"[{timeframe}]" if timeframe else "")


class QuotedMySQL(MySQL):
    """MySQL as our sessions read it (``ANSI_QUOTES``): double quotes hold a name, as the format has it for columns."""

    class Tokenizer(MySQL.Tokenizer):
        QUOTES: ClassVar[list[str | tuple[str, str]]] = ["'"]
        IDENTIFIERS: ClassVar[list[str | tuple[str, str]]] = ["`", '"']


READ_AS: Mapping[str, type[Dialect]] = {"mysql": QuotedMySQL}
TEXT_IN_DOUBLE_QUOTES = frozenset(("bigquery", "spark", "databricks"))
"""dialects in which ``"name"`` is a text, while the format takes it for a column"""


def _demand_one_meaning(text: str, dialect: str) -> None:
    """Refuse what would be one thing to the model and another to the database, or to the next reader."""
    is_bars, is_quoted = dialect == "mysql" and "||" in text, dialect in TEXT_IN_DOUBLE_QUOTES and '"' in text
    if not is_bars and not is_quoted:
        return
    for token in sqlglot.tokenize(text, read=READ_AS.get(dialect, dialect)):
        if is_bars and token.token_type is TokenType.DPIPE:
            raise ExpressionError(
                "|| is OR in one mode of the server and joins texts in another; write OR or CONCAT(…)"
            )
        if is_quoted and token.token_type is TokenType.STRING and text[token.start] == '"':
            raise ExpressionError("double quotes hold a text here and a column elsewhere; write 'text' or `column`")


def _parse(text: str, dialect: str) -> exp.Expression:
    try:
        _demand_one_meaning(text, dialect)
        # MySQL's parser takes a text that begins so for a statement, which it does not look into.
        is_function = STATEMENT_OR_FUNCTION.match(text) is not None
        trees = sqlglot.parse(f"({text}\n)" if is_function else text, read=READ_AS.get(dialect, dialect))
    except sqlglot.errors.SqlglotError as error:
        details = error.errors if isinstance(error, sqlglot.errors.ParseError) else []
        reason = details[0].get("description") if details else None
        raise ExpressionError(f"not valid SQL: {reason or 'cannot be read'}") from None
    except RecursionError:
        raise ExpressionError("the expression is nested too deeply") from None
    if len(trees) != 1 or trees[0] is None:
        raise ExpressionError("exactly one expression is expected")
    return trees[0]  # type: ignore[return-value]  # sqlglot's stubs name a wider base


def _resolved(tree: exp.Expression, tokens: dict[str, exp.Expression]) -> exp.Expression:
    found: list[str] = []
    if tree.find(exp.Placeholder) is not None:
        raise ExpressionError("a parameter cannot stand in an expression")

    def replace(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Column) and not node.table and node.name in tokens:
            found.append(node.name)
            return tokens[node.name]
        return node

    result = tree.transform(replace)
    if sorted(found) != sorted(tokens):
        raise ExpressionError("a reference cannot stand inside a text, a name or a comment")
    return result


def _with_types(tree: exp.Expression, dialect: str) -> exp.Expression:
    """Say that a bound value is a text where PostgreSQL takes arguments of any type and cannot tell."""
    if dialect not in ("postgres", "redshift"):
        return tree
    for node in list(tree.find_all(exp.Concat, exp.ConcatWs)):
        for value in node.expressions:
            if isinstance(value, exp.Placeholder) and value.name.startswith(("omni_attributes.", "filters.")):
                value.replace(exp.cast(value.copy(), exp.DType.TEXT))
    return tree


def _check(tree: exp.Expression, *, may_aggregate: bool) -> None:
    for node in tree.walk():
        if node.comments:
            raise ExpressionError("comments cannot stand in an expression")
        if isinstance(node, exp.Column) and (node.table or isinstance(node.this, exp.Star)):
            raise ExpressionError(f"write ${{view.field}} instead of “{node.sql()}”")
        if isinstance(node, exp.Anonymous) and node.this == TEMPLATED:
            _check_template(node)
            continue
        if type(node) is exp.Star and type(node.parent) is exp.Count and not any(node.args.values()):
            continue
        is_several = isinstance(node, exp.Count) and bool(node.expressions)
        if is_several or (isinstance(node, exp.Distinct) and len(node.expressions) != 1):
            raise ExpressionError("one value is counted at a time; put several together first")
        if isinstance(node, exp.Placeholder) and not node.name:
            raise ExpressionError("a parameter cannot stand in an expression")
        if isinstance(node, AGGREGATES) and not may_aggregate:
            raise ExpressionError("an aggregate cannot stand here; use aggregate_type")
        if isinstance(node, VOLATILE) or (type(node) not in NODES and type(node) not in FUNCTIONS):
            name = node.name if isinstance(node, exp.Anonymous) else node.key
            raise ExpressionError(f"“{str(name)[:40]}” is not allowed in an expression")


def _check_template(node: exp.Anonymous) -> None:
    if len(node.expressions) not in (2, 3) or not node.expressions[0].name.startswith("filters."):
        raise ExpressionError("a templated filter wraps exactly one expression")


def inferred_type(tree: exp.Expression) -> FieldType:
    """Return the type that the shape of an expression tells, else "unknown"."""
    node = tree
    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, exp.Cast):
        return _cast_type(node)
    if isinstance(node, COMPARISONS):
        return "boolean"
    if isinstance(node, exp.Add | exp.Sub) and node.find(exp.Interval) is not None:
        return "unknown"  # a moment, or a length of time
    if isinstance(node, NUMBERS) or (isinstance(node, exp.Literal) and not node.is_string):
        return "number"
    if isinstance(node, TEXTS) or (isinstance(node, exp.Literal) and node.is_string):
        return "string"
    if isinstance(node, exp.Case):
        kinds = {inferred_type(branch.args["true"]) for branch in node.args.get("ifs", [])}
        return kinds.pop() if len(kinds) == 1 else "unknown"
    return "unknown"


def _cast_type(node: exp.Cast) -> FieldType:
    if node.is_type(exp.DataType.Type.DATE):
        return "date"
    if node.is_type(*exp.DataType.TEMPORAL_TYPES):
        return "timestamp"
    if node.is_type(*exp.DataType.TEXT_TYPES):
        return "string"
    if node.is_type(*exp.DataType.NUMERIC_TYPES):
        return "number"
    return "boolean" if node.is_type(exp.DataType.Type.BOOLEAN) else "unknown"
