"""A folder of files → one checked model, or every problem at once."""

import re
from collections.abc import Mapping

from apps.semantic.errors import ModelError, Problem
from apps.semantic.model.checks import check_model
from apps.semantic.model.parameters import add, check_parameters, text
from apps.semantic.model.relationships import read_relationships
from apps.semantic.model.rules import read_grants, read_policies, read_rule
from apps.semantic.model.suggestions import did_you_mean
from apps.semantic.model.topics import read_topic, topic_name
from apps.semantic.model.types import SemanticModel, Topic, View
from apps.semantic.model.views import read_view, view_name
from apps.semantic.model.yaml_nodes import FileProblemError, Node, read_yaml

MAX_TOTAL_BYTES = 20_000_000
SAFE_PATH = re.compile(r"[A-Za-z0-9_.\- ]+(/[A-Za-z0-9_.\- ]+)*")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
UNSUPPORTED = (".query.view", ".composite_topic")


def read_model(files: Mapping[str, str], *, dialect: str) -> SemanticModel:
    """Read and check the files of a model; paths use ``/``.

    Raises:
        ModelError: with every problem found, each with file, line and column.
    """
    problems: list[Problem] = []
    nodes = _nodes(files, problems)
    header = next((node for path, node in nodes.items() if _stem(path) == "model"), Node({}, "model", 1, 1))
    check_parameters(header, "model", problems)
    views = _views(files, nodes, dialect, problems)
    relationships = [
        item
        for path, node in nodes.items()
        if _stem(path) == "relationships"
        for item in read_relationships(node, views, dialect=dialect, problems=problems)
    ]
    grants = read_grants(header, problems)
    read_rule(header, "default_topic_required_access_grants", problems)
    read_policies(header, "default_topic_access_filters", problems)
    topics: dict[str, Topic] = {}
    for path, node in nodes.items():
        if _stem(path).endswith(".topic"):
            name = topic_name(path)
            topic = read_topic(name, node, views=views, relationships=relationships, defaults=header, problems=problems)
            if name in topics:
                add(problems, node, f"there are two topics “{name}”")
            elif topic is not None:
                topics[name] = topic
    model = SemanticModel(dialect, views, topics, grants, _week_start(header, problems))
    problems += check_model(model)
    faults = tuple(sorted((item for item in problems if not item.is_warning), key=_order))
    if faults:
        raise ModelError(faults)
    warnings = tuple(sorted((item for item in problems if item.is_warning), key=_order))
    return SemanticModel(dialect, views, topics, grants, model.week_start, warnings)


def _order(problem: Problem) -> tuple[str, int, int]:
    return (problem.file, problem.line, problem.column)


def _stem(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".yaml").removesuffix(".yml")


def _nodes(files: Mapping[str, str], problems: list[Problem]) -> dict[str, Node]:
    nodes: dict[str, Node] = {}
    if sum(len(content) for content in files.values()) > MAX_TOTAL_BYTES:
        raise ModelError((Problem("model", 1, 1, "the files are too large together"),))
    for path in sorted(files):
        stem = _stem(path)
        if not SAFE_PATH.fullmatch(path) or ".." in path.split("/"):
            problems.append(Problem(path[:100], 1, 1, "a file's name must stay inside the model's folder"))
        elif stem.endswith(UNSUPPORTED):
            problems.append(Problem(path, 1, 1, "this kind of file is not supported in this version"))
        elif stem not in ("model", "relationships") and not stem.endswith((".view", ".topic")):
            problems.append(Problem(path, 1, 1, "not a model file: expected model, relationships, *.view or *.topic"))
        else:
            try:
                nodes[path] = read_yaml(path, files[path])
            except FileProblemError as error:
                problems.append(error.problem)
    return nodes


def _views(files: Mapping[str, str], nodes: dict[str, Node], dialect: str, problems: list[Problem]) -> dict[str, View]:
    views: dict[str, View] = {}
    for path, node in nodes.items():
        if not _stem(path).endswith(".view"):
            continue
        name = view_name(path, files[path])
        if name in views:
            add(problems, node, f"there are two views “{name}”")
        elif not isinstance(node.value, dict):
            add(problems, node, "a view file must be a map")
        else:
            views[name] = read_view(name, node, dialect=dialect, problems=problems)
    return views


def _week_start(header: Node, problems: list[Problem]) -> int:
    name = text(header, "week_start_day", problems).lower() or WEEKDAYS[0]
    if name in WEEKDAYS:
        return WEEKDAYS.index(name)
    add(problems, header.map()["week_start_day"], f"“{name}” is no weekday.{did_you_mean(name, WEEKDAYS)}")
    return 0
