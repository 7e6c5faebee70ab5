"""Comparisons of user attributes as they must stand in the SQL: of bytes, where a database takes different texts for one."""

from collections.abc import Callable

from sqlglot import exp

from apps.semantic.model.comparing import Comparing, is_attribute, operands
from apps.semantic.scope import AccessScope
from apps.semantic.verify.demands import demand

SPELT = "spelt"
EXACT = "omni exact"
INNER = "omni text"
BYTES = f"CAST(CAST(`{INNER}` AS CHAR CHARACTER SET utf8mb4) AS BINARY)"


def expect_exact(tree: exp.Expr, comparing: Comparing, scope: AccessScope, parse: Callable[[str], exp.Expr]) -> None:
    """Write every comparison of a user attribute in a tree as it must stand, once however often it is called.

    Raises:
        UnprovenSqlError: it cannot be made exact for the values of the scope.
    """
    for node in comparing.comparisons(tree):
        if node.meta.get(EXACT):
            continue
        node.meta[EXACT] = True
        manner = comparing.manner(node, scope.attributes)
        demand(manner != "refused", "A rule compares a user attribute with what is of another type, or of none.")
        if manner == "as it is":
            continue
        for item in operands(node):
            if is_attribute(item) and manner == "as spelt":
                item.unnest().set("kind", SPELT)
            if not is_attribute(item) or item.arg_key != "expressions":
                item.replace(_as_bytes(item.copy(), parse))


def _as_bytes(node: exp.Expr, parse: Callable[[str], exp.Expr]) -> exp.Expr:
    found = parse(BYTES)
    place = found.find(exp.Column)
    demand(place is not None, "Bytes of a text cannot be written.")
    if place is not None:
        place.replace(node)
    return found
