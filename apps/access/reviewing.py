"""Who can see an object, and through what; what a person can see. Kinds of objects are registered by the apps that own them."""

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models, transaction
from django.http import Http404

from apps.access.models import AccessReview
from apps.access.roles import Capability
from apps.access.types import Actor
from apps.accounts.models import GroupMembership, User
from apps.audit.services import record

PERSON = "person"
NobodyAbove: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ReviewedKind:
    """Objects of one model that people reach by one permission, in its two direct tables.

    ``above`` yields (kind, object) of what also opens an object, such as the folders that a dashboard lies in;
    ``within`` are the objects that are there at all.
    """

    name: str
    label: str
    permission: str
    user_table: Any
    group_table: Any
    within: Callable[[], "models.QuerySet[Any]"]
    above: Callable[[Any], Iterable[tuple[str, Any]]] = lambda obj: NobodyAbove


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a review: a person, an object, and every way in which the person reaches it."""

    person: str
    email: str
    kind: str
    object: str
    through: tuple[str, ...]


_kinds: dict[str, ReviewedKind] = {}


def register_reviewed(kind: ReviewedKind) -> None:
    """Let a kind of objects be reviewed; a second one of that name takes its place."""
    _kinds[kind.name] = kind


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


def who_sees(kind_name: str, obj: Any) -> list[Entry]:
    """Return the active people who reach an object, by name, each with every way in which they do.

    Two statements for the object and two for each thing above it.
    """
    kind = _kinds[kind_name]
    ways: dict[UUID, list[str]] = defaultdict(list)
    for holder, prefix in _holders(kind, obj):
        for person, way in holder:
            ways[person].append(prefix + way)
    people = User.objects.filter(pk__in=list(ways), is_active=True).order_by("email")
    return [Entry(str(user), user.email, kind.label, str(obj), tuple(sorted(set(ways[user.pk])))) for user in people]


def _holders(kind: ReviewedKind, obj: Any) -> Iterator[tuple[Iterator[tuple[UUID, str]], str]]:
    yield _direct(kind, obj), ""
    for name, other in kind.above(obj):
        above = _kinds[name]
        yield _direct(above, other), f"{above.label} {other}: "


def _direct(kind: ReviewedKind, obj: Any) -> Iterator[tuple[UUID, str]]:
    wanted = {"content_object": obj, "permission__codename": kind.permission}
    for user_id in kind.user_table._default_manager.filter(**wanted).values_list("user_id", flat=True):
        yield user_id, "personally"
    members = kind.group_table._default_manager.filter(**wanted).values_list(
        "group__memberships__user_id", "group__name"
    )
    for user_id, group in members:
        if user_id is not None:
            yield user_id, f"group {group}"


def what_sees(user: User) -> list[Entry]:
    """Return every object that a person reaches, with every way; nothing for somebody who is shut out."""
    if not user.is_active:
        return []
    groups = dict(GroupMembership.objects.filter(user=user).values_list("group_id", "group__name"))
    held = {kind.name: _held(kind, user, groups) for kind in kinds()}
    found = []
    for kind in kinds():
        for obj in kind.within():
            ways = list(held[kind.name].get(obj.pk, ()))
            for name, other in kind.above(obj):
                ways += [f"{_kinds[name].label} {other}: {way}" for way in held[name].get(other.pk, ())]
            if ways:
                found.append(Entry(str(user), user.email, kind.label, str(obj), tuple(sorted(set(ways)))))
    return found


def _held(kind: ReviewedKind, user: User, groups: Mapping[UUID, str]) -> dict[UUID, list[str]]:
    found: dict[UUID, list[str]] = defaultdict(list)
    wanted = {"permission__codename": kind.permission}
    for key in kind.user_table._default_manager.filter(user=user, **wanted).values_list("content_object_id", flat=True):
        found[key].append("personally")
    held = kind.group_table._default_manager.filter(group_id__in=list(groups), **wanted)
    for key, group_id in held.values_list("content_object_id", "group_id"):
        found[key].append(f"group {groups[group_id]}")
    return found


def as_csv(entries: Iterable[Entry]) -> bytes:
    """Return the entries as RFC 4180 text; a cell that a spreadsheet would take for a formula gets an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("person", "email", "kind", "object", "through"))
    for entry in entries:
        cells = (entry.person, entry.email, entry.kind, entry.object, "; ".join(entry.through))
        writer.writerow([f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell for cell in cells])
    return out.getvalue().encode()


@transaction.atomic
def sign_off(
    kind_name: str, subject: Any, entries: list[Entry], *, note: str, by: Actor, now: datetime
) -> AccessReview:
    """Record that the actor has looked at exactly these entries."""
    reviewer_or_404(by)
    digest = hashlib.sha256(as_csv(entries)).hexdigest()
    review = AccessReview.objects.create(
        subject_kind=kind_name, subject_id=subject.pk, subject_label=str(subject)[:200], digest=digest,
        entries=len(entries), note=note[:500], reviewed_by_id=by.user_id, reviewed_by_label=by.label[:200],
        reviewed_at=now,
    )  # fmt: skip
    facts = {"kind": kind_name, "entries": len(entries), "digest": digest}
    record("access.review_signed_off", review, by=by, now=now, facts=facts)
    return review


def last_reviews(kind_name: str, key: UUID) -> "models.QuerySet[AccessReview]":
    """Return the sign-offs of one subject, newest first."""
    return AccessReview.objects.filter(subject_kind=kind_name, subject_id=key)
