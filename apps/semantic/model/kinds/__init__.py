"""Whether what fields, filters and joins do suits the types of what they are made of."""

from apps.semantic.model.kinds.checking import check_kinds
from apps.semantic.model.kinds.inferring import Columns, kind_of_column

__all__ = ["Columns", "check_kinds", "kind_of_column"]
