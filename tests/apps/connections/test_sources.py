"""Checks in the worker, the catalogue, and the places that no connection may lead to."""

from datetime import datetime
from pathlib import Path

import pytest
from celery import current_app
from django.conf import settings as current
from django.db import transaction
from pytest_django import Settings

from apps.access.selectors import actor_for_user, anonymous
from apps.accounts.models import User
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.connections import policies
from apps.connections.checking import check
from apps.connections.controls import CONTROLS
from apps.connections.models import CatalogTable, Connection
from apps.connections.selectors import open_source
from apps.connections.services import check_now, remove_connection, save_connection
from apps.connections.tasks import check_connection
from apps.tenants.binding import bound
from apps.tenants.types import TenantRef
from apps.warehouses.errors import WarehouseError
from tests.warehouses.samples import PASSWORD, SOCKET_DIR


def test_a_check_notes_health_and_catalogue(mill: Connection, shop: Connection, now: datetime) -> None:
    for connection in (mill, shop):
        found = check_now(connection, by=SYSTEM, now=now)
        assert (found.health, found.health_text) == ("ok", "")
        assert found.checked_at is not None
        (orders,) = found.tables.filter(name="orders")
        assert [column.name for column in orders.columns.all()] == ["id", "country", "amount"]
    verbs = set(AuditEvent.objects.values_list("verb", flat=True))
    assert {"connections.check_requested", "connections.connection_checked"} <= verbs


def test_a_second_check_replaces_the_catalogue(mill: Connection, now: datetime) -> None:
    check_now(mill, by=SYSTEM, now=now)
    CatalogTable.objects.create(connection=mill, schema="public", name="gone_since", seen_at=now)
    found = check_now(mill, by=SYSTEM, now=now)
    assert list(found.tables.values_list("name", flat=True)) == ["orders"]


def test_a_failed_check_says_so_in_general_words_and_keeps_the_catalogue(mill: Connection, now: datetime) -> None:
    check_now(mill, by=SYSTEM, now=now)
    mill.database = "no_such_database"
    save_connection(mill, secret=PASSWORD, by=SYSTEM, now=now)
    found = check_now(mill, by=SYSTEM, now=now)
    assert (found.health, found.health_text) == (
        "failed", "The database cannot be reached. There is no database of that name.",
    )  # fmt: skip
    assert found.tables.count() == 1


def test_a_credential_that_does_not_open_is_a_failed_check(mill: Connection, now: datetime) -> None:
    Connection.objects.filter(pk=mill.pk).update(username="somebody")
    found = check_now(mill, by=SYSTEM, now=now)
    assert found.health == "failed"
    assert "write it again" in found.health_text


def test_what_an_outdated_check_found_is_dropped(mill: Connection, now: datetime) -> None:
    outdated = Connection.objects.get(pk=mill.pk)
    save_connection(mill, secret=PASSWORD, by=SYSTEM, now=now)
    check(outdated)
    found = Connection.objects.get(pk=mill.pk)
    assert (found.health, found.tables.count()) == ("unknown", 0)


def test_a_check_of_a_connection_that_is_gone_is_left_alone(mill: Connection, acme: TenantRef, now: datetime) -> None:
    key = str(mill.pk)
    remove_connection(mill, by=SYSTEM, now=now)
    check_connection.delay(key, tenant_id=str(acme.id))
    assert AuditEvent.objects.filter(verb="connections.connection_deleted").count() == 1


def test_waiting_inside_a_transaction_is_refused(mill: Connection, now: datetime) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError):
        check_now(mill, by=SYSTEM, now=now)


def test_nobody_waits_for_ever_for_a_worker(mill: Connection, now: datetime) -> None:
    current_app.conf.task_always_eager = False  # the message is sent, and nobody takes it
    try:
        assert check_now(mill, by=SYSTEM, now=now, wait_s=0.3).health == "unknown"
    finally:
        current_app.conf.task_always_eager = True


