"""Topic files: a base view, its joins, its rules, and the fields that it offers."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sqlglot import exp

from apps.semantic.model.context import Context
from apps.semantic.model.dimensions import readable
from apps.semantic.model.expressions import ParsedExpression
from apps.semantic.model.other_names import offered_with_names
from apps.semantic.model.parameters import check_parameters, decoration, flag, number, text, texts
from apps.semantic.model.relationships import ambiguous, joins_to, oriented
from apps.semantic.model.rules import read_filters, read_hiding, read_policies, read_rule
from apps.semantic.model.suggestions import did_you_mean
from apps.semantic.model.types import (
    FILTER,
    AccessFilter,
    GrantRule,
    Relationship,
    SemanticModel,
    Source,
    Topic,
    TopicJoin,
    View,
)
from apps.semantic.model.views import all_fields, views_needed
from apps.semantic.model.yaml_nodes import Node

IMPLICIT = "__"


def topic_name(path: str) -> str:
    """Return the name of a topic from its file's."""
    name = path.rpartition("/")[2].removesuffix(".yaml").removesuffix(".yml")
    return name.removesuffix(".topic").removesuffix(".composite_topic")


def read_topic(
    name: str,
    node: Node,
    *,
    views: dict[str, View],
    relationships: list[Relationship],
    defaults: Node,
    context: Context,
) -> Topic | None:
    """Return the topic, or None when it has no usable base view. Defaults of the model file fill what it leaves open."""
    problems = context.problems
    check_parameters(node, "topic", problems)
    base = text(node, "base_view", problems)
    if name.startswith(IMPLICIT):
        context.fault(node, f"the name of a topic cannot begin with “{IMPLICIT}”")
    if base not in views:
        message = f"there is no view “{base}”.{did_you_mean(base, views)}" if base else "base_view is missing"
        context.fault(node.map().get("base_view", node), message)
        return None
    joins = _joins(base, node, views, relationships, context)
    joined = {base: views[base]} | {join.view: views[join.view] for join in joins}
    where, having = (_conditions(node, name, base, context) for name in ("always_where_sql", "always_having_sql"))
    places = {"always_where_sql": where, "always_having_sql": having}
    cache = node.map().get("cache_policy", node)
    return Topic(
        name=name,
        base_view=base,
        source=node.source,
        label=text(node, "label", problems) or readable(name),
        description=text(node, "description", problems),
        joins=tuple(joins),
        fields=_offered(node, joined, context),
        required_access_grants=_grants(node, defaults, context),
        access_filters=_policies(node, defaults, base, joined, context),
        always_where_filters=read_filters(node, "always_where_filters", problems, view=base),
        default_filters=read_filters(node, "default_filters", problems, view=base),
        default_row_limit=number(node, "default_row_limit", problems) or number(defaults, "default_row_limit", []),
        always_where=tuple(tree for tree, _ in where),
        always_having_filters=read_filters(node, "always_having_filters", problems, view=base),
        always_having=tuple(tree for tree, _ in having),
        cache_policy=text(node, "cache_policy", problems) or None,
        is_hidden=flag(node, "hidden", problems),
        hidden_unless_access_grants=read_hiding(node, defaults, problems),
        group_label=text(node, "group_label", problems),
        tags=tuple(texts(node, "tags", problems)),
        decoration=decoration(node, "topic"),
        places={name: tuple(place for _, place in found) for name, found in places.items()}
        | {"cache_policy": (cache.source,)},
    )


def _grants(node: Node, defaults: Node, context: Context) -> GrantRule | None:
    own, default = node.map().get("required_access_grants"), "default_topic_required_access_grants"
    if own is not None:
        if not own.value and defaults.map().get(default):
            context.warn(own, f"this topic opens what {default} closes")
        return read_rule(node, "required_access_grants", context.problems, may_be_empty=True)
    return read_rule(defaults, default, [], may_be_empty=True)


