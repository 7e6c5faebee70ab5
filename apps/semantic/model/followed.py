"""Each output of an SQL view must be made of columns that can be told: else a mask or a grant beneath would be lost.

A column is followed by the name that it has where it is read. What has no name or one of two, what is renamed or matched
without being named, and a row taken as a whole cannot be followed, whatever a database makes of it.
"""

from collections.abc import Iterable, Iterator, Mapping

from sqlglot import exp

from apps.semantic.model.expressions import ExpressionError
from apps.semantic.model.full_joins import is_without_equality
from apps.semantic.model.named_queries import NAMED
from apps.semantic.model.output_names import NO_ALIAS_IN_HAVING, misused_outputs, names_output
from apps.semantic.model.query_shapes import TRIED
from apps.semantic.model.types import SqlSource, table_text

SELECT_PARTS = frozenset(("expressions", "distinct", "from_", "joins", "where", "group", "having", "order", "limit"))
UNION_PARTS = frozenset(("this", "expression", "distinct", "order", "limit"))
SIDES = ("", "LEFT", "RIGHT", "FULL")
CASELESS = frozenset(("duckdb", "spark", "databricks"))
"""dialects in which names of what is read are the same in capital letters"""
ALIKE_COLUMNS = CASELESS | {"mysql"}
"""dialects in which names of columns are the same in capital letters"""
FOLDS_TO_LOWER = frozenset(("postgres", "redshift", "trino"))
FOLDS_TO_UPPER = frozenset(("snowflake",))
"""dialects in which a name without quotes is one in small letters, or in capitals"""
WITHOUT_FULL_JOIN = frozenset(("mysql",))
FULL_JOIN_BY_EQUALITY = frozenset(("postgres",))
SEES_BEFORE_COMMA = frozenset(("duckdb",))
"""dialects in which the condition of a join may name what stands before the last comma"""
WITHOUT_LATERAL = frozenset(("mysql",))
"""dialects of which some servers do not let a query in FROM name what is read around it"""
ALIAS_ALONE = {"group": frozenset(("postgres", "duckdb")), "order": frozenset(("postgres",))}
"""dialects in which the name of an output stands by itself or not at all, by clause"""
KINDS = ("", "INNER", "CROSS", "OUTER")
Inputs = Mapping[str, frozenset[str]]
"""what a SELECT reads, by the name that it has there: the names of its columns; all in small letters"""


def followed_outputs(
    source: SqlSource, columns: Mapping[str, frozenset[str]], *, dialect: str, written: Iterable[exp.Column] = ()
) -> tuple[str, ...]:
    """Return the names of an SQL view's outputs in small letters.

    Args:
        columns: by view, the columns that its dimensions are made of, in small letters.
        dialect: of the connection.
        written: these columns as the dimensions write them.

    Raises:
        ExpressionError: one of them cannot be followed to columns of tables.
    """
    return _Follower(source, columns, dialect, written).outputs(source.tree, ())


