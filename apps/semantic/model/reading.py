"""A folder of files → one checked model, or every problem at once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import islice

from apps.semantic.errors import ModelError, Problem
from apps.semantic.model.checks import check_model
from apps.semantic.model.classification import read_classification_access
from apps.semantic.model.composites import read_composite
from apps.semantic.model.context import Context
from apps.semantic.model.contradictions import check_contradictions
from apps.semantic.model.dimensions import read_timeframes
from apps.semantic.model.extending import extended, laid_over, over_parents
from apps.semantic.model.formats import read_custom_formats
from apps.semantic.model.kinds import check_kinds
from apps.semantic.model.mixed_rows import check_mixed_rows
from apps.semantic.model.open_tables import check_open_tables
from apps.semantic.model.parameters import (
    MAX_PROBLEMS,
    TooManyProblemsError,
    check_parameters,
    flag,
    number,
    submap,
    text,
)
from apps.semantic.model.relationships import read_relationships
from apps.semantic.model.ruled import check_chosen_rows, check_compared_masks, check_provable, check_rollup_groups
from apps.semantic.model.rules import read_grants, read_policies, read_rule
from apps.semantic.model.security import check_security
from apps.semantic.model.settings import (
    hidden_by_lists,
    read_cache_policies,
    read_calendar,
    read_constants,
    read_schemas,
    schema_filter,
)
from apps.semantic.model.settling import settled
from apps.semantic.model.stored import StoredTables
from apps.semantic.model.suggestions import bounded_work
from apps.semantic.model.topics import as_topic_sees, implicit_topics, read_topic, topic_name
from apps.semantic.model.types import CompositeTopic, Relationship, SemanticModel, Topic, View
from apps.semantic.model.views import read_view, view_name
from apps.semantic.model.yaml_nodes import FileProblemError, Node, read_yaml

MAX_TOTAL_BYTES = 10_000_000
SAFE_PATH = re.compile(r"[A-Za-z0-9_.\- ]+(/[A-Za-z0-9_.\- ]+)*")
SINGLE = ("model", "relationships")
VIEWS, TOPICS, COMPOSITES, TESTS = (".view",), (".topic",), (".composite_topic",), (".access_test",)


@dataclass(slots=True)
class _Folder:
    """The files, read as YAML, by kind and name."""

    header: Node
    views: dict[str, Node] = field(default_factory=dict)
    topics: dict[str, Node] = field(default_factory=dict)
    composites: dict[str, Node] = field(default_factory=dict)
    relationships: list[Node] = field(default_factory=list)


def read_model(
    files: Mapping[str, str],
    *,
    dialect: str,
    stored: StoredTables | None = None,
) -> SemanticModel:
    """Read and check the files of a model; paths use ``/``.

    Args:
        files: content by path; policy tests (``*.access_test``) are known and left alone.
        dialect: of the connection.
        stored: the source's tables, for a model that answers questions; None for what the files say by themselves.

    Raises:
        ModelError: with every problem found, each with file, line and column.
    """
    context = Context(dialect, [], stored=stored)
    problems = context.problems
    try:
        with bounded_work():
            model = _model(_folder(files, context), context)
            problems += islice(check_model(model), MAX_PROBLEMS)
        problems += islice(check_security(model), MAX_PROBLEMS)
        problems += islice(check_open_tables(model), MAX_PROBLEMS)
        problems += islice(check_kinds(model), MAX_PROBLEMS)
        problems += islice(check_contradictions(model), MAX_PROBLEMS)
        problems += islice(check_provable(model, tuple(problems)), MAX_PROBLEMS)
        if all(item.is_warning for item in problems):
            problems += islice(check_compared_masks(model), MAX_PROBLEMS)
            problems += islice(check_chosen_rows(model), MAX_PROBLEMS)
            problems += islice(check_rollup_groups(model), MAX_PROBLEMS)
            problems += islice(check_mixed_rows(model), MAX_PROBLEMS)
    except TooManyProblemsError:
        problems.append(Problem("model", 1, 1, f"there are more than {MAX_PROBLEMS} problems; these are the first"))
        raise ModelError(tuple(sorted({item for item in problems if not item.is_warning}, key=_order))) from None
    faults = tuple(sorted({item for item in problems if not item.is_warning}, key=_order))
    if faults:
        raise ModelError(faults)
    warnings = tuple(sorted({item for item in problems if item.is_warning}, key=_order))
    return replace(model, warnings=warnings)


def _order(problem: Problem) -> tuple[str, int, int, str]:
    return (problem.file, problem.line, problem.column, problem.message)


def _model(folder: _Folder, context: Context) -> SemanticModel:
    header, problems = folder.header, context.problems
    check_parameters(header, "model", problems)
    read_constants(header, context)
    read_custom_formats(header, context)
    week_start, zone = read_calendar(header, context)
    context.dynamic_schemas = read_schemas(header, context)
    context.default_timeframes = read_timeframes(header, "default_timeframes", context)
    context.labels = read_classification_access(header, context)
    views = _views(folder, context)
    relationships = [item for node in folder.relationships for item in read_relationships(node, views, context)]
    views, relationships = settled(views, relationships, context, topics=folder.topics.values())
    grants = read_grants(header, problems)
    for name in ("default_topic_required_access_grants", "default_topic_hidden_unless_access_grants"):
        read_rule(header, name, problems, may_be_empty=True)
    number(header, "default_row_limit", problems)
    read_policies(header, "default_topic_access_filters", problems)
    topics, own = _topics(folder, views, relationships, context)
    querying = [*views.values(), *(view for parts, _ in own.values() for view in parts.values())]
    topics = implicit_topics(querying, views, relationships, context, header) | topics
    policies = read_cache_policies(header, context)
    model = SemanticModel(
        context.dialect, views, topics, grants, week_start,
        composites=_composites(folder, topics, context),
        fiscal_month_offset=context.fiscal_month_offset or 0,
        query_timezone=zone,
        cache_policies=policies,
        default_cache_policy=text(header, "default_cache_policy", []) or None,
        classification_access=context.labels,
        decoration=header.plain() if isinstance(header.value, dict) else {},  # type: ignore[arg-type]  # a map
        relationships=tuple(relationships),
    )  # fmt: skip
    # One map for all: from within a topic, another topic is what it is by itself.
    seen: dict[str, SemanticModel] = {}
    model = replace(model, topic_models=seen)
    seen |= {name: as_topic_sees(model, name, *parts) for name, parts in own.items()}
    return model


def _stem(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".yaml").removesuffix(".yml")


def _folder(files: Mapping[str, str], context: Context) -> _Folder:
    if sum(len(content) for content in files.values()) > MAX_TOTAL_BYTES:
        raise ModelError((Problem("model", 1, 1, "the files are too large together"),))
    folder = _Folder(Node({}, "model", 1, 1))
    for path in sorted(files):
        stem = _stem(path)
        if not SAFE_PATH.fullmatch(path) or ".." in path.split("/"):
            context.problems.append(Problem(path[:100], 1, 1, "a file's name must stay inside the model's folder"))
        elif stem.endswith(TESTS):
            continue
        elif stem not in SINGLE and not stem.endswith((*VIEWS, *TOPICS, *COMPOSITES)):
            expected = "expected model, relationships, *.view, *.query.view, *.topic or *.composite_topic"
            context.problems.append(Problem(path, 1, 1, f"not a model file: {expected}"))
        else:
            try:
                _place(folder, path, files[path], read_yaml(path, files[path]), context)
            except FileProblemError as error:
                context.problems.append(error.problem)
    for name, node in submap(folder.header, "topics", context.problems).items():
        _add(folder.topics, name, node, "topics", context)
    return folder


def _place(folder: _Folder, path: str, content: str, node: Node, context: Context) -> None:
    stem = _stem(path)
    if stem == "relationships":
        folder.relationships.append(node)
        return
    if not isinstance(node.value, dict):
        context.fault(node, "this file must be a map of parameters")
    elif stem == "model":
        if folder.header.value:
            context.fault(node, "there are two model files")
        folder.header = node
    elif stem.endswith(VIEWS):
        _add(folder.views, view_name(path, content), node, "views", context)
    elif stem.endswith(TOPICS):
        _add(folder.topics, topic_name(path), node, "topics", context)
    else:
        _add(folder.composites, topic_name(path), node, "composite topics", context)


def _add(nodes: dict[str, Node], name: str, node: Node, kind: str, context: Context) -> None:
    twin = next((other for other in nodes if other.lower() == name.lower()), None)
    if twin is not None:
        difference = "" if twin == name else f" (beside “{twin}”: only their case differs)"
        context.fault(node, f"there are two {kind} “{name}”{difference}")
    else:
        nodes[name] = node


def _views(folder: _Folder, context: Context) -> dict[str, View]:
    ignored, included = hidden_by_lists(folder.header, context)
    is_listed = schema_filter(folder.header, context)
    views: dict[str, View] = {}
    for name in folder.views:
        node = extended(name, folder.views, context)
        is_left_out = any(fnmatchcase(name, item) for item in ignored)
        is_left_out |= bool(included) and not any(fnmatchcase(name, item) for item in included)
        is_left_out |= flag(node, "ignored", context.problems) or flag(node, "template", context.problems)
        if not is_left_out:
            view = read_view(name, node, context)
            views[name] = view if is_listed(view.schema) else replace(view, is_hidden=True)
    return views


def _topics(
    folder: _Folder, views: dict[str, View], relationships: list[Relationship], context: Context
) -> tuple[dict[str, Topic], dict[str, tuple[dict[str, View], list[Relationship]]]]:
    """Return the topics, and the views and relationships of those that have any of their own."""
    topics: dict[str, Topic] = {}
    own_parts: dict[str, tuple[dict[str, View], list[Relationship]]] = {}
    for name in folder.topics:
        node = extended(name, folder.topics, context)
        if flag(node, "template", context.problems):
            continue
        own = _own_views(folder, node, context)
        seen = {**views, **own}
        related = node.map().get("relationships")
        local = read_relationships(related, seen, context) if related is not None else []
        own |= {name: view for name, view in seen.items() if name not in views}
        if own or local:
            beneath = [views[name] for name in own if name in views]
            seen, local = settled(seen, local, context, beneath)
            own = {name: seen[name] for name in seen if views.get(name) is not seen[name]}
        # A topic's own relationship takes the place of the model's between the same views.
        taken = {(item.from_view, item.to_view) for item in local}
        others = [item for item in relationships if (item.from_view, item.to_view) not in taken]
        topic = read_topic(
            name, node, views=seen, relationships=[*local, *others], defaults=folder.header, context=context
        )
        if topic is not None:
            topics[name] = topic
            if own or local:
                own_parts[name] = own, local
    return topics, own_parts


def _own_views(folder: _Folder, node: Node, context: Context) -> dict[str, View]:
    found: dict[str, View] = {}
    for name, item in submap(node, "views", context.problems).items():
        if item.value is None and name in folder.views:
            continue
        if not isinstance(item.value, dict):
            context.fault(item, f"“{name}” must be a map of what this topic changes in the view")
            continue
        below = (
            extended(name, folder.views, context)
            if name in folder.views
            else Node({}, item.file, item.line, item.column)
        )
        own = over_parents(item, folder.views, context)
        found[name] = read_view(name, laid_over(below, own, context), context)
    return found


def _composites(folder: _Folder, topics: Mapping[str, Topic], context: Context) -> dict[str, CompositeTopic]:
    found: dict[str, CompositeTopic] = {}
    for name, node in folder.composites.items():
        composite = read_composite(name, node, topics, folder.header, context)
        if name in topics:
            context.fault(node, f"“{name}” is the name of a topic already")
        elif composite is not None:
            found[name] = composite
    return found
