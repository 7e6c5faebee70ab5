"""A run that waits is begun under what holds then: its tenant is alive, its person may, nobody wished it away."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connection

from apps.access.selectors import actor_for_user
from apps.access.services import revoke_permission
from apps.accounts.models import User, UserAttribute, UserGroup
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.connections.selectors import open_source
from apps.datamodels.models import Dataset
from apps.queries import flights, line, running
from apps.queries.line import Priority
from apps.queries.models import CachedResult, QueryRun
from apps.queries.planning import as_query, plan_query
from apps.queries.services import new_run
from apps.queries.statements import FOLLOWED, RUN
from apps.tenants.binding import bound_tenant_id
from apps.tenants.models import Tenant
from apps.vault.errors import SealError
from apps.vault.models import TimedKey
from tests import databases
from tests.environment import WORKER

QUESTION = {"dataset": "Sales", "fields": ["orders.revenue"]}
Queue = Callable[[User], UUID]


@pytest.fixture
def queue(sales: Dataset, now: datetime) -> Queue:
    """Have a question of somebody's wait, and nobody take it."""

    def put(who: User) -> UUID:
        actor = actor_for_user(User.objects.get(pk=who.pk))
        plan = plan_query(actor, as_query(QUESTION), now=now)
        return new_run(actor, plan, QUESTION, now=now, id=uuid4(), priority=Priority.INTERACTIVE).pk

    return put


def ended(run_id: UUID) -> tuple[str, str, int]:
    running.execute(run_id, now=datetime.now(UTC))
    found = QueryRun.objects.get(pk=run_id)
    return found.state, found.error_code, found.attempts


def test_a_run_is_begun_once_however_often_it_is_taken(queue: Queue, eve: User) -> None:
    run = queue(eve)
    assert ended(run) == ("done", "", 1)
    assert ended(run) == ("done", "", 1)


def test_a_tenant_that_was_switched_off_begins_nothing(queue: Queue, eve: User) -> None:
    run = queue(eve)
    tenant = Tenant.objects.using("owner").filter(pk=bound_tenant_id())
    tenant.update(is_active=False)
    assert ended(run) == ("queued", "", 0)
    tenant.update(is_active=True)
    assert ended(run) == ("done", "", 1)


def test_a_permission_that_was_taken_away_meanwhile_is_gone(
    queue: Queue, eve: User, analysts: UserGroup, sales: Dataset, now: datetime
) -> None:
    run = queue(eve)
    revoke_permission(group=analysts, permission="query_dataset", obj=sales, by=SYSTEM, now=now)
    assert ended(run)[:2] == ("failed", "changed")
    assert not CachedResult.objects.exists()


def test_an_attribute_that_changed_meanwhile_is_another_question(queue: Queue, eve: User) -> None:
    run = queue(eve)
    UserAttribute.objects.filter(user=eve).update(values=["US"])
    assert ended(run)[:2] == ("failed", "changed")
    assert not CachedResult.objects.exists()


def test_a_person_who_was_disabled_meanwhile_gets_nothing(queue: Queue, eve: User) -> None:
    run = queue(eve)
    User.objects.filter(pk=eve.pk).update(is_active=False)
    assert ended(run)[:2] == ("failed", "forbidden")


def test_what_was_wished_away_before_is_not_asked(queue: Queue, eve: User, max_: User, sales: Dataset) -> None:
    run = queue(eve)
    flights.ask_to_cancel(run)
    assert ended(run)[:2] == ("cancelled", "cancelled")
    other = queue(max_)
    line.join(other, sales.data_model.connection, Priority.INTERACTIVE, asked_at=datetime.now(UTC))
    flights.ask_to_cancel(other)
    lease = line.take()
    assert lease is not None
    assert lease.is_unwanted
    running.execute(other, now=datetime.now(UTC), lease=lease)
    assert QueryRun.objects.get(pk=other).state == "cancelled"


def test_a_time_slots_key_that_was_destroyed_seals_nothing(queue: Queue, eve: User, max_: User) -> None:
    assert ended(queue(eve))[0] == "done"
    TimedKey.objects.update(wrapped=b"")
    assert ended(queue(max_))[0] == "failed"
    TimedKey.objects.all().delete()
    assert ended(queue(max_))[0] == "done"


def test_an_idle_session_serves_only_the_credential_it_was_opened_with(sales: Dataset) -> None:
    link = Connection.objects.get(pk=sales.data_model.connection_id)
    open_source(link).close()
    open_source(link).close()
    link.sealed_credential = b"sealed for somebody else"
    with pytest.raises(SealError):
        open_source(link)


def test_who_looks_how_far_a_run_is_reads_no_other_runs(queue: Queue, eve: User) -> None:
    run = queue(eve)
    others = RUN.replace('"id"', "gen_random_uuid()")
    with psycopg.connect(databases.admin_url(f"omni_test_{WORKER}"), autocommit=True) as admin:
        admin.execute(
            f"INSERT INTO queries_queryrun ({RUN}) SELECT {others} FROM queries_queryrun, generate_series(1, 500)".encode()
        )
        admin.execute("ANALYZE queries_queryrun")  # of a table that it takes for empty, any index is as good as another
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {FOLLOWED}", {"tenant": bound_tenant_id(), "run": run})
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Seq Scan" not in plan
    assert "Index Cond: ((tenant_id = own.tenant_id) AND (id = CASE" in plan, plan


FULL = """
CREATE FUNCTION full_disk() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
  RAISE EXCEPTION 'could not write a temporary file' USING ERRCODE = 'disk_full'; END $$;
CREATE POLICY full_disk ON datamodels_dataset AS RESTRICTIVE FOR SELECT USING (full_disk())
"""


def test_a_run_that_our_database_has_no_room_to_plan_fails_at_once_and_says_so(queue: Queue, eve: User) -> None:
    run = queue(eve)
    with psycopg.connect(databases.admin_url(f"omni_test_{WORKER}"), autocommit=True) as admin:
        try:
            admin.execute(FULL)
            assert ended(run) == ("failed", "no_space", 1)
        finally:
            admin.execute("DROP POLICY full_disk ON datamodels_dataset; DROP FUNCTION full_disk")
    assert flights.wait(run, 0.5)