class _Follower:
    def __init__(
        self,
        source: SqlSource,
        columns: Mapping[str, frozenset[str]],
        dialect: str,
        written: Iterable[exp.Column],
    ) -> None:
        self.source = source
        self.columns = columns
        self.dialect = dialect
        self.spellings: set[str] = set()
        """the names of what is read, as they are written"""
        self.unlike = self._unlike((*written, *source.tree.find_all(exp.Column, exp.Alias)))
        """names in small letters that may be those of two columns"""

    def outputs(self, query: exp.Expr, scopes: tuple[Inputs, ...], *, is_named: bool = True) -> tuple[str, ...]:
        if isinstance(query, exp.Subquery):
            _demand(_parts(query) <= {"this"}, "a query in brackets stands alone in them")
            return self.outputs(query.this, scopes, is_named=is_named)
        if isinstance(query, exp.SetOperation):
            _demand(_parts(query) <= UNION_PARTS, "columns of a UNION go by their order: nothing else can be followed")
            found = self.outputs(query.this, scopes, is_named=is_named)
            others = self.outputs(query.expression, scopes, is_named=False)
            _demand(len(found) == len(others), "the parts of a UNION have as many columns as one another")
            order = query.args.get("order")
            self._check(order, ({"": frozenset(found)},), found)
            for item in order.expressions if order is not None and self.dialect in ALIAS_ALONE["order"] else ():
                _demand(
                    isinstance(item.this.unnest(), exp.Column | exp.Literal), "a UNION is sorted by its columns alone"
                )
            return found
        _demand(
            isinstance(query, exp.Select) and _parts(query) <= SELECT_PARTS, "a part of this SELECT cannot be followed"
        )
        return self._select(query, scopes, is_named=is_named)

    def _select(self, select: exp.Expr, scopes: tuple[Inputs, ...], *, is_named: bool) -> tuple[str, ...]:
        inputs = self._inputs(select, scopes)
        own = (inputs, *scopes)
        for item in select.expressions:
            self._check(item, own, ())
        found = tuple(_name(item) for item in select.expressions)
        if is_named:
            _demand(all(found), "each column needs a name, to be followed by: write AS")
            twice = next((name for name in found if found.count(name) > 1), "")
            _demand(not twice, f"“{twice}” is the name of two columns, so neither can be followed")
        for join, seen in self._joins(select, inputs):
            is_there = join.side != "FULL" or self.dialect not in WITHOUT_FULL_JOIN
            _demand(is_there, "this database has no FULL JOIN")
            self._check(join.args.get("on"), (*seen, *scopes), ())
            is_refused = self.dialect in FULL_JOIN_BY_EQUALITY and is_without_equality(join, seen[0])
            _demand(not is_refused, "a FULL JOIN needs a condition that a column of one side equals one of the other")
        self._check(select.args.get("where"), own, ())
        self._check(select.args.get("having"), own, found if self.dialect not in NO_ALIAS_IN_HAVING else ())
        for key in ("group", "order"):
            part = select.args.get(key)
            for item in part.expressions if part is not None else ():
                is_alone = isinstance((item.this if isinstance(item, exp.Ordered) else item).unnest(), exp.Column)
                is_seen = is_alone or self.dialect not in ALIAS_ALONE[key]
                self._check(item, own, found if is_seen else ())
        misused = next(misused_outputs(select, own, self.dialect), "")
        _demand(not misused, misused)
        return found

    def _joins(self, select: exp.Expr, inputs: Inputs) -> Iterator[tuple[exp.Join, tuple[Inputs, ...]]]:
        """Yield each join with what its condition sees: all that is joined up to it, since the last comma."""
        items, start = list(inputs.items()), 0
        for place, join in enumerate(select.args.get("joins") or (), start=1):
            if not (join.side or join.kind or join.args.get("on")):
                start = place
            seen, before = dict(items[start : place + 1]), dict(items[:start])
            if self.dialect not in TRIED:
                yield join, (inputs,)
            else:
                yield join, (seen, before) if self.dialect in SEES_BEFORE_COMMA else (seen,)

    def _unlike(self, nodes: Iterable[exp.Expr]) -> frozenset[str]:
        """Return the names that are written in two ways which this database tells apart."""
        spelt: dict[str, set[str]] = {}
        for name in (node.args["alias"] if isinstance(node, exp.Alias) else node.this for node in nodes):
            spelt.setdefault(name.name.lower(), set()).add(self._spelt(name))
        return frozenset(name for name, found in spelt.items() if len(found) > 1 and self.dialect not in ALIKE_COLUMNS)

    def _inputs(self, select: exp.Expr, scopes: tuple[Inputs, ...]) -> Inputs:
        found: dict[str, frozenset[str]] = {}
        for part in _read(select):
            alias = part.args.get("alias")
            renamed = isinstance(alias, exp.TableAlias) and alias.args.get("columns")
            name = part.alias_or_name.lower()
            _demand(
                not renamed, f"“{name} (…)” renames columns, so they cannot be followed: name them in a SELECT, with AS"
            )
            _demand(bool(name), "a query in FROM needs a name")
            self.spellings.add(self._spelt(part.args["alias"].this if part.args.get("alias") else part.this))
            _demand(name not in found, f"“{name}” is read twice under one name")
            if isinstance(part, exp.Table):
                _demand(
                    _parts(part) <= {"this", "db", "catalog", "alias"},
                    f"“{name}” is read in a way that cannot be followed",
                )
                found[name] = self.columns.get(self.source.tables.get(table_text(part), ""), frozenset())
            else:
                is_query = isinstance(part, exp.Subquery) and isinstance(part.this, exp.Query)
                _demand(is_query and _parts(part) <= {"this", "alias"}, "FROM reads what cannot be followed")
                is_alone = part.meta.get(NAMED) or self.dialect in WITHOUT_LATERAL
                around = () if is_alone else scopes
                found[name] = frozenset(self.outputs(part.this, around))
        return found

    def _spelt(self, name: exp.Expr) -> str:
        """Return a name of what is read as the database compares it with others."""
        if name.args.get("quoted"):
            return name.name
        is_lower, is_upper = self.dialect in FOLDS_TO_LOWER, self.dialect in FOLDS_TO_UPPER
        return name.name.lower() if is_lower else name.name.upper() if is_upper else name.name

    def _check(self, root: exp.Expr | None, scopes: tuple[Inputs, ...], own: Iterable[str]) -> None:
        """Check all columns of an expression, those of queries within it in their own surroundings."""
        select = root.find_ancestor(exp.Select) if root is not None else None
        shown = {_name(item): item.unalias() for item in select.expressions} if select is not None else {}
        waiting = [root] if root is not None else []
        while waiting:
            node = waiting.pop()
            if isinstance(node, exp.Query):
                self.outputs(node, scopes, is_named=False)
            elif isinstance(node, exp.Window):
                _check_window(node, shown)
                waiting += [*node.iter_expressions()]
            elif isinstance(node, exp.Column):
                _check_column(node, scopes, own)
                several = _holders(node, scopes) if node.name.lower() not in self.unlike else ()
                _demand(
                    len(several) < 2 or names_output(node, self.dialect),
                    f"“{node.name}” is a column of several tables here ({', '.join(several)}): write the table before it",
                )
                is_alike = (
                    not node.table or self.dialect in CASELESS or self._spelt(node.args["table"]) in self.spellings
                )
                _demand(is_alike, f"“{node.table}” is spelt otherwise where it is read; spell both alike")
            else:
                waiting += [*node.iter_expressions()]


