"""Names of the format's parameters: those that are read, and those that only decorate and are kept.

Reference: parts 4.3 to 4.11 of the format. ``mask``, ``classification``,
``classification_access`` and ``reads_in_clear`` are additions of ours.
"""

from typing import Any

from apps.semantic.errors import Problem
from apps.semantic.model.security_words import WORDS, security_word
from apps.semantic.model.suggestions import did_you_mean, remembered
from apps.semantic.model.yaml_nodes import Node

READ: dict[str, frozenset[str]] = {
    "model": frozenset((
        "access_grants", "default_topic_access_filters", "default_topic_required_access_grants", "week_start_day",
        "default_row_limit", "constants", "cache_policies", "default_cache_policy", "fiscal_month_offset",
        "query_timezone", "default_timeframes", "dynamic_schemas", "sets", "ignored_views", "included_views",
        "ignored_schemas", "included_schemas", "topics", "custom_formats", "default_topic_hidden_unless_access_grants",
        "classification_access",
    )),
    "view": frozenset((
        "schema", "catalog", "table_name", "label", "description", "dimensions", "measures", "filters",
        "required_access_grants", "access_filters", "hidden", "name", "sql", "query", "materialized_query", "tags",
        "custom_compound_primary_key_sql", "primary_key_sql", "extends", "template", "ignored",
        "uploaded_table_name", "classification",
    )),
    "dimension": frozenset((
        "sql", "label", "description", "format", "group_label", "hidden", "primary_key", "timeframes",
        "required_access_grants", "mask_unless_access_grants", "mask", "classification", "groups", "else",
        "bin_boundaries", "duration", "dynamic_top_n", "level_of_detail", "convert_tz", "order_by_field", "tags",
        "ignored", "aliases", "extends", "ignore_from_extended", "reads_in_clear",
    )),
    "measure": frozenset((
        "aggregate_type", "sql", "filters", "label", "description", "format", "group_label", "hidden",
        "required_access_grants", "percentile", "custom_primary_key_sql", "level_of_detail", "classification", "tags",
        "ignored", "aliases", "extends", "ignore_from_extended", "reads_in_clear",
    )),
    "filter": frozenset((
        "type", "default_filter", "label", "description", "hidden", "required_access_grants", "aliases",
    )),
    "topic": frozenset((
        "base_view", "label", "description", "joins", "fields", "required_access_grants", "access_filters",
        "always_where_filters", "always_where_sql", "always_having_filters", "always_having_sql", "default_filters",
        "default_row_limit", "views", "relationships", "cache_policy", "hidden", "group_label", "tags", "extends",
        "template", "hidden_unless_access_grants",
    )),
    "composite": frozenset((
        "topics", "shared_dimensions", "always_join_all_topics", "fields", "label", "description",
        "required_access_grants", "hidden", "hidden_unless_access_grants",
    )),
    "shared dimension": frozenset(("label", "mappings")),
    "grant": frozenset(("user_attribute", "allowed_values", "access_boostable")),
    "relationship": frozenset((
        "id", "join_from_view", "join_to_view", "join_from_view_as", "join_to_view_as", "join_type",
        "relationship_type", "on_sql", "reversible", "where_sql", "ignored",
    )),
    "query": frozenset((
        "base_view", "topic", "fields", "filters", "sorts", "limit", "calculations", "bind", "bind_all_filters",
        "default_group_by",
    )),
}  # fmt: skip
DECORATION = frozenset((
    "ai_context", "ai_fields", "ai_settings", "ai_chat_topics", "all_values", "auto_run", "base_view_label",
    "calcs_default_pushdown", "colors", "dbt", "default_drill_fields", "default_drill_query",
    "default_numeric_locale", "display_order", "drill_fields", "drill_queries",
    "facet_workbook_filters", "faceting", "fill_fields", "filter_single_select_only", "folder", "group_label",
    "join_from_view_as_label", "join_to_view_as_label", "label", "links", "markdown", "owners", "parent_field",
    "sample_queries", "sample_values", "schema_label", "skills", "skip_parent_label", "suggest_from_field",
    "suggest_from_topic", "suggestion_list", "synonyms", "tags", "timeframe_metadata", "topic_group_descriptions",
    "view_label", "join_via_map",
    "custom_primary_key_sql_for_quick_aggs", "slot_reservation", "warehouse_override", "hidden", "format",
    "ignored", "name", "prompt",
))  # fmt: skip
REFUSED = {
    "compute_routing": "set it up at the connection's role in the database",
    "dynamic_shared_extensions": "make one model with access grants, or one per customer",
    "nested_on_field": "its rows are those of an array inside a row, which no policy and no key tells apart; use an SQL view",
    "sql_preamble": "statements before a question are not proven; set it up at the connection's role in the database",
    "shared_measures": "measures of several topics cannot be one under rights of their own; name each, “@Topic.view.measure”",
    "shared_views": "a view's rows may differ by topic; share single dimensions, with shared_dimensions",
    "bind_outer_context": "use bind or bind_all_filters",
    "code": "what it does cannot be governed",
}
"""Parameters that would change an answer in a way that cannot be governed; leaving them out would give wrong numbers."""
ELSEWHERE = {
    ("model", "extends"): "a model is the files of one folder; put those that it extends into it",
    ("query", "join_via_map"): "name a topic, whose joins say the way",
    ("query", "fill_fields"): "dates without rows are not made up",
    (
        "view",
        "aliases",
    ): "a second name of a view would be a second way around what is written for the first; fields may have other names",
}
"""(kind, parameter) → what to do instead, for parameters that would change which rows or names there are"""
OPEN = frozenset().union(*READ.values()) - frozenset(WORDS)
"""parameters of some kind that close nothing, however they look"""
NESTED: dict[str, frozenset[str] | None] = {
    "duration": frozenset(("sql_start", "sql_end", "intervals")),
    "dynamic_top_n": frozenset(("n", "by", "desc", "else")),
    "level_of_detail": frozenset((
        "aggregate_type", "fixed", "include", "exclude", "cancel_query_filters", "custom_primary_key_sql",
    )),
    "materialized_query": None,
}  # fmt: skip
"""parameters that hold parameters, with those; None: checked by its reader"""
MAX_PROBLEMS = 200
"""faults that are told at once; warnings are not counted"""


