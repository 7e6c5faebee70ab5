"""The purge of a large installation: 1,000,000 expired answers of 1,000 tenants, while people go on reading.

What is loaded goes in by COPY as the superuser, in the shape that the product writes; what is measured is the
product's own purge, run in this process as the beat's worker runs it.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from apps.queries.models import CachedResult
from apps.retention.services import purge_expired
from apps.tenants.models import Tenant
from tests.bench.clients import Client, summary
from tests.bench.workload import BenchTile

TENANTS = int(os.environ.get("OMNI_BENCH_TENANTS", "1000"))
ENTRIES = int(os.environ.get("OMNI_BENCH_ENTRIES", "1000000"))
SEALED_BYTES = 400
TABLE = CachedResult._meta.db_table


def figures(url: str, client: Client, work: list[BenchTile]) -> dict[str, Any]:
    """Measure a kept answer with few and with many held, then the purge of the many."""
    with psycopg.connect(url, autocommit=True) as owner:
        quiet = kept_times(client, work)
        tenants = load_tenants(owner)
        live_before = size_of(owner)
        load(owner, tenants, expires_at=datetime.now(UTC) + timedelta(hours=3))
        many = kept_times(client, work)
        owner.execute(f"UPDATE {TABLE} SET expires_at = now() - interval '1 minute' WHERE cache_key LIKE 'bench-%'")
        owner.execute(f"VACUUM {TABLE}")
        full = size_of(owner)
        began = time.monotonic()
        with reading(client, work) as meanwhile:
            report = purge_expired(now=datetime.now(UTC))
        took_s = time.monotonic() - began
        after = size_of(owner)
        forget_tenants(owner)
    removed = sum(tenant.rows_removed for tenant in report.tenants)
    return {
        "entries": ENTRIES, "tenants": TENANTS, "removed": removed, "is_complete": report.is_complete,
        "seconds": round(took_s, 1), "kept_quiet": quiet, "kept_with_many_held": many,
        "kept_while_purging": summary(meanwhile), "table_bytes": {"live": live_before, "full": full, "after": after},
        "ratios": {
            "many_held_to_few": round(many["median_ms"] / quiet["median_ms"], 2),
            "p95_while_purging": round(summary(meanwhile)["p95_ms"] / quiet["p95_ms"], 2),
            "table_after_to_live": round(after / max(live_before, 1), 2),
        },
    }  # fmt: skip


def kept_times(client: Client, work: list[BenchTile]) -> dict[str, float]:
    return summary([client.ask(tile.query)[0] for _ in range(10) for tile in work])


@contextmanager
def reading(client: Client, work: list[BenchTile]) -> Iterator[list[float]]:
    """Read kept answers, one after another with a short pause, as long as the block runs."""
    samples: list[float] = []
    is_over = threading.Event()

    def read() -> None:
        while not is_over.wait(0.02):
            samples.append(client.ask(work[len(samples) % len(work)].query)[0])

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield samples
    finally:
        is_over.set()
        reader.join()


def load_tenants(owner: "psycopg.Connection[Any]") -> list[UUID]:
    ids = [uuid4() for _ in range(TENANTS)]
    fields = Tenant._meta.concrete_fields
    columns = ", ".join(field.column for field in fields)
    with owner.cursor() as cursor, cursor.copy(f"COPY tenants_tenant ({columns}) FROM STDIN") as copy:
        for number, key in enumerate(ids):
            row = Tenant(id=key, slug=f"bench-{number}", name=f"Bench {number}", created_at=datetime.now(UTC))
            values = [getattr(row, field.attname) for field in fields]
            copy.write_row([Jsonb(value) if isinstance(value, list) else value for value in values])
    return ids


def load(owner: "psycopg.Connection[Any]", tenants: list[UUID], *, expires_at: datetime) -> None:
    """Give each tenant its share of answers, as if kept an hour ago."""
    made, sealed, none = datetime.now(UTC) - timedelta(hours=1), os.urandom(SEALED_BYTES), uuid4()
    columns = (
        "id, tenant_id, cache_key, dataset_id, model_version_id, data_model_id, cache_policy, is_handover, "
        "policy_fingerprint, timed_key_id, sealed, row_count, is_truncated, created_at, expires_at"
    )
    with owner.cursor() as cursor, cursor.copy(f"COPY {TABLE} ({columns}) FROM STDIN") as copy:
        for number in range(ENTRIES):
            copy.write_row((
                uuid4(), tenants[number % TENANTS], f"bench-{number}", none, none, none, "", False, "f" * 64, none, sealed,
                1, False, made, expires_at,
            ))  # fmt: skip
    owner.execute(f"ANALYZE {TABLE}")


def forget_tenants(owner: "psycopg.Connection[Any]") -> None:
    owner.execute("SET session_replication_role = replica")
    mine = "tenant_id IN (SELECT id FROM tenants_tenant WHERE slug LIKE 'bench-%')"
    for table in (TABLE, "retention_purgerun"):
        owner.execute(f"DELETE FROM {table} WHERE {mine}")
    owner.execute("DELETE FROM tenants_tenant WHERE slug LIKE 'bench-%'")
    owner.execute("RESET session_replication_role")


def size_of(owner: "psycopg.Connection[Any]") -> int:
    row = owner.execute("SELECT pg_total_relation_size(%s::regclass)", (TABLE,)).fetchone()
    return int(row[0]) if row else 0
