"""Grant and revoke object permissions; begin and end views as another person; sign off reviews."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import models, transaction
from guardian.shortcuts import assign_perm, remove_perm

from apps.access.errors import ReviewChangedError, UnknownPermissionError, UnknownPersonError
from apps.access.exporting import as_csv, digest_of
from apps.access.models import AccessReview, ViewSession
from apps.access.policies import viewable_people
from apps.access.reviewing import review_of, reviewer_or_404
from apps.access.types import Actor
from apps.accounts.models import User, UserGroup
from apps.audit.services import record
from apps.audit.types import AuditActor

VIEW_LIFETIME = timedelta(minutes=30)


def _checked(permission: str, obj: models.Model) -> Permission:
    content_type = ContentType.objects.get_for_model(obj)
    found = Permission.objects.filter(content_type=content_type, codename=permission).first()
    if found is None:
        raise UnknownPermissionError(permission)
    return found


@transaction.atomic
def grant_permission(
    *,
    user: User | None = None,
    group: UserGroup | None = None,
    permission: str,
    obj: models.Model,
    by: AuditActor,
    now: datetime,
) -> None:
    """Grant a permission on one object to a person or a group.

    Raises:
        UnknownPermissionError: objects of this kind have no such permission.
    """
    who = _one_of(user, group)
    assign_perm(_checked(permission, obj), who, obj)
    record("access.permission_granted", obj, by=by, now=now, facts={"permission": permission, "to": str(who)})


@transaction.atomic
def revoke_permission(
    *,
    user: User | None = None,
    group: UserGroup | None = None,
    permission: str,
    obj: models.Model,
    by: AuditActor,
    now: datetime,
) -> None:
    """Take a permission on one object away again; the next request is refused."""
    who = _one_of(user, group)
    remove_perm(_checked(permission, obj), who, obj)
    record("access.permission_revoked", obj, by=by, now=now, facts={"permission": permission, "to": str(who)})


def _one_of(user: User | None, group: UserGroup | None) -> User | UserGroup:
    if (user is None) == (group is None):
        raise TypeError("name either a person or a group")
    return user or group  # type: ignore[return-value]  # exactly one is given


@transaction.atomic
def start_view(person_id: UUID, *, by: Actor, now: datetime) -> ViewSession:
    """Begin to see as another person, for thirty minutes at most.

    Raises:
        UnknownPersonError: the actor is no administrator in person, or may not see as this person, or nobody is that.
    """
    person = viewable_people(by).filter(pk=person_id).first()
    if person is None or by.user_id is None:
        raise UnknownPersonError(person_id)
    view = ViewSession.objects.create(
        viewer_id=by.user_id, person=person, started_at=now, expires_at=now + VIEW_LIFETIME
    )
    record("access.view_started", view, by=by, now=now, facts=_facts(view) | {"expires_at": view.expires_at})
    return view


@transaction.atomic
def end_view(view_id: UUID, *, why: str, by: Actor, now: datetime) -> None:
    """End a view of the actor's own; one that has ended is left alone."""
    running = ViewSession.objects.filter(pk=view_id, viewer_id=by.user_id, ended_at=None)
    view = running.select_for_update(of=("self",)).first()
    if view is None:
        return
    view.ended_at = min(now, view.expires_at)
    view.save(update_fields=["ended_at"])
    record("access.view_ended", view, by=by, now=now, facts=_facts(view) | {"why": why})


def _facts(view: ViewSession) -> dict[str, str]:
    return {"viewer_id": str(view.viewer_id), "person_id": str(view.person_id), "person": view.person.email}


@transaction.atomic
def sign_off(kind_name: str, subject: Any, *, digest: str, note: str, by: Actor, now: datetime) -> AccessReview:
    """Record that the actor has looked at the list with this digest.

    Raises:
        ReviewChangedError: the list is another by now.
    """
    reviewer_or_404(by)
    entries = list(review_of(kind_name, subject).whole())
    if digest_of(as_csv(entries)) != digest:
        raise ReviewChangedError
    review = AccessReview.objects.create(
        subject_kind=kind_name, subject_id=subject.pk, subject_label=str(subject)[:200], digest=digest,
        entries=len(entries), note=note[:500], reviewed_by_id=by.user_id, reviewed_by_label=by.label[:200],
        reviewed_at=now,
    )  # fmt: skip
    facts = {"kind": kind_name, "entries": len(entries), "digest": digest}
    record("access.review_signed_off", review, by=by, now=now, facts=facts)
    return review
