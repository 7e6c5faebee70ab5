"""Notes: events of reads are there at once, cannot be changed, and get one place in the chain."""

from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import ProgrammingError, connection, transaction

from apps.audit.controls import CONTROLS
from apps.audit.errors import AuditError
from apps.audit.models import AuditEvent
from apps.audit.notes import INSERT, REST, note, place_notes
from apps.audit.selectors import events, verify_chain
from apps.audit.services import record
from apps.audit.tasks import place_all_notes
from apps.audit.types import SYSTEM
from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef

Write = Callable[..., None]


@pytest.fixture
def write(now: datetime) -> Write:
    """Write a note."""

    def written(verb: str = "tests.read", at: datetime = now, **facts: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(INSERT + REST, note(verb, None, by=SYSTEM, now=at, facts=facts))

    return written


def held(name: str) -> bool:
    return next(control for control in CONTROLS if control.id == f"audit.{name}").check().holds


def test_a_note_is_there_at_once_and_gets_its_place_after_what_was_placed_before(
    acme: TenantRef, write: Write, now: datetime
) -> None:
    with transaction.atomic():
        record("tests.happened", None, by=SYSTEM, now=now)
    write("tests.second", now + timedelta(seconds=2))
    write("tests.first", now + timedelta(seconds=1), rows=7)
    assert [event.sequence for event in events()] == [None, None, 1]
    assert verify_chain().length == 1
    with transaction.atomic():
        record("tests.happened", None, by=SYSTEM, now=now)
    assert place_notes() == 2
    found = list(AuditEvent.objects.order_by("sequence").values_list("sequence", "verb"))
    assert found == [(1, "tests.happened"), (2, "tests.happened"), (3, "tests.first"), (4, "tests.second")]
    assert verify_chain().is_intact
    assert verify_chain().length == 4
    assert AuditEvent.objects.get(verb="tests.first").facts == {"rows": 7}
    assert place_notes() == 0


def test_notes_are_placed_for_every_tenant(acme: TenantRef, globex: TenantRef, write: Write) -> None:
    write()
    with bound(globex.id):
        write()
    with unbound():
        place_all_notes()
    assert verify_chain().length == 1
    with bound(globex.id):
        assert verify_chain().length == 1


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_auditevent SET facts = '{}'",
        "UPDATE audit_auditevent SET happened_at = now()",
        "DELETE FROM audit_auditevent",
        "UPDATE audit_auditevent SET sequence = NULL",
    ],
)
def test_a_note_cannot_be_changed_or_removed(acme: TenantRef, write: Write, change: str) -> None:
    write()
    with pytest.raises(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change)
    assert place_notes() == 1


def test_a_place_is_given_once(acme: TenantRef, write: Write) -> None:
    write()
    place_notes()
    for change in ("sequence = 9", "hash = '\\x00'", "sequence = NULL"):
        with (
            pytest.raises(ProgrammingError, match="never changed"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(f"UPDATE audit_auditevent SET {change}")
    assert verify_chain().is_intact


def test_a_note_of_another_tenant_cannot_be_written_or_placed(
    acme: TenantRef, globex: TenantRef, write: Write, now: datetime
) -> None:
    forged: dict[str, Any] = note("tests.read", None, by=SYSTEM, now=now) | {"note_tenant_id": globex.id}
    with pytest.raises(ProgrammingError, match="row-level security"), connection.cursor() as cursor:
        cursor.execute(INSERT + REST, forged)
    write()
    with bound(globex.id):
        assert place_notes() == 0


def test_a_note_carries_no_secret(acme: TenantRef, write: Write) -> None:
    with pytest.raises(AuditError):
        write(password="x")


def test_an_export_has_every_note_in_its_place(acme: TenantRef, write: Write, tmp_path: Path) -> None:
    write()
    path = tmp_path / "audit.jsonl"
    call_command("export_audit", "acme", str(path), stdout=StringIO())
    call_command("verify_audit", str(path), stdout=StringIO())
    assert len(path.read_text().splitlines()) == 2


def test_the_controls_see_a_note_that_waits_and_a_lock_that_is_off(
    acme: TenantRef, write: Write, now: datetime
) -> None:
    write()
    assert held("notes_placed")
    write(at=now - timedelta(minutes=6))
    assert not held("notes_placed")
    place_notes()
    assert held("notes_placed")
    assert held("append_only")
