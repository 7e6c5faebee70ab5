"""``extends``: files that take over what another says, laid over one another before they are read."""

from collections.abc import Mapping

from apps.semantic.model.context import Context
from apps.semantic.model.parameters import texts
from apps.semantic.model.suggestions import did_you_mean
from apps.semantic.model.yaml_nodes import Node

MAX_DEPTH = 16


def extended(name: str, nodes: Mapping[str, Node], context: Context, path: tuple[str, ...] = ()) -> Node:
    """Return a file's content over that of the files which it extends; later ones win over earlier, its own over all."""
    key = (id(nodes), name)
    if key not in context.extended:
        context.extended[key] = _extended(name, nodes, context, path)
    return context.extended[key]


def _extended(name: str, nodes: Mapping[str, Node], context: Context, path: tuple[str, ...]) -> Node:
    node = nodes[name]
    parents = texts(node, "extends", context.problems)
    if not parents:
        return node
    if name in path or len(path) > MAX_DEPTH:
        context.fault(node, f"“{name}” extends itself")
        return node
    below = Node({}, node.file, node.line, node.column)
    for parent in parents:
        if parent not in nodes:
            context.fault(node.map()["extends"], f"there is no “{parent}” to extend.{did_you_mean(parent, nodes)}")
        else:
            below = laid_over(below, extended(parent, nodes, context, (*path, name)))
    kept = {key: value for key, value in below.map().items() if key not in ("template", "extends", "name")}
    return laid_over(Node(kept, node.file, node.line, node.column), node)


def laid_over(below: Node, above: Node) -> Node:
    """Return two maps as one: where both have a name, maps are laid over one another, else the upper one's value holds."""
    if not isinstance(below.value, dict) or not isinstance(above.value, dict):
        return above
    merged = dict(below.value)
    for name, value in above.value.items():
        known = merged.get(name)
        if value.map().get("ignore_from_extended") is not None and value.map()["ignore_from_extended"].value is True:
            merged.pop(name, None)
        else:
            merged[name] = laid_over(known, value) if known is not None else value
    return Node(merged, above.file, above.line, above.column)
