"""The claims of a person's last sign-in, sealed, and what the mappings make of them.

Claims hold more than Omni uses. They are kept so that an administrator can see why an attribute is what it is, for
nobody else, and only until the next sign-in or until the person is shut out.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.accounts.claims import claim_at, claimable_groups, groups_named, mapped_values
from apps.accounts.errors import AttributeTypeError
from apps.accounts.models import ClaimMapping, IdentityProvider, LastClaims, User, UserGroup
from apps.vault.services import open_sealed, seal

TABLE, COLUMN = "accounts_lastclaims", "claims"
MAX_BYTES = 64 * 1024
MAX_LEAVES = 200
MAX_SHOWN = 120
NOT_PERSONS = frozenset(
    ("iss", "aud", "exp", "iat", "nbf", "nonce", "at_hash", "c_hash", "sid", "jti", "azp", "auth_time")
)
"""claims about the token, not about the person: never kept"""
NAMES = {str: "text", bool: "yes or no", int: "number", float: "number", type(None): "nothing"}


@dataclass(frozen=True, slots=True)
class Leaf:
    """One claim: its path, what kind of value it is, and the value where a mapping uses it, else None."""

    path: str
    kind: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Made:
    """What one mapping makes of the claims; ``problem`` says why there is nothing."""

    claim: str
    target: str
    values: tuple[str, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """The last claims of a person, read against today's mappings."""

    provider: str
    received_at: datetime
    leaves: tuple[Leaf, ...]
    made: tuple[Made, ...]


def mappings_of(provider: IdentityProvider) -> list[ClaimMapping]:
    """Return a provider's mappings with what they lead to, in the order in which they apply."""
    found = ClaimMapping.objects.filter(provider=provider).select_related("definition", "provider")
    return list(found.order_by("claim", "pk"))


def keep_claims(user: User, provider: IdentityProvider, claims: Mapping[str, Any], *, now: datetime) -> None:
    """Keep what the provider said, in place of what it said before; what is too long is not kept."""
    kept = {name: value for name, value in claims.items() if name not in NOT_PERSONS}
    plain = json.dumps(kept, default=str).encode()
    held = LastClaims.objects.filter(user=user).first() or LastClaims(user=user)
    if len(plain) > MAX_BYTES:
        LastClaims.objects.filter(user=user).delete()
        return
    held.provider, held.received_at = provider, now
    held.sealed_claims = seal(plain, table=TABLE, row=held.pk, column=COLUMN)
    held.save()


def preview_of(user: User) -> Preview | None:
    """Return the last claims of a person and what the mappings make of them; None where none are kept."""
    held = LastClaims.objects.select_related("provider").filter(user=user).first()
    if held is None:
        return None
    plain = open_sealed(bytes(held.sealed_claims), table=TABLE, row=held.pk, column=COLUMN)
    claims: dict[str, Any] = json.loads(plain)
    mappings = mappings_of(held.provider)
    used = [mapping.claim for mapping in mappings]
    leaves = tuple(leaf for _, leaf in zip(range(MAX_LEAVES), _leaves(claims, used), strict=False))
    made = tuple(_made(mapping, claims) for mapping in mappings)
    return Preview(held.provider.name, held.received_at, leaves, made)


def try_mapping(user: User, mapping: ClaimMapping) -> Made | None:
    """Say whether a mapping that is not saved would find something in the last claims; never what it would find."""
    held = LastClaims.objects.filter(user=user).first()
    if held is None:
        return None
    claims = json.loads(open_sealed(bytes(held.sealed_claims), table=TABLE, row=held.pk, column=COLUMN))
    found = _made(mapping, claims)
    count = len(found.values)
    return Made(
        found.claim, found.target, (f"{count} value{'' if count == 1 else 's'}",) if count else (), found.problem
    )


def groups_to_come(user_id: UUID | None) -> frozenset[UUID]:
    """Return the groups of which claims may make a person a member at the next sign-in, as far as that is known.

    Those that the last claims name by today's mappings; where none are kept, every group that claims fill.
    """
    if not ClaimMapping.objects.filter(definition=None).exists():
        return frozenset()
    fillable = UserGroup.objects.filter(origin=UserGroup.Origin.ADMINISTRATOR).exclude(claim_value="")
    held = LastClaims.objects.select_related("provider").filter(user=user_id).first()
    if held is not None:
        plain = open_sealed(bytes(held.sealed_claims), table=TABLE, row=held.pk, column=COLUMN)
        fillable = claimable_groups(groups_named(mappings_of(held.provider), json.loads(plain)) or set())
    return frozenset(fillable.values_list("pk", flat=True))


def _leaves(claims: Mapping[str, Any], used: list[str], above: str = "") -> Iterator[Leaf]:
    for name, value in claims.items():
        path = f"{above}{name}"
        if isinstance(value, Mapping):
            yield from _leaves(value, used, f"{path}.")
        else:
            is_used = any(path == claim or path.startswith(f"{claim}.") for claim in used)
            yield Leaf(path, _kind(value), _shown(value) if is_used else None)


def _kind(value: Any) -> str:
    if not isinstance(value, list):
        return NAMES.get(type(value), "object")
    kinds = sorted({_kind(item) for item in value})
    return f"list of {len(value)}" + (f" ({', '.join(kinds)})" if kinds else "")


def _shown(value: Any) -> str:
    text = ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _made(mapping: ClaimMapping, claims: Mapping[str, Any]) -> Made:
    if mapping.definition is None:
        return _made_groups(mapping, claims)
    target = mapping.definition.label or mapping.definition.name
    try:
        values = mapped_values(mapping, claims)
    except AttributeTypeError as error:
        return Made(
            mapping.claim, target, (), f"Not taken: {error}, the claim is {_kind(claim_at(claims, mapping.claim))}."
        )
    if not values:
        return Made(mapping.claim, target, (), "The claim was not there.")
    return Made(mapping.claim, target, tuple(str(value) for value in values))


def _made_groups(mapping: ClaimMapping, claims: Mapping[str, Any]) -> Made:
    named = groups_named([mapping], claims) or set()
    groups = tuple(claimable_groups(named).order_by("name").values_list("name", flat=True))
    if groups or not named:
        return Made(mapping.claim, "groups", groups, "" if groups else "The claim was not there.")
    return Made(mapping.claim, "groups", (), f"{len(named)} named, none of which is a group here that claims may fill.")
