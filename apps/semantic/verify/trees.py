"""SQL trees compared without their parentheses: the tree already says what they said."""

from collections.abc import Callable, Iterator

from sqlglot import exp

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import Dimension, Measure, SemanticModel


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
    return [node]


def folded(node: exp.Column, dialect: str) -> str:
    """Return a model column's name as the database reads it."""
    return node.name.lower() if dialect == "postgres" and not node.this.args.get("quoted") else node.name


class Expected:
    """Writes a model's expressions out as they must stand in the SQL."""

    def __init__(self, model: SemanticModel, dialect: str, parse: Callable[[str], exp.Expr]) -> None:
        self.model = model
        self.dialect = dialect
        self._parse = parse

    def dimension(self, dimension: Dimension, *, is_qualified: bool) -> exp.Expr:
        """Return the normal tree of a dimension over raw columns."""
        return self._normal(self._text(dimension.sql, dimension.view, is_qualified=is_qualified))

    def on(self, sql: exp.Expression) -> exp.Expr:
        """Return the normal tree of a join condition."""
        return self._normal(self._text(sql, "", is_qualified=True))

    def mask(self, dimension: Dimension) -> exp.Expr:
        """Return the normal tree of a dimension's keyed hash, with the key's placeholder in it."""
        value = self._text(dimension.sql, dimension.view, is_qualified=False)
        if self.dialect == "postgres":
            hashed = f"ENCODE(SHA256(CONVERT_TO(CAST(%s AS TEXT) || CAST({value} AS TEXT), 'UTF8')), 'hex')"
        else:
            hashed = f"SHA256(CAST(? AS TEXT) || CAST({value} AS TEXT))"
        return self._normal(f"LEFT({hashed}, 16)")

    def _normal(self, text: str) -> exp.Expr:
        return bare(self._parse(text))

    def _text(self, sql: exp.Expression, view: str, *, is_qualified: bool) -> str:
        holder = exp.Paren(this=sql.copy())
        for node in list(holder.find_all(exp.Column, exp.Placeholder)):
            node.replace(self._filled(node, view, is_qualified=is_qualified))
        return holder.sql(self.dialect, copy=False)

    def _filled(self, node: exp.Expr, view: str, *, is_qualified: bool) -> exp.Expr:
        if isinstance(node, exp.Column):
            table = exp.to_identifier(view, quoted=True) if is_qualified else None
            return exp.Column(this=exp.to_identifier(folded(node, self.dialect), quoted=True), table=table)
        found = self.model.dimension(node.name)
        if found is None or (not is_qualified and found.view != view):
            raise UnprovenSqlError(f"A rule rests on {node.name}, which cannot be proven.")
        return self._parse(self._text(found.sql, found.view, is_qualified=is_qualified))


def columns_of(
    field: Dimension | Measure, model: SemanticModel, masked: frozenset[str], dialect: str
) -> Iterator[tuple[str, str]]:
    """Yield ``(view, column)`` for every physical column that a field rests on; nothing beyond a mask."""
    if field.id in masked:
        return
    nodes = list(field.sql.find_all(exp.Column, exp.Placeholder)) if field.sql is not None else []
    for node in nodes:
        if isinstance(node, exp.Column):
            yield field.view, folded(node, dialect)
    filtered = [item.field for item in field.filters] if isinstance(field, Measure) else []
    for name in filtered + [node.name for node in nodes if isinstance(node, exp.Placeholder)]:
        found = model.dimension(name.partition("[")[0]) or model.measure(name)
        if found is not None:
            yield from columns_of(found, model, masked, dialect)
