"""Removals of members one by one, as directories send them when many leave a group.

Applied by the library each costs as much as the group is large: 600 of 600 took 23 s. Their sum is one set.
"""

import re
from typing import Any

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ONE_MEMBER = re.compile(r'members\[value eq "([0-9A-Za-z-]+)"\]', re.IGNORECASE)


def only_removals(body: dict[str, Any]) -> frozenset[str] | None:
    """Return the members that a PATCH removes, when it does nothing but to remove single members; else None."""
    found = {name.lower(): value for name, value in body.items()}
    operations = found.get("operations")
    if len(found) != len(body) or {*found} != {"schemas", "operations"} or found["schemas"] != [PATCH]:
        return None
    if not isinstance(operations, list) or not operations:
        return None
    members = [_removed(operation) for operation in operations]
    return None if None in members else frozenset(member for member in members if member is not None)


def _removed(operation: Any) -> str | None:
    if not isinstance(operation, dict) or {*operation} != {"op", "path"}:
        return None
    is_removal = isinstance(operation["op"], str) and operation["op"].lower() == "remove"
    path = ONE_MEMBER.fullmatch(operation["path"]) if is_removal and isinstance(operation["path"], str) else None
    return path.group(1) if path else None


def without(members: list[Any] | None, gone: frozenset[str]) -> list[Any] | None:
    """Return the members of a group that stay."""
    return [member for member in members or () if member.value not in gone] or None
