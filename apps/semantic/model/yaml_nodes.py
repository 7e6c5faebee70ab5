"""YAML text → values that know their place. Nothing is constructed but texts, numbers, booleans, lists and maps."""

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from apps.semantic.errors import Problem
from apps.semantic.model.types import Scalar, Source

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 200_000
_constructor = yaml.constructor.SafeConstructor()


class FileProblemError(Exception):
    """A file cannot be read at all."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands; ``value`` is a scalar, a list of nodes, or a map of names to nodes."""

    value: "Scalar | list[Node] | dict[str, Node]"
    file: str
    line: int
    column: int

    @property
    def source(self) -> Source:
        return Source(self.file, self.line, self.column)

    def map(self) -> "dict[str, Node]":
        return self.value if isinstance(self.value, dict) else {}

    def plain(self) -> object:
        """Return the value without places."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def _fail(file: str, line: int, column: int, message: str) -> FileProblemError:
    return FileProblemError(Problem(file, line, column, message))


def read_yaml(file: str, text: str) -> Node:
    """Read one file.

    Raises:
        FileProblemError: it is no YAML, or has an alias, a tag, a name twice, or too much of anything.
    """
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise _fail(file, 1, 1, f"the file is larger than {MAX_BYTES} bytes")
    try:
        _check_events(file, text)
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _fail(file, *place, f"not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise _fail(file, 1, 1, "not valid YAML") from None
    if node is None:
        return Node({}, file, 1, 1)
    return _node(file, node)


def _check_events(file: str, text: str) -> None:
    depth = documents = 0
    for count, event in enumerate(_events(text)):
        mark = event.start_mark
        place = (file, mark.line + 1, mark.column + 1) if mark else (file, 1, 1)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _fail(*place, "anchors and aliases are not supported in model files")
        if getattr(event, "tag", None) not in (None, "!") and not _is_implicit(event):
            raise _fail(*place, "tags are not supported in model files")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH or count > MAX_NODES or documents > 1:
            raise _fail(*place, "the file is nested too deeply, too long, or holds several documents")


def _events(text: str) -> Iterator[yaml.Event]:
    yield from yaml.parse(text, Loader=yaml.CSafeLoader)


def _is_implicit(event: yaml.Event) -> bool:
    implicit = getattr(event, "implicit", True)
    return any(implicit) if isinstance(implicit, tuple) else bool(implicit)


def _node(file: str, node: yaml.Node) -> Node:
    line, column = node.start_mark.line + 1, node.start_mark.column + 1
    if isinstance(node, yaml.SequenceNode):
        return Node([_node(file, item) for item in node.value], file, line, column)
    if isinstance(node, yaml.MappingNode):
        return Node(_mapping(file, node), file, line, column)
    return Node(_scalar(file, node, line, column), file, line, column)


def _mapping(file: str, node: yaml.MappingNode) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for key, value in node.value:
        line, column = key.start_mark.line + 1, key.start_mark.column + 1
        if not isinstance(key, yaml.ScalarNode):
            raise _fail(file, line, column, "a name must be a plain text")
        if key.value in found:
            raise _fail(file, line, column, f"“{key.value}” is given twice")
        found[key.value] = _at_key(_node(file, value), line, column)
    return found


def _at_key(node: Node, line: int, column: int) -> Node:
    """A map or a list is spoken of where its name stands."""
    return Node(node.value, node.file, line, column) if isinstance(node.value, dict | list) else node


def _scalar(file: str, node: yaml.Node, line: int, column: int) -> Scalar:
    kind = node.tag.rpartition(":")[2]
    if kind in ("int", "float", "bool", "null"):
        try:
            value: Scalar = _constructor.construct_object(node)
        except (ValueError, OverflowError):
            raise _fail(file, line, column, "this number cannot be read") from None
        return value
    return str(node.value)
