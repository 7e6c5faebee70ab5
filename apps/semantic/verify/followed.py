"""Proves of an SQL view's text, as it stands in the statement, that each column in it is one that a query beside it lets out.

Else it would be another's: a whole row by its table's name, an output of the same SELECT, one that a database has named.
And that no mask decides which rows there are, nor which a window takes together: they would be others for whoever sees
masks. The text is the model's; that it can be followed is not taken from whoever read the model.
"""

from collections.abc import Mapping
from types import MappingProxyType

from sqlglot import exp

from apps.semantic.verify.demands import demand, given

LOST = "A column of an SQL view cannot be followed."
JOINED = frozenset(("this", "on", "side", "kind"))
SIDES, KINDS = ("", "LEFT", "RIGHT", "FULL"), ("", "INNER", "CROSS", "OUTER")
Kinds = frozenset[str]
"""of the masks that a value is made of; MADE where it is not one of them as it is"""
Let = dict[str, dict[str, Kinds]]
"""by alias, the columns that come out of a query in FROM, in small letters"""
Masks = Mapping[int, Mapping[str, str]]
"""by identity of a subquery over a table, the kinds of masks among its columns, in small letters"""
MADE = frozenset(("made of one",))
KEEPS_APART = frozenset(("hash",))
NOTHING: Mapping[str, Kinds] = MappingProxyType({})
CHOSEN = "An SQL view chooses its rows by masks."


