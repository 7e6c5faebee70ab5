"""Masks as they stand in files."""

from apps.semantic.model.context import Context
from apps.semantic.model.types import Mask
from apps.semantic.model.yaml_nodes import Node

MASK_ARGUMENTS = {"keep_last": int, "truncate_date": str, "bucket": (int, float)}
MASK_FRAMES = ("week", "month", "quarter", "year")


def read_mask(item: Node, context: Context) -> Mask:
    """Return ``mask``, else a keyed hash; whose values it stands for is another parameter."""
    node = item.map().get("mask")
    if node is None:
        return Mask()
    if isinstance(node.value, str) and node.value in ("hash", "redact", "null"):
        return Mask(node.value)  # type: ignore[arg-type]  # one of the words
    if node.value is None:
        return Mask("null")
    if isinstance(node.value, dict) and len(node.value) == 1:
        ((kind, argument),) = node.value.items()
        if kind in MASK_ARGUMENTS and _suits(kind, argument.value):
            return Mask(kind, argument.value)  # type: ignore[arg-type]  # one of the words
    context.fault(node, "a mask is hash, redact, null, {keep_last: 4}, {truncate_date: month} or {bucket: 10}")
    return Mask()


def _suits(kind: str, value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, MASK_ARGUMENTS[kind]):  # type: ignore[arg-type]  # looked up by a word that was checked
        return False
    if kind == "truncate_date":
        return value in MASK_FRAMES
    return isinstance(value, int | float) and 0 < value < 1e9
