"""Why somebody sees what they see. Nothing is decided here: the reasons are those of the functions that decide."""

from apps.governance.explain.explaining import explain, explain_as_administrator, may_know_all
from apps.governance.explain.public import public
from apps.governance.explain.types import AttributeUsed, Because, Explanation, FieldExplained, RowsExplained

__all__ = [
    "AttributeUsed",
    "Because",
    "Explanation",
    "FieldExplained",
    "RowsExplained",
    "explain",
    "explain_as_administrator",
    "may_know_all",
    "public",
]
