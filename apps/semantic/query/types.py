"""The query as immutable values: what the JSON of the public interface becomes."""

from dataclasses import dataclass

from apps.semantic.model.types import FieldFilter


@dataclass(frozen=True, slots=True)
class Sort:
    field: str
    is_descending: bool = False


@dataclass(frozen=True, slots=True)
class SemanticQuery:
    """``fields`` are ``view.field`` or ``view.field[timeframe]`` in the order asked for; ``limit`` is at least 1."""

    dataset: str
    fields: tuple[str, ...]
    filters: tuple[FieldFilter, ...] = ()
    sorts: tuple[Sort, ...] = ()
    limit: int = 1000
    timezone: str = "UTC"
