"""Claims of an identity provider → typed attributes and groups."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, TypeGuard

from django.db.models import QuerySet

from apps.accounts.errors import AttributeTypeError
from apps.accounts.models import AttributeDefinition, ClaimMapping, GroupMembership, User, UserAttribute, UserGroup

MAX_VALUES = 500
MAX_TEXT = 500
TRUTH = {"true": True, "1": True, "false": False, "0": False}
NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")

MAX_NUMBER = 2**63
MISSING = object()
"""stands for a claim that is not there, which is not one that is null"""


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
    """Return the claim at a dotted path, or None.

    A name that holds dots itself (such as an address) is found before its parts are. A list of objects gives the list
    of what each of them has at the rest of the path.
    """
    found = _at(claims, tuple(path.split(".")))
    return None if found is MISSING else found


def _at(found: Any, parts: tuple[str, ...]) -> Any:
    if not parts:
        return found
    if isinstance(found, list):
        inner = [_at(item, parts) for item in found if isinstance(item, Mapping)]
        flat = [one for item in inner for one in (item if isinstance(item, list) else [item])]
        return [one for one in flat if one is not MISSING] or MISSING
    if isinstance(found, Mapping):
        for length in range(len(parts), 0, -1):
            name = ".".join(parts[:length])
            if name in found and (value := _at(found[name], parts[length:])) is not MISSING:
                return value
    return MISSING


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
    if kind == AttributeDefinition.Type.NUMBER and _is_number(value):
        return value
    if kind == AttributeDefinition.Type.STRING and isinstance(value, str) and is_storable(value):
        return value
    if kind == AttributeDefinition.Type.DATE and isinstance(value, str):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            pass
    raise AttributeTypeError(f"{definition.name} holds {kind}s")


def _is_number(value: Any) -> TypeGuard[int | float]:
    """Say whether this is a number with a size: not infinite, and not "not a number", which compares with nothing."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_NUMBER


def is_storable(text: str) -> bool:
    """Say whether a text is short enough and made of characters that the database keeps."""
    return len(text) <= MAX_TEXT and "\x00" not in text and not any("\ud800" <= one <= "\udfff" for one in text)


def mapped_values(mapping: ClaimMapping, claims: Mapping[str, Any]) -> list[str | int | float | bool]:
    """Return what a mapping makes of claims.

    Raises:
        AttributeTypeError: the claim has another type than the attribute.
    """
    if mapping.definition is None:
        raise TypeError("this mapping names groups")
    return typed_values(claim_at(claims, mapping.claim), mapping.definition)


def refresh_attributes(user: User, mappings: list[ClaimMapping], claims: Mapping[str, Any]) -> list[str]:
    """Bring claim-sourced attributes up to date; return the names of those that changed.

    A claim that is absent or of another type removes its value, and that of the invitation too: the identity provider
    has spoken. What other sources say stays as it is.
    """
    wanted: dict[str, tuple[ClaimMapping, list[Any]]] = {}
    for mapping in mappings:
        if mapping.definition is None:
            continue
        try:
            values = mapped_values(mapping, claims)
        except AttributeTypeError:
            values = []
        if values or mapping.definition.name not in wanted:
            wanted[mapping.definition.name] = (mapping, values)
    own = (UserAttribute.Source.CLAIM, UserAttribute.Source.INVITATION)
    held = list(UserAttribute.objects.filter(user=user, source__in=own).select_related("definition"))
    changed = {row.definition.name for row in held if _is_over(row, wanted)}
    UserAttribute.objects.filter(pk__in=[row.pk for row in held if _is_over(row, wanted)]).delete()
    known = {row.definition.name: row.values for row in held if row.source == UserAttribute.Source.CLAIM}
    for name, (mapping, values) in wanted.items():
        if values:
            origin = f"claim “{mapping.claim}” of {mapping.provider.name}"
            UserAttribute.objects.update_or_create(
                user=user, definition=mapping.definition, source=UserAttribute.Source.CLAIM,
                defaults={"values": values, "origin": origin},
            )  # fmt: skip
            if _typed_list(known.get(name, [])) != _typed_list(values):
                changed.add(name)
    return sorted(changed)


def _is_over(row: UserAttribute, wanted: Mapping[str, tuple[ClaimMapping, list[Any]]]) -> bool:
    """Say whether a value from a claim or an invitation goes."""
    if row.source == UserAttribute.Source.INVITATION:
        return row.definition.name in wanted
    return not wanted.get(row.definition.name, (None, []))[1]


def _typed_list(values: list[Any]) -> list[tuple[str, Any]]:
    return [(type(value).__name__, value) for value in values]


def groups_named(mappings: list[ClaimMapping], claims: Mapping[str, Any]) -> set[str] | None:
    """Return what claims of groups say; None when no mapping reads groups."""
    paths = [mapping.claim for mapping in mappings if mapping.definition is None]
    if not paths:
        return None
    names: set[str] = set()
    for path in paths:
        raw = claim_at(claims, path)
        names |= {name for name in (raw if isinstance(raw, list) else [raw]) if isinstance(name, str) and name}
    return {name for name in names if is_storable(name)}


def claimable_groups(names: set[str]) -> QuerySet[UserGroup]:
    """Return the groups that claims mean by these names: as a tenant administrator has set, whatever they are called.

    Who keeps people makes groups and renames them; by its name they would let claims make themselves a member. Groups
    that SCIM keeps take no members from claims.
    """
    return UserGroup.objects.filter(claim_value__in=names - {""}, origin=UserGroup.Origin.ADMINISTRATOR)


def refresh_groups(user: User, mappings: list[ClaimMapping], claims: Mapping[str, Any]) -> bool:
    """Bring claim-sourced memberships up to date; groups that do not exist are ignored. Say whether any changed."""
    names = groups_named(mappings, claims)
    wanted = set(claimable_groups(names or set()).values_list("pk", flat=True))
    own = GroupMembership.objects.filter(user=user, source=GroupMembership.Source.CLAIM)
    held = set(own.values_list("group_id", flat=True))
    own.filter(group_id__in=held - wanted).delete()
    for group_id in wanted - held:
        GroupMembership.objects.create(user=user, group_id=group_id, source=GroupMembership.Source.CLAIM)
    return held != wanted
