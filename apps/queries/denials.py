"""Refusals on record."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import transaction

from apps.access.types import Actor
from apps.audit.services import record
from apps.governance.selectors import permission_facts
from apps.semantic.errors import MalformedQueryError, QueryError
from apps.semantic.query.types import SemanticQuery


@contextmanager
def denials_recorded(actor: Actor, query: SemanticQuery, now: datetime) -> Iterator[None]:
    """Record a refusal in a transaction of its own, since the refused one is rolled back."""
    try:
        yield
    except MalformedQueryError:
        raise
    except QueryError as error:
        with transaction.atomic():
            facts = {"data_set": query.dataset, "code": error.code, **permission_facts(actor, query.dataset)}
            record("queries.query_denied", None, by=actor, now=now, facts=facts)
        raise
