"""Temporary data dies on time: with the purge, and without it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from apps.accounts.models import UserSession
from apps.connections.models import Connection
from apps.datamodels.models import DataModel, Dataset, ModelVersion
from apps.queries.models import CachedResult, QueryRun
from apps.retention import services
from apps.retention.controls import CONTROLS
from apps.retention.errors import PurgeIncompleteError
from apps.retention.models import PurgeRun
from apps.retention.selectors import bytes_held, held_data, oldest_cached_at
from apps.retention.tasks import purge_expired as purge_task
from apps.tenants.binding import bound, unbound
from apps.tenants.models import Tenant
from apps.tenants.types import TenantRef
from apps.vault.errors import ExpiredKeyError
from apps.vault.models import TimedKey
from apps.vault.services import open_timed, seal_timed, timed_key_for
from tests import databases
from tests.environment import WORKER

CANARY = b"canary 4711"
CONTEXT = b"test"
LONG_AFTER = timedelta(seconds=settings.OMNI_CACHE_SLOT_S + 1)

Keep = Callable[..., CachedResult]


@pytest.fixture
def keep(now: datetime) -> Keep:
    """Keep a sealed result for the bound tenant, for an hour unless said otherwise."""

    def act(*, made_at: datetime = now, lasts: timedelta = timedelta(hours=1)) -> CachedResult:
        key = timed_key_for(made_at + lasts, now=made_at)
        sealed = seal_timed(CANARY, key=key, context=CONTEXT)
        return CachedResult.objects.create(
            cache_key=uuid4().hex, dataset_id=uuid4(), model_version_id=uuid4(), data_model_id=uuid4(),
            policy_fingerprint="f", timed_key_id=key.id, sealed=sealed, row_count=1, created_at=made_at, expires_at=made_at + lasts,
        )  # fmt: skip

    return act


def opened(row: CachedResult, at: datetime) -> bytes:
    return open_timed(bytes(row.sealed), key_id=row.timed_key_id, context=CONTEXT, now=at)


def test_with_the_purge_dead_nothing_expired_can_be_read(acme: TenantRef, keep: Keep, now: datetime) -> None:
    row = keep()
    assert opened(row, now) == CANARY
    with pytest.raises(ExpiredKeyError):
        opened(row, row.expires_at + LONG_AFTER)


def test_the_purge_destroys_the_key_and_removes_the_row(acme: TenantRef, keep: Keep, now: datetime) -> None:
    old, young = keep(), keep(lasts=timedelta(hours=5))
    later = old.expires_at + LONG_AFTER
    report = services.purge_expired(now=later)
    assert report.is_complete
    assert [(found.slug, found.keys_destroyed, found.rows_removed) for found in report.tenants] == [("acme", 1, 1)]
    assert list(CachedResult.objects.all()) == [young]
    assert TimedKey.objects.count() == 1
    with pytest.raises(ExpiredKeyError):  # by a clock that was turned back, and a row that was kept elsewhere
        opened(old, now)
    assert opened(young, later) == CANARY


def test_what_has_not_expired_stays(acme: TenantRef, keep: Keep, now: datetime) -> None:
    row = keep()
    assert services.purge_expired(now=row.expires_at - timedelta(seconds=1)).tenants[0].rows_removed == 0
    assert services.purge_expired(now=row.expires_at).tenants[0].rows_removed == 1


def test_runs_and_browser_sessions_expire_too(acme: TenantRef, now: datetime) -> None:
    connection = Connection.objects.create(name="shop", dialect="duckdb", database="x")
    model = DataModel.objects.create(name="shop", connection=connection)
    version = ModelVersion.objects.create(data_model=model, number=1, digest="d")
    dataset = Dataset.objects.create(data_model=model, name="Sales")
    for age in (-1, 1):
        QueryRun.objects.create(
            dataset=dataset, model_version=version, actor_label="Ann", cache_key="k", policy_fingerprint="f",
            sealed_query=b"x", created_at=now, expires_at=now + timedelta(minutes=age),
        )  # fmt: skip
        UserSession.objects.create(digest=b"s%d" % age, session_data="", expire_date=now + timedelta(minutes=age))
    assert services.purge_expired(now=now).tenants[0].rows_removed == 2
    assert (QueryRun.objects.count(), UserSession.objects.count()) == (1, 1)


def test_each_tenant_is_purged_in_its_own_binding(
    acme: TenantRef, globex: TenantRef, keep: Keep, now: datetime
) -> None:
    with bound(globex.id):
        theirs = keep()
    ours = keep()
    with unbound():
        report = services.purge_expired(now=ours.expires_at)
    assert [(found.slug, found.rows_removed) for found in report.tenants] == [("acme", 1), ("globex", 1)]
    with bound(globex.id):
        assert not CachedResult.objects.filter(pk=theirs.pk).exists()
        assert PurgeRun.objects.get().rows_removed == 1


def test_a_stopped_tenants_data_dies_as_well(acme: TenantRef, keep: Keep) -> None:
    row = keep()
    Tenant.objects.using("owner").filter(pk=acme.id).update(is_active=False)
    services.purge_expired(now=row.expires_at)
    assert not CachedResult.objects.exists()


@contextmanager
def undeletable(tenant: TenantRef) -> Iterator[None]:
    """Have the database refuse to delete one tenant's results."""
    with psycopg.connect(databases.admin_url(f"omni_test_{WORKER}"), autocommit=True) as owner:
        owner.execute("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$")
        owner.execute(
            "CREATE TRIGGER refuse BEFORE DELETE ON queries_cachedresult FOR EACH ROW "
            f"WHEN (OLD.tenant_id = '{tenant.id}') EXECUTE FUNCTION refuse()"
        )
        try:
            yield
        finally:
            owner.execute("DROP FUNCTION refuse() CASCADE")