def test_our_own_database_and_roles_are_no_source(mill: Connection, now: datetime) -> None:
    own = current.DATABASES["default"]
    for database, username in ((own["NAME"], mill.username), (mill.database, own["USER"]), ("postgres", mill.username)):
        mill.database, mill.username = database, username
        save_connection(mill, secret=PASSWORD, by=SYSTEM, now=now)
        with pytest.raises(WarehouseError) as caught:
            open_source(mill)
        assert caught.value.code == "refused_target"


def test_this_machine_is_a_source_only_where_the_operator_says_so(
    mill: Connection, settings: Settings, now: datetime
) -> None:
    open_source(mill).close()
    mill.version += 1  # another key of the pool
    settings.OMNI_ALLOWED_NETWORKS = []
    with pytest.raises(WarehouseError) as caught:
        open_source(mill)
    assert (caught.value.code, SOCKET_DIR in str(caught.value)) == ("refused_target", False)


def test_our_own_redis_and_broker_are_no_source(mill: Connection, settings: Settings, now: datetime) -> None:
    settings.OMNI_REDIS_URL, settings.CELERY_BROKER_URL = "redis://127.0.0.1:7001/0", "amqp://guest@127.0.0.1//"
    mill.host = "127.0.0.1"
    for port, code in ((7001, "refused_target"), (5672, "refused_target"), (7002, "unreachable")):
        mill.port = port
        save_connection(mill, secret=PASSWORD, by=SYSTEM, now=now)
        with pytest.raises(WarehouseError) as caught:
            open_source(mill)
        assert caught.value.code == code


def test_a_warm_process_of_a_file_is_used_again_and_never_by_another_tenant(
    shop: Connection, globex: TenantRef, data_dir: Path
) -> None:
    pids = []
    for _ in range(2):
        source = open_source(shop)
        pids.append(source._session._child.pid)  # type: ignore[attr-defined]  # the fixture's type says less than it returns
        source.close()
    assert pids[0] == pids[1]
    with bound(globex.id):
        twin = Connection(pk=shop.pk, name="shop", dialect="duckdb", database="theirs.duckdb")
        source = open_source(twin)
        assert source._session._child.pid != pids[0]  # type: ignore[attr-defined]  # the fixture's type says less than it returns
        source.close()


def test_a_tenant_names_files_of_its_own_folder_only(shop: Connection, globex: TenantRef) -> None:
    open_source(shop).close()
    for name in ("theirs", "nobodys", "globex/theirs", "acme/shop", "../globex/theirs"):
        with pytest.raises(WarehouseError):
            open_source(Connection(name="shop", dialect="duckdb", database=f"{name}.duckdb"))
    with bound(globex.id):
        open_source(Connection(name="theirs", dialect="duckdb", database="theirs.duckdb")).close()


def test_only_administrators_in_person_see_connections(mill: Connection, ada: User, ann: User, acme: TenantRef) -> None:
    assert list(policies.visible(actor_for_user(ada))) == [mill]
    for actor in (actor_for_user(ann), anonymous(acme.id), actor_for_user(ada, token_id=ada.pk)):
        assert not policies.visible(actor).exists()


def outcome(name: str) -> tuple[bool, str]:
    (control,) = [control for control in CONTROLS if control.id == f"connections.{name}"]
    result = control.check()
    return result.holds, result.figure


def test_the_controls_hold_in_worker_and_web(mill: Connection, shop: Connection, settings: Settings) -> None:
    assert outcome("bound_to_target") == (True, "1 credentials, 1 open for their target, 0 for another")
    assert outcome("nothing_in_clear") == (True, "1 sealed credentials, 0 unsealed, 0 options off the list")
    settings.OMNI_IS_WORKER = False
    assert outcome("bound_to_target") == (True, "1 credentials, 0 can be opened by this process")


def test_the_controls_notice_a_damaged_row_and_a_secret_in_clear(mill: Connection) -> None:
    Connection.objects.filter(pk=mill.pk).update(sealed_credential=PASSWORD.encode(), options={"password": PASSWORD})
    assert outcome("bound_to_target")[0] is False
    assert outcome("nothing_in_clear") == (False, "1 sealed credentials, 1 unsealed, 1 options off the list")
