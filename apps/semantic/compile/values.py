"""Values leave the text: each is remembered, and a mark that no model text can hold stands in its place."""

from sqlglot import exp

from apps.semantic.compile.dialects.traits import traits_of
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import Scalar

# No YAML text, identifier or literal that a database accepts contains NUL.
MARK = "\x00"


class Values:
    """The bound values of one statement; the order of the text decides the order of the parameters."""

    def __init__(self) -> None:
        self._items: list[Scalar] = []

    def bind(self, value: Scalar) -> exp.Expression:
        """Return a node that stands for the value."""
        self._items.append(value)
        return exp.Var(this=f"{MARK}{len(self._items) - 1}{MARK}")

    def value_of(self, node: exp.Expr) -> Scalar:
        """Return the value that a node stands for; None where it stands for none."""
        text = node.name if isinstance(node, exp.Var) else ""
        return self._items[int(text.strip(MARK))] if text.startswith(MARK) else None

    def place(self, text: str, dialect: str) -> tuple[str, tuple[Scalar, ...]]:
        """Return the text with the driver's placeholders, and the values in the order in which they stand in it."""
        # Such drivers read percent signs everywhere, also in quoted names and literals.
        traits = traits_of(dialect)
        parts = (text.replace("%", "%%") if traits.escapes_percent else text).split(MARK)
        if len(parts) % 2 == 0 or not all(part.isdigit() for part in parts[1::2]):
            raise UnprovenSqlError("The model holds a character that SQL text may not hold.")
        parameters = tuple(self._items[int(part)] for part in parts[1::2])
        return traits.placeholder.join(parts[::2]), parameters
