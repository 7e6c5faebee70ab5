"""“Did you mean”: among names that the reader wrote or may see, never others."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches

MAX_NAME = 100
MAX_COMPARED = 60
"""names that are compared letter by letter; of more than these, those of like length and like letters"""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a sentence with the closest known name, or nothing."""
    close = closest(name, known if isinstance(known, Collection) else tuple(known), cutoff=0.7)
    return f" Did you mean “{close}”?" if close else ""


def closest(name: str, known: Collection[str], *, cutoff: float) -> str | None:
    """Return the known name that is most like this one, if any is at all; the time it takes is bounded."""
    short = name[:MAX_NAME]
    compared = sorted(known) if len(known) <= MAX_COMPARED else _likely(short, known)
    return next(iter(get_close_matches(short, compared, n=1, cutoff=cutoff)), None)


def _likely(name: str, known: Collection[str]) -> list[str]:
    letters, length = frozenset(name), len(name)
    near = [(len(letters.symmetric_difference(item)), item) for item in known if abs(len(item) - length) <= 2]
    return [item for _, item in sorted(near)[:MAX_COMPARED]]
