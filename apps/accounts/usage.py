"""What uses an attribute: other apps say so, since data models are above this one."""

from collections.abc import Callable

AttributeUse = Callable[[str], list[str]]
_uses: list[AttributeUse] = []


def register_attribute_use(find: AttributeUse) -> None:
    """Let an app name, in words for people, what depends on the attribute of a name."""
    if find not in _uses:
        _uses.append(find)


def uses_of(name: str) -> list[str]:
    """Return what depends on an attribute of the bound tenant."""
    return [text for find in _uses for text in find(name)]
