"""``extends``: files that take over what another says, laid over one another before they are read."""

from collections.abc import Mapping

from apps.semantic.model.context import Context
from apps.semantic.model.parameters import texts
from apps.semantic.model.security_words import WORDS
from apps.semantic.model.suggestions import did_you_mean
from apps.semantic.model.yaml_nodes import Node

MAX_DEPTH = 16
ADDED = "access_filters"
OF_NAMES = ("dimensions", "measures", "filters", "views", "joins", "default_filters")
"""parameters that are maps of names"""


def extended(name: str, nodes: Mapping[str, Node], context: Context, path: tuple[str, ...] = ()) -> Node:
    """Return a file's content over that of the files which it extends; later ones win over earlier, its own over all."""
    key = (id(nodes), name)
    if key not in context.extended:
        context.extended[key] = _extended(name, nodes, context, path)
    return context.extended[key]


def _extended(name: str, nodes: Mapping[str, Node], context: Context, path: tuple[str, ...]) -> Node:
    node = nodes[name]
    if "extends" in node.map() and (name in path or len(path) > MAX_DEPTH):
        context.fault(node, f"“{name}” extends itself")
        return node
    return over_parents(node, nodes, context, (*path, name))


def over_parents(node: Node, nodes: Mapping[str, Node], context: Context, path: tuple[str, ...] = ()) -> Node:
    """Return a node's content over that of the files which it says it extends."""
    parents = texts(node, "extends", context.problems)
    if not parents:
        return node
    below = Node({}, node.file, node.line, node.column)
    for parent in parents:
        if parent not in nodes:
            context.fault(node.map()["extends"], f"there is no “{parent}” to extend.{did_you_mean(parent, nodes)}")
        else:
            below = laid_over(below, extended(parent, nodes, context, path), context)
    kept = {key: value for key, value in below.map().items() if key not in ("template", "extends", "name")}
    return laid_over(Node(kept, node.file, node.line, node.column), node, context)


def laid_over(below: Node, above: Node, context: Context, *, holds_names: bool = False) -> Node:
    """Return two maps as one: where both have a name, maps are laid over one another, else the upper one's value holds.

    Row policies add up: all of them hold. Any other rule that closes something and is replaced is warned about, and no
    rule is left out by ``ignore_from_extended``. A map that ``holds_names`` has names of fields or views, not parameters.
    """
    if not isinstance(below.value, dict) or not isinstance(above.value, dict):
        return above
    merged = dict(below.value)
    for name, value in above.value.items():
        known = merged.get(name)
        is_rule = name in WORDS and not holds_names
        if is_rule and known is not None:
            merged[name] = _both(known, value, context) if name == ADDED else _instead(name, known, value, context)
        elif name == "extends" and not holds_names and known is not None:
            merged[name] = _together(known, value)
        elif known is not None and _says_nothing_of(known, value, is_named=holds_names or name in OF_NAMES):
            if value.value is not None:
                context.fault(value, f"“{name}” must be a map, as it is at {known.file}:{known.line}")
        elif not is_rule and _is_left_out(value):
            _take_away(name, merged.pop(name, None), value, context)
        else:
            merged[name] = (
                laid_over(known, value, context, holds_names=name in OF_NAMES and not holds_names) if known else value
            )
    return Node(merged, above.file, above.line, above.column)


def _says_nothing_of(known: Node, value: Node, *, is_named: bool) -> bool:
    """Say whether what is no map stands over the map of a name: it takes nothing away, the rules in it least of all."""
    return is_named and isinstance(known.value, dict) and not isinstance(value.value, dict)


def _together(below: Node, above: Node) -> Node:
    """Return the names of both: what is extended beneath is still extended."""
    lists = [item.value if isinstance(item.value, list) else [item] for item in (below, above)]
    known = {item.plain() for item in lists[0] if isinstance(item.value, str)}
    more = [item for item in lists[1] if item.plain() not in known]
    return Node([*lists[0], *more], above.file, above.line, above.column)


def _is_left_out(value: Node) -> bool:
    said = value.map().get("ignore_from_extended")
    return said is not None and said.value is True


def _take_away(name: str, known: Node | None, at: Node, context: Context) -> None:
    """Say that a field is left out with its rules: what else reads its column is without them."""
    lost = [rule for rule in known.map() if rule in WORDS] if known is not None else []
    if known is not None and lost:
        place = f"{known.file}:{known.line}"
        context.warn(at, f"“{name}” ({place}) is left out with its {', '.join(lost)}, which close nothing here then")


def _both(below: Node, above: Node, context: Context) -> Node:
    """Return the row policies of both; what is no list is left to be a fault where it is read."""
    if not isinstance(above.value, list):
        return above
    if not isinstance(below.value, list):
        return below
    if not above.value and below.value:
        place = f"{below.file}:{below.line}"
        context.warn(above, f"“{ADDED}: []” opens nothing: row policies add up, so those of {place} hold here too")
        return below
    known = [item.plain() for item in below.value]
    more = [item for item in above.value if item.plain() not in known]
    return Node([*below.value, *more], above.file, above.line, above.column)


def _instead(name: str, below: Node, above: Node, context: Context) -> Node:
    """Return the upper value of a rule, laid over the lower one where both are maps; say that it replaces another."""
    if below.plain() != above.plain():
        context.warn(
            above, f"“{name}” takes the place of the rule at {below.file}:{below.line}, which no longer holds here"
        )
    return laid_over(below, above, context, holds_names=True)
