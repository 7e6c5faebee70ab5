"""Rollups that are read themselves: a row policy of the base view says nothing of the table that holds its rows."""

from collections.abc import Iterator

from apps.semantic.errors import Problem
from apps.semantic.model.types import Rollup, SemanticModel, View

CLOSES = (
    "“{}” shows what a rollup holds of rows that the policy of “{}” closes ({}:{}): give it access_filters or"
    " required_access_grants; a view of its own over the table leaves the rollup as it is"
)


def check_open_rollups(model: SemanticModel) -> Iterator[Problem]:
    """Yield a problem for each view without rules of its own that a topic reads a rollup's table by, past a row policy."""
    told: set[tuple[str, str]] = set()
    for topic in model.topics.values():
        own = model.of_topic(topic.name)
        for view in tables_read(topic.views, own):
            base = _guarded_base(view, own) or _guarded_base(view, model)
            if base is None or view.access_filters or view.required_access_grants is not None:
                continue
            if (view.name, base.name) not in told:
                told.add((view.name, base.name))
                policy = base.access_filters[0].source
                text = CLOSES.format(view.name, base.name, policy.file, policy.line)
                yield Problem(view.source.file, view.source.line, view.source.column, text)


def tables_read(names: tuple[str, ...], model: SemanticModel) -> Iterator[View]:
    """Yield the views by which a topic reads tables; a query view's topic is one of its own."""
    for name in names:
        view = model.views.get(name)
        if view is not None and view.sql_source is not None:
            yield from (model.views[table] for table in model.governed_tables(name) if table in model.views)
        elif view is not None and view.query_source is None:
            yield view


def rollups_over(view: View, model: SemanticModel) -> Iterator[Rollup]:
    """Yield the rollups that a view's table holds; one without a schema may be of any."""
    for holder in model.views.values():
        if holder.rollup is not None and holder.table_name.lower() == view.table_name.lower():
            schemas = {(item.schema or "").lower() for item in (view, holder)} - {""}
            if len(schemas) < 2:
                yield holder.rollup


def _guarded_base(view: View, model: SemanticModel) -> View | None:
    """Return the base view with a row policy whose rollup a view's table is."""
    bases = (model.views.get(rollup.base_view) for rollup in rollups_over(view, model))
    return next((base for base in bases if base is not None and base.access_filters), None)
