"""``view.field[timeframe]`` as text and as parts, and the one answer to a name that cannot be used."""

from functools import lru_cache

from apps.semantic.errors import UnknownFieldError


@lru_cache(maxsize=8192)
def split_field(name: str) -> tuple[str, str | None]:
    """Return ``(view.field, timeframe or None)``."""
    field_id, bracket, rest = name.partition("[")
    if not bracket:
        return field_id, None
    # No timeframe is called "": a bracket left open names nothing.
    return field_id, rest[:-1] if rest.endswith("]") else ""


def unknown_field(name: str, path: str) -> UnknownFieldError:
    """Return the error for a name that is not there or not permitted: word for word the same for both."""
    return UnknownFieldError(f"There is no field “{name}” in this data set.", path)
