"""An answer with what belongs to it: totals and subtotals, each asked on the same one path, and the cross table."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.access.types import Actor
from apps.governance.selectors import governed_by_name
from apps.queries import services
from apps.queries.line import Priority
from apps.queries.planning import as_query
from apps.queries.types import Answer, Pending
from apps.semantic.model.types import SemanticModel
from apps.semantic.query.defaults import with_defaults
from apps.semantic.query.totals import subtotals_of, total_of
from apps.semantic.query.types import SemanticQuery
from apps.semantic.query.writing import public_form


def whole_answer(
    actor: Actor,
    query: dict[str, Any],
    *,
    now: datetime,
    wait_s: float = 0.4,
    priority: Priority = Priority.INTERACTIVE,
) -> Answer | Pending:
    """Answer a question with its totals; pending until all of it is there.

    Raises:
        QueryError, QueryFailedError: as :func:`apps.queries.services.answer`, for any of the parts.
    """
    deadline = timezone.now().timestamp() + wait_s
    found = services.answer(actor, query, now=now, wait_s=wait_s, priority=priority)
    if isinstance(found, Pending):
        return found
    whole = _with_parts(actor, found, now, deadline)
    if isinstance(whole, Pending) and found.cache.is_hit:  # no run of the actor's has led to it
        return replace(whole, run_id=services.run_of_kept(actor, query, now=now))
    return whole


def whole_run(actor: Actor, run_id: UUID, *, now: datetime, wait_s: float = 0.0) -> Answer | Pending:
    """Say how far a run of the actor's is, with what belongs to its answer.

    Raises:
        UnknownRunError, QueryError, QueryFailedError: as :func:`apps.queries.services.run_state`.
    """
    on_its_way = services.progress(actor, run_id, now=now) if not wait_s else None
    if on_its_way is not None:
        return on_its_way
    deadline = timezone.now().timestamp() + wait_s
    found = services.run_state(actor, run_id, now=now, wait_s=wait_s)
    if isinstance(found, Pending):
        return found
    whole = _with_parts(actor, found, now, deadline)
    return replace(whole, run_id=run_id) if isinstance(whole, Pending) else whole


def refresh_whole(actor: Actor, query: dict[str, Any], *, now: datetime) -> None:
    """Forget the kept answer to a question and those to its parts.

    Raises:
        QueryError: the question cannot be asked by this actor.
    """
    parsed = as_query(query)
    services.refresh(actor, parsed, now=now)
    for part in _parts_of(actor, parsed).values():
        services.refresh(actor, part, now=now)


def _parts_of(actor: Actor, query: SemanticQuery) -> dict[str, SemanticQuery]:
    """Return the questions whose answers stand under the rows."""
    if not query.totals and not query.subtotals:
        return {}
    model, query = _settled(actor, query)
    wanted = {"totals": total_of(query, model) if query.totals else None, "subtotals": subtotals_of(query, model)}
    return {name: part for name, part in wanted.items() if part is not None}


def _settled(actor: Actor, query: SemanticQuery) -> tuple[SemanticModel, SemanticQuery]:
    with transaction.atomic():
        found = governed_by_name(actor, query.dataset)
    return found.model, with_defaults(query, found.model, found.scope.fields)


def _with_parts(actor: Actor, found: Answer, now: datetime, deadline: float) -> Answer | Pending:
    query = found.asked
    parts: dict[str, Answer] = {}
    for name, part in _parts_of(actor, query).items():
        remaining_s = max(0.0, deadline - timezone.now().timestamp())
        answer = services.answer(actor, public_form(part), now=now, wait_s=remaining_s)
        if isinstance(answer, Pending):
            return replace(answer, run_id=found.query_id)
        parts[name] = answer
    if query.pivots and query.limit is None:
        _, query = _settled(actor, query)
    return replace(found, pivots=query.pivots, limit=query.row_limit, **parts)  # type: ignore[arg-type]  # names of fields
