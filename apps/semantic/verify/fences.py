"""Proves that no condition is worked out on rows that a rule hides, where doing so may fail: an error would tell of them.

A fence is what cuts nothing off and what no database moves conditions through. Whether one is needed is seen in the text
alone: what is not known never to fail may fail, and a column of a subquery is what it is made of there.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from sqlglot import exp

from apps.semantic.verify.demands import Ledger, demand, given
from apps.semantic.verify.trees import bare, conjuncts, in_text_order

FENCES = {"postgres": ("offset", exp.Offset, "0"), "duckdb": ("offset", exp.Offset, "0"),
          "mysql": ("limit", exp.Limit, "18446744073709551615")}  # fmt: skip
"""by dialect; Spark, as it is asked, answers NULL where others fail"""
LAZY = frozenset(("postgres",))
"""databases that read no further than a LIMIT over an index's order makes them; no such order comes out of a fence"""
NEVER_FAIL = frozenset((
    exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In, exp.Between,
    exp.NullSafeEQ, exp.NullSafeNEQ, exp.Coalesce, exp.Case, exp.If, exp.Lower, exp.Upper, exp.Literal, exp.Boolean,
    exp.Null, exp.Placeholder, exp.Array,
))  # fmt: skip
"""over parts that never fail"""
LOGIC = frozenset((exp.And, exp.Or, exp.Not))
COMPARING = frozenset((
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In, exp.Between, exp.NullSafeEQ, exp.NullSafeNEQ,
    exp.Coalesce, exp.Case,
))  # fmt: skip
TRUTHS = COMPARING - {exp.Case, exp.Coalesce} | LOGIC | {exp.Like, exp.ILike, exp.Escape, exp.Boolean}
"""what is true or false by itself"""
HOLDERS = (exp.From, exp.Join, exp.Exists, exp.Union, exp.Subquery, exp.In)
"""around a query that is not taken for one value"""
QUERIES = frozenset((
    exp.Select, exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Subquery,
    exp.Table, exp.TableAlias, exp.Alias, exp.Union, exp.Exists, exp.Star,
))  # fmt: skip
FIXED = (exp.Literal, exp.Placeholder, exp.Null, exp.Boolean)
TEXTS = frozenset((exp.DType.TEXT, exp.DType.VARCHAR, exp.DType.CHAR, exp.DType.CHARACTER_SET))
HIDDEN = "A condition may fail on rows that a rule hides."
CHOSEN = "A question chooses on which hidden rows something may fail."
Risks = Mapping[str, Collection[str]]
"""by the alias of a subquery, those of its columns in small letters that are made of what may fail"""


def take_fence(query: exp.Expr, dialect: str, ledger: Ledger) -> bool:
    """Take the fence off a query, for what else it has to be proven; say whether there was one."""
    key = FENCES.get(dialect, ("",))[0]
    if not is_fenced(query, dialect):
        return False
    ledger.taken.append((query, key, query.args.pop(key)))
    return True


def is_fenced(query: exp.Expr, dialect: str) -> bool:
    """Say whether a query ends in the fence of its dialect."""
    key, kind, number = FENCES.get(dialect, ("", exp.Null, ""))
    node = query.args.get(key)
    return type(node) is kind and _is_of(node, number)


def is_no_cut(node: exp.Expr) -> bool:
    """Say whether an OFFSET is one that drops nothing."""
    return _is_of(node, "0")


def _is_of(node: exp.Expr, number: str) -> bool:
    return given(node) == {"expression"} and bool(node.expression == exp.Literal.number(number))


