"""The statements of every request and every list: an index finds each row, one that knows more than the tenant."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import connection, transaction

from apps.accounts.models import User
from apps.dashboards.models import Dashboard
from apps.tenants.binding import bound
from apps.tenants.types import TenantRef
from tests.bench.scale.plans import hot_statements, list_statement, plan_of, scans
from tests.bench.scale.rows import Size, load
from tests.databases import admin_url
from tests.environment import WORKER


@pytest.fixture
def town(acme: TenantRef) -> Iterator[tuple[UUID, UUID, UUID]]:
    """Thirty tenants, three thousand people, thirty thousand permissions; the keys of one tenant, person and dashboard."""
    with psycopg.connect(admin_url(f"omni_test_{WORKER}"), autocommit=True) as owner:
        load(owner, Size(30, share=0.02), lambda text: None)
        row = owner.execute(
            "SELECT u.tenant_id, u.id, d.id FROM accounts_user u JOIN dashboards_dashboard d USING (tenant_id) "
            "JOIN tenants_tenant t ON t.id = tenant_id WHERE t.slug = 't3' LIMIT 1"
        ).fetchone()
    assert row is not None
    return row


def test_every_row_is_found_by_an_index_that_knows_more_than_the_tenant(town: tuple[UUID, UUID, UUID]) -> None:
    tenant, person, dashboard = town
    with bound(tenant):
        statements = hot_statements(User.objects.get(pk=person), Dashboard.objects.get(pk=dashboard), "t3.localhost")
        bad = {name: found for name, (sql, params) in statements.items() if (found := unfit(sql, params))}
        assert bad == {}
        kinds = {kind for kind, *_ in unfit(*list_statement(User.objects.get(pk=person)))}
        assert "Seq Scan" not in kinds  # a page of a list walks the tenant's own dashboards in their order
        assert unfit("SELECT 1 FROM accounts_user WHERE name = %s", ("Person 1",))
        assert unfit("SELECT 1 FROM accounts_user WHERE email LIKE %s", ("p%",))
        assert not unfit("SELECT 1 FROM accounts_user WHERE id = %s", (person,))


def unfit(sql: str, params: Any) -> list[tuple[str, str, str, bool]]:
    """Return the scans of a statement that read a whole table, or all rows of a tenant.

    Tables of a page or two are read whole by any planner: here it may do so only where no index fits.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        found = scans(plan_of(sql, params, is_run=False))
    return [scan for scan in found if scan[0] == "Seq Scan" or not (beyond_tenant(scan[2]) or scan[3])]


def beyond_tenant(condition: str) -> bool:
    """Say whether an index condition names another column than the tenant's."""
    return any("tenant_id =" not in part for part in condition.split(" AND ") if part)
