"""“Did you mean”: among names that the reader wrote or may see, never others."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a sentence with the closest known name, or nothing."""
    close = get_close_matches(name[:100], sorted(known), n=1, cutoff=0.7)
    return f" Did you mean “{close[0]}”?" if close else ""
