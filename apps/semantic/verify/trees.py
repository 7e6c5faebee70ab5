"""SQL trees compared without their parentheses: the tree already says what they said."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.comparing import Comparing
from apps.semantic.model.types import FALSEY, Condition, Dimension, FieldType, Mask, Measure, Scalar, SemanticModel
from apps.semantic.scope import AccessScope
from apps.semantic.verify.exactness import SPELT, expect_exact

ATTRIBUTE = "omni_attributes."
NOT_FIELDS = (ATTRIBUTE, "filters.")
SCHEMA = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
FOLDED: Mapping[str, Callable[[str], str]] = {"postgres": str.lower, "duckdb": str, "mysql": str, "spark": str}
CASELESS = frozenset(("duckdb", "mysql", "spark"))
COMPARED = {"greater_than": ">", "greater_than_or_equal_to": ">=", "less_than": "<", "less_than_or_equal_to": "<="}
# How many days MySQL takes away from a day to come to the first of its period.
SINCE: Mapping[object, str] = {
    "week": "(WEEKDAY({v}) + 1) - 1",
    "month": "CAST(EXTRACT(DAY FROM {v}) AS SIGNED) - 1",
    "quarter": (
        "(DAYOFYEAR({v}) - CASE WHEN {m} <= 3 THEN 0 WHEN {m} <= 6 THEN 90 WHEN {m} <= 9 THEN 181 ELSE 273 END "
        "- CASE WHEN {m} > 3 AND ({y} % 4 = 0 AND ({y} % 100 <> 0 OR {y} % 400 = 0)) THEN 1 ELSE 0 END) - 1"
    ),
    "year": "DAYOFYEAR({v}) - 1",
}
PATTERNS = {"contains": "%{}%", "starts_with": "{}%", "ends_with": "%{}", "sql_like": "{}"}
MASKS = {
    ("hash", "postgres"): "LEFT(ENCODE(SHA256(CONVERT_TO(CAST({k} AS TEXT) || CAST({v} AS TEXT), 'UTF8')), 'hex'), 16)",
    ("hash", "duckdb"): "LEFT(SHA256(CAST({k} AS TEXT) || CAST({v} AS TEXT)), 16)",
    ("hash", "mysql"): "LEFT(SHA2(CONCAT(CAST({k} AS CHAR), CAST({v} AS CHAR)), 256), 16)",
    ("hash", "spark"): "LEFT(SHA2(CAST({k} AS STRING) || CAST({v} AS STRING), 256), 16)",
}


Written = tuple[str, tuple[Scalar, ...]]
"""a condition as text, and what is bound in it, in the order of the text"""


@dataclass(frozen=True, slots=True)
class Rule:
    """A tree that must stand in the SQL, and the values that its placeholders must have, in the order of the text."""

    tree: exp.Expr
    values: tuple[Scalar, ...] = ()


def bare(node: exp.Expr) -> exp.Expr:
    """Return a tree without parentheses."""
    if node.find(exp.Paren) is None:
        return node
    holder = exp.Alias(this=node.copy())
    for paren in list(holder.find_all(exp.Paren)):
        paren.replace(paren.this)
    stripped: exp.Expr = holder.this
    return stripped


def conjuncts(node: exp.Expr | None) -> list[exp.Expr]:
    """Return what a condition combines with AND at its top, in the order of the text."""
    if node is None:
        return []
    if type(node) is exp.And:
        return conjuncts(node.this) + conjuncts(node.expression)
    if type(node) is exp.Paren and type(node.this) in (exp.And, exp.Paren):
        return conjuncts(node.this)
    return [node]


def in_text_order(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield every node but identifiers, which hold a text and no node, as the text has them."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        yield found
        parts = _select_parts(found) if type(found) is exp.Select else [*found.args.values()]
        parts.reverse()
        for part in parts:
            if part is None or type(part) is exp.Identifier:
                continue
            if isinstance(part, exp.Expr):
                waiting.append(part)
            elif type(part) is list:
                waiting += [item for item in reversed(part) if isinstance(item, exp.Expr)]


def _select_parts(select: exp.Select) -> list[object]:
    keys = ("expressions", "from_", "joins", "where", "group", "having", "order", "limit")
    rest = [key for key in select.args if key not in keys]
    return [select.args.get(key) for key in (*keys, *rest)]


def folded(node: exp.Column, dialect: str) -> str:
    """Return a model column's name as the database reads it."""
    return folded_name(node.this, dialect)


