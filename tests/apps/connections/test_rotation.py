"""Another password, another worker key: nothing stops working meanwhile, and what was interrupted is taken up."""

import io
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from celery import current_app
from django.core.management import call_command
from django.core.management.base import CommandError
from psycopg import sql
from pytest_django import Settings

from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.connections.adopting import left_to_reseal, reseal_credentials
from apps.connections.models import Connection
from apps.connections.selectors import context_of
from apps.connections.services import check_now, rotate_credential, save_connection
from apps.vault import services as vault
from apps.vault.errors import SealError
from apps.warehouses.types import Target
from tests.apps.connections.test_credentials import count
from tests.warehouses.samples import ADMIN_URL, PASSWORD

NEW = "hunter3-canary"


def set_password(target: Target, password: str) -> None:
    with psycopg.connect(ADMIN_URL, autocommit=True) as admin:
        admin.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(target.username), sql.Literal(password))
        )


@pytest.fixture
def changed(target: Target) -> object:
    """The database has another password."""
    set_password(target, NEW)
    yield
    set_password(target, PASSWORD)


def test_a_new_password_is_used_when_it_opens_the_source(mill: Connection, changed: object, now: datetime) -> None:
    assert rotate_credential(mill, secret=NEW, by=SYSTEM, now=now) == ""
    found = Connection.objects.get(pk=mill.pk)
    assert (count(found), found.version, found.pending_credential) == (3, 2, None)
    verbs = list(AuditEvent.objects.filter(verb__contains="credential").values_list("verb", flat=True))
    assert {"connections.credential_proposed", "connections.credential_rotated"} <= set(verbs)


def test_a_new_password_that_does_not_open_it_leaves_the_old_one_in_use(mill: Connection, now: datetime) -> None:
    problem = rotate_credential(mill, secret="wrong", by=SYSTEM, now=now)
    assert "not in use" in problem
    found = Connection.objects.get(pk=mill.pk)
    assert (count(found), found.version, found.pending_credential) == (3, 1, None)


def test_a_rotation_that_nobody_finished_is_finished_by_the_next_check(
    mill: Connection, target: Target, now: datetime
) -> None:
    current_app.conf.task_always_eager = False  # the message is lost
    try:
        assert "No worker answered" in rotate_credential(mill, secret=NEW, by=SYSTEM, now=now, wait_s=0.3)
    finally:
        current_app.conf.task_always_eager = True
    assert count(Connection.objects.get(pk=mill.pk)) == 3  # with the old one
    set_password(target, NEW)
    try:
        assert check_now(mill, by=SYSTEM, now=now).health == "ok"
        assert Connection.objects.get(pk=mill.pk).pending_credential is None
    finally:
        set_password(target, PASSWORD)


def test_a_proposal_does_not_survive_another_target(mill: Connection, now: datetime) -> None:
    sealed = vault.seal_for_worker(NEW.encode(), context=context_of(mill))
    Connection.objects.filter(pk=mill.pk).update(pending_credential=sealed)
    mill.refresh_from_db()
    mill.username = "somebody"
    save_connection(mill, secret=PASSWORD, by=SYSTEM, now=now)
    assert Connection.objects.get(pk=mill.pk).pending_credential is None


def test_the_command_rotates_and_says_why_it_did_not(
    mill: Connection, changed: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for secret, is_right in (("wrong", False), (NEW, True)):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{secret}\n"))
        if is_right:
            call_command("rotate_credential", "acme", "mill")
            assert "in use" in capsys.readouterr().out
        else:
            with pytest.raises(CommandError) as caught:
                call_command("rotate_credential", "acme", "mill")
            assert "wrong" not in str(caught.value)


@pytest.fixture
def key_files(tmp_path: Path, settings: Settings) -> Path:
    settings.OMNI_WORKER_PRIVATE_KEY_FILE = str(tmp_path / "private")
    settings.OMNI_WORKER_PUBLIC_KEY_FILE = str(tmp_path / "public")
    vault.ensure_worker_keys()
    return tmp_path


def test_the_workers_key_is_rotated_while_old_and_new_open(key_files: Path, mill: Connection, now: datetime) -> None:
    twin = Connection(name="twin", dialect="postgres", host=mill.host, database=mill.database, username=mill.username)
    save_connection(twin, secret=PASSWORD, by=SYSTEM, now=now)
    call_command("rotate_worker_key", "add")
    assert left_to_reseal() == 0  # web processes still seal to the old key
    vault.publish_worker_key()
    assert left_to_reseal() == 2
    with pytest.raises(CommandError):
        call_command("rotate_worker_key", "finish")
    assert (count(mill), count(twin)) == (3, 3)
    save_connection(twin, secret=PASSWORD, by=SYSTEM, now=now)  # interrupted here: one of the two is sealed anew
    assert left_to_reseal() == 1
    assert reseal_credentials(now=now) == 1
    assert reseal_credentials(now=now) == 0
    old = bytes(mill.sealed_credential or b"")
    call_command("rotate_worker_key", "finish")
    assert (count(Connection.objects.get(pk=mill.pk)), count(Connection.objects.get(pk=twin.pk))) == (3, 3)
    with pytest.raises(SealError):
        vault.open_for_worker(old, context=context_of(mill))
    assert (key_files / "private").stat().st_mode & 0o077 == 0


def test_all_steps_at_once_can_be_repeated(key_files: Path, mill: Connection) -> None:
    for _ in range(2):
        call_command("rotate_worker_key", "all")
        assert count(Connection.objects.get(pk=mill.pk)) == 3