def _policies(
    node: Node, defaults: Node, base: str, joined: Mapping[str, View], context: Context
) -> tuple[AccessFilter, ...]:
    """Return the topic's row policies; a default may name a field alone, which is then one of whichever view has it."""
    if "access_filters" in node.map():
        if not node.map()["access_filters"].value and defaults.map().get("default_topic_access_filters"):
            context.warn(node.map()["access_filters"], "this topic opens what default_topic_access_filters closes")
            return ()
        return read_policies(node, "access_filters", context.problems, view=base)
    found = []
    for rule in read_policies(defaults, "default_topic_access_filters", [], view=""):
        if "." in rule.field:
            found.append(rule)
            continue
        holders = [view.name for view in joined.values() if rule.field in view.dimensions]
        if len(holders) > 1 and holders[0] != base:
            names = ", ".join(holders)
            context.fault(
                node, f"several views here have the field “{rule.field}” of default_topic_access_filters: {names}"
            )
        elif holders:
            found.append(replace(rule, field=f"{holders[0]}.{rule.field}"))
        else:
            context.fault(node, f"no view here has the field “{rule.field}” of default_topic_access_filters")
    return tuple(found)


def _conditions(node: Node, name: str, base: str, context: Context) -> list[tuple[exp.Expression, Source]]:
    """Return a parameter's conditions, each with its place."""
    found = []
    written = texts(node, name, context.problems)
    value = node.map().get(name, node)
    items = value.value if isinstance(value.value, list) else [value]
    for sql, at in zip(written, items, strict=False):
        parsed: ParsedExpression | None = context.parsed(sql, base, at)
        if parsed is None:
            continue
        if any(item.name.startswith(FILTER) for item in parsed.tree.find_all(exp.Placeholder)):
            context.fault(at, "a filter of the query cannot decide a rule for everybody")
        if parsed.tree.find(exp.Column) is not None:
            context.fault(at, "name fields as ${view.field} here")
        else:
            found.append((parsed.tree, at.source))
    return found


def _joins(
    base: str, node: Node, views: dict[str, View], relationships: list[Relationship], context: Context
) -> list[TopicJoin]:
    found: list[TopicJoin] = []
    seen = {base}

    def walk(parent: str, tree: Node) -> None:
        if tree.value is not None and not isinstance(tree.value, dict):
            context.fault(tree, "“joins” is a map of views, such as {customers: {countries: {}}}")
        for view, below in tree.map().items():
            relationship = oriented(relationships, parent, view)
            if view not in views:
                context.fault(below, f"there is no view “{view}”.{did_you_mean(view, views)}")
            elif view in seen:
                context.fault(below, f"the view “{view}” is joined twice; join it under another name")
            elif relationship is None:
                context.fault(below, f"no relationship leads from “{parent}” to “{view}”")
            else:
                seen.add(view)
                if ambiguous(relationships, parent, view):
                    context.fault(below, f"several relationships lead from “{parent}” to “{view}”")
                if relationship.relationship_type in ("one_to_many", "many_to_many") and not views[parent].primary_key:
                    context.warn(below, f"this join repeats rows of “{parent}”, and no primary key tells them apart")
                elif (
                    relationship.relationship_type in ("many_to_one", "assumed_many_to_one", "many_to_many")
                    and not views[view].primary_key
                    and views[view].measures
                ):
                    text_ = (
                        f"this join repeats rows of “{view}”, which has measures and no primary key: those are refused"
                    )
                    context.warn(below, text_)
                found.append(TopicJoin(view, parent, relationship))
                walk(view, below)

    walk(base, node.map().get("joins", Node({}, node.file, node.line, node.column)))
    return found


def _offered(node: Node, joined: dict[str, View], context: Context) -> frozenset[str]:
    """Apply the ``fields`` rules: all_views.*, then view.*, then tags, then single fields; a minus takes away."""
    everything = {name for name in all_fields(joined) if not _is_ignored(name, joined)}
    items = texts(node, "fields", context.problems)
    given = node.map().get("fields")
    if given is not None and not given.value:
        context.fault(given, "“fields” names no field: leave it out to offer all of them")
    tagged = _by_tag(everything, joined)
    offered = set() if any(not item.startswith("-") for item in items) else set(everything)
    for width in (0, 1, 2, 3):
        for item in items:
            name = item.removeprefix("-").strip()
            if _width(name) != width:
                continue
            matched = _matched(name, joined, everything, tagged)
            if not matched:
                _nothing_matched(item, name, node.map()["fields"], everything, tagged, context)
            offered = offered - matched if item.startswith("-") else offered | matched
    return frozenset(offered_with_names(offered, joined))


