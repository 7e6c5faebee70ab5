"""Explain a question: what governance says, and the SQL for whoever may see it."""

from datetime import datetime
from typing import Any

from django.db import transaction

from apps.access.errors import UnknownPersonError
from apps.access.selectors import actor_for_user
from apps.access.types import Actor
from apps.accounts.models import User
from apps.audit.services import record
from apps.audit.types import AuditActor
from apps.governance.explain import Explanation, explain, explain_as_administrator, may_know_all
from apps.queries.planning import plan_query
from apps.semantic.errors import SemanticError
from apps.semantic.query.types import SemanticQuery


def explained(actor: Actor, query: SemanticQuery, *, now: datetime) -> tuple[Explanation, str | None]:
    """Explain the actor's own question; the SQL is for administrators.

    Raises:
        UnknownDatasetError: there is no such data set, or none that the actor may query.
    """
    found = explain(actor, query)
    return found, governed_sql(actor, query, now=now) if may_know_all(actor) else None


def explained_person(email: Any, query: SemanticQuery, *, by: Actor, now: datetime) -> tuple[Explanation, str | None]:
    """Explain somebody else's question to an administrator.

    Raises:
        UnknownPersonError: there is no such person, or the reader is no administrator: they cannot tell which.
        UnknownDatasetError: there is no such data set.
    """
    if not may_know_all(by) or not isinstance(email, str):
        raise UnknownPersonError(email)
    return explained_to(person_of(email), query, by=by, now=now)


def person_of(email: str) -> User:
    """Return the active person with this address.

    Raises:
        UnknownPersonError: there is none.
    """
    person = User.objects.filter(email__iexact=email, is_active=True).first()
    if person is None:
        raise UnknownPersonError(email)
    return person


@transaction.atomic
def explained_to(
    person: User, query: SemanticQuery, *, by: AuditActor, now: datetime
) -> tuple[Explanation, str | None]:
    """Explain a person's question in full, and write down who asked."""
    actor = actor_for_user(person)
    facts = {"person": person.email, "person_id": str(person.pk), "data_set": query.dataset}
    record("governance.access_explained", person, by=by, now=now, facts=facts)
    return explain_as_administrator(actor, query), governed_sql(actor, query, now=now)


def governed_sql(actor: Actor, query: SemanticQuery, *, now: datetime) -> str | None:
    """Return the governed SQL of a question, None where it is refused."""
    try:
        with transaction.atomic():
            return plan_query(actor, query, now=now).compiled.sql
    except SemanticError:
        return None
