"""What may be made of a masked text: other texts, and true or false by comparing it with texts.

A mask is a text whatever it stands in for. Taken for a number or a date it is an error on one database, and nought for
everybody on another; so everything that is not known to take texts as they are is refused.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from sqlglot import exp

from apps.semantic.compile.facts import ATTRIBUTE_PREFIX, FILTER_PREFIX
from apps.semantic.model.types import TEMPLATED, FieldType

Made = Literal["clear", "text", "truth", "refused"]
"""what an expression is: free of masks; a text with masks in it; true or false by masks; nothing that can be worked out"""
TEXT_TYPES = frozenset((*exp.DataType.TEXT_TYPES, exp.DType.TEXT, exp.DType.VARCHAR, exp.DType.CHAR))
COMPARISONS = (
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Like, exp.ILike, exp.In, exp.Between,
    exp.StartsWith, exp.EndsWith, exp.Contains,
)  # fmt: skip
JOINING = (exp.Concat, exp.ConcatWs, exp.DPipe)
CHOOSING = (exp.Coalesce, exp.Nullif, exp.Replace)
# The text is the first argument; the others say how much of it, and where.
CHANGING = (
    exp.Lower, exp.Upper, exp.Initcap, exp.Trim, exp.Left, exp.Right, exp.Substring, exp.Reverse, exp.SplitPart, exp.Pad, exp.Repeat,
)  # fmt: skip
LOGIC = (exp.And, exp.Or, exp.Not)


class MaskedTexts:
    """Says what expressions over masked values are.

    Args:
        made: what a field of the model is, by name, where it rests on a mask; clear where it does not.
        types: the type of a field, or of a filter of the question, by name.
    """

    def __init__(self, made: Callable[[str], Made], types: Callable[[str], FieldType]) -> None:
        self.made = made
        self.types = types

    def of(self, node: exp.Expr) -> Made:
        """Return what an expression is."""
        if isinstance(node, exp.Placeholder):
            is_field = not node.name.startswith((ATTRIBUTE_PREFIX, FILTER_PREFIX))
            return self.made(node.name) if is_field else "clear"
        parts = {key: list(map(self.of, _nodes(value))) for key, value in node.args.items()}
        found = {made for some in parts.values() for made in some}
        if found <= {"clear"}:
            return "clear"
        if "refused" in found:
            return "refused"
        return self._with_masks(node, parts, found)

    def _with_masks(self, node: exp.Expr, parts: Mapping[str, list[Made]], found: set[Made]) -> Made:
        if isinstance(node, exp.Paren | exp.Escape):
            return parts["this"][0]
        if isinstance(node, LOGIC):
            return "truth" if found <= {"clear", "truth"} else "refused"
        if isinstance(node, exp.Is):
            return "truth" if isinstance(node.expression, exp.Null) else "refused"
        if isinstance(node, exp.Case | exp.If):
            return self._chosen(node)
        if "truth" in found:
            return "refused"
        if isinstance(node, COMPARISONS):
            return "truth" if self._are_texts(node) else "refused"
        if isinstance(node, exp.Anonymous) and node.this == TEMPLATED:
            return self._templated(node)
        if isinstance(node, JOINING) or (isinstance(node, CHOOSING) and self._are_texts(node)):
            return "text"
        if isinstance(node, exp.Cast):
            return "text" if node.to.this in TEXT_TYPES else "refused"
        is_whole = isinstance(node, CHANGING) and all(
            set(made) <= {"clear"} for key, made in parts.items() if key != "this"
        )
        return "text" if is_whole else "refused"

    def _chosen(self, node: exp.Expr) -> Made:
        """Return what a CASE gives: its conditions may rest on masks, and so may its values, all of them texts then."""
        cases = node.args["ifs"] if isinstance(node, exp.Case) else [node]
        values = [item.args["true"] for item in cases] + [
            found for key in ("default", "false") if (found := node.args.get(key))
        ]
        conditions = [item.this for item in cases]
        if isinstance(node, exp.Case) and node.this is not None:
            compared = [node.this, *conditions]
            is_sound = all(self.of(item) == "clear" for item in compared) or all(map(self._is_text, compared))
        else:
            is_sound = all(self.of(item) in ("clear", "truth") for item in conditions)
        made = set(map(self.of, values))
        if not is_sound or not made <= {"clear", "text"}:
            return "refused"
        return "clear" if made <= {"clear"} else "text" if all(map(self._is_text, values)) else "refused"

    def _templated(self, node: exp.Expr) -> Made:
        name = node.expressions[0].name.removeprefix(FILTER_PREFIX)
        is_text = self.types(name) in ("string", "unknown") and self.of(node.expressions[1]) == "text"
        return "truth" if is_text and all(self.of(item) == "clear" for item in node.expressions[2:]) else "refused"

    def _are_texts(self, node: exp.Expr) -> bool:
        return all(self._is_text(item) for value in node.args.values() for item in _nodes(value))

    def _is_text(self, node: exp.Expr) -> bool:
        """Say whether something can stand beside a text; a column whose type nobody has told is taken at its word."""
        if isinstance(node, exp.Paren | exp.Escape):
            return self._is_text(node.this)
        if isinstance(node, exp.Literal):
            return node.is_string
        if _is_field(node):
            made = self.made(node.name)
            return made == "text" or (made == "clear" and self.types(node.name) in ("string", "unknown"))
        if isinstance(node, exp.Null | exp.Column | exp.Placeholder | exp.Var | exp.Identifier):
            return True
        if self.of(node) == "text":
            return True
        if isinstance(node, exp.Cast):
            return node.to.this in TEXT_TYPES
        if isinstance(node, exp.Case):
            return all(
                map(
                    self._is_text,
                    [*(item.args["true"] for item in node.args["ifs"]), *_nodes(node.args.get("default"))],
                )
            )
        if isinstance(node, exp.Coalesce):
            return self._are_texts(node)
        return isinstance(node, (*JOINING, *CHANGING, exp.Replace))


def _is_field(node: exp.Expr) -> bool:
    return isinstance(node, exp.Placeholder) and not node.name.startswith((ATTRIBUTE_PREFIX, FILTER_PREFIX))


def _nodes(value: object) -> list[exp.Expr]:
    """Return the nodes that an argument of a node holds."""
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, exp.Expr)]
