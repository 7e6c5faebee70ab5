"""The statements of a new answer, by hand: building them through the ORM costs more than running them. See ADR 17.

Each names the tenant, as scoped managers do, and row-level security shows the bound tenant's rows only.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Any

from django.db import connection, models

from apps.audit.notes import UNHURRIED
from apps.queries.models import CachedResult, QueryRun
from apps.vault.services import KEY, TIMED_KEYS

RUN_FIELDS = tuple(field.attname for field in QueryRun._meta.concrete_fields)
RUN = ", ".join(f'"{field.column}"' for field in QueryRun._meta.concrete_fields)
KEPT_FIELDS = tuple(field.attname for field in CachedResult._meta.concrete_fields)
KEPT = ", ".join(f'"{field.column}"' for field in CachedResult._meta.concrete_fields)
LATEST = ", ".join(
    f'"{field.column}" = EXCLUDED."{field.column}"'
    for field in CachedResult._meta.concrete_fields
    if field.attname not in ("id", "tenant_id", "cache_key")
)

WRITE = f"""
INSERT INTO queries_queryrun ({RUN}) VALUES ({", ".join(f"%({name})s" for name in RUN_FIELDS)}) RETURNING id"""
QUEUE = f"{WRITE}, {UNHURRIED}"
"""write a run down; the second does not have its transaction wait for the disk"""

CLAIM = f"""
UPDATE queries_queryrun SET state = '{QueryRun.State.RUNNING.value}', attempts = attempts + 1, started_at = %(now)s
 WHERE tenant_id = %(tenant)s AND id = %(run)s AND state = '{QueryRun.State.QUEUED.value}' AND expires_at > %(now)s
   AND EXISTS (SELECT FROM tenants_tenant t WHERE t.id = %(tenant)s AND t.is_active
                AND NOT EXISTS (SELECT FROM tenants_tombstone g WHERE g.id = t.id))
RETURNING {RUN}, {KEY}, {UNHURRIED}
"""
"""begin a run that nobody has begun, of a tenant that may do anything; read the key that its question is sealed with"""

KEEPING = f"""
SELECT (SELECT l.max_age_s FROM queries_keepinglimit l WHERE l.tenant_id = %(tenant)s LIMIT 1),
       (SELECT max(p.reset_at) FROM queries_policyreset p
         WHERE p.tenant_id = %(tenant)s AND p.data_model_id = %(data_model)s AND p.policy = %(policy)s),
       {KEY}, {TIMED_KEYS}
"""
"""what decides how long an answer is kept, the keys of the slots ``ends``, and the key that they are wrapped with"""

KEEP = f"""
WITH ended AS (
  UPDATE queries_queryrun SET state = '{QueryRun.State.DONE.value}', row_count = %(row_count)s, finished_at = %(created_at)s
   WHERE tenant_id = %(tenant_id)s AND id = %(run)s AND state = %(state)s AND attempts = %(attempts)s
  RETURNING id)
INSERT INTO queries_cachedresult ({KEPT}) SELECT {", ".join(f"%({name})s" for name in KEPT_FIELDS)} FROM ended
ON CONFLICT (tenant_id, cache_key) DO UPDATE SET {LATEST}
RETURNING {UNHURRIED}
"""
"""end a run and keep its answer, if the run is still this worker's; otherwise neither"""

FOLLOWED = """
SELECT own.state AS own_state, own.leader_id, led.state AS led_state, led.error_code
  FROM queries_queryrun own LEFT JOIN LATERAL (
    SELECT l.state, l.error_code FROM queries_queryrun l
     WHERE l.id = CASE WHEN own.leader_id IS NULL THEN own.id ELSE own.leader_id END AND l.tenant_id = own.tenant_id OFFSET 0) led ON true
 WHERE own.tenant_id = %(tenant)s AND own.id = %(run)s
"""
"""how far a run is, and the run that works for it: looked up by its key. ``COALESCE`` would have row-level security
read every run of the tenant: PostgreSQL does not take it for an expression that leaks nothing."""


def values_of(row: models.Model, names: Sequence[str]) -> dict[str, Any]:
    """Return the values of a row's columns as parameters; the driver would send a choice by its name."""
    values = {name: getattr(row, name) for name in names}
    return {name: value.value if isinstance(value, Enum) else value for name, value in values.items()}


def row_of(statement: str, params: dict[str, Any]) -> tuple[Any, ...] | None:
    """Run one of these statements; return its first row. Bytes come as bytes."""
    with connection.prepared_cursor(is_binary=True) as cursor:  # type: ignore[attr-defined]  # our own backend's
        cursor.execute(statement, params)
        found: tuple[Any, ...] | None = cursor.fetchone()
    return found