class Doubts:
    """Says what may fail, given the columns that do. A pattern whose text is bound is noted with what it may not end in.

    ``guards`` are cases that are worked out only where the rules hold. With a ``dialect`` conditions of a question are looked
    at: DuckDB may take what a column holds, or a bound text, for something else when it comes to a row.
    """

    def __init__(
        self, risks: Risks, ledger: Ledger | None = None, guards: Iterable[exp.Expr] = (), *, dialect: str = ""
    ) -> None:
        self.risks = {name: found for name, found in risks.items() if found or found is EVERY_NAME}
        self.ledger = ledger
        self.is_converting = dialect == "duckdb"
        self.guards = {id(node) for node in guards}

    def may_fail(self, root: exp.Expr) -> bool:
        waiting = [root]
        while waiting:
            node = waiting.pop()
            kind = type(node)
            if id(node) in self.guards:
                continue
            if kind is exp.Column:
                if self.risks and self._is_risk(node):
                    return True
            elif kind is exp.Cast:
                if not is_sure_cast(node, is_lazy=self.is_converting):
                    return True
                waiting.append(node.this)
            elif kind is exp.Escape or kind is exp.Like or kind is exp.ILike:
                if not self._is_sure_pattern(node):
                    return True
                waiting.append(node.this.this if kind is exp.Escape else node.this)
            elif kind is exp.Filter or kind is exp.WithinGroup or isinstance(node, exp.AggFunc):
                if type(node.parent) is exp.Window:
                    return True
            elif kind is exp.Neg and type(node.this) is exp.Literal:
                continue
            elif kind not in NEVER_FAIL or (self.is_converting and self._converts(node)):
                return True
            else:
                waiting += node.iter_expressions()
        return False

    def _converts(self, node: exp.Expr) -> bool:
        """Say whether a node could take a text for something else; what is bound beside a column is noted to be a text."""
        parts = [item for item in node.iter_expressions() if type(item) is not exp.Identifier]
        parts = [*(item.args["true"] if type(item) is exp.If else item for item in parts)]
        if type(node) in LOGIC:
            return not all(map(is_truth, parts))
        if type(node) not in COMPARING or all(map(is_truth, parts)):
            return False
        is_gap = type(node) is exp.Is and type(node.expression) is exp.Null
        return not is_gap and not all(self._is_text(item.unnest()) for item in parts)

    def _is_text(self, node: exp.Expr) -> bool:
        if type(node) is exp.Placeholder and self.ledger is not None:
            place = self.ledger.placeholders[id(node)]
            parameters = self.ledger.parameters
            if place >= len(parameters) or not isinstance(parameters[place], str | None):
                return False
            self.ledger.proof.texts.append(place)
            return True
        if type(node) is exp.Cast:
            return node.args["to"].this in TEXTS
        return type(node) in (exp.Null, exp.Lower, exp.Upper) or (type(node) is exp.Literal and node.is_string)

    def _is_risk(self, node: exp.Expr) -> bool:
        name = node.name.lower()
        if node.text("table") in self.risks:
            return name in self.risks[node.text("table")]
        return not node.text("table") and any(name in names for names in self.risks.values())

    def _is_sure_pattern(self, node: exp.Expr) -> bool:
        """Say whether a pattern does not end in a lone escape, which would fail on a row that matches what is before it."""
        like, escape = (node.this, node.expression.name) if type(node) is exp.Escape else (node, "\\")
        pattern = like.expression.unnest() if isinstance(like, exp.Like | exp.ILike) else exp.Null()
        if len(escape) != 1:
            return False
        if type(pattern) is exp.Placeholder and self.ledger is not None:
            self.ledger.proof.patterns.append((self.ledger.placeholders[id(pattern)], escape))
            return True
        return pattern.is_string and is_whole_pattern(pattern.name, escape)


def is_whole_pattern(text: object, escape: str) -> bool:
    """Say whether a pattern is a text that ends in no escape with nothing behind it."""
    return isinstance(text, str) and (len(text) - len(text.rstrip(escape))) % 2 == 0


def is_sure_cast(node: exp.Expr, *, is_lazy: bool = False) -> bool:
    """Say whether a cast is of what is the same in each row, or to a text; ``is_lazy``: what is bound is cast row by row."""
    inner, target = node.this.unnest(), node.args["to"].this
    if isinstance(inner, FIXED) and not (is_lazy and type(inner) is exp.Placeholder):
        return True
    if target is exp.DType.BINARY:  # MySQL's bytes of a text
        return type(inner) is exp.Cast and inner.args["to"].this is exp.DType.CHARACTER_SET
    return target in TEXTS


def is_truth(node: exp.Expr) -> bool:
    """Say whether a value is true, false or missing, whatever a column holds."""
    inner = node.unnest()
    if type(inner) is exp.Coalesce:
        return all(map(is_truth, inner.iter_expressions()))
    return type(inner) in TRUTHS or type(inner) is exp.Null


class _EveryName(frozenset[str]):
    def __contains__(self, name: object) -> bool:
        return True


EVERY_NAME = _EveryName()


def risks_of(sources: Iterable[exp.Expr], ledger: Ledger | None) -> Risks:
    """Return the columns that are made of what may fail: some of a subquery, all of a table that is not known to be stored.

    Without a ledger all tables are taken for stored.
    """
    return {node.alias_or_name: _risky(node, ledger) for node in sources}


def _risky(source: exp.Expr, ledger: Ledger | None) -> Collection[str]:
    if type(source) is exp.Subquery:
        return frozenset(name for name, is_risk in _made(source.this, ledger) if is_risk)
    return frozenset() if ledger is None or id(source) in ledger.stored else EVERY_NAME


def _made(query: exp.Expr, ledger: Ledger | None) -> list[tuple[str, bool]]:
    if type(query) is exp.Subquery:
        return _made(query.this, ledger)
    if type(query) is exp.Union:
        first, second = _made(query.this, ledger), _made(query.expression, ledger)
        demand(len(first) == len(second), "Answers of different width are put together.")
        return [(name, one or other) for (name, one), (_, other) in zip(first, second, strict=True)]
    doubts = Doubts(risks_of(sources_of(query), ledger))
    return [(node.alias_or_name.lower(), doubts.may_fail(node.unalias())) for node in query.expressions]


