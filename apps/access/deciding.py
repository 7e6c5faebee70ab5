"""May this actor do this with that object, and through what: one answer for pages, explanations and the audit log."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from uuid import UUID

from django.db import connection, models

from apps.access.roles import LABELS
from apps.access.rules import PermissionRule, permission_ids, rule_of
from apps.access.statements import Counting, any_sql, as_subquery, below_sql, granted_sql, ways_sql
from apps.access.types import Actor

M = TypeVar("M", bound=models.Model)
WayKind = Literal["personally", "group", "folder", "role", "support"]


@dataclass(frozen=True, slots=True)
class Way:
    """One thing that gives a permission; ``group`` and ``folder`` are names, empty where they have no part in it."""

    kind: WayKind
    group: str = ""
    folder: str = ""
    role: str = ""

    def __str__(self) -> str:
        """Say it in words."""
        if self.kind == "support":
            return "approved for this support session"
        if self.kind == "role":
            return f"through a role: {self.role}"
        who = f"through group {self.group}" if self.group else "personally"
        return f"folder {self.folder}: {who}" if self.folder else who


@dataclass(frozen=True, slots=True)
class AccessDecision:
    """Whether an actor holds a permission on an object, and every way in which they do.

    While seeing as somebody else (``viewed``), the ways are those of the person seen; ``is_limited`` says that the
    permission was refused because the viewer does not hold it themselves.
    """

    is_allowed: bool
    codename: str
    object_type: str
    object_id: UUID
    ways: tuple[Way, ...] = ()
    viewed: str = ""
    is_limited: bool = False

    @property
    def through(self) -> tuple[str, ...]:
        """Return the ways in words, for people; none when it is refused."""
        return tuple(str(way) for way in self.ways) if self.is_allowed else ()

    def facts(self) -> dict[str, Any]:
        """Return what the audit log keeps of it."""
        found = {"permission": self.codename, "decision": "allowed" if self.is_allowed else "denied"}
        return found | {"through": list(self.through), "limited_by_viewer": self.is_limited}


def decide(actor: Actor, codename: str, obj: models.Model) -> AccessDecision:
    """Answer for one object of the bound tenant, in one statement; an object of another tenant is refused.

    Being an administrator gives no permission that opens data. A support session reaches what was approved for it.
    A view as another person reaches what that person may, and no more than its own limits.

    Raises:
        UnknownPermissionError: objects of this kind have no such permission.
    """
    rule = rule_of(type(obj), codename)
    ways = tuple(_ways(actor, rule, obj))
    limits = actor.viewing.limits if actor.viewing is not None else None
    is_limited = bool(ways) and limits is not None and not decide(limits, codename, obj).is_allowed
    viewed = actor.viewing.person_label if actor.viewing is not None else ""
    kind = obj._meta.label_lower
    return AccessDecision(bool(ways) and not is_limited, codename, kind, obj.pk, ways, viewed, is_limited)


def has_permission(actor: Actor, codename: str, obj: models.Model) -> bool:
    """Say whether the actor holds the permission on this object."""
    return decide(actor, codename, obj).is_allowed


def permitted(actor: Actor, model: type[M], codename: str) -> models.QuerySet[M]:
    """Return the objects on which the actor holds the permission: those that :func:`decide` allows, for lists.

    Raises:
        UnknownPermissionError: objects of this kind have no such permission.
    """
    rule = rule_of(model, codename)
    objects: models.QuerySet[M] = model._default_manager.all()
    if actor.kind == "support":
        reached = rule.reached(actor.support) if rule.reached is not None and actor.support is not None else None
        return objects.filter(reached) if reached is not None else objects.none()
    if not rule.admits(actor):
        return objects.none()
    if rule.is_held_by_role(actor):
        return objects
    found = objects.filter(_held(rule, actor.subject_id))
    limits = actor.viewing.limits if actor.viewing is not None else None
    return found if limits is None else found.filter(pk__in=permitted(limits, model, codename).values("pk"))


def held_anywhere(actor: Actor, rules: Collection[PermissionRule]) -> frozenset[PermissionRule]:
    """Return those of some permissions that the actor holds on any object: where :func:`permitted` is not empty.

    In one statement, for what is asked with every page. A role holds its permission though there is no object yet.

    Raises:
        TypeError: a permission opens data: those are asked of single objects, within the limits of who views.
    """
    if named := [rule.codename for rule in rules if rule.capability is None]:
        raise TypeError(f"{', '.join(named)} open data")
    admitted = [rule for rule in rules if rule.admits(actor)]
    by_role = {rule for rule in admitted if rule.is_held_by_role(actor)}
    asked = tuple(counting(rule) for rule in admitted if rule not in by_role)
    if not asked:
        return frozenset(by_role)
    with connection.prepared_cursor() as cursor:  # type: ignore[attr-defined]  # our own backend's
        cursor.execute(any_sql(asked), {"person": actor.subject_id})
        row = cursor.fetchone()
    return frozenset(by_role | {found.rule for found, is_held in zip(asked, row, strict=True) if is_held})


def ways_of(
    rule: PermissionRule, people: Collection[UUID], objects: Collection[UUID]
) -> dict[tuple[UUID, UUID], tuple[Way, ...]]:
    """Return every way in which each person holds a permission on each object by grants, in one statement."""
    params = {"people": list(people), "objects": list(objects)}
    return _by_pair(ways_sql(counting(rule), of="many"), params)


def _ways_of_one(rule: PermissionRule, person: UUID, obj: UUID) -> tuple[Way, ...]:
    """As :func:`ways_of`, in the statement that every request runs."""
    params = {"person": person, "object": obj}
    return _by_pair(ways_sql(counting(rule), of="one"), params).get((person, obj), ())


def _by_pair(sql: str, params: Mapping[str, Any]) -> dict[tuple[UUID, UUID], tuple[Way, ...]]:
    with connection.prepared_cursor() as cursor:  # type: ignore[attr-defined]  # our own backend's
        cursor.execute(sql, params)
        rows = cursor.fetchall()
    found: dict[tuple[UUID, UUID], set[Way]] = defaultdict(set)
    for person, obj, group_id, group, container_id, container in rows:
        is_above = container_id is not None and container_id != obj
        kind: WayKind = "folder" if is_above else "group" if group_id is not None else "personally"
        found[person, obj].add(Way(kind, group or "", container if is_above else ""))
    return {key: tuple(sorted(ways, key=_order)) for key, ways in found.items()}


def _held(rule: PermissionRule, person: UUID | None) -> models.Q:
    """Return the condition that a person holds a permission on an object by grants.

    Two sets, not one of all objects: the server can then walk a list in its order and stop at the end of a page.
    """
    named, whose = counting(rule), {"person": person}
    held = models.Q(pk__in=as_subquery(granted_sql(named), whose))
    if rule.floor is not None:
        held |= models.Q(**{f"{rule.floor.column}__in": as_subquery(below_sql(named), whose)})
    return held


def _order(way: Way) -> tuple[str, str]:
    return (way.folder, way.group)


def _ways(actor: Actor, rule: PermissionRule, obj: models.Model) -> Iterator[Way]:
    if actor.kind == "support":
        if permitted(actor, rule.model, rule.codename).filter(pk=obj.pk).exists():
            yield Way("support")
        return
    if not rule.admits(actor) or actor.subject_id is None:
        return
    if rule.is_held_by_role(actor) and rule.model._default_manager.filter(pk=obj.pk).exists():
        yield by_role(rule)
    yield from _ways_of_one(rule, actor.subject_id, obj.pk)


def by_role(rule: PermissionRule) -> Way:
    """Return the way of those whose role holds the permission on every object."""
    return Way("role", role=LABELS[rule.capability] if rule.capability is not None else "")


def counting(rule: PermissionRule) -> Counting:
    """Return a rule with the keys of the permissions that count for it."""
    above = permission_ids(rule.floor.container, rule.floor.given_by) if rule.floor is not None else ()
    return Counting(rule, permission_ids(rule.model, rule.given_by), above)
