"""Test databases: a migrated template, made once per state of the migrations, and a copy per test process."""

import fcntl
import hashlib
import os
from functools import cache
from pathlib import Path

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from apps.embedded import bootstrap

ROOT = Path(__file__).resolve().parent.parent
KEPT = {"django_migrations", "django_content_type", "auth_permission"}
ADMIN_URL = os.environ["OMNI_DATABASE_ADMIN_URL"]


def admin_url(database: str) -> str:
    """Return the superuser's URL of a database of the embedded server."""
    head, _, tail = ADMIN_URL.partition("@/")
    return f"{head}@/{database}?{tail.partition('?')[2]}"


def _point_at(name: str) -> None:
    connections.close_all()
    for alias in ("default", "owner"):
        connections[alias].settings_dict["NAME"] = settings.DATABASES[alias]["NAME"] = name


def _template() -> str:
    digest = hashlib.sha256()
    for path in [*sorted(ROOT.glob("apps/*/migrations/*.py")), ROOT / "apps/tenants/isolation.py"]:
        digest.update(path.read_bytes())
    name = f"omni_template_{digest.hexdigest()[:12]}"
    with (Path(os.environ["OMNI_STATE_DIR"]) / "template.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not _exists(name):
            draft = f"{name}_draft"
            _drop(draft)
            bootstrap.create_database(ADMIN_URL, draft)
            bootstrap.grant_runtime(admin_url(draft))
            _point_at(draft)
            call_command("migrate", verbosity=0)
            connections.close_all()
            _execute("ALTER DATABASE {} RENAME TO {}", draft, name)
    return name


def _exists(name: str) -> bool:
    with psycopg.connect(ADMIN_URL) as connection:
        return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is not None


def _execute(statement: str, *names: str) -> None:
    with psycopg.connect(ADMIN_URL, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _drop(name: str) -> None:
    _execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def use_copy(worker: str) -> None:
    """Copy the template for this process and point Django's connections at it."""
    template = _template()
    name = f"omni_test_{worker}"
    _drop(name)
    bootstrap.create_database(ADMIN_URL, name, template=template)
    bootstrap.grant_runtime(admin_url(name))
    _execute("ALTER DATABASE {} SET synchronous_commit = off", name)  # it does not outlive the tests
    _point_at(name)


def drop_copy(worker: str) -> None:
    connections.close_all()
    _cleaner.cache_clear()
    _drop(f"omni_test_{worker}")


def remove_rows(worker: str) -> None:
    """Empty every table but the catalogue ones, as a superuser: the runtime role may not."""
    try:
        _cleaner(worker).execute("SELECT pg_temp.remove_rows()")
    except psycopg.OperationalError:
        if not _cleaner(worker).closed:
            raise
        # a test ended all connections
        _cleaner.cache_clear()
        _cleaner(worker).execute("SELECT pg_temp.remove_rows()")


@cache
def _cleaner(worker: str) -> psycopg.Connection:
    """Return a superuser's connection of this process, with the statements that empty all tables: planned once, not per test."""
    connection = psycopg.connect(admin_url(f"omni_test_{worker}"), autocommit=True)
    tables = [
        name
        for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        if name not in KEPT
    ]
    connection.execute("SET session_replication_role = replica")
    statements = sql.SQL("").join(sql.SQL("DELETE FROM {};").format(sql.Identifier(name)) for name in tables)
    body = sql.Literal(f"BEGIN {statements.as_string(connection)} END")
    connection.execute(
        sql.SQL("CREATE FUNCTION pg_temp.remove_rows() RETURNS void LANGUAGE plpgsql AS {}").format(body)
    )
    return connection
