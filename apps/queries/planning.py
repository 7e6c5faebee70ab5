"""From a question to governed, proven SQL and its cache key."""

import json
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from apps.access.types import Actor
from apps.connections.models import Connection
from apps.governance.reading import Asked
from apps.governance.selectors import governed_by_name
from apps.governance.types import Governed
from apps.semantic.compile import compile_query
from apps.semantic.compile.types import CompiledQuery
from apps.semantic.query.defaults import with_defaults
from apps.semantic.query.reading import parse_query
from apps.semantic.query.types import SemanticQuery
from apps.semantic.verify import verify
from apps.tenants.binding import bound_tenant_id
from apps.vault.services import keyed_hash

MAX_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """One question of one actor, ready to run."""

    governed: Governed
    compiled: CompiledQuery
    cache_key: str
    asked: SemanticQuery
    """the question as it was asked, before what the model fills in"""

    @property
    def connection(self) -> Connection:
        return self.governed.version.data_model.connection

    def context(self) -> bytes:
        """Return what a cached result is sealed to."""
        found = self.governed
        parts = [str(found.dataset.pk), self.cache_key, found.scope.fingerprint, str(found.version.pk)]
        return json.dumps(parts).encode()


class ProvenQueries:
    """Compiled and proven queries by rights and question. Pure, hence safe to remember; bounded."""

    def __init__(self) -> None:
        self._held: OrderedDict[Any, CompiledQuery] = OrderedDict()
        self._lock = Lock()

    def get(self, query: SemanticQuery, found: Governed, today: Any) -> CompiledQuery:
        key = (bound_tenant_id(), found.scope.fingerprint, found.scope.mask_key, query, today)
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        compiled = compile_query(query, model=found.model, scope=found.scope, today=today)
        verify(compiled, model=found.model, scope=found.scope)
        with self._lock:
            self._held[key] = compiled
            if len(self._held) > MAX_REMEMBERED:
                self._held.popitem(last=False)
        return compiled


_proven = ProvenQueries()


def as_query(query: SemanticQuery | dict[str, Any]) -> SemanticQuery:
    """Return the strict form of a question.

    Raises:
        MalformedQueryError: it has an unknown key, a wrong type or an unknown operator.
    """
    return query if isinstance(query, SemanticQuery) else parse_query(query)


def plan_query(actor: Actor, query: SemanticQuery, *, now: datetime, asked: Asked | None = None) -> QueryPlan:
    """Read the actor's rights, compile, prove, and name the result. ``asked``: the database was just asked for the rights.

    Raises:
        QueryError: the question cannot be asked by this actor.
        UnprovenSqlError: the finished SQL does not show the scope.
    """
    return plan_governed(governed_by_name(actor, query.dataset, asked=asked), query, now=now)


def plan_governed(found: Governed, query: SemanticQuery, *, now: datetime) -> QueryPlan:
    """Compile and prove a question about a data set as somebody may have it, and name the result."""
    settled = with_defaults(query, found.model, found.scope.fields)
    today = now.astimezone(ZoneInfo(settled.zone)).date()
    compiled = _proven.get(settled, found, today)
    return QueryPlan(found, compiled, cache_key(found, compiled), query)


def cache_key(found: Governed, compiled: CompiledQuery) -> str:
    """Return a keyed hash over everything that decides the answer: the finished governed SQL with its values."""
    connection = found.version.data_model.connection
    parts = [
        str(connection.pk), connection.version, str(found.version.pk), str(found.dataset.pk), found.scope.fingerprint,
        compiled.sql, [[type(value).__name__, str(value)] for value in compiled.parameters], compiled.row_limit,
        [column.name for column in compiled.columns],
    ]  # fmt: skip
    return keyed_hash("cache", msgspec.json.encode(parts))