def folded_name(node: exp.Expr, dialect: str) -> str:
    """Return what an identifier of the model names: the database folds one without quotes."""
    return node.name if node.args.get("quoted") else FOLDED[dialect](node.name)


def sameness(name: str, dialect: str) -> str:
    """Return a column's name such that names of one column are equal: some databases do not tell letters' cases apart."""
    return name.lower() if dialect in CASELESS else name


def schema_of(model: SemanticModel, scope: AccessScope, view: str) -> str:
    """Return the schema of a view's table, which a user attribute may name."""
    found = model.views[view]
    if found.schema_attribute is None:
        return found.schema or ""
    values = scope.attributes.get(found.schema_attribute, ())
    if len(values) != 1 or not isinstance(values[0], str) or not SCHEMA.fullmatch(values[0]):
        raise UnprovenSqlError("The schema of a view is not known.")
    return values[0]


class Expected:
    """Writes a model's expressions out as they must stand in the SQL."""

    def __init__(
        self, model: SemanticModel, dialect: str, parse: Callable[[str], exp.Expr], scope: AccessScope
    ) -> None:
        self.model = model
        self.dialect = dialect
        self.scope = scope
        self._parse = parse
        self._comparing = Comparing(model, dialect)
        self._values: list[Scalar] = []
        self.mark = "%s" if dialect == "postgres" else "?"

    def dimension(self, dimension: Dimension, *, is_qualified: bool) -> exp.Expr:
        """Return the normal tree of a dimension over raw columns."""
        return self._rule(dimension.sql, dimension.view, is_qualified=is_qualified).tree

    def ruled(self, dimension: Dimension, *, is_qualified: bool, is_text: bool, is_spelt: bool = False) -> exp.Expr:
        """Return the normal tree of what a row policy compares: texts without a collation, by which "a" may equal "A ".

        With ``is_spelt``, a value that is no text is compared by how it is spelt, as a text.
        """
        if not is_text or not (is_spelt or self.dialect in ("mysql", "spark")):
            return self.dimension(dimension, is_qualified=is_qualified)
        text = self._text(dimension.sql, dimension.view, is_qualified=is_qualified)
        if self.dialect != "mysql":
            return self._normal(f"CAST({text} AS {'STRING' if self.dialect == 'spark' else 'TEXT'})")
        return self._normal(f"CAST(CAST({text} AS CHAR CHARACTER SET utf8mb4) AS BINARY)")

    def exact(self, tree: exp.Expr) -> None:
        """Write the comparisons of user attributes in a tree as they must stand."""
        expect_exact(tree, self._comparing, self.scope, self._parse)

    def rule(self, sql: exp.Expr) -> Rule:
        """Return a join condition or a rule of a topic."""
        return self._rule(sql, "", is_qualified=True)

    def rule_in(self, sql: exp.Expr) -> Rule:
        """Return a rule whose columns are written as they are, without a table."""
        return self._rule(sql, "", is_qualified=False)

    def read(self, text: str) -> exp.Expr:
        """Return a text of the dialect as a normal tree."""
        return self._normal(text)

    def value(self, dimension: Dimension) -> Written:
        """Return a dimension over raw columns as text, and what is bound in it."""
        self._values = []
        return self._text(dimension.sql, dimension.view, is_qualified=True), tuple(self._values)

    def positive(self, condition: Condition, value: str, type_: FieldType) -> Written | None:
        """Return a single condition on a value as text, and what is bound in it; None where dates decide."""
        operator, values = condition.operator, condition.values
        if condition.is_case_insensitive and type_ in ("string", "unknown"):
            value = f"LOWER({value})"
            values = tuple(item.lower() if isinstance(item, str) else item for item in values)
        if operator == "is":
            values = (False, None) if type_ in ("boolean", "unknown") and values == (FALSEY,) else values
            given = tuple(item for item in values if item is not None)
            parts = [f"{value} IN ({', '.join(self.mark for _ in given)})"] if given else []
            parts += [f"{value} IS NULL"] if len(given) < len(values) else []
            return " OR ".join(parts), given
        if operator in PATTERNS:
            special = "!" if operator == "sql_like" else "!%_"
            texts = tuple(PATTERNS[operator].format(_escaped(str(item), special)) for item in values)
            return " OR ".join(f"{value} LIKE {self.mark} ESCAPE '!'" for _ in values), texts
        if operator in COMPARED:
            return f"{value} {COMPARED[operator]} {self.mark}", values
        if operator == "between":
            return f"{value} >= {self.mark} AND {value} <= {self.mark}", values
        return None

    def mask(self, dimension: Dimension) -> exp.Expr:
        """Return the normal tree of what stands in for a dimension's values, a key's placeholder in it."""
        value = self._text(dimension.sql, dimension.view, is_qualified=False)
        if dimension.mask.kind == "hash":
            return self._normal(MASKS["hash", self.dialect].format(k=self.mark, v=value))
        # DuckDB's DATE_TRUNC and PostgreSQL's division are read by what stands in them, parentheses aside.
        tree = bare(self._parse(value))
        if isinstance(tree, exp.Cast | exp.Column):
            value = tree.sql(self.dialect)
        if (
            dimension.mask.kind == "bucket"
            and self.dialect == "postgres"
            and not tree.is_type(*exp.DataType.REAL_TYPES)
        ):
            value = f"CAST({value} AS DOUBLE PRECISION)"
        return self._normal(_plain_mask(dimension.mask, value, self.dialect))

    def inside(self, dimension: Dimension) -> exp.Expr:
        """Return the normal tree of a dimension's own values within its table."""
        return self._normal(self._text(dimension.sql, dimension.view, is_qualified=False))

    def normal(self, tree: exp.Expr) -> exp.Expr:
        """Return a tree as it is after it was text."""
        return self._normal(tree.sql(self.dialect))

    def _rule(self, sql: exp.Expr, view: str, *, is_qualified: bool) -> Rule:
        self._values = []
        tree = self._normal(self._text(sql, view, is_qualified=is_qualified))
        return Rule(tree, tuple(self._values))

    def _normal(self, text: str) -> exp.Expr:
        return bare(self._parse(text))

    def _text(self, sql: exp.Expr, view: str, *, is_qualified: bool) -> str:
        holder = exp.Paren(this=sql.copy())
        self.exact(holder)
        for node in [item for item in in_text_order(holder) if isinstance(item, exp.Column | exp.Placeholder)]:
            if isinstance(node, exp.Placeholder) and node.name.startswith(ATTRIBUTE):
                self._fill_attribute(node)
            else:
                node.replace(self._filled(node, view, is_qualified=is_qualified))
        return holder.sql(self.dialect, copy=False)

    def _fill_attribute(self, node: exp.Expr) -> None:
        values = self.scope.attributes.get(node.name.removeprefix(ATTRIBUTE), ())
        parent = node.parent
        is_list = isinstance(parent, exp.In) and node.arg_key == "expressions"
        if is_list and parent is not None:
            others = [item for item in parent.expressions if item is not node]
            parent.set("expressions", [*others, *(exp.Placeholder() for _ in values)])
        else:
            node.replace(exp.Placeholder())
        if not values or (len(values) > 1 and not is_list):
            raise UnprovenSqlError("A rule needs a user attribute that the scope does not have.")
        self._values += tuple(str(value) for value in values) if node.args.get("kind") == SPELT else values

    def _filled(self, node: exp.Expr, view: str, *, is_qualified: bool) -> exp.Expr:
        if isinstance(node, exp.Column):
            table = exp.to_identifier(view, quoted=True) if is_qualified else None
            return exp.Column(this=exp.to_identifier(folded(node, self.dialect), quoted=True), table=table)
        found = self.model.dimension(node.name)
        if found is None or (not is_qualified and found.view != view) or found.level_of_detail or found.duration:
            raise UnprovenSqlError(f"A rule rests on {node.name}, which cannot be proven.")
        return self._parse(self._text(found.sql, found.view, is_qualified=is_qualified))


