"""Composite topic files: topics side by side, and the dimensions that they share."""

from collections.abc import Mapping

from apps.semantic.model.context import Context
from apps.semantic.model.dimensions import readable
from apps.semantic.model.parameters import check_parameters, decoration, flag, submap, text, texts
from apps.semantic.model.rules import read_hiding, read_rule
from apps.semantic.model.suggestions import did_you_mean
from apps.semantic.model.types import CompositeTopic, SharedDimension, Topic
from apps.semantic.model.yaml_nodes import Node

SHARED = "@_shared_dimensions_."


def read_composite(
    name: str, node: Node, topics: Mapping[str, Topic], defaults: Node, context: Context
) -> CompositeTopic | None:
    """Return the composite, or None when it names no two topics."""
    problems = context.problems
    check_parameters(node, "composite", problems)
    parts = texts(node, "topics", problems)
    for part in parts:
        if part not in topics:
            context.fault(node.map()["topics"], f"there is no topic “{part}”.{did_you_mean(part, topics)}")
    if len(parts) < 2 or not all(part in topics for part in parts):
        if len(parts) < 2:
            context.fault(node, "a composite topic needs two topics or more")
        return None
    shared = _shared(node, parts, topics, context)
    everything = {f"{SHARED}{item}" for item in shared}
    everything |= {f"@{part}.{field}" for part in parts for field in topics[part].fields}
    return CompositeTopic(
        name=name,
        topics=tuple(parts),
        shared_dimensions=shared,
        source=node.source,
        label=text(node, "label", problems) or readable(name),
        description=text(node, "description", problems),
        fields=_offered(node, everything, context),
        joins_all_topics=flag(node, "always_join_all_topics", problems),
        required_access_grants=read_rule(node, "required_access_grants", problems),
        is_hidden=flag(node, "hidden", problems),
        hidden_unless_access_grants=read_hiding(node, defaults, problems),
        decoration=decoration(node, "composite"),
    )


def _shared(node: Node, parts: list[str], topics: Mapping[str, Topic], context: Context) -> dict[str, SharedDimension]:
    found: dict[str, SharedDimension] = {}
    for name, item in submap(node, "shared_dimensions", context.problems).items():
        check_parameters(item, "shared dimension", context.problems)
        mappings = {
            key: str(value.value) for key, value in item.map().get("mappings", item).map().items() if key in parts
        }
        for part in parts:
            field = mappings.get(part, "").partition("[")[0]
            if field and field not in topics[part].fields:
                context.fault(item, f"“{field}” is no field of “{part}”.{did_you_mean(field, topics[part].fields)}")
        missing = [part for part in parts if part not in mappings]
        if missing:
            context.fault(item, f"“{name}” is not mapped for {', '.join(missing)}")
        found[name] = SharedDimension(
            name, text(item, "label", context.problems) or readable(name), mappings, item.source
        )
    return found


def _offered(node: Node, everything: set[str], context: Context) -> frozenset[str]:
    items = texts(node, "fields", context.problems)
    offered = set() if any(not item.startswith("-") for item in items) else set(everything)
    for item in items:
        name = item.removeprefix("-")
        prefix = name.removesuffix("*")
        matched = everything if name == "all_views.*" else {
            field for field in everything if field == name or (name.endswith(".*") and field.startswith(prefix))
        }  # fmt: skip
        if not matched:
            context.fault(node.map()["fields"], f"“{item}” matches no field here.{did_you_mean(name, everything)}")
        offered = offered - matched if item.startswith("-") else offered | matched
    return frozenset(offered)
