"""What holds where a question does not say: the data set's row limit, the model's time zone, the topic's default filters."""

from collections.abc import Container, Iterator
from dataclasses import replace

from apps.semantic.model.types import FieldFilter, SemanticModel
from apps.semantic.query.types import DEFAULT_LIMIT, DEFAULT_ZONE, FilterGroup, SemanticQuery


def with_defaults(query: SemanticQuery, model: SemanticModel, fields: Container[str]) -> SemanticQuery:
    """Return the question with all that it leaves open said; ``fields`` are those that may be used.

    Default filters are suggestions, and no policy: they are added where the question wants them and has no condition on
    their field itself. One on a field that may not be used is left out, as everything about that field is.
    """
    if query.limit is not None and query.timezone is not None and not query.default_filters:
        return query
    topic = model.topics.get(query.dataset)
    limit = topic.default_row_limit if topic is not None else None
    return replace(
        query,
        limit=query.limit or limit or DEFAULT_LIMIT,
        timezone=query.timezone or model.query_timezone or DEFAULT_ZONE,
        filters=(*query.filters, *_suggested(query, model, fields)),
        default_filters=False,
    )


def default_filters(dataset: str, model: SemanticModel, fields: Container[str]) -> tuple[FieldFilter, ...]:
    """Return a topic's default filters on fields that may be used; composites have none."""
    topic = model.topics.get(dataset)
    return tuple(rule for rule in topic.default_filters if _plain(rule.field) in fields) if topic is not None else ()


def _suggested(query: SemanticQuery, model: SemanticModel, fields: Container[str]) -> tuple[FieldFilter, ...]:
    if not query.default_filters:
        return ()
    filtered = {_plain(rule.field) for rule in query.filters} | {_plain(name) for name in _grouped(query.groups)}
    found = default_filters(query.dataset, model, fields)
    return tuple(rule for rule in found if _plain(rule.field) not in filtered)


def _grouped(children: tuple["FieldFilter | FilterGroup", ...]) -> Iterator[str]:
    for child in children:
        if isinstance(child, FieldFilter):
            yield child.field
        else:
            yield from _grouped(child.children)


def _plain(field: str) -> str:
    return field.partition("[")[0]
