"""Who can see an object, and through what; what a person can see. Kinds of objects are registered by the apps that own them.

Made from the rules that decide on every request (:mod:`apps.access.rules`), in pages: a statement or two per permission
and page, whatever the number of people and objects.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import Http404

from apps.access.deciding import Way, by_role, counting, permitted, ways_of
from apps.access.identity import NOTHING, Identity, Rights, rights_of_people
from apps.access.models import AccessReview, RoleAssignment
from apps.access.roles import BASE, BUILT_IN, NAMES, Capability
from apps.access.rules import PermissionRule, rules_of
from apps.access.selectors import actor_of_identity
from apps.access.statements import as_subquery, ways_sql
from apps.access.types import Actor
from apps.accounts.models import GroupMembership, User

PERSON = "person"
PAGE = 100
"""entries of a page"""
WHOLE = 500
"""entries that are read at a time when the whole list is wanted"""

Condition = Callable[[Sequence[tuple[Actor, Any]]], Sequence[str]]
"""what else decides on each (actor, object), such as grants of a data model; an empty text for nothing"""


@dataclass(frozen=True, slots=True)
class ReviewedKind:
    """Objects of one model that people reach by permissions; ``within`` are those that are there at all, in order."""

    name: str
    label: str
    within: Callable[[], QuerySet[Any]]

    @property
    def rules(self) -> tuple[PermissionRule, ...]:
        return rules_of(self.within().model)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a review: a person, an object, every way in which the person reaches it, and what else decides."""

    person: str
    email: str
    kind: str
    object: str
    through: tuple[str, ...]
    condition: str = ""


_kinds: dict[str, ReviewedKind] = {}
_conditions: dict[str, Condition] = {}


def register_reviewed(kind: ReviewedKind) -> None:
    """Let a kind of objects be reviewed; a second one of that name takes its place."""
    _kinds[kind.name] = kind


def register_condition(kind_name: str, condition: Condition) -> None:
    """Let an app above say what else decides on objects of a kind."""
    _conditions[kind_name] = condition


def kinds() -> tuple[ReviewedKind, ...]:
    """Return all kinds of objects, by name."""
    return tuple(_kinds[name] for name in sorted(_kinds))


def reviewer_or_404(actor: Actor) -> None:
    """Let those pass whose roles hold the review of access."""
    if not actor.manages(Capability.REVIEW_ACCESS):
        raise Http404


def object_or_404(kind_name: str, key: UUID) -> Any:
    """Return a reviewed object of the bound tenant."""
    kind = _kinds.get(kind_name)
    found = kind.within().filter(pk=key).first() if kind is not None else None
    if found is None:
        raise Http404
    return found


class ReviewList(ABC):
    """The lines of one review, in pages."""

    @abstractmethod
    def count(self) -> int:
        """Return the number of lines."""

    @abstractmethod
    def entries(self, start: int, size: int) -> list[Entry]:
        """Return a part of the lines; the same parts in the same order as long as nothing changes."""

    def whole(self) -> Iterator[Entry]:
        """Yield all lines."""
        for start in range(0, self.count(), WHOLE):
            yield from self.entries(start, WHOLE)


class WhoSees(ReviewList):
    """The active people who reach an object, by e-mail."""

    def __init__(self, kind_name: str, obj: Any) -> None:
        self.kind, self.obj = _kinds[kind_name], obj

    def people(self) -> QuerySet[User]:
        found = Q(pk__in=[])
        for rule in self.kind.rules:
            ways = ways_sql(counting(rule), of="everybody")
            granted = f"SELECT w.person FROM ({ways}) w (person, a, b, c, d, e)"
            found |= Q(pk__in=as_subquery(granted, {"objects": [self.obj.pk]}))
            if rule.capability is not None:
                found |= _has_role(rule.capability)
        return User.objects.filter(found, is_active=True).order_by("email", "pk")

    def count(self) -> int:
        return self.people().count()

    def entries(self, start: int, size: int) -> list[Entry]:
        people = list(self.people()[start : start + size])
        return _entries(self.kind, [(user, self.obj) for user in people])


