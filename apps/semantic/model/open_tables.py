"""Views over one table: a row policy on one says nothing of the other, which shows every row."""

from collections.abc import Iterator

from apps.semantic.errors import Problem
from apps.semantic.model.types import SemanticModel, View


def check_open_tables(model: SemanticModel) -> Iterator[Problem]:
    """Yield a warning for each view without a row policy over the table of a view that has one."""
    guarded: dict[str, dict[str, dict[str, View]]] = {}
    for _, view in model.seen_views():
        if view.access_filters and not view.is_derived:
            by_schema = guarded.setdefault(view.table_name.lower(), {})
            by_schema.setdefault((view.schema or "").lower(), {}).setdefault(_origin(view), view)
    for _, view in model.seen_views():
        if view.access_filters or view.is_derived or view.alias_of is not None:
            continue
        other = _guarded_twin(view, guarded.get(view.table_name.lower(), {}))
        if other is not None:
            policy = other.access_filters[0].source
            text = (
                f"“{view.name}” shows every row of a table whose rows “{other.name}” limits"
                f" ({policy.file}:{policy.line}): that row policy does not hold here, so give it access_filters too"
            )
            yield Problem(view.source.file, view.source.line, view.source.column, text, is_warning=True)


def _origin(view: View) -> str:
    return view.alias_of or view.name


def _guarded_twin(view: View, by_schema: dict[str, dict[str, View]]) -> View | None:
    """Return another view over the table; one without a schema may be over a table of any."""
    schema = (view.schema or "").lower()
    for name in (schema, "") if schema else sorted(by_schema):
        for origin, other in by_schema.get(name, {}).items():
            if origin != _origin(view):
                return other
    return None
