"""YAML text → values that know their place. Nothing is constructed but texts, numbers, booleans, lists and maps.

Words mean what they mean in YAML 1.2: ``NO``, ``on``, ``12:30`` and ``010`` are texts, so that a country, an hour or a
postal code stays what its author wrote.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from apps.semantic.errors import Problem
from apps.semantic.model.types import Scalar, Source

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 200_000
MAX_NAME = 500
"""letters of a name in a map"""
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_WHOLE, _POWER = "(?:0|[1-9][0-9]*)", "(?:[eE][-+]?[0-9]+)"
KINDS = (
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE"), "tTfF"),
    ("null", re.compile(r"~|null|Null|NULL|"), ("~", "n", "N", "")),
    ("int", re.compile(rf"[-+]?{_WHOLE}"), "-+0123456789"),
    ("float", re.compile(rf"[-+]?(?:{_WHOLE}\.[0-9]*|\.[0-9]+)(?:{_POWER})?|[-+]?{_WHOLE}{_POWER}"), "-+.0123456789"),
)


class _Loader(yaml.CSafeLoader):
    """Tells plain words apart as YAML 1.2 does."""


_Loader.yaml_implicit_resolvers = {}  # of its own: those of older YAML stay with the class above
for _kind, _pattern, _first in KINDS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(rf"(?:{_pattern.pattern})\Z"), list(_first))


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
    text: str = ""
    """of a scalar: as it was written, whatever it means"""

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
        node = yaml.compose(text, Loader=_Loader)
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
    yield from yaml.parse(text, Loader=_Loader)


def _is_implicit(event: yaml.Event) -> bool:
    implicit = getattr(event, "implicit", True)
    return any(implicit) if isinstance(implicit, tuple) else bool(implicit)


def _node(file: str, node: yaml.Node) -> Node:
    line, column = node.start_mark.line + 1, node.start_mark.column + 1
    if isinstance(node, yaml.SequenceNode):
        return Node([_node(file, item) for item in node.value], file, line, column)
    if isinstance(node, yaml.MappingNode):
        return Node(_mapping(file, node), file, line, column)
    if CONTROL.search(node.value):
        raise _fail(file, line, column, "a control character cannot stand here")
    return Node(_scalar(file, node, line, column), file, line, column, node.value)


def _mapping(file: str, node: yaml.MappingNode) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for key, value in node.value:
        line, column = key.start_mark.line + 1, key.start_mark.column + 1
        if not isinstance(key, yaml.ScalarNode):
            raise _fail(file, line, column, "a name must be a plain text")
        if len(key.value) > MAX_NAME or CONTROL.search(key.value):
            raise _fail(file, line, column, f"a name has at most {MAX_NAME} letters, and none that cannot be seen")
        if key.value in found:
            raise _fail(file, line, column, f"“{key.value}” is given twice")
        found[key.value] = _at_key(_node(file, value), line, column)
    return found


def _at_key(node: Node, line: int, column: int) -> Node:
    """A map or a list is spoken of where its name stands."""
    return Node(node.value, node.file, line, column) if isinstance(node.value, dict | list) else node


def _scalar(file: str, node: yaml.Node, line: int, column: int) -> Scalar:
    kind, written = node.tag.rpartition(":")[2], str(node.value)
    if kind == "null":
        return None
    if kind == "bool":
        return written.lower() == "true"
    if kind not in ("int", "float"):
        return written
    try:
        number = int(written) if kind == "int" else float(written)
        is_usable = math.isfinite(number)
    except (ValueError, OverflowError):
        is_usable = False
    if not is_usable:
        raise _fail(file, line, column, "this number is too large")
    return number
