"""Names of the format's parameters: read here, kept for other uses, or refused because an answer would change.

Reference: parts 4.3 to 4.11 of the format.
"""

from apps.semantic.errors import Problem
from apps.semantic.model.suggestions import did_you_mean
from apps.semantic.model.yaml_nodes import Node

READ: dict[str, frozenset[str]] = {
    "model": frozenset((
        "access_grants", "default_topic_access_filters", "default_topic_required_access_grants", "week_start_day",
        "default_row_limit",
    )),
    "view": frozenset((
        "schema", "catalog", "table_name", "label", "description", "dimensions", "measures", "required_access_grants",
        "access_filters", "hidden", "name",
    )),
    "dimension": frozenset((
        "sql", "label", "description", "format", "group_label", "hidden", "primary_key", "timeframes",
        "required_access_grants", "mask_unless_access_grants",
    )),
    "measure": frozenset((
        "aggregate_type", "sql", "filters", "label", "description", "format", "group_label", "hidden",
        "required_access_grants",
    )),
    "topic": frozenset((
        "base_view", "label", "description", "joins", "fields", "required_access_grants", "access_filters",
        "always_where_filters", "default_filters", "default_row_limit",
    )),
    "relationship": frozenset((
        "id", "join_from_view", "join_to_view", "join_type", "relationship_type", "on_sql", "reversible",
    )),
}  # fmt: skip
DECORATION = frozenset((
    "ai_context", "ai_fields", "ai_settings", "ai_chat_topics", "aliases", "all_values", "auto_run", "base_view_label",
    "cache_policies", "cache_policy", "colors", "constants", "convert_tz", "custom_formats", "dbt", "default_cache_policy",
    "default_drill_fields", "default_drill_query", "default_numeric_locale", "default_timeframes", "display_order",
    "drill_fields", "drill_queries", "facet_workbook_filters", "faceting", "fill_fields", "filter_single_select_only",
    "folder", "hidden", "ignored_schemas", "included_schemas", "ignored_views", "included_views", "label", "links",
    "markdown", "order_by_field", "owners", "parent_field", "sample_queries", "sample_values", "schema_label", "sets",
    "skills", "skip_parent_label", "suggest_from_field", "suggestion_list", "synonyms", "tags", "timeframe_metadata",
    "topic_group_descriptions", "view_label", "join_from_view_as_label", "join_to_view_as_label", "group_label",
    "hidden_unless_access_grants", "default_topic_hidden_unless_access_grants",
))  # fmt: skip
REFUSED = frozenset((
    "always_having_filters", "always_having_sql", "always_where_sql", "bin_boundaries", "compute_routing",
    "custom_compound_primary_key_sql", "custom_primary_key_sql", "duration", "dynamic_schemas",
    "dynamic_shared_extensions", "dynamic_top_n", "extends", "fiscal_month_offset", "groups", "else", "ignored",
    "join_from_view_as", "join_to_view_as", "level_of_detail", "materialized_query", "nested_on_field", "percentile",
    "primary_key_sql", "query", "query_timezone", "relationships", "sql_preamble", "template", "topics",
    "uploaded_table_name", "views", "warehouse_override", "where_sql", "filters", "access_boostable", "slot_reservation",
    "suggest_from_topic", "calcs_default_pushdown",
))  # fmt: skip
"""Parameters that would change an answer; leaving them out silently would give wrong numbers."""


def check_parameters(node: Node, kind: str, problems: list[Problem]) -> None:
    """Report parameters that are refused (problems) or unknown (warnings)."""
    for name, value in node.map().items():
        if name in READ[kind]:
            continue
        if name == "type" and kind == "dimension":
            add(problems, value, "Invalid property “type”: a dimension's type follows from its SQL; cast to change it")
        elif name in REFUSED:
            add(problems, value, f"“{name}” is not supported in this version")
        elif name not in DECORATION:
            hint = did_you_mean(name, READ[kind])
            add(problems, value, f"“{name}” is not a parameter of a {kind}; it is ignored.{hint}", is_warning=True)


def add(problems: list[Problem], node: Node, message: str, *, is_warning: bool = False) -> None:
    """Note a problem where a node stands."""
    problems.append(Problem(node.file, node.line, node.column, message, is_warning))


def text(node: Node, name: str, problems: list[Problem], default: str = "") -> str:
    """Return a text parameter."""
    value = node.map().get(name)
    if value is None or value.value is None:
        return default
    if not isinstance(value.value, str | int | float):
        add(problems, value, f"“{name}” must be a text")
        return default
    return str(value.value)


def flag(node: Node, name: str, problems: list[Problem]) -> bool:
    """Return a true-or-false parameter; absent is false."""
    value = node.map().get(name)
    if value is None or isinstance(value.value, bool):
        return bool(value and value.value)
    add(problems, value, f"“{name}” must be true or false")
    return False


def texts(node: Node, name: str, problems: list[Problem]) -> list[str]:
    """Return a list-of-texts parameter; a single text counts as a list of one."""
    value = node.map().get(name)
    if value is None or value.value is None:
        return []
    items = value.value if isinstance(value.value, list) else [value]
    plain = [item.value for item in items if isinstance(item, Node)]
    if not all(isinstance(item, str | int | float) for item in plain):
        add(problems, value, f"“{name}” must be a list of texts")
        return []
    return [str(item) for item in plain]


def number(node: Node, name: str, problems: list[Problem]) -> int | None:
    """Return a whole-number parameter."""
    value = node.map().get(name)
    if value is None:
        return None
    if isinstance(value.value, int) and not isinstance(value.value, bool) and value.value > 0:
        return value.value
    add(problems, value, f"“{name}” must be a number above zero")
    return None
