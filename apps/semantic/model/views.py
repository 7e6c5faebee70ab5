"""View files: where the rows come from, dimensions, measures, filter-only fields."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from sqlglot import exp

from apps.semantic.errors import MalformedQueryError
from apps.semantic.model.classification import labelled
from apps.semantic.model.context import Context
from apps.semantic.model.dimensions import CLASSIFICATIONS, read_dimension, readable
from apps.semantic.model.filters import parse_condition
from apps.semantic.model.measures import read_measure
from apps.semantic.model.other_names import with_other_names
from apps.semantic.model.parameters import check_parameters, choice, decoration, flag, text, texts
from apps.semantic.model.rules import read_policies, read_rule
from apps.semantic.model.sources import read_query_source, read_rollup, read_sql_source
from apps.semantic.model.types import Classification, Dimension, FieldType, FilterField, Measure, View
from apps.semantic.model.yaml_nodes import Node

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
REFERENCE_LINE = re.compile(r"(?:#[^\n]*\n)*?#\s*Reference this view as\s+([A-Za-z_]\w*)", re.IGNORECASE)
FILTER_TYPES = ("string", "number", "boolean", "timestamp", "date", "interval", "array", "json", "column")
SUFFIXES = (".query.view", ".view")


def view_name(path: str, content: str) -> str:
    """Return how the view is referred to: by its first line, else by its file's name."""
    if found := REFERENCE_LINE.match(content.removeprefix("\ufeff")):
        return found.group(1)
    name = path.rpartition("/")[2].removesuffix(".yaml").removesuffix(".yml")
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def read_view(name: str, node: Node, context: Context) -> View:
    """Return the view; faults are noted, and what can be read is read."""
    problems = context.problems
    check_parameters(node, "view", problems)
    if not IDENTIFIER.fullmatch(name):
        context.fault(node, f"“{name}” cannot be the name of a view: letters, digits and underscores")
    dimensions = {
        field: read_dimension(name, field, item, context) for field, item in _fields(node, "dimensions", context)
    }
    measures = {
        field: measure
        for field, item in _fields(node, "measures", context)
        if (measure := read_measure(name, field, item, context)) is not None
    }
    filters = {field: _filter(name, field, item, context) for field, item in _fields(node, "filters", context)}
    for section, taken in (("measures", dimensions), ("filters", dimensions | measures)):
        for field, item in node.map().get(section, Node({}, node.file, 1, 1)).map().items():
            if field in taken and (section == "filters" or field in measures):
                context.fault(item, f"“{field}” is the name of two fields")
    schema, attribute = _schema(node, context)
    label: Classification = choice(node, "classification", CLASSIFICATIONS, problems)  # type: ignore[assignment]  # it is one of the words handed in
    found = View(
        name=name,
        schema=schema,
        catalog=text(node, "catalog", problems) or None,
        table_name=text(node, "table_name", problems)
        or text(node, "uploaded_table_name", problems)
        or name.rpartition("__")[2],
        source=node.source,
        label=text(node, "label", problems) or readable(name),
        description=text(node, "description", problems),
        dimensions=dimensions,
        measures=measures,
        required_access_grants=read_rule(node, "required_access_grants", problems),
        access_filters=read_policies(node, "access_filters", problems, view=name),
        filters=filters,
        primary_key=_primary_key(name, node, dimensions, context),
        schema_attribute=attribute,
        is_hidden=flag(node, "hidden", problems),
        classification=label,
        tags=tuple(texts(node, "tags", problems)),
        decoration=decoration(node, "view"),
    )
    return with_other_names(labelled(_with_source(_known(found, context), node, context), node, context), node, context)


def _known(view: View, context: Context) -> View:
    """Note whether the source works out what the view's table holds."""
    return replace(view, is_worked_out=context.stored is not None and not context.stored.has(view))


def _with_source(view: View, node: Node, context: Context) -> View:
    kinds = [name for name in ("sql", "query", "table_name") if name in node.map()]
    if len(kinds) > 1:
        context.fault(node.map()[kinds[0]], f"a view is one of {' and '.join(kinds)}, not both")
    if "sql" in node.map():
        return replace(view, sql_source=read_sql_source(node, context))
    if "query" in node.map():
        source = read_query_source(node, view.name, context)
        return _with_columns(replace(view, query_source=source), context)
    if "materialized_query" in node.map():
        return replace(view, rollup=read_rollup(node, _physical(view), context))
    return view


def _with_columns(view: View, context: Context) -> View:
    """Give a query view a dimension for each column that it does not describe itself."""
    if view.query_source is None:
        return view
    names = [name for _, name in view.query_source.columns] + [name for name, _ in view.query_source.calculations]
    described = dict(view.dimensions)
    for name in names:
        if name not in described and name not in view.measures:
            described[name] = Dimension(
                name, view.name, readable(name), context.column(name).tree, "unknown", view.source
            )
    return replace(view, dimensions=described)


def _physical(view: View) -> list[str]:
    """Return the physical columns of a view's dimensions in their order."""
    return [item.sql.name for item in view.dimensions.values() if isinstance(item.sql, exp.Column)]


def _schema(node: Node, context: Context) -> tuple[str | None, str | None]:
    schema = text(node, "schema", context.problems) or None
    if schema is not None and schema in context.dynamic_schemas:
        return context.dynamic_schemas[schema]
    return schema, None


