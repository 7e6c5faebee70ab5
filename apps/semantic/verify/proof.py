"""Reads the finished SQL again and proves the scope on it, knowing nothing of how it was made."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock

from sqlglot import exp
from sqlglot.errors import SqlglotError

from apps.semantic.compile.types import CompiledQuery
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import Scalar, SemanticModel
from apps.semantic.scope import AccessScope
from apps.semantic.verify.allowed import ALLOWED, check_node
from apps.semantic.verify.permits import Permit, permit_of, scope_key
from apps.semantic.verify.trees import bare, conjuncts

KEPT = 4096
PERCENT = re.compile(r"%(.?)", re.DOTALL)
QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
DIALECTS = frozenset(("postgres", "duckdb"))
OUTER_PARTS = frozenset(("expressions", "from_", "joins", "where", "group", "having", "order", "limit"))
INNER_PARTS = frozenset(("expressions", "from_", "where"))

_kept: OrderedDict[object, "Proof"] = OrderedDict()
_lock = Lock()


@dataclass(slots=True)
class Proof:
    """What remains to be compared each time: which parameter must be which value."""

    model: SemanticModel
    limit: int = 0
    placeholder_count: int = 0
    values: list[tuple[int, Scalar]] = field(default_factory=list)
    mask_keys: list[int] = field(default_factory=list)


def verify(compiled: CompiledQuery, *, model: SemanticModel, scope: AccessScope) -> None:
    """Prove that a statement reads nothing outside the scope, from its text and parameters alone.

    It must be one plain SELECT over the topic's tables, each inside its own subquery that holds
    exactly the row policies of its view; the topic's policies stand in the outer WHERE; only columns
    of permitted fields leave a subquery, masked ones only as keyed hashes, join keys only into join
    conditions; the LIMIT is within the scope's; the parameters at the places of policies and masks
    are the scope's values. The shape of the text is proven once and remembered; parameters are
    compared every time.

    Raises:
        UnprovenSqlError: any of this could not be shown; the statement must not run.
    """
    proof = _proof_of(compiled, model, scope)
    if compiled.row_limit + 1 != proof.limit:
        raise UnprovenSqlError("The limit in the text is not the one promised.")
    if len(compiled.parameters) != proof.placeholder_count:
        raise UnprovenSqlError("There are not as many values as placeholders.")
    for position, value in proof.values:
        if not _is_same(compiled.parameters[position], value):
            raise UnprovenSqlError("A row policy is bound to another value than the scope's.")
    if any(compiled.parameters[position] != scope.mask_key or not scope.mask_key for position in proof.mask_keys):
        raise UnprovenSqlError("A mask is bound to another key than the scope's.")


def _is_same(found: Scalar, expected: Scalar) -> bool:
    return type(found) is type(expected) and found == expected


def _proof_of(compiled: CompiledQuery, model: SemanticModel, scope: AccessScope) -> Proof:
    key = compiled.sql, compiled.shape, scope_key(model, scope, compiled.dialect)
    proof = _kept.get(key)
    if proof is not None and proof.model is model:
        return proof
    _demand(compiled.dialect in DIALECTS, "The dialect is unknown.")
    if hashlib.sha256(compiled.sql.encode()).hexdigest() != compiled.shape:
        raise UnprovenSqlError("The shape is not that of the text.")
    proof = Prover(permit_of(model, scope, compiled.dialect)).prove(compiled.sql)
    with _lock:
        _kept[key] = proof
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return proof


class Prover:
    """Walks one statement in the order of its text."""

    def __init__(self, permit: Permit) -> None:
        self.permit = permit
        self.proof = Proof(permit.model)
        # By identity of the node: its number in the order of the text.
        self.placeholders: dict[int, int] = {}
        self.inner_selects = 0
        # By alias: column name → True when it is a mask.
        self.tables: dict[str, dict[str, bool]] = {}

    def prove(self, sql: str) -> Proof:
        """Return what is left to compare, or raise."""
        text, count = driver_text(sql, self.permit.dialect)
        select = self._parsed(text)
        self._check_parts(select, OUTER_PARTS)
        self._number(select)
        self.proof.placeholder_count = len(self.placeholders)
        _demand(len(self.placeholders) == count, "The driver would count the placeholders differently.")
        self._prove_tables(select)
        self._prove_where(select)
        self._prove_answer(select)
        self._prove_limit(select)
        return self.proof

    def _parsed(self, text: str) -> exp.Select:
        try:
            statements = self.permit.parser.parse(text)
        except (SqlglotError, RecursionError):
            raise UnprovenSqlError("The text cannot be read.") from None
        _demand(len(statements) == 1 and type(statements[0]) is exp.Select, "The text is not one SELECT.")
        select = statements[0]
        assert isinstance(select, exp.Select)  # noqa: S101 (for the type checker; demanded above)
        if "--" in text or "/*" in text:
            _demand(select.sql(self.permit.dialect) == text, "The text holds something that is not part of the query.")
        return select

    def _check_parts(self, select: exp.Select, allowed: frozenset[str]) -> None:
        _demand(
            all(key in allowed for key, value in select.args.items() if value), "The SELECT has an unexpected part."
        )

    def _number(self, select: exp.Select) -> None:
        """Number the placeholders in the order of the text, and look at every node once."""
        for part in _in_text_order(select):
            for node in part.walk(bfs=False):
                kind = type(node)
                if kind not in ALLOWED:
                    check_node(node)
                elif kind is exp.Select:
                    self.inner_selects += 1
                elif kind is exp.Placeholder:
                    _demand(not node.args.get("this"), "A placeholder has a name.")
                    self.placeholders[id(node)] = len(self.placeholders)

    def _prove_tables(self, select: exp.Select) -> None:
        topic = self.permit.topic
        self._prove_table(select.args["from_"].this, topic.base_view)
        for join in select.args.get("joins") or ():
            self._prove_join(join)
        missing = [
            join.view
            for join in topic.joins
            if join.relationship.join_type == "inner" and join.view not in self.tables
        ]  # fmt: skip
        _demand(not missing, "An inner join that decides about rows is missing.")
        _demand(self.inner_selects == len(self.tables), "There is a query where none belongs.")

    def _prove_join(self, join: exp.Join) -> None:
        view = join.this.alias if isinstance(join.this, exp.Subquery) else ""
        _demand(view in self.permit.joins, "A table is joined that the data set does not join.")
        is_inner = self.permit.joins[view].relationship.join_type == "inner"
        parts = {key: value for key, value in join.args.items() if value and key not in ("this", "on")}
        _demand(parts == ({"kind": "INNER"} if is_inner else {"side": "LEFT"}), "A join is of another kind.")
        self._prove_table(join.this, view)
        on = join.args.get("on") or exp.Null()
        _demand(bare(on) == self.permit.on[view], "A join condition is not the model's.")
        for node in on.find_all(exp.Column):
            _demand(node.name in self.tables.get(node.table, ()), "A join reads a column that is not there.")

    def _prove_table(self, source: exp.Expr, view: str) -> None:
        """Prove one ``(SELECT … FROM table WHERE policies) AS view``."""
        _demand(type(source) is exp.Subquery and source.alias == view, "A table is read outside its subquery.")
        _demand(view not in self.tables, "A table is read twice.")
        _demand({key for key, value in source.args.items() if value} == {"this", "alias"}, "A subquery has more parts.")
        _demand(not source.args["alias"].args.get("columns"), "A subquery renames its columns.")
        inner = source.this
        _demand(type(inner) is exp.Select, "A subquery is not a SELECT.")
        self._check_parts(inner, INNER_PARTS)
        self._prove_physical(inner, view)
        self._prove_policies(inner, view)
        self.tables[view] = self._projected(inner, view)

    def _prove_physical(self, inner: exp.Select, view: str) -> None:
        table = inner.args["from_"].this if inner.args.get("from_") else exp.Null()
        _demand(type(table) is exp.Table and isinstance(table.this, exp.Identifier), "A subquery reads no plain table.")
        _demand(
            {key for key, value in table.args.items() if value} <= {"this", "db", "catalog"}, "A table has options."
        )
        named = table.text("catalog"), table.text("db"), table.name
        _demand(named == self.permit.table(view), "A table is not its view's.")
        quoted = (table.args.get(key) for key in ("this", "db", "catalog"))
        _demand(all(item.args.get("quoted") for item in quoted if item), "A table's name is not quoted.")

    def _prove_policies(self, inner: exp.Select, view: str) -> None:
        where = inner.args.get("where")
        found, expected = conjuncts(where.this if where else None), self.permit.policies[view]
        _demand(len(found) == len(expected), "A table is filtered by something else than its row policies.")
        for tree, values in expected:
            matching = next((node for node in found if self._is_policy(node, tree, values)), None)
            _demand(matching is not None, "A row policy is missing.")
            found.remove(matching)  # type: ignore[arg-type]
            self._expect_values(matching, values)

    def _is_policy(self, node: exp.Expr, tree: exp.Expr, values: tuple[Scalar, ...]) -> bool:
        if not values:
            return type(node) is exp.Boolean and node.args.get("this") is False
        if type(node) is not exp.In or set(_given(node)) != {"this", "expressions"}:
            return False
        is_bound = all(type(item) is exp.Placeholder for item in node.expressions)
        return is_bound and len(node.expressions) == len(values) and bare(node.this) == tree

    def _expect_values(self, node: exp.Expr | None, values: tuple[Scalar, ...]) -> None:
        items = node.expressions if isinstance(node, exp.In) else ()
        for item, value in zip(items, values, strict=True):
            self.proof.values.append((self.placeholders[id(item)], value))

    def _projected(self, inner: exp.Select, view: str) -> dict[str, bool]:
        projected: dict[str, bool] = {}
        for node in inner.expressions:
            _demand(node.alias_or_name not in projected, "A subquery has two columns of one name.")
            projected[node.alias_or_name] = self._is_mask(node, view)
        return projected

    def _is_mask(self, node: exp.Expr, view: str) -> bool:
        if type(node) is exp.Column:
            _demand(bool(node.this.args.get("quoted")) and not node.table, "A column's name is not plain.")
            _demand(node.name in self.permit.readable[view], "A column leaves its table that may not.")
            return False
        _demand(type(node) is exp.Alias, "Something else than a column leaves a table.")
        if type(node.this) is exp.Literal:
            return True
        _demand(bare(node.this) in self.permit.masks[view], "Something leaves a table that is neither column nor mask.")
        key = node.this.find(exp.Placeholder)
        self.proof.mask_keys.append(self.placeholders[id(key)])
        return True

    def _prove_where(self, select: exp.Select) -> None:
        where = select.args.get("where")
        found = conjuncts(where.this if where else None)
        for tree, values in self.permit.topic_policies:
            matching = next((node for node in found if self._is_policy(node, tree, values)), None)
            _demand(matching is not None, "A row policy of the data set is missing.")
            found.remove(matching)  # type: ignore[arg-type]
            self._expect_values(matching, values)
            self._check_present(matching)
        for node in found:
            self._check_columns(node, may_be_always=True)

    def _prove_answer(self, select: exp.Select) -> None:
        for node in select.expressions:
            name = node.alias if type(node) is exp.Alias else ""
            _demand(name.partition("[")[0] in self.permit.offered, "A result column is not a permitted field.")
        for key in ("group", "having", "order"):
            if select.args.get(key) is not None:
                self._check_columns(select.args[key])
        for node in select.expressions:
            self._check_columns(node)

    def _check_present(self, node: exp.Expr | None) -> None:
        for column in node.find_all(exp.Column) if node is not None else ():
            _demand(column.name in self.tables.get(column.table, ()), "A policy reads a column that is not there.")

    def _check_columns(self, root: exp.Expr, *, may_be_always: bool = False) -> None:
        for node in root.find_all(exp.Column):
            columns = self.tables.get(node.table) if not node.args.get("db") else None
            _demand(columns is not None and node.name in columns, "A column is read that no table gives.")
            if not columns[node.name]:  # type: ignore[index]
                place = node.table, node.name
                is_open = place in self.permit.open or (may_be_always and place in self.permit.always)
                _demand(
                    is_open or (place in self.permit.counted and _is_aggregated(node)),
                    "A column is used in a way that no permitted field uses it.",
                )

    def _prove_limit(self, select: exp.Select) -> None:
        limit = select.args.get("limit")
        number = limit.expression if type(limit) is exp.Limit else None
        is_number = type(number) is exp.Literal and not number.is_string and number.name.isdecimal()
        _demand(is_number, "There is no plain LIMIT.")
        self.proof.limit = int(number.name) if number is not None else 0
        _demand(1 < self.proof.limit <= self.permit.scope.max_rows + 1, "The LIMIT is beyond the scope's.")


def driver_text(sql: str, dialect: str) -> tuple[str, int]:
    """Return the text as the database reads it, placeholders left in place, and how many values the driver wants."""
    if dialect != "postgres":
        return sql, QUOTED.sub("", sql).count("?")
    marks = PERCENT.findall(sql)
    _demand(all(mark in ("%", "s") for mark in marks), "A percent sign is neither doubled nor a placeholder.")
    return sql.replace("%%", "%"), marks.count("s")


def _in_text_order(select: exp.Select) -> Iterator[exp.Expr]:
    yield from select.expressions
    for key in ("from_", "joins", "where", "group", "having", "order", "limit"):
        part = select.args.get(key)
        yield from part if isinstance(part, list) else (part,) if part is not None else ()


def _given(node: exp.Expr) -> Iterator[str]:
    return (key for key, value in node.args.items() if value)


def _is_aggregated(node: exp.Expr) -> bool:
    parent = node.parent
    while parent is not None and not isinstance(parent, exp.Select):
        if isinstance(parent, exp.AggFunc | exp.Filter):
            return True
        parent = parent.parent
    return False


def _demand(holds: bool, message: str) -> None:
    if not holds:
        raise UnprovenSqlError(message)
