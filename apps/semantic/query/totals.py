"""Totals and subtotals are questions of their own: the same rows, fewer dimensions. Right for every kind of measure."""

from dataclasses import replace

from apps.semantic.model.types import FieldFilter, SemanticModel
from apps.semantic.query.types import FilterGroup, SemanticQuery

MAX_SUBTOTALS = 50_000


def total_of(query: SemanticQuery, model: SemanticModel) -> SemanticQuery | None:
    """Return the question for the grand total: no dimensions, hence one row; None when there is no measure.

    Conditions on measures choose groups, so they do not apply to a total.
    """
    return _reduced(query, model, ())


def subtotals_of(query: SemanticQuery, model: SemanticModel) -> SemanticQuery | None:
    """Return the question for the subtotals, one row for each combination of the kept dimensions."""
    return _reduced(query, model, query.subtotals) if query.subtotals else None


def _reduced(query: SemanticQuery, model: SemanticModel, kept: tuple[str, ...]) -> SemanticQuery | None:
    measures = tuple(name for name in query.fields if is_measure(name, model))
    if not measures:
        return None
    fields = tuple(name for name in query.fields if name in kept or name in measures)
    return replace(
        query,
        fields=fields,
        filters=tuple(item for item in query.filters if not is_measure(item.field, model)),
        groups=tuple(group for group in query.groups if not _chooses_groups(group, model)),
        sorts=tuple(sort for sort in query.sorts if sort.field in fields),
        limit=MAX_SUBTOTALS if kept else 1,
        pivots=tuple(name for name in query.pivots if name in kept),
        totals=False,
        subtotals=(),
        top=query.top if query.top is not None and (query.top.field in kept or query.top.other is None) else None,
    )


def _chooses_groups(item: FieldFilter | FilterGroup, model: SemanticModel) -> bool:
    """Say whether conditions are on measures; those on rows may not stand beside them."""
    if isinstance(item, FieldFilter):
        return is_measure(item.field, model)
    return any(_chooses_groups(child, model) for child in item.children)


def is_measure(name: str, model: SemanticModel) -> bool:
    """Say whether a requested name is a measure, also one of a topic of a composite."""
    return model.measure(name.rpartition("@")[2].split(".", 1)[1] if name.startswith("@") else name) is not None