def _fields(node: Node, name: str, context: Context) -> list[tuple[str, Node]]:
    value = node.map().get(name)
    if value is None or value.value is None:
        return []
    if not isinstance(value.value, dict):
        context.fault(value, f"“{name}” must be a map of names")
        return []
    found = []
    for field, item in value.value.items():
        if not IDENTIFIER.fullmatch(field):
            context.fault(item, f"“{field}” cannot be a name: letters, digits and underscores")
        elif item.value is not None and not isinstance(item.value, dict):
            context.fault(item, f"“{field}” must be a map of parameters, such as {{sql: …}}")
        else:
            found.append((field, item if item.value else Node({}, item.file, item.line, item.column)))
    return found


def _filter(view: str, name: str, item: Node, context: Context) -> FilterField:
    problems = context.problems
    check_parameters(item, "filter", problems)
    type_ = choice(item, "type", FILTER_TYPES, problems) or "string"
    default = item.map().get("default_filter")
    condition = None
    if default is not None and default.value:
        try:
            condition = parse_condition(default.plain(), path=name)
        except MalformedQueryError as error:
            context.fault(default, error.message)
    field_type: FieldType = "string" if type_ == "column" else type_  # type: ignore[assignment]  # one of FILTER_TYPES
    return FilterField(
        name, view, text(item, "label", problems) or readable(name), field_type, item.source,
        description=text(item, "description", problems), default_filter=condition,
        required_access_grants=read_rule(item, "required_access_grants", problems),
        is_hidden=flag(item, "hidden", problems), decoration=decoration(item, "filter"),
    )  # fmt: skip


def _primary_key(
    view: str, node: Node, dimensions: Mapping[str, Dimension], context: Context
) -> tuple[exp.Expression, ...]:
    """Return what names a row: the view's own parameter, else its primary_key dimensions."""
    for name in ("custom_compound_primary_key_sql", "primary_key_sql"):
        texts_ = texts(node, name, context.problems)
        if texts_:
            found = [context.parsed(item, view, node, name=name) for item in texts_]
            return tuple(item.tree for item in found if item is not None)
    return tuple(exp.Placeholder(this=item.id) for item in dimensions.values() if item.is_primary_key)


def all_fields(views: Mapping[str, View]) -> set[str]:
    """Return the id of every field."""
    return {
        f"{view.name}.{name}" for view in views.values() for name in (*view.dimensions, *view.measures, *view.filters)
    }


def views_needed(names: Iterable[str], views: Mapping[str, View]) -> set[str]:
    """Return the views of fields, and those of all that they rest on."""
    seen, waiting = set[str](), [name.partition("[")[0] for name in names]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        view, _, field = name.partition(".")
        found = (views[view].dimensions.get(field) or views[view].measures.get(field)) if view in views else None
        if found is not None:
            waiting += [item.partition("[")[0] for item in found.references]
            waiting += [rule.field.partition("[")[0] for rule in found.filters] if isinstance(found, Measure) else []
    return {name.partition(".")[0] for name in seen}


def renamed(view: View, name: str) -> View:
    """Return a view under another name: its own fields, keys and policies speak of itself under that name."""

    def moved(tree: exp.Expression) -> exp.Expression:
        return moved_tree(tree, view.name, name)

    def field_name(text_: str) -> str:
        return f"{name}.{text_.partition('.')[2]}" if text_.partition(".")[0] == view.name else text_

    dimensions = {key: _moved_dimension(item, name, moved, field_name) for key, item in view.dimensions.items()}
    measures = {key: _moved_measure(item, name, moved, field_name) for key, item in view.measures.items()}
    return replace(
        view, name=name, alias_of=view.alias_of or view.name, label=readable(name), dimensions=dimensions,
        measures=measures, filters={key: replace(item, view=name) for key, item in view.filters.items()},
        primary_key=tuple(moved(tree) for tree in view.primary_key),
        access_filters=tuple(replace(item, field=field_name(item.field)) for item in view.access_filters), rollup=None,
    )  # fmt: skip


def moved_tree(tree: exp.Expression, old: str, new: str) -> exp.Expression:
    """Return a tree whose references to fields of one view are references to another's."""
    holder = exp.Paren(this=tree.copy())
    for node in holder.find_all(exp.Placeholder):
        for prefix in ("", "filters."):
            if node.name.startswith(f"{prefix}{old}."):
                node.set("this", f"{prefix}{new}.{node.name[len(prefix) + len(old) + 1 :]}")
    found: exp.Expression = holder.this
    return found


def _moved_dimension(
    item: Dimension, name: str, moved: Callable[[exp.Expression], exp.Expression], field_name: Callable[[str], str]
) -> Dimension:
    top, detail, ends = item.top_n, item.level_of_detail, item.duration
    return replace(
        item, view=name, sql=moved(item.sql), references=frozenset(map(field_name, item.references)),
        order_by_field=field_name(item.order_by_field) if item.order_by_field else None,
        top_n=replace(top, by=field_name(top.by)) if top else None,
        level_of_detail=replace(detail, grain=tuple(map(field_name, detail.grain))) if detail else None,
        duration=replace(ends, start=moved(ends.start), end=moved(ends.end)) if ends else None,
    )  # fmt: skip


def _moved_measure(
    item: Measure, name: str, moved: Callable[[exp.Expression], exp.Expression], field_name: Callable[[str], str]
) -> Measure:
    detail = item.level_of_detail
    return replace(
        item, view=name, sql=moved(item.sql) if item.sql is not None else None,
        references=frozenset(map(field_name, item.references)),
        filters=tuple(replace(rule, field=field_name(rule.field)) for rule in item.filters),
        distinct_on=tuple(moved(tree) for tree in item.distinct_on),
        cancelled_filters=frozenset(map(field_name, item.cancelled_filters)),
        level_of_detail=replace(detail, grain=tuple(map(field_name, detail.grain))) if detail else None,
    )  # fmt: skip
