"""Proves of an SQL view's text that masks in it are used as the texts that they are, through any number of SELECTs."""

from collections.abc import Mapping, Set

from sqlglot import exp

from apps.semantic.verify.texts import comes_out

Let = Mapping[str, Set[str]]
"""by alias, the columns of a query in FROM that are masked texts, in small letters"""
Masks = Mapping[int, Set[str]]
"""by identity of a subquery over a table, its columns that are masked texts, in small letters"""


def prove_texts(query: exp.Expr, masks: Masks, around: tuple[Let, ...] = ()) -> list[tuple[str, bool]]:
    """Return the names of what a query lets out, in small letters and order, each with whether it is a masked text.

    Raises:
        UnprovenSqlError: a masked text stands where another type belongs.
    """
    if type(query) is exp.Subquery:
        return prove_texts(query.this, masks, around)
    if type(query) is exp.Union:
        sides = prove_texts(query.this, masks, around), prove_texts(query.expression, masks, around)
        return [(name, is_text or other) for (name, is_text), (_, other) in zip(*sides, strict=True)]
    scopes = (_let(query, masks, around), *around)
    found = [(node.alias_or_name.lower(), _is_text(node, masks, scopes, set())) for node in query.expressions]
    own = {name for name, is_text in found if is_text}
    parts = [query.args.get(key) for key in ("where", "group", "having", "order")]
    for part in (*parts, *(join.args.get("on") for join in query.args.get("joins") or ())):
        if part is not None:
            _is_text(part, masks, scopes, own)
    return found


def _let(select: exp.Expr, masks: Masks, around: tuple[Let, ...]) -> Let:
    sources = [select.args["from_"].this] if select.args.get("from_") else []
    sources += [join.this for join in select.args.get("joins") or ()]
    let: dict[str, Set[str]] = {}
    for source in sources:
        known = masks.get(id(source))
        if known is None:
            known = {name for name, is_text in prove_texts(source, masks, around) if is_text}
        let[source.alias.lower()] = known
    return let


def _is_text(root: exp.Expr, masks: Masks, scopes: tuple[Let, ...], own: Set[str]) -> bool:
    """Say whether an expression is a masked text, each one in it being used as a text."""
    found = False
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if type(node) in (exp.Select, exp.Union, exp.Subquery):
            outputs = prove_texts(node, masks, scopes)
            is_text = bool(outputs) and outputs[0][1]
        elif type(node) is exp.Column:
            is_text = _is_masked(node, scopes, own)
        else:
            waiting += [*node.iter_expressions()]
            continue
        found = (is_text and comes_out(node)) or found
    return found


def _is_masked(node: exp.Column, scopes: tuple[Let, ...], own: Set[str]) -> bool:
    """Say whether a name may be a masked text: without a table, of any query around it that has one so called."""
    name, table = node.name.lower(), node.table.lower()
    if table:
        return next((name in scope[table] for scope in scopes if table in scope), False)
    return name in own or any(name in columns for scope in scopes for columns in scope.values())
