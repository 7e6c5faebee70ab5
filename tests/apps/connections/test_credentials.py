"""A credential goes in sealed, opens in a worker only, and for its own target only."""

import json
from datetime import datetime

import pytest
from django.core.exceptions import ValidationError
from pytest_django import Settings

from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.connections.errors import CredentialRequiredError
from apps.connections.models import Connection
from apps.connections.selectors import context_of, open_source
from apps.connections.services import save_connection
from apps.tenants.binding import bound
from apps.tenants.types import TenantRef
from apps.vault.errors import NoWorkerKeyError, SealError
from apps.vault.services import open_for_worker
from apps.warehouses.types import Limits
from tests.warehouses.samples import PASSWORD

SMALL = Limits(10, 10_000, 5)
OTHER = {"host": "8.8.8.8", "port": 6543, "database": "elsewhere", "username": "somebody"}


def count(connection: Connection) -> int:
    source = open_source(connection)
    try:
        (row,) = source.execute("SELECT count(*) AS n FROM orders", (), SMALL).table.to_pylist()
        return int(row["n"])
    finally:
        source.close()


def test_the_worker_asks_the_source(mill: Connection, shop: Connection) -> None:
    assert (count(mill), count(shop)) == (3, 3)


def test_the_web_process_opens_neither_credential_nor_source(
    mill: Connection, shop: Connection, settings: Settings
) -> None:
    settings.OMNI_IS_WORKER = False
    for connection in (mill, shop):
        with pytest.raises(NoWorkerKeyError):
            open_source(connection)
    with pytest.raises(NoWorkerKeyError):
        open_for_worker(bytes(mill.sealed_credential or b""), context=context_of(mill))


def test_a_process_without_the_private_key_opens_nothing(mill: Connection, settings: Settings, now: datetime) -> None:
    settings.OMNI_IS_LOCAL, settings.OMNI_WORKER_PRIVATE_KEY_FILE = False, "/nonexistent/key"
    with pytest.raises(NoWorkerKeyError):
        open_source(mill)
    save_connection(mill, secret="another", by=SYSTEM, now=now)  # but can still write one


def test_the_stored_row_the_log_and_every_repr_hold_no_secret(mill: Connection) -> None:
    row = Connection.objects.filter(pk=mill.pk).values().get()
    events = json.dumps(list(AuditEvent.objects.values()), default=str)
    assert PASSWORD.encode() not in bytes(row["sealed_credential"])
    assert PASSWORD not in str(row) + repr(mill) + events + repr(open_source(mill))
    assert "connections.connection_created" in events


@pytest.mark.parametrize("field", OTHER)
def test_another_target_needs_its_credential_again(mill: Connection, now: datetime, field: str) -> None:
    setattr(mill, field, OTHER[field])
    with pytest.raises(CredentialRequiredError):
        save_connection(mill, secret=None, by=SYSTEM, now=now)
    assert getattr(Connection.objects.get(pk=mill.pk), field) != OTHER[field]
    save_connection(mill, secret=PASSWORD, by=SYSTEM, now=now)
    assert getattr(Connection.objects.get(pk=mill.pk), field) == OTHER[field]


def test_a_change_that_is_no_other_target_keeps_the_credential(mill: Connection, now: datetime) -> None:
    mill.name, mill.max_rows = "windmill", 100
    save_connection(mill, secret=None, by=SYSTEM, now=now)
    found = Connection.objects.get(pk=mill.pk)
    assert (found.name, found.version, count(found)) == ("windmill", 2, 3)


@pytest.mark.parametrize("field", OTHER)
def test_a_row_edited_behind_our_back_does_not_open(mill: Connection, field: str) -> None:
    Connection.objects.filter(pk=mill.pk).update(**{field: OTHER[field]})
    with pytest.raises(SealError):
        open_source(Connection.objects.get(pk=mill.pk))


def test_a_credential_moved_to_another_row_does_not_open(mill: Connection, now: datetime) -> None:
    twin = Connection(name="twin", dialect="postgres", host=mill.host, database=mill.database, username=mill.username)
    save_connection(twin, secret="its own", by=SYSTEM, now=now)
    Connection.objects.filter(pk=twin.pk).update(sealed_credential=mill.sealed_credential)
    with pytest.raises(SealError):
        open_source(Connection.objects.get(pk=twin.pk))


def test_a_credential_moved_to_another_tenant_does_not_open(mill: Connection, globex: TenantRef) -> None:
    with bound(globex.id):
        stolen = Connection.objects.create(
            pk=mill.pk.__class__(int=mill.pk.int ^ 1),
            name="mill",
            dialect="postgres",
            host=mill.host,
            database=mill.database,
            username=mill.username,
            sealed_credential=mill.sealed_credential,
        )
        with pytest.raises(SealError):
            open_source(stolen)
        assert not Connection.objects.filter(pk=mill.pk).exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("options", {"password": PASSWORD}),
        ("options", {"sslkey": "/etc/passwd"}),
        ("options", {"sslmode": ["require"]}),
        ("options", ["sslmode"]),
        ("port", 0),
        ("port", 70_000),
        ("timeout_s", 0),
        ("timeout_s", 100_000),
        ("max_rows", 10**8),
        ("max_bytes", 10**12),
        ("host", ""),
        ("username", ""),
        ("database", ""),
        ("dialect", "oracle"),
        ("name", "not a slug"),
    ],
)
def test_what_no_adapter_takes_is_not_stored(mill: Connection, now: datetime, field: str, value: object) -> None:
    setattr(mill, field, value)
    with pytest.raises(ValidationError) as caught:
        save_connection(mill, secret=PASSWORD, by=SYSTEM, now=now)
    assert PASSWORD not in str(caught.value)
    assert getattr(Connection.objects.get(pk=mill.pk), field) != value


def test_a_name_is_taken_once_per_tenant(mill: Connection, globex: TenantRef, now: datetime) -> None:
    twin = Connection(name="mill", dialect="postgres", host="8.8.8.8", database="x", username="x")
    with pytest.raises(ValidationError, match="already"):
        save_connection(twin, secret=None, by=SYSTEM, now=now)
    with bound(globex.id):
        theirs = Connection(name="mill", dialect="postgres", host="8.8.8.8", database="x", username="x")
        assert save_connection(theirs, secret=None, by=SYSTEM, now=now).version == 1
