"""One text for equal definitions, wherever in the files they stand. Pure."""

import hashlib
from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from apps.semantic.model.types import FieldFilter


def hash_of(*parts: Any) -> str:
    """Return a hash of definitions; places in files, comments and the order of a map's keys are left out."""
    return hashlib.sha256("\x00".join(map(_text, parts)).encode()).hexdigest()[:20]


def _text(part: Any) -> str:
    if isinstance(part, FieldFilter):
        return repr((part.field, part.condition))
    if isinstance(part, exp.Expr):
        return repr(part)  # the tree itself: as SQL, what another dialect lacks would be gone
    if isinstance(part, Mapping):
        return _text(tuple(sorted((str(key), _text(value)) for key, value in part.items())))
    if isinstance(part, frozenset | set):
        return _text(tuple(sorted(map(_text, part))))
    if isinstance(part, tuple | list):
        return "(" + "\x01".join(map(_text, part)) + ")"
    return repr(part)