def _read(select: exp.Expr) -> Iterator[exp.Expr]:
    start = select.args.get("from_")
    if start is not None:
        yield start.this
    for join in select.args.get("joins") or ():
        is_plain = _parts(join) <= {"this", "on", "side", "kind"} and join.side in SIDES and join.kind in KINDS
        _demand(
            is_plain,
            "write joins with ON: in others, as USING and NATURAL, a column is of two tables and cannot be followed",
        )
        yield join.this


def _check_window(window: exp.Window, shown: Mapping[str, exp.Expr]) -> None:
    """Demand that what puts rows together or in order means the same to every database.

    Args:
        shown: the outputs of its SELECT by their names, which some databases read before columns.
    """
    order = window.args.get("order")
    keys = [*window.args.get("partition_by", ()), *(item.this for item in (order.expressions if order else ()))]
    for key in (item.unnest() for item in keys):
        _demand(not isinstance(key, exp.Literal), "a window has its rows in order by columns, not by numbers")
    for node in (node for key in keys for node in key.find_all(exp.Column)):
        name = node.name.lower() if not node.table else ""
        other = shown.get(name)
        is_itself = other is None or (isinstance(other, exp.Column) and other.name.lower() == name)
        _demand(is_itself, f"“{name}” may be a column or the output of that name: write its table before it")


def _check_column(node: exp.Column, scopes: tuple[Inputs, ...], own: Iterable[str]) -> None:
    name, table = node.name.lower(), node.table.lower()
    text = f"{table}.{name}" if table else name
    _demand(
        _parts(node) <= {"this", "table"},
        f"“{node.sql()}” has more parts than table and column, so it cannot be followed",
    )
    if table:
        inputs = next((item[table] for item in scopes if table in item), None)
        more = "" if not _is_in_condition(node) else "; ON sees what is joined up to it, since the last comma"
        _demand(inputs is not None, f"“{text}” names no table that is read here{more}")
        _demand(
            inputs is None or name in inputs, f"“{text}” is no column that a view describes, so it cannot be followed"
        )
        return
    for item in scopes:
        if any(name in columns for columns in item.values()):
            return
        _demand(
            name not in item, f"“{name}” would be whole rows of a table, which cannot be followed: name its columns"
        )
    _demand(name in own, f"“{name}” is no column of what is read here, so it cannot be followed")


def _holders(node: exp.Column, scopes: tuple[Inputs, ...]) -> tuple[str, ...]:
    """Return what has a column of this name, of the nearest surroundings in which something has."""
    name = node.name.lower()
    found = (tuple(key for key, columns in item.items() if name in columns) for item in scopes)
    return next((holders for holders in found if holders), ()) if not node.table else ()


def _is_in_condition(node: exp.Expr) -> bool:
    """Say whether it stands in the condition of a join, or in a query within one."""
    while node.parent is not None and not (isinstance(node.parent, exp.Join) and node.arg_key == "on"):
        node = node.parent
    return node.parent is not None


def _name(item: exp.Expr) -> str:
    return item.alias_or_name.lower() if isinstance(item, exp.Alias | exp.Column) else ""


def _parts(node: exp.Expr) -> set[str]:
    return {key for key, value in node.args.items() if value}


def _demand(holds: bool, message: str) -> None:
    if not holds:
        raise ExpressionError(message)
