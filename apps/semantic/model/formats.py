"""How fields are written: ``format``, ``custom_formats`` and the constants in them. Nothing of it reaches a statement."""

import re

from apps.semantic.model.context import Context
from apps.semantic.model.parameters import submap
from apps.semantic.model.suggestions import did_you_mean
from apps.semantic.model.yaml_nodes import Node

CONSTANT = re.compile(r"@\{([^}]*)\}")
CONDITIONAL = (
    'conditional formats are kept and not shown; write the conditions as sections, such as “[>=1000]0.0,"K";0”'
)


def read_custom_formats(header: Node, context: Context) -> None:
    """Read ``custom_formats`` into the context: names of formats, each a name, a d3 pattern or a spreadsheet's."""
    for name, item in submap(header, "custom_formats", context.problems).items():
        found = item.map().get("format", item) if isinstance(item.value, dict) else item
        if isinstance(found.value, str | int | float) and not isinstance(found.value, bool):
            context.formats[name] = _with_constants(found, context)
        elif found.value is not None:
            context.warn(item, CONDITIONAL)


def read_format(item: Node, context: Context) -> str | None:
    """Return a field's format with names of ``custom_formats`` and constants put in; None where it has none."""
    given = item.map().get("format")
    if given is None or given.value is None:
        return None
    if not isinstance(given.value, str | int | float) or isinstance(given.value, bool):
        context.warn(given, CONDITIONAL)
        return None
    found = _with_constants(given, context)
    return context.formats.get(found, found) or None


def _with_constants(node: Node, context: Context) -> str:
    def constant(match: re.Match[str]) -> str:
        name = match[1].strip()
        if name not in context.texts:
            context.fault(node, f"there is no constant “{name[:60]}”.{did_you_mean(name, context.texts)}")
        return context.texts.get(name, "")

    return CONSTANT.sub(constant, node.text or str(node.value))