class TooManyProblemsError(Exception):
    """There are more problems than anybody would read."""


def check_parameters(node: Node, kind: str, problems: list[Problem]) -> None:
    """Report parameters that are refused (problems) or unknown (warnings, but for those that look like rules of access)."""
    for name, value in node.map().items():
        if name in READ[kind]:
            _check_nested(name, value, problems)
        elif name == "type" and kind == "dimension":
            add(problems, value, "Invalid property “type”: a dimension's type follows from its SQL; cast to change it")
        elif name in REFUSED:
            add(problems, value, f"“{name}” is not supported: {REFUSED[name]}")
        elif (hint := ELSEWHERE.get((kind, name))) is not None:
            if value.value not in (None, {}, []):
                add(problems, value, f"“{name}” is not supported: {hint}")
        elif name == "fill_fields" and value.value not in (None, []):
            add(
                problems,
                value,
                "“fill_fields” is kept, not followed: dates without rows are not made up",
                is_warning=True,
            )
        elif name not in DECORATION:
            _unknown(name, value, kind, problems)


def _check_nested(name: str, value: Node, problems: list[Problem]) -> None:
    for inner, below in value.map().items() if name in NESTED else ():
        known = NESTED[name]
        if known is not None and inner in known:
            continue
        if inner in WORDS or (known is not None and remembered(inner, security_word) != ""):
            add(problems, below, f"“{inner}” closes nothing inside “{name}”: write it beside “{name}”")
        elif known is not None:
            hint = did_you_mean(inner, known)
            add(problems, below, f"“{inner}” is not a parameter inside “{name}”; it is ignored.{hint}", is_warning=True)


def check_inside(node: Node, where: str, known: tuple[str, ...], problems: list[Problem]) -> None:
    """Report what is no parameter of a part of a file: a fault where its author may believe that it closes something."""
    for name, value in node.map().items():
        if name in known:
            continue
        if remembered(name, security_word) != "":
            add(problems, value, f"“{name}” closes nothing inside “{where}”: write it on the field over it")
        else:
            add(problems, value, f"“{name}” is not a parameter inside “{where}”", is_warning=True)


