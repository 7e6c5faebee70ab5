"""``aliases``: former names of fields, under which dashboards and bookmarks still ask for them."""

from collections.abc import Mapping
from dataclasses import replace

from apps.semantic.model.context import Context
from apps.semantic.model.former import ALIAS, is_other_name
from apps.semantic.model.parameters import texts
from apps.semantic.model.types import Dimension, FilterField, Measure, View
from apps.semantic.model.yaml_nodes import Node


def with_other_names(view: View, node: Node, context: Context) -> View:
    """Return the view with each field under its former names too: hidden, with the same rules, offered where it is."""
    dimensions, measures, filters = dict(view.dimensions), dict(view.measures), dict(view.filters)
    sections: tuple[tuple[str, Mapping[str, Dimension | Measure | FilterField]], ...] = (
        ("dimensions", view.dimensions), ("measures", view.measures), ("filters", view.filters),
    )  # fmt: skip
    for section, fields in sections:
        written = node.map().get(section, node).map()
        for name, item in fields.items():
            for alias in texts(written[name], "aliases", context.problems) if name in written else ():
                if not alias.isidentifier() or any(alias in taken for taken in (dimensions, measures, filters)):
                    context.fault(
                        written[name], f"“{alias}” cannot be another name of “{name}”: it is taken, or no name"
                    )
                elif isinstance(item, Dimension):
                    dimensions[alias] = replace(
                        item, name=alias, is_hidden=True, is_primary_key=False, decoration={ALIAS: name}
                    )
                elif isinstance(item, FilterField):
                    filters[alias] = replace(
                        item, name=alias, is_hidden=True, default_filter=None, former_of=name, decoration={ALIAS: name}
                    )
                else:
                    measures[alias] = replace(item, name=alias, is_hidden=True, decoration={ALIAS: name})
    return replace(view, dimensions=dimensions, measures=measures, filters=filters)


def with_own_names(views: Mapping[str, View]) -> dict[str, View]:
    """Return the views with filters of measures on fields under their own names, as the query's are looked up."""
    own = {
        item.id: f"{item.view}.{item.decoration[ALIAS]}"
        for view in views.values()
        for item in view.dimensions.values()
        if is_other_name(item)
    }
    return {name: _with_rules(view, own) for name, view in views.items()} if own else dict(views)


def _with_rules(view: View, own: Mapping[str, str]) -> View:
    changed = {}
    for name, item in view.measures.items():
        filters = tuple(replace(rule, field=_own_name(rule.field, own)) for rule in item.filters)
        cancelled = frozenset(_own_name(field, own) for field in item.cancelled_filters)
        if (filters, cancelled) != (item.filters, item.cancelled_filters):
            changed[name] = replace(item, filters=filters, cancelled_filters=cancelled)
    return replace(view, measures={**view.measures, **changed}) if changed else view


def _own_name(field: str, own: Mapping[str, str]) -> str:
    plain, bracket, frame = field.partition("[")
    return own.get(plain, plain) + bracket + frame


def offered_with_names(offered: set[str], views: Mapping[str, View]) -> set[str]:
    """Return what a topic offers: a former name wherever its field is offered, and nowhere else."""
    former = [item for view in views.values() for item in (*view.fields, *view.filters.values()) if is_other_name(item)]
    kept = {item.id for item in former if f"{item.view}.{item.decoration[ALIAS]}" in offered}
    return (offered - {item.id for item in former}) | kept
