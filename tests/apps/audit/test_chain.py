"""The log tells what happened, in order, and shows where it was touched."""

import json
from collections.abc import Callable
from datetime import datetime
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, transaction

from apps.accounts.models import User
from apps.audit.errors import AuditError
from apps.audit.models import AuditEvent
from apps.audit.selectors import verify_chain
from apps.audit.services import record
from apps.audit.types import SYSTEM
from apps.tenants.binding import bound
from apps.tenants.types import TenantRef
from tests import databases
from tests.environment import WORKER


@pytest.fixture
def tell(now: datetime) -> Callable[..., AuditEvent]:
    def write(verb: str = "tests.happened", **facts: object) -> AuditEvent:
        with transaction.atomic():
            return record(verb, None, by=SYSTEM, now=now, facts=facts)

    return write


def as_superuser(statement: str) -> None:
    with psycopg.connect(databases.admin_url(f"omni_test_{WORKER}"), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("ALTER TABLE audit_auditevent DISABLE TRIGGER audit_place_once")
        connection.execute(statement)
        connection.execute("ALTER TABLE audit_auditevent ENABLE ALWAYS TRIGGER audit_place_once")


def test_events_are_numbered_per_tenant_and_the_chain_holds(
    acme: TenantRef, globex: TenantRef, tell: Callable[..., AuditEvent]
) -> None:
    assert [tell().sequence for _ in range(3)] == [1, 2, 3]
    with bound(globex.id):
        assert tell().sequence == 1
    assert verify_chain().is_intact
    assert verify_chain().length == 3


@pytest.mark.parametrize(
    ("tampering", "bad"),
    [
        ("UPDATE audit_auditevent SET actor_label = 'somebody else' WHERE sequence = 2", 2),
        ("UPDATE audit_auditevent SET facts = '{\"rows\": 1}' WHERE sequence = 3", 3),
        ("DELETE FROM audit_auditevent WHERE sequence = 2", 2),
        (  # one after the other: a statement over all rows meets them in any order, and places are unique
            "UPDATE audit_auditevent SET sequence = 30 WHERE sequence = 2;"
            "UPDATE audit_auditevent SET sequence = 2 WHERE sequence = 3",
            2,
        ),
    ],
)
def test_tampering_is_found_at_its_place(
    acme: TenantRef, tell: Callable[..., AuditEvent], tampering: str, bad: int
) -> None:
    for _ in range(4):
        tell(rows=7)
    as_superuser(tampering)
    report = verify_chain()
    assert not report.is_intact
    assert report.bad_sequence == bad


def test_an_export_is_checked_without_a_database_and_shows_a_cut_off_end(
    acme: TenantRef, tell: Callable[..., AuditEvent], tmp_path: Path
) -> None:
    for _ in range(3):
        tell()
    path = tmp_path / "audit.jsonl"
    call_command("export_audit", "acme", str(path), stdout=StringIO())
    call_command("verify_audit", str(path), stdout=StringIO())
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], lines[-1]]))
    with pytest.raises(CommandError, match="ends at 2"):
        call_command("verify_audit", str(path))
    event = json.loads(lines[1])
    path.write_text("\n".join([lines[0], json.dumps(event | {"verb": "tests.else"}), *lines[2:]]))
    with pytest.raises(CommandError, match="event 2 was changed"):
        call_command("verify_audit", str(path))


@pytest.mark.parametrize("statement", ["UPDATE audit_auditevent SET verb = ''", "DELETE FROM audit_auditevent"])
def test_the_runtime_role_can_only_append(acme: TenantRef, tell: Callable[..., AuditEvent], statement: str) -> None:
    tell()
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        AuditEvent.objects.update(verb="x") if "UPDATE" in statement else AuditEvent.objects.all().delete()


def test_an_event_belongs_to_the_transaction_of_what_it_tells_of(acme: TenantRef, ann: User, now: datetime) -> None:
    with pytest.raises(AuditError):
        record("tests.happened", ann, by=SYSTEM, now=now)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        record("tests.happened", ann, by=SYSTEM, now=now)
        raise ZeroDivisionError
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("name", ["password", "client_secret", "access_token", "credential", "value", "filter_values"])
def test_secrets_and_values_are_refused(acme: TenantRef, tell: Callable[..., AuditEvent], name: str) -> None:
    tell(rows=3)
    with pytest.raises(AuditError):
        tell(**{name: "x"})


def test_a_line_break_cannot_forge_a_line(acme: TenantRef, tell: Callable[..., AuditEvent]) -> None:
    assert tell(path="/a\nforged\u2028line").facts == {"path": "/a forged line"}