def sources_of(select: exp.Expr) -> list[exp.Expr]:
    """Return what a SELECT reads."""
    given_ = [select.args["from_"].this] if select.args.get("from_") else []
    return [*given_, *(join.this for join in select.args.get("joins") or ())]


def holds_risk(root: exp.Expr, ledger: Ledger) -> bool:
    """Say whether anything in a tree may fail on any rows, within its subqueries and aggregates too.

    A mask that is a text never does where the proof has noted that what it stands for does not.
    """
    doubts = Doubts({}, ledger)
    waiting = [root]
    while waiting:
        node = waiting.pop()
        kind = type(node)
        if id(node) in ledger.sure_masks or kind in (exp.Column, exp.Identifier):
            continue
        if kind is exp.Table:
            if id(node) not in ledger.stored:
                return True
        elif kind is exp.Subquery and node is not root and type(node.parent) not in HOLDERS:
            return True
        elif isinstance(node, exp.AggFunc):
            if type(node.parent) is exp.Window:
                return True
            waiting += node.iter_expressions()
        elif kind in QUERIES or kind in (exp.Offset, exp.Filter, exp.WithinGroup, exp.Distinct) or kind in NEVER_FAIL:
            waiting += node.iter_expressions()
        elif doubts.may_fail(node):
            return True
        else:  # an aggregate within is not looked into there
            waiting += node.find_all(exp.AggFunc)
    return False


def text_may_fail(text: exp.Expr, worked_out: frozenset[str]) -> bool:
    """Say whether a part of an SQL view's text that decides about rows may fail, or names a column that does."""
    doubts = Doubts({})
    waiting = [*_deciding(text)]
    while waiting:
        node = waiting.pop()
        if type(node) is exp.Column and node.name.lower() in worked_out:
            return True
        if type(node) is exp.Subquery and type(node.parent) not in HOLDERS:
            return True  # two rows are no value
        if isinstance(node, exp.AggFunc) or type(node) in QUERIES or type(node) in NEVER_FAIL:
            waiting += [part for part in node.iter_expressions() if type(part) is not exp.Identifier]
        elif doubts.may_fail(node):
            return True
    return False


def _deciding(query: exp.Expr) -> Iterator[exp.Expr]:
    if type(query) in (exp.Union, exp.Subquery):
        for part in (query.this, query.args.get("expression")):
            yield from _deciding(part) if part is not None else ()
        return
    for key in ("from_", "where", "having"):
        if query.args.get(key):
            yield query.args[key]
    yield from query.args.get("joins") or ()


def group_conditions(select: exp.Expr) -> list[exp.Expr]:
    """Return the conditions of a HAVING that a database may hold rows to, as they aggregate nothing."""
    having = select.args.get("having")
    return [node for node in conjuncts(having.this if having else None) if node.find(exp.AggFunc) is None]


def guards_in(root: exp.Expr, rules: list[exp.Expr], ledger: Ledger) -> Iterator[exp.Expr]:
    """Yield the cases that are worked out only where all rules hold, their values noted to be those of the rules."""
    for case in root.find_all(exp.Case):
        parts = _said_in(case, rules)
        for one, other in zip(parts, rules, strict=False):
            ledger.proof.pairs += zip(_places(one, ledger), _places(other, ledger), strict=True)
        if parts:
            yield case


def unguarded(node: exp.Expr, rules: list[exp.Expr]) -> exp.Expr:
    """Return what a condition asks where all rules hold."""
    found: exp.Expr = node.args["ifs"][0].args["true"] if _said_in(node, rules) else node
    return found


def _said_in(node: exp.Expr, rules: list[exp.Expr]) -> list[exp.Expr]:
    """Return the rules as a case says them that gives a value only where all of them hold; none where it is no such case."""
    is_guard = given(node) == {"ifs"} and len(node.args["ifs"]) == 1
    parts = conjuncts(node.args["ifs"][0].this) if is_guard else []
    return parts if [bare(part) for part in parts] == [bare(rule) for rule in rules] else []


def _places(node: exp.Expr, ledger: Ledger) -> list[int]:
    return [ledger.placeholders[id(item)] for item in in_text_order(node) if type(item) is exp.Placeholder]


def demand_sure(conditions: Iterable[exp.Expr], doubts: Doubts, views: frozenset[str]) -> None:
    """Demand that no condition that reads one of some views may fail."""
    for node in conditions:
        if any(item.text("table") in views for item in node.find_all(exp.Column)):
            demand(not doubts.may_fail(node), HIDDEN)
