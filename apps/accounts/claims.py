"""Claims of an identity provider → typed attributes and groups."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from apps.accounts.errors import AttributeTypeError
from apps.accounts.models import AttributeDefinition, ClaimMapping, GroupMembership, User, UserAttribute, UserGroup

MAX_VALUES = 500
MAX_TEXT = 500
TRUTH = {"true": True, "1": True, "false": False, "0": False}
NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")


class ProtocolText(str):
    """A value from a protocol that has only text (SAML): numbers and truth values are read out of it."""

    __slots__ = ()

    def read(self, kind: str) -> str | int | float | bool:
        """Return the value in an attribute's type, or the text itself where it says nothing of that type."""
        if kind == AttributeDefinition.Type.BOOLEAN and self.lower() in TRUTH:
            return TRUTH[self.lower()]
        if kind == AttributeDefinition.Type.NUMBER and NUMBER.fullmatch(self):
            return int(self) if self.lstrip("-").isdecimal() else float(self)
        return str(self)


def claim_at(claims: Mapping[str, Any], path: str) -> Any:
    """Return the claim at a dotted path, or None."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def typed_values(raw: Any, definition: AttributeDefinition) -> list[str | int | float | bool]:
    """Return the values of a claim or an entry in the attribute's type; empty when there is none.

    Raises:
        AttributeTypeError: a value has another type, or there are several where one belongs.
    """
    values = raw if isinstance(raw, list | tuple) else [raw]
    values = [value for value in values if value is not None and value != ""]
    if len(values) > 1 and not definition.is_list:
        raise AttributeTypeError(f"{definition.name} holds one value")
    if len(values) > MAX_VALUES:
        raise AttributeTypeError(f"{definition.name} holds at most {MAX_VALUES} values")
    return [_typed(value, definition) for value in values]


def _typed(value: Any, definition: AttributeDefinition) -> str | int | float | bool:
    kind = definition.type
    if isinstance(value, ProtocolText):
        value = value.read(kind)
    if kind == AttributeDefinition.Type.BOOLEAN and isinstance(value, bool):
        return value
    if kind == AttributeDefinition.Type.NUMBER and isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if kind == AttributeDefinition.Type.STRING and isinstance(value, str) and len(value) <= MAX_TEXT:
        return value
    if kind == AttributeDefinition.Type.DATE and isinstance(value, str):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            pass
    raise AttributeTypeError(f"{definition.name} holds {kind}s")


def refresh_attributes(user: User, mappings: list[ClaimMapping], claims: Mapping[str, Any]) -> list[str]:
    """Bring claim-sourced attributes up to date; return the names of those that changed.

    A claim that is absent or of another type removes its value, one that came with the invitation too. What an
    administrator has set stays.
    """
    held = {value.definition_id: value for value in UserAttribute.objects.filter(user=user)}
    wanted: dict[Any, list[Any]] = {}
    definitions = {mapping.definition_id: mapping.definition for mapping in mappings if mapping.definition}
    for mapping in mappings:
        if mapping.definition is None:
            continue
        try:
            values = typed_values(claim_at(claims, mapping.claim), mapping.definition)
        except AttributeTypeError:
            values = []
        wanted[mapping.definition_id] = values or wanted.get(mapping.definition_id, [])
    changed = []
    for definition_id, values in wanted.items():
        if _store(user, definitions[definition_id], held.get(definition_id), values):
            changed.append(definitions[definition_id].name)
    for definition_id, value in held.items():
        if value.source == UserAttribute.Source.CLAIM and definition_id not in wanted:
            value.delete()
            changed.append(value.definition.name)
    return sorted(changed)


def _store(user: User, definition: AttributeDefinition, held: UserAttribute | None, values: list[Any]) -> bool:
    if held is not None and held.source == UserAttribute.Source.ADMINISTRATOR:
        return False
    if held is not None and held.source == UserAttribute.Source.CLAIM and held.values == values:
        return False
    if not values:
        if held is not None:
            held.delete()
        return held is not None
    UserAttribute.objects.update_or_create(
        user=user, definition=definition, defaults={"values": values, "source": UserAttribute.Source.CLAIM}
    )
    return True


def refresh_groups(user: User, mappings: list[ClaimMapping], claims: Mapping[str, Any]) -> bool:
    """Bring claim-sourced memberships up to date; groups that do not exist are ignored. Say whether any changed."""
    paths = [mapping.claim for mapping in mappings if mapping.definition is None]
    if not paths:
        return False
    names: set[str] = set()
    for path in paths:
        raw = claim_at(claims, path)
        names |= {name for name in (raw if isinstance(raw, list) else [raw]) if isinstance(name, str)}
    wanted = set(UserGroup.objects.filter(name__in=names).values_list("pk", flat=True))
    held = dict(GroupMembership.objects.filter(user=user).values_list("group_id", "source"))
    gone = {group for group, source in held.items() if source == GroupMembership.Source.CLAIM} - wanted
    new = wanted - held.keys()
    GroupMembership.objects.filter(user=user, group_id__in=gone).delete()
    for group_id in new:
        GroupMembership.objects.create(user=user, group_id=group_id, source=GroupMembership.Source.CLAIM)
    return bool(gone or new)