class Follower:
    """Walks the text of one SQL view."""

    def __init__(self, masks: Masks) -> None:
        self.masks = masks

    def outputs(
        self, query: exp.Expr, around: tuple[Let, ...] = (), *, is_shown: bool = True
    ) -> list[tuple[str, Kinds]]:
        """Return the names of what a query lets out, in small letters and order, and the masks in each.

        Raises:
            UnprovenSqlError: a column in it is not one of a query in FROM here, or around it; what is shown has no name of
                its own; or a mask decides about rows.
        """
        limit = query.args.get("limit")
        demand(limit is None or limit.expression.is_int, "An SQL view is cut off after what is no number.")
        if type(query) is exp.Union:
            return self._union(query, around, is_shown=is_shown)
        if type(query) is exp.Subquery:
            demand(given(query) == {"this"}, LOST)
            return self.outputs(query.this, around, is_shown=is_shown)
        demand(type(query) is exp.Select, LOST)
        let = (self._let(query, around), *around)
        found = [(_name(node), self._made_of(node, let)) for node in query.expressions]
        names = [name for name, _ in found]
        is_named = all(names) and len(set(names)) == len(names)
        demand(not is_shown or is_named, "A column of an SQL view has no name of its own.")
        for part in (query.args.get("where"), *(join.args.get("on") for join in query.args.get("joins") or ())):
            self._demand_clear(part, let, {})
        self._demand_clear(query.args.get("having"), let, dict(found))
        self._demand_groups(query, let, found)
        self._demand_order(query, let, found)
        return found

    def _union(self, query: exp.Union, around: tuple[Let, ...], *, is_shown: bool) -> list[tuple[str, Kinds]]:
        demand(given(query) <= {"this", "expression", "distinct", "order", "limit"}, LOST)
        first = self.outputs(query.this, around, is_shown=is_shown)
        second = self.outputs(query.expression, around, is_shown=False)
        demand(len(first) == len(second), "Parts of an SQL view have not as many columns as one another.")
        # Where the sides are masked otherwise, what is the same in both is told apart.
        both = zip(first, second, strict=True)
        found = [(name, kinds if kinds == others else MADE) for (name, kinds), (_, others) in both]
        masks = frozenset[str]().union(*(kinds for _, kinds in found))
        demand(not query.args.get("limit") or not masks, CHOSEN)
        demand(not query.args.get("distinct") or masks <= KEEPS_APART, CHOSEN)
        order, names = query.args.get("order"), {name for name, _ in found}
        for node in order.find_all(exp.Column) if order is not None else ():
            demand(not node.table and node.name.lower() in names, LOST)
        return found

    def _let(self, select: exp.Expr, around: tuple[Let, ...]) -> Let:
        sources = [select.args["from_"].this] if select.args.get("from_") else []
        for join in select.args.get("joins") or ():
            is_plain = given(join) <= JOINED and join.side in SIDES and join.kind in KINDS
            demand(is_plain, "Tables of an SQL view are joined without a condition that names their columns.")
            sources.append(join.this)
        let: Let = {}
        for source in sources:
            is_query = type(source) is exp.Subquery and given(source) == {"this", "alias"}
            demand(is_query and given(source.args["alias"]) == {"this"}, "A query in an SQL view renames its columns.")
            demand(source.alias.lower() not in let, LOST)
            kinds = self.masks.get(id(source))
            if kinds is None:
                let[source.alias.lower()] = dict(self.outputs(source.this, around))
            else:
                names = [node.alias_or_name.lower() for node in source.this.expressions]
                let[source.alias.lower()] = {name: frozenset((kinds[name],) if name in kinds else ()) for name in names}
        return let

    def _made_of(self, node: exp.Expr, let: tuple[Let, ...], own: Mapping[str, Kinds] = NOTHING) -> Kinds:
        """Return the masks in an expression, each column in which must be known."""
        found = self._kinds(node, let, own)
        return found if type(node.unalias()) is exp.Column or not found else MADE

    def _kinds(self, root: exp.Expr, let: tuple[Let, ...], own: Mapping[str, Kinds]) -> Kinds:
        found: Kinds = frozenset()
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if type(node) in (exp.Select, exp.Union, exp.Subquery):
                found = found.union(*(kinds for _, kinds in self.outputs(node, let, is_shown=False)))
            elif type(node) is exp.Column:
                demand(given(node) <= {"this", "table"}, LOST)
                found |= _kinds_of(node, let, own)
            elif type(node) is exp.Is and type(node.expression) is exp.Null and type(node.this.unnest()) is exp.Column:
                # But for one kind, a mask is missing where its value is.
                found |= self._kinds(node.this, let, own) & {"null", *MADE}
            elif type(node) is exp.Window:
                self._demand_window(node, let)
                waiting.append(node.this)
            else:
                waiting += [*node.iter_expressions()]
        return found

    def _demand_window(self, node: exp.Expr, let: tuple[Let, ...]) -> None:
        order = node.args.get("order")
        told = [*(node.args.get("partition_by") or ()), *(item.this for item in (order.expressions if order else ()))]
        select = node.find_ancestor(exp.Select)
        outputs = (
            {item.alias.lower(): item.this for item in select.expressions if type(item) is exp.Alias} if select else {}
        )
        for key in told:
            demand(type(key.unnest()) is not exp.Literal, LOST)
            for name in (item.name.lower() for item in key.find_all(exp.Column) if not item.table):
                output = outputs.get(name)
                demand(output is None or (type(output) is exp.Column and output.name.lower() == name), LOST)
        keys = [self._made_of(item, let) for item in node.args.get("partition_by") or ()]
        demand(all(kinds <= KEEPS_APART for kinds in keys), CHOSEN)
        for part in (node.args.get("order"), node.args.get("spec")):
            self._demand_clear(part, let, {})

    def _demand_clear(self, part: exp.Expr | None, let: tuple[Let, ...], own: Mapping[str, Kinds]) -> None:
        demand(part is None or not self._kinds(part, let, own), CHOSEN)

    def _demand_groups(self, select: exp.Expr, let: tuple[Let, ...], found: list[tuple[str, Kinds]]) -> None:
        group = select.args.get("group")
        keys = [self._key(node, let, found) for node in (group.expressions if group is not None else ())]
        if select.args.get("distinct") or (group is not None and not group.expressions):
            keys += [kinds for _, kinds in found]
        demand(all(kinds <= KEEPS_APART for kinds in keys), CHOSEN)

    def _demand_order(self, select: exp.Expr, let: tuple[Let, ...], found: list[tuple[str, Kinds]]) -> None:
        order = select.args.get("order")
        keys = [self._key(node.this, let, found) for node in (order.expressions if order is not None else ())]
        demand(not select.args.get("limit") or not any(keys), CHOSEN)

    def _key(self, root: exp.Expr, let: tuple[Let, ...], found: list[tuple[str, Kinds]]) -> Kinds:
        """Return the masks in what groups or an order are by: an output by its place or its name, or what is written."""
        node, own = root.unnest(), dict(found)
        demand(type(node) is not exp.Var, LOST)
        place = int(node.name) if type(node) is exp.Literal and node.is_int else 0
        kinds = found[place - 1][1] if 0 < place <= len(found) else self._made_of(node, let, own)
        is_bare = type(node) is exp.Column and not node.table
        return kinds | own.get(node.name.lower(), frozenset()) if is_bare else kinds


def _name(node: exp.Expr) -> str:
    return node.alias_or_name.lower() if type(node) in (exp.Alias, exp.Column) else ""


def _kinds_of(node: exp.Column, let: tuple[Let, ...], own: Mapping[str, Kinds]) -> Kinds:
    name, table = node.name.lower(), node.table.lower()
    for level in let:
        found = [level[table]] if table in level else [] if table else [*level.values()]
        kinds = [columns[name] for columns in found if name in columns]
        if kinds:
            return frozenset[str]().union(*kinds)
        demand(not (table in level if table else name in level), LOST)
    demand(not table and name in own, LOST)
    return own.get(name, frozenset())