def _escaped(text: str, letters: str) -> str:
    for letter in letters:
        text = text.replace(letter, f"!{letter}")
    return text


def _plain_mask(mask: Mask, value: str, dialect: str) -> str:
    if mask.kind == "null":
        return f"CAST(NULL AS {'CHAR' if dialect == 'mysql' else 'TEXT'})"
    if mask.kind == "redact":
        return f"CASE WHEN NOT {value} IS NULL THEN '•••' END"
    if mask.kind == "truncate_date":
        if mask.argument not in ("week", "month", "quarter", "year"):
            raise UnprovenSqlError("A mask cuts a date to no known period.")
        if dialect == "mysql":
            month, year = (f"CAST(EXTRACT({part} FROM {value}) AS SIGNED)" for part in ("MONTH", "YEAR"))
            days = SINCE[mask.argument].format(v=value, m=month, y=year)
            return f"CAST(DATE_SUB(CAST({value} AS DATE), INTERVAL ({days}) DAY) AS DATE)"
        return f"CAST(DATE_TRUNC('{mask.argument.upper()}', {value}) AS DATE)"
    if mask.kind == "bucket" and isinstance(mask.argument, int | float) and mask.argument > 0:
        return f"FLOOR({value} / {mask.argument}) * {mask.argument}"
    if mask.kind == "keep_last" and isinstance(mask.argument, int) and mask.argument >= 0:
        if dialect == "mysql":
            text, count = f"CAST({value} AS CHAR)", mask.argument
            return (
                f"CASE WHEN CHAR_LENGTH({text}) > {count} THEN CONCAT(REPEAT('*', CHAR_LENGTH({text}) - {count}), "
                f"RIGHT({text}, {count})) ELSE REPEAT('*', CHAR_LENGTH({text})) END"
            )
        text, count = f"CAST({value} AS TEXT)", mask.argument
        return (
            f"CASE WHEN LENGTH({text}) > {count} THEN REPEAT('*', LENGTH({text}) - {count}) || RIGHT({text}, {count}) "
            f"ELSE REPEAT('*', LENGTH({text})) END"
        )
    raise UnprovenSqlError("A mask is of no known kind.")


def columns_of(
    field: Dimension | Measure, model: SemanticModel, masked: frozenset[str], dialect: str
) -> Iterator[tuple[str, str]]:
    """Yield ``(view, column)`` for every physical column that a field rests on; nothing beyond a mask."""
    if field.id in masked:
        return
    trees = [field.sql]
    if isinstance(field, Measure):
        trees += field.distinct_on
    elif field.duration is not None:
        trees += [field.duration.start, field.duration.end]
    nodes = [node for tree in trees if tree is not None for node in tree.find_all(exp.Column, exp.Placeholder)]
    for node in nodes:
        if isinstance(node, exp.Column):
            yield field.view, folded(node, dialect)
    filtered = [item.field for item in field.filters] if isinstance(field, Measure) else []
    named = [node.name for node in nodes if isinstance(node, exp.Placeholder)]
    for name in filtered + [name for name in named if not name.startswith(NOT_FIELDS)]:
        found = model.dimension(name.partition("[")[0]) or model.measure(name)
        if found is not None:
            yield from columns_of(found, model, masked, dialect)