def test_one_tenants_failure_does_not_keep_the_others_waiting(
    acme: TenantRef, globex: TenantRef, keep: Keep, now: datetime
) -> None:
    past = now - timedelta(hours=9)
    keep(made_at=past)
    with bound(globex.id):
        keep(made_at=past)
    with undeletable(acme):
        report = services.purge_expired(now=now)
        with pytest.raises(CommandError, match="could not be purged"):
            call_command("purge_expired")
        with pytest.raises(PurgeIncompleteError, match="acme"):
            purge_task()
    assert [(found.slug, bool(found.error)) for found in report.tenants] == [("acme", True), ("globex", False)]
    assert TimedKey.objects.count() == 0  # the key is gone although the row could not go
    with bound(globex.id):
        assert not CachedResult.objects.exists()
    purge_task()
    assert not CachedResult.objects.exists()


def test_the_command_prints_a_line_per_tenant(
    acme: TenantRef, globex: TenantRef, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("purge_expired")
    assert capsys.readouterr().out.splitlines() == [
        "acme: 0 keys destroyed, 0 rows removed",
        "globex: 0 keys destroyed, 0 rows removed",
    ]


def test_a_large_heap_goes_in_batches(
    acme: TenantRef, keep: Keep, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "BATCH_ROWS", 2)
    monkeypatch.setattr(services, "MAX_BATCHES", 2)
    rows = [keep() for _ in range(5)]
    assert services.purge_expired(now=rows[0].expires_at).tenants[0].rows_removed == 4
    assert services.purge_expired(now=rows[0].expires_at).tenants[0].rows_removed == 1


def test_the_last_fifty_purges_that_found_something_are_remembered(acme: TenantRef, keep: Keep, now: datetime) -> None:
    for minute in range(services.KEPT_RUNS + 3):
        keep(made_at=now - timedelta(hours=1), lasts=timedelta(hours=1, minutes=minute))
        services.purge_tenant("acme", now=now + timedelta(minutes=minute))
    assert PurgeRun.objects.count() == services.KEPT_RUNS
    oldest = PurgeRun.objects.order_by("started_at").first()
    assert oldest is not None
    assert oldest.started_at == now + timedelta(minutes=3)


def test_purges_that_find_nothing_are_one_line_that_moves_on(acme: TenantRef, keep: Keep, now: datetime) -> None:
    for minute in range(5):
        services.purge_tenant("acme", now=now + timedelta(minutes=minute))
    line = PurgeRun.objects.get()
    assert line.started_at == now
    assert line.finished_at >= now + timedelta(minutes=4)
    keep(made_at=now - timedelta(hours=2))
    services.purge_tenant("acme", now=now + timedelta(minutes=6))
    services.purge_tenant("acme", now=now + timedelta(minutes=7))
    assert [run.rows_removed for run in PurgeRun.objects.order_by("started_at")] == [0, 1, 0]


def test_the_figures_say_what_is_held(acme: TenantRef, globex: TenantRef, keep: Keep, now: datetime) -> None:
    assert (bytes_held(), oldest_cached_at(), held_data().results) == (0, None, 0)
    row = keep()
    assert (bytes_held(), oldest_cached_at(), held_data().results, held_data().keys) == (len(row.sealed), now, 1, 1)
    with bound(globex.id):
        assert held_data().results == 0


def test_the_controls_hold_and_see_what_is_wrong(acme: TenantRef, keep: Keep, now: datetime) -> None:
    def broken() -> set[str]:
        return {control.id for control in CONTROLS if not control.check().holds}

    assert broken() == set()
    keep()
    assert broken() == {"retention.purge_alive"}
    services.purge_expired(now=now)
    assert broken() == set()
    PurgeRun.objects.update(finished_at=now - timedelta(minutes=6))
    assert broken() == {"retention.purge_alive"}
    services.purge_expired(now=now)
    late = keep(made_at=now - timedelta(hours=2))
    assert broken() == {"retention.nothing_late"}
    CachedResult.objects.filter(pk=late.pk).delete()
    keep(made_at=now - timedelta(hours=25), lasts=timedelta(hours=27))
    assert broken() == {"retention.age"}


def test_the_control_sees_a_key_that_lives_on(acme: TenantRef, keep: Keep, now: datetime) -> None:
    row = keep()
    control = next(control for control in CONTROLS if control.id == "retention.unreadable")
    TimedKey.objects.update(slot_end=now - timedelta(days=1))
    assert control.check().holds
    assert row.timed_key_id == TimedKey.objects.get().pk
