"""Change a model file's text at one place and leave every other character alone, comments and order included. Pure.

Nothing is written anew from values. What comes out is read again, and must mean the same but for the change.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from apps.datamodels.errors import CannotEditTextError
from apps.semantic.model.yaml_nodes import FileProblemError, read_yaml

BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
SECTIONS = ("dimensions", "measures")
Entry = tuple[yaml.Node, yaml.Node]


class _Text:
    """A file's text, its lines, and its tree with places."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text
        try:
            self.plain = read_yaml(path, text).plain()
        except FileProblemError as error:
            raise CannotEditTextError(str(error)) from None
        self.root = yaml.compose(text, Loader=yaml.CSafeLoader)
        self.starts = [0, *(found.end() for found in BREAK.finditer(text))]
        self.newline = "\r\n" if "\r\n" in text else "\n"
        if self.root is not None and (not isinstance(self.root, yaml.MappingNode) or self.root.flow_style):
            raise CannotEditTextError(f"{path} is written in braces; nothing can be added to it by itself")

    def offset(self, mark: Any) -> int:
        return int(self.starts[mark.line] + mark.column)

    def with_text(self, offset: int, added: str, end: int | None = None) -> str:
        return self.text[:offset] + added + self.text[offset if end is None else end :]

    def line(self, number: int) -> str:
        return self.text[self.starts[number] : self.starts[number + 1]] if number + 1 < len(self.starts) else ""

    def before_line(self, number: int, lines: list[str]) -> str:
        """Put whole lines in before a line, or at the end."""
        block = "".join(f"{line}{self.newline}" for line in lines)
        if number < len(self.starts):
            return self.with_text(self.starts[number], block)
        return self.text + self.newline + block


def add_dimensions(path: str, text: str, fields: Mapping[str, str]) -> str:
    """Return the text with dimensions added after the last one; each is name → YAML in braces.

    Raises:
        CannotEditTextError: the file is written in a way that leaves no place for them.
    """
    found = _Text(path, text)
    lines = [f"{name}: {value}" for name, value in fields.items()]
    entry = _entry(found.root, "dimensions")
    if entry is None:
        number = len(found.starts) - 1 if text.endswith(("\n", "\r")) or not text else len(found.starts)
        after = found.before_line(number, ["dimensions:", *(f"  {line}" for line in lines)])
    elif isinstance(entry[1], yaml.MappingNode) and entry[1].flow_style:
        after = _into_braces(found, entry[1], ", ".join(lines))
    elif isinstance(entry[1], yaml.MappingNode):
        indent = " " * entry[1].value[0][0].start_mark.column
        after = found.before_line(_last_line(found, entry) + 1, [indent + line for line in lines])
    else:
        after = found.before_line(entry[0].end_mark.line + 1, [f"  {line}" for line in lines])
    before = found.plain if isinstance(found.plain, dict) else {}
    section = {**(before.get("dimensions") or {}), **{name: _value(value) for name, value in fields.items()}}
    return _proven(path, after, {**before, "dimensions": section})


def set_classification(path: str, text: str, name: str, label: str) -> str:
    """Return the text in which the field has this label, in place of the one it had, if any.

    Raises:
        CannotEditTextError: the file does not write the field in its own place, or in a way that cannot be changed.
    """
    found = _Text(path, text)
    section, entry = _field(found, name)
    key, value = entry
    known = _entry(value, "classification")
    if known is not None:
        after = found.with_text(found.offset(known[1].start_mark), label, found.offset(known[1].end_mark))
    elif isinstance(value, yaml.MappingNode) and value.flow_style:
        comma = ", " if value.value else ""
        after = found.with_text(found.offset(value.start_mark) + 1, f"classification: {label}{comma}")
    elif isinstance(value, yaml.MappingNode):
        first = value.value[0][0].start_mark
        after = found.with_text(found.offset(first), f"classification: {label}{found.newline}{' ' * first.column}")
    else:
        colon = found.text.index(":", found.offset(key.end_mark)) + 1
        after = found.with_text(colon, f" {{classification: {label}}}")
    before: Any = found.plain
    own = {**(before[section][name] or {}), "classification": label}
    return _proven(path, after, {**before, section: {**before[section], name: own}})


def _field(found: _Text, name: str) -> tuple[str, Entry]:
    for section in SECTIONS:
        holder = _entry(found.root, section)
        entry = _entry(holder[1], name) if holder is not None else None
        if entry is not None:
            return section, entry
    raise CannotEditTextError(f"{found.path} has no field “{name}” of its own; classify it where it is written")


def _entry(node: yaml.Node | None, name: str) -> Entry | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next(((key, value) for key, value in node.value if key.value == name), None)


def _into_braces(found: _Text, node: yaml.MappingNode, added: str) -> str:
    if not node.value:
        return found.with_text(found.offset(node.start_mark) + 1, added)
    key, value = node.value[-1]
    end = max(found.offset(key.end_mark), found.offset(value.end_mark))
    return found.with_text(end, f", {added}")


def _last_line(found: _Text, entry: Entry) -> int:
    """Return the number, from 0, of the last line of an entry's value; comments after it do not count."""
    key, value = entry
    if isinstance(value, yaml.CollectionNode) and not value.flow_style and value.value:
        last = value.value[-1]
        return _last_line(found, last if isinstance(value, yaml.MappingNode) else (last, last))
    if isinstance(value, yaml.ScalarNode) and value.style in ("|", ">"):
        line = int(value.end_mark.line) - (1 if value.end_mark.column == 0 else 0)
        while line > value.start_mark.line and not found.line(line).strip():
            line -= 1
        return line
    is_empty = isinstance(value, yaml.ScalarNode) and not value.value and value.style is None
    return int(key.end_mark.line if is_empty else value.end_mark.line)


def _value(text: str) -> object:
    return read_yaml("", text).plain()


def _proven(path: str, text: str, expected: object) -> str:
    try:
        is_same = read_yaml(path, text).plain() == expected
    except FileProblemError:
        is_same = False
    if not is_same:
        raise CannotEditTextError(f"{path} is written in a way in which nothing can be changed by itself")
    return text