def _nothing_matched(
    item: str, name: str, at: Node, everything: set[str], tagged: Mapping[str, set[str]], context: Context
) -> None:
    """Say that a rule of ``fields`` does nothing. A tag may be on no field yet; any other name must be one."""
    if name.startswith("tag:"):
        context.warn(at, f"“{item}” matches no field here: none has this tag.{did_you_mean(name[4:], tagged)}")
    else:
        context.fault(at, f"“{item}” matches no field here.{did_you_mean(name, everything)}")


def _is_ignored(name: str, joined: Mapping[str, View]) -> bool:
    view, _, field = name.partition(".")
    found = joined[view].dimensions.get(field) or joined[view].measures.get(field)
    return found is not None and (found.is_ignored or bool(found.decoration.get("is_implied")))


def _width(name: str) -> int:
    if name.startswith("tag:"):
        return 2
    return 0 if name == "all_views.*" else 1 if name.endswith(".*") else 3


def _matched(name: str, joined: dict[str, View], everything: set[str], tagged: Mapping[str, set[str]]) -> set[str]:
    if name == "all_views.*":
        return everything
    if name.startswith("tag:"):
        return tagged.get(name[4:], set())
    view, _, field = name.partition(".")
    if field == "*":
        return {item for item in everything if item.startswith(f"{view}.")} if view in joined else set()
    return {name} & everything


def _by_tag(everything: set[str], joined: Mapping[str, View]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for item in everything:
        for tag in _tags(item, joined):
            found.setdefault(tag, set()).add(item)
    return found


def _tags(name: str, joined: Mapping[str, View]) -> tuple[str, ...]:
    view, _, field = name.partition(".")
    found = joined[view].dimensions.get(field) or joined[view].measures.get(field)
    return joined[view].tags + (found.tags if found is not None else ())


def implicit_topics(
    querying: Iterable[View],
    views: dict[str, View],
    relationships: list[Relationship],
    context: Context,
    defaults: Node,
) -> dict[str, Topic]:
    """Return the topics of query views that name only a base view: that view, and those that their fields need.

    They read the views of all, also where the query view stands in a topic. What the model's defaults ask of topics that
    say nothing themselves, they ask of these.
    """
    found: dict[str, Topic] = {}
    for view in querying:
        source = view.query_source
        if source is None or not source.topic.startswith(IMPLICIT):
            continue
        base = source.topic.removeprefix(IMPLICIT)
        place = source.places.get("base_view", view.source)
        at = Node({}, place.file, place.line, place.column)
        if base not in views:
            context.fault(at, f"there is no view “{base}”.{did_you_mean(base, views)}")
            continue
        wanted = views_needed({*(name for name, _ in source.columns), *(rule.field for rule in source.filters)}, views)
        known = found.get(source.topic)
        wanted |= set(known.views) if known is not None else set()
        paths = joins_to(relationships, base, wanted & views.keys()) if wanted <= views.keys() else None
        if paths is None:
            context.fault(at, f"no relationships lead from “{base}” to all fields of this query")
            continue
        joins = tuple(TopicJoin(child, parent, _relationship(relationships, parent, child)) for parent, child in paths)
        joined = {name: views[name] for name in (base, *(join.view for join in joins))}
        found[source.topic] = Topic(
            source.topic, base, view.source, joins=joins, fields=frozenset(all_fields(joined)), is_hidden=True,
            required_access_grants=_grants(at, defaults, context),
            access_filters=_policies(at, defaults, base, joined, context),
        )  # fmt: skip
    return found


def _relationship(relationships: list[Relationship], parent: str, child: str) -> Relationship:
    found = oriented(relationships, parent, child)
    if found is None:
        raise LookupError((parent, child))
    return found


def as_topic_sees(
    model: SemanticModel, name: str, views: Mapping[str, View], relationships: list[Relationship]
) -> SemanticModel:
    """Return the model with a topic's own views in it, and of relationships the topic's own."""
    own = {**model.views, **views}
    return replace(model, views=own, relationships=tuple(relationships), seen_by=name, of_all=model)