class WhatSees(ReviewList):
    """Every object that a person reaches, by kind; nothing for somebody who is shut out."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.actor = actor_of_identity(Identity(user, rights_of_people([user.pk]).get(user.pk, NOTHING)))

    def objects(self, kind: ReviewedKind) -> QuerySet[Any]:
        found = Q(pk__in=[])
        for rule in kind.rules:
            found |= Q(pk__in=permitted(self.actor, rule.model, rule.codename).order_by().values("pk"))
        return kind.within().filter(found) if self.user.is_active else kind.within().none()

    def count(self) -> int:
        return sum(self.objects(kind).count() for kind in kinds())

    def entries(self, start: int, size: int) -> list[Entry]:
        found: list[Entry] = []
        for kind in kinds():
            objects = self.objects(kind)
            here = objects.count()
            if start < here and len(found) < size:
                part = objects[start : start + size - len(found)]
                found += _entries(kind, [(self.user, obj) for obj in part])
            start = max(0, start - here)
        return found


def review_of(kind_name: str, subject: Any) -> ReviewList:
    """Return the review of a person, or of an object of a kind."""
    return WhatSees(subject) if kind_name == PERSON else WhoSees(kind_name, subject)


def _entries(kind: ReviewedKind, pairs: Sequence[tuple[User, Any]]) -> list[Entry]:
    people, objects = {user.pk for user, _ in pairs}, {obj.pk for _, obj in pairs}
    if not pairs:
        return []
    rights = rights_of_people(people)
    held = [(rule, ways_of(rule, people, objects)) for rule in kind.rules]
    conditions = _conditions_on(kind, pairs, rights)
    return [
        Entry(str(user), user.email, kind.label, str(obj), _through(user, obj, held, rights), condition)
        for (user, obj), condition in zip(pairs, conditions, strict=True)
    ]


def _through(
    user: User,
    obj: Any,
    held: Sequence[tuple[PermissionRule, Mapping[tuple[UUID, UUID], tuple[Way, ...]]]],
    rights: Mapping[UUID, Rights],
) -> tuple[str, ...]:
    """Return every way in words, each with the permissions that it gives."""
    given: dict[Way, list[str]] = defaultdict(list)
    capabilities = rights.get(user.pk, NOTHING).capabilities
    for rule, ways in held:
        for way in ways.get((user.pk, obj.pk), ()):
            given[way].append(rule.label)
        if rule.capability is not None and (user.is_tenant_admin or rule.capability in capabilities):
            given[by_role(rule)].append(rule.label)
    return tuple(f"{', '.join(labels)}: {way}" for way, labels in given.items())


def _conditions_on(
    kind: ReviewedKind, pairs: Sequence[tuple[User, Any]], rights: Mapping[UUID, Rights]
) -> Sequence[str]:
    condition = _conditions.get(kind.name)
    if condition is None:
        return [""] * len(pairs)
    actors = {user.pk: actor_of_identity(Identity(user, rights.get(user.pk, NOTHING))) for user, _ in pairs}
    return condition([(actors[user.pk], obj) for user, obj in pairs])


def _has_role(capability: Capability) -> Q:
    """Return the condition that a role of somebody holds a capability: base, group's, own, or administrator."""
    codes = [code for code, held in BUILT_IN.items() if capability in held]
    holding = RoleAssignment.objects.filter(Q(built_in__in=codes) | Q(role__capabilities__contains=[capability.value]))
    base = RoleAssignment.objects.filter(user=None, group=None)
    is_everybodys = holding.filter(user=None, group=None).exists() if base.exists() else capability in BUILT_IN[BASE]
    if is_everybodys:
        return Q(pk__isnull=False)  # not an empty condition: that one is dropped beside others
    members = GroupMembership.objects.filter(group__in=holding.exclude(group=None).values("group"))
    return (
        Q(is_tenant_admin=True) | Q(pk__in=holding.exclude(user=None).values("user")) | Q(pk__in=members.values("user"))
    )


def roles_of(user: User) -> list[str]:
    """Return the roles of a person in words, each with where it comes from."""
    if user.is_tenant_admin:
        return ["Tenant administrator"]
    groups = GroupMembership.objects.filter(user=user).values("group")
    own = Q(user=None, group=None) | Q(user=user) | Q(group__in=groups)
    found = list(RoleAssignment.objects.filter(own).select_related("role", "group"))
    texts = [f"{item.role_name} ({_whose(item)})" for item in found]
    has_base = any(item.user_id is None and item.group_id is None for item in found)
    return sorted(texts) if has_base else [*sorted(texts), f"{NAMES[BASE]} (everybody's, unless another is chosen)"]


def _whose(item: RoleAssignment) -> str:
    if item.group is not None:
        return f"through group {item.group}"
    return "personally" if item.user_id is not None else "everybody's"


def last_reviews(kind_name: str, key: UUID) -> QuerySet[AccessReview]:
    """Return the sign-offs of one subject, newest first."""
    return AccessReview.objects.filter(subject_kind=kind_name, subject_id=key)
