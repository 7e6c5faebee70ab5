"""Queries that an SQL view names with WITH: each is put where its name is read, so that nothing is read by such a name.

Rules and the proof then see tables and queries alone: a query that has the name of a table hides no table from them.
"""

from collections.abc import Mapping

from sqlglot import exp

from apps.semantic.model.expressions import ExpressionError

MAX_NODES = 20_000
"""of a text after its named queries are put in: one that reads another twice, over and over, grows without bounds"""
QUERIES = (exp.Select, exp.Union, exp.Subquery)
CHANCE = (exp.Limit, exp.RowNumber, exp.Ntile, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.WindowSpec)
"""what may come out otherwise when it is worked out again, where an order does not tell all rows apart"""
NAMED = "named"
"""marks a query that was put where its name is read: what is read around that place is none of its business"""
Named = Mapping[str, exp.Expr]
"""queries by their names in small letters"""


def without_names(tree: exp.Expr) -> exp.Expr:
    """Return a SELECT in which each named query stands where it is read; the one given is changed.

    Raises:
        ExpressionError: one that reads itself, renames its columns, is no SELECT, would not be the same wherever it is
            read, or is spelt otherwise there; or a text that becomes too long.
    """
    _Expander().expand(tree, {})
    return tree


class _Expander:
    def __init__(self) -> None:
        self.nodes = 0
        self.spellings: dict[int, exp.Identifier] = {}
        """by identity of a query, how its name is spelt"""
        self.read: set[int] = set()
        """identities of those that were read"""

    def expand(self, root: exp.Expr, named: Named) -> None:
        """Put queries in the places of their names, within a tree that stands where these names mean them."""
        self.nodes = 0
        waiting = [(root, named)]
        while waiting:
            node, known = waiting.pop()
            if isinstance(node, exp.Table):
                self._put(node, known)
                continue
            with_ = node.args.get("with_") if isinstance(node, QUERIES) else None
            if with_ is not None:
                known = self._named(with_, known)
                node.set("with_", None)
            waiting += [(child, known) for child in node.iter_expressions()]

    def _named(self, with_: exp.Expr, around: Named) -> Named:
        """Return what names mean beneath a WITH; each of its queries sees those before it."""
        found, own = dict(around), set[str]()
        if with_.args.get("recursive"):
            raise ExpressionError("a query that reads itself (WITH RECURSIVE) cannot be followed")
        for item in with_.expressions:
            name = item.alias.lower()
            if item.args["alias"].args.get("columns"):
                raise ExpressionError(
                    f"“{name} (…)” renames columns, so they cannot be followed: name them in its SELECT, with AS"
                )
            inner = item.this
            while isinstance(inner, exp.Subquery) and {key for key, part in inner.args.items() if part} == {"this"}:
                inner = inner.this
            if not isinstance(inner, exp.Select | exp.Union):
                what = "has more around its brackets" if isinstance(inner, exp.Subquery) else "is no SELECT"
                raise ExpressionError(f"“{name}” {what}: write one SELECT")
            if name in own:
                raise ExpressionError(f"“{name}” is the name of two queries")
            own.add(name)
            counted = self.nodes
            self.expand(inner, found)
            self.nodes = counted
            self.spellings[id(inner)] = item.args["alias"].this
            found[name] = inner
        return found

    def _put(self, table: exp.Table, named: Named) -> None:
        query = named.get(table.name.lower())
        if query is None or table.args.get("db") or table.args.get("catalog"):
            return
        name, spelt = table.this, self.spellings[id(query)]
        is_bare = not name.args.get("quoted") and not spelt.args.get("quoted")
        if name != spelt and not is_bare:
            raise ExpressionError(f"“{name.name}” is spelt otherwise where it is named; spell both alike")
        if id(query) in self.read and query.find(*CHANCE) is not None:
            raise ExpressionError(
                f"“{name.name}” has a LIMIT or numbers rows, and is read twice; its rows need not be the same in both"
            )
        self.read.add(id(query))
        self.nodes += sum(1 for _ in query.walk())
        if self.nodes > MAX_NODES:
            raise ExpressionError("the queries that it names read one another too often")
        others = {key for key, value in table.args.items() if value} - {"this", "alias"}
        if others:
            raise ExpressionError(f"“{name.name}” is read in a way that cannot be followed")
        alias = table.args.get("alias") or exp.TableAlias(this=name.copy())
        put = exp.Subquery(this=query.copy(), alias=alias.copy())
        put.meta[NAMED] = True
        table.replace(put)
