"""Request bodies: strict JSON, read before anything else looks at them."""

import json
from typing import Any

from django.http import HttpRequest

from apps.semantic.errors import MalformedQueryError

MAX_BYTES = 256 * 1024
MAX_NESTING = 40


class TooLargeError(ValueError):
    """The body is larger than a question can be."""


def json_body(request: HttpRequest) -> Any:
    """Return the body's JSON.

    Raises:
        TooLargeError: more than 256 KiB.
        MalformedQueryError: not JSON, a name twice, a number that is none, or nested too deeply.
    """
    if len(request.body) > MAX_BYTES:
        raise TooLargeError
    if request.body.count(b"[") + request.body.count(b"{") > 5_000:
        raise MalformedQueryError("The body is nested too deeply.")
    try:
        found = json.loads(request.body, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        text = str(error) if isinstance(error, MalformedNameError) else "The body is not JSON."
        raise MalformedQueryError(text) from None
    return found


class MalformedNameError(ValueError):
    """A name is given twice, or a number is none."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise MalformedNameError(f"“{name[:60]}” is given twice.")
        found[name] = value
    return found


def _no_constant(name: str) -> None:
    raise MalformedNameError(f"{name} is not a number.")
