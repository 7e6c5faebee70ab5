"""The people who are here now, grouped by everything on which their rights can depend."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.access.selectors import actor_for_user
from apps.access.types import Actor
from apps.accounts.attributes import standing_by_person
from apps.accounts.models import GroupMembership, User
from apps.datamodels.models import DataModel, DatasetGroupPermission, DatasetUserPermission
from apps.datamodels.rules import QUERY
from apps.governance.blast_radius.types import PersonRef

SYSTEM = "omni_"
Held = Mapping[UUID, frozenset[UUID]]


@dataclass(frozen=True, slots=True)
class Peers:
    """People whose rights are equal; ``actor`` is one of them, as anybody who asks."""

    actor: Actor
    people: tuple[PersonRef, ...]


def peers(data_model: DataModel, attributes: frozenset[str]) -> list[Peers]:
    """Group all active people of the tenant: the same permissions on the model's data sets, the same values of the
    attributes that its rules name. Whoever has no permission has no rights, whatever their attributes.

    Six statements, and three per group.
    """
    users = list(User.objects.filter(is_active=True).order_by("email"))
    by_group, by_person = _permissions(data_model)
    groups = _pairs(GroupMembership.objects.values_list("user_id", "group_id"))
    values = _values(attributes)
    found: dict[Any, list[User]] = defaultdict(list)
    for user in users:
        own = groups.get(user.pk, frozenset())
        through = frozenset((group, dataset) for group in own for dataset in by_group.get(group, ()))
        held = frozenset(dataset for _, dataset in through) | by_person.get(user.pk, frozenset())
        key = (held, values.get(user.pk), _system_values(user, own, attributes)) if held else None
        found[key].append(user)
    return [Peers(actor_for_user(members[0]), tuple(_ref(user) for user in members)) for members in found.values()]


def _permissions(data_model: DataModel) -> tuple[Held, Held]:
    """Return the data sets of the model on which groups, and people themselves, hold the permission to query."""
    wanted = {"permission__codename": QUERY, "content_object__data_model": data_model}
    return (
        _pairs(DatasetGroupPermission._default_manager.filter(**wanted).values_list("group_id", "content_object_id")),
        _pairs(DatasetUserPermission._default_manager.filter(**wanted).values_list("user_id", "content_object_id")),
    )


def _pairs(rows: Iterable[tuple[UUID, UUID]]) -> Held:
    found: dict[UUID, set[UUID]] = defaultdict(set)
    for owner, item in rows:
        found[owner].add(item)
    return {owner: frozenset(items) for owner, items in found.items()}


def _values(attributes: frozenset[str]) -> dict[UUID, frozenset[Any]]:
    """Return the values of the named attributes by person, with their types: 1, 1.0 and true are three things."""
    return {
        user: frozenset(
            (one.name, one.type, tuple((type(value).__name__, value) for value in one.values))
            for one in held.values()
            if one.values
        )
        for user, held in standing_by_person(attributes).items()
    }


def _system_values(user: User, groups: frozenset[UUID], attributes: frozenset[str]) -> tuple[Any, ...]:
    """Return what the system's own attributes depend on, as far as rules name them."""
    named = {name for name in attributes if name.startswith(SYSTEM)}
    known: dict[str, Any] = {
        "omni_user_groups": groups, "omni_is_org_admin": user.is_tenant_admin, "omni_user_timezone": user.timezone,
    }  # fmt: skip
    is_personal = bool(named - known.keys())
    return (*(known[name] for name in sorted(named & known.keys())), user.pk if is_personal else None)


def _ref(user: User) -> PersonRef:
    return PersonRef(user.pk, str(user), user.email)
