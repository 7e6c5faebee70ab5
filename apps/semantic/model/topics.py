"""Topic files: a base view, its joins, its rules, and the fields that it offers."""

from apps.semantic.errors import Problem
from apps.semantic.model.parameters import add, check_parameters, number, text, texts
from apps.semantic.model.relationships import oriented
from apps.semantic.model.rules import read_filters, read_policies, read_rule
from apps.semantic.model.suggestions import did_you_mean
from apps.semantic.model.types import Relationship, Topic, TopicJoin, View
from apps.semantic.model.views import all_fields, readable
from apps.semantic.model.yaml_nodes import Node


def topic_name(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".yaml").removesuffix(".yml").removesuffix(".topic")


def read_topic(
    name: str,
    node: Node,
    *,
    views: dict[str, View],
    relationships: list[Relationship],
    defaults: Node,
    problems: list[Problem],
) -> Topic | None:
    """Return the topic, or None when it has no usable base view. Defaults of the model file fill what it leaves open."""
    check_parameters(node, "topic", problems)
    base = text(node, "base_view", problems)
    if base not in views:
        place = node.map().get("base_view", node)
        add(
            problems,
            place,
            f"there is no view “{base}”.{did_you_mean(base, views)}" if base else "base_view is missing",
        )
        return None
    joins = _joins(base, node, views, relationships, problems)
    joined = {base: views[base]} | {join.view: views[join.view] for join in joins}
    has_own_rule, has_own_policies = "required_access_grants" in node.map(), "access_filters" in node.map()
    return Topic(
        name=name,
        base_view=base,
        source=node.source,
        label=text(node, "label", problems) or readable(name),
        description=text(node, "description", problems),
        joins=tuple(joins),
        fields=_offered(node, joined, problems),
        required_access_grants=read_rule(node, "required_access_grants", problems)
        if has_own_rule
        else read_rule(defaults, "default_topic_required_access_grants", []),
        access_filters=read_policies(node, "access_filters", problems, view=base)
        if has_own_policies
        else read_policies(defaults, "default_topic_access_filters", [], view=base),
        always_where_filters=read_filters(node, "always_where_filters", problems, view=base),
        default_filters=read_filters(node, "default_filters", problems, view=base),
        default_row_limit=number(node, "default_row_limit", problems) or number(defaults, "default_row_limit", []),
    )


def _joins(
    base: str, node: Node, views: dict[str, View], relationships: list[Relationship], problems: list[Problem]
) -> list[TopicJoin]:
    found: list[TopicJoin] = []
    seen = {base}

    def walk(parent: str, tree: Node) -> None:
        for view, below in tree.map().items():
            relationship = oriented(relationships, parent, view)
            if view not in views:
                add(problems, below, f"there is no view “{view}”.{did_you_mean(view, views)}")
            elif view in seen:
                add(problems, below, f"the view “{view}” is joined twice")
            elif relationship is None:
                add(problems, below, f"no relationship leads from “{parent}” to “{view}”")
            else:
                seen.add(view)
                if relationship.relationship_type in ("one_to_many", "many_to_many"):
                    text_ = (
                        f"the join from “{parent}” to “{view}” repeats rows: sums over “{parent}” are refused with it"
                    )
                    add(problems, below, text_, is_warning=True)
                found.append(TopicJoin(view, parent, relationship))
                walk(view, below)

    walk(base, node.map().get("joins", Node({}, node.file, node.line, node.column)))
    return found


def _offered(node: Node, joined: dict[str, View], problems: list[Problem]) -> frozenset[str]:
    """Apply the ``fields`` rules: all_views.*, then view.*, then single fields; a minus takes away."""
    everything = all_fields(joined)
    items = texts(node, "fields", problems)
    offered = set() if any(not item.startswith("-") for item in items) else set(everything)
    for width in (0, 1, 2):
        for item in items:
            name = item.removeprefix("-")
            if _width(name) != width:
                continue
            matched = _matched(name, joined, everything)
            if not matched:
                add(problems, node.map()["fields"], f"“{item}” matches no field here.{did_you_mean(name, everything)}")
            offered = offered - matched if item.startswith("-") else offered | matched
    return frozenset(offered)


def _width(name: str) -> int:
    return 0 if name == "all_views.*" else 1 if name.endswith(".*") else 2


def _matched(name: str, joined: dict[str, View], everything: set[str]) -> set[str]:
    if name == "all_views.*":
        return everything
    view, _, field = name.partition(".")
    if field == "*":
        return {item for item in everything if item.startswith(f"{view}.")} if view in joined else set()
    return {name} & everything