def _unknown(name: str, value: Node, kind: str, problems: list[Problem]) -> None:
    """Report a parameter that is none here: a fault where its author may believe that it closes something."""
    word = "" if name in OPEN else remembered(name, security_word)
    if word is None:
        add(problems, value, f"too many names are no parameters; “{name}” and those after it were not looked at")
    elif word and word in READ[kind]:
        add(problems, value, f"“{name}” is not a parameter of a {kind} and closes nothing. Did you mean “{word}”?")
    elif word:
        kinds = ", ".join(sorted(other for other, names in READ.items() if word in names))
        elsewhere = f": {'it' if word == name else f'“{word}”'} is one of {kinds}" if kinds else ""
        add(problems, value, f"“{name}” is not a parameter of a {kind} and closes nothing{elsewhere}")
    else:
        hint = did_you_mean(name, READ[kind])
        add(problems, value, f"“{name}” is not a parameter of a {kind}; it is ignored.{hint}", is_warning=True)


def decoration(node: Node, kind: str) -> dict[str, Any]:
    """Return the parameters that only decorate, as plain values."""
    return {name: value.plain() for name, value in node.map().items() if name in DECORATION and name not in READ[kind]}


def add(problems: list[Problem], node: Node, message: str, *, is_warning: bool = False) -> None:
    """Note a problem where a node stands.

    Raises:
        TooManyProblemsError: nobody reads more faults; the caller tells those that were found.
    """
    if not is_warning and sum(not item.is_warning for item in problems) >= MAX_PROBLEMS:
        raise TooManyProblemsError
    problems.append(Problem(node.file, node.line, node.column, message, is_warning))


def text(node: Node, name: str, problems: list[Problem], default: str = "") -> str:
    """Return a text parameter."""
    value = node.map().get(name)
    if value is None or value.value is None:
        return default
    if not isinstance(value.value, str | int | float):
        add(problems, value, f"“{name}” must be a text")
        return default
    return value.text or str(value.value)


def flag(node: Node, name: str, problems: list[Problem], *, default: bool = False) -> bool:
    """Return a true-or-false parameter; absent is false unless said otherwise."""
    value = node.map().get(name)
    if value is None or value.value is None:
        return default
    if isinstance(value.value, bool):
        return value.value
    add(problems, value, f"“{name}” must be true or false")
    return default


def texts(node: Node, name: str, problems: list[Problem]) -> list[str]:
    """Return a list-of-texts parameter; a single text counts as a list of one."""
    value = node.map().get(name)
    if value is None or value.value is None:
        return []
    items = value.value if isinstance(value.value, list) else [value]
    nodes = [item for item in items if isinstance(item, Node)]
    if not all(isinstance(item.value, str | int | float) for item in nodes):
        add(problems, value, f"“{name}” must be a list of texts")
        return []
    return [item.text or str(item.value) for item in nodes]


def submap(node: Node, name: str, problems: list[Problem]) -> dict[str, Node]:
    """Return a parameter that is a map of names; absent or empty is an empty one."""
    value = node.map().get(name)
    if value is None or value.value is None:
        return {}
    if not isinstance(value.value, dict):
        add(problems, value, f"“{name}” must be a map of names")
        return {}
    return value.value


def number(node: Node, name: str, problems: list[Problem]) -> int | None:
    """Return a whole-number parameter."""
    value = node.map().get(name)
    if value is None:
        return None
    if isinstance(value.value, int) and not isinstance(value.value, bool) and value.value > 0:
        return value.value
    add(problems, value, f"“{name}” must be a number above zero")
    return None


def choice(node: Node, name: str, allowed: tuple[str, ...], problems: list[Problem]) -> str:
    """Return a parameter that is one of some words, or nothing."""
    found = text(node, name, problems)
    if found and found not in allowed:
        add(problems, node.map()[name], f"there is no {name} “{found}”.{did_you_mean(found, allowed)}")
        return ""
    return found
