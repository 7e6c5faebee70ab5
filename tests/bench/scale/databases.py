"""Databases of growing size in the embedded server: the migrated schema, then rows made by the server itself."""

import copy
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.db.utils import load_backend

from apps.embedded import bootstrap
from tests.bench.scale.rows import Size, load

SCALE = float(os.environ.get("OMNI_BENCH_RIGHTS_SCALE", "1"))
"""1 is 10,000 tenants, a million people and ten million permissions"""
TENANTS = {"small": 100, "middle": 1_000, "large": 10_000}
TEMPLATE = "omni_scale_empty"
ADMIN_URL = os.environ["OMNI_DATABASE_ADMIN_URL"]


def sizes() -> dict[str, Size]:
    """Return the sizes to measure by name; the last is the largest."""
    return {name: Size(max(10, int(tenants * SCALE))) for name, tenants in TENANTS.items()}


def admin_url(database: str) -> str:
    """Return the superuser's URL of a database of the embedded server."""
    head, _, tail = ADMIN_URL.partition("@/")
    return f"{head}@/{database}?{tail.partition('?')[2]}"


def ensure(name: str, size: Size) -> dict[str, Any]:
    """Load a database unless an earlier run has; return how large it is and how long it took, in seconds."""
    database = f"omni_scale_{name}_{size.tenants}"
    _ensure_template()
    took_s = 0.0
    if bootstrap.create_database(ADMIN_URL, database, template=TEMPLATE):
        bootstrap.grant_runtime(admin_url(database))
        started = time.monotonic()
        try:
            with psycopg.connect(admin_url(database), autocommit=True) as connection:
                load(connection, size, lambda text: print(f"{name}: {text}", file=sys.stderr, flush=True))
        except BaseException:  # half a database is of no use, however its loading ended
            with psycopg.connect(ADMIN_URL, autocommit=True) as connection:
                connection.execute(f'DROP DATABASE "{database}" WITH (FORCE)')
            raise
        took_s = time.monotonic() - started
    with psycopg.connect(admin_url(database)) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    megabytes = round(row[0] / 1024**2) if row else 0
    return {"database": database, "tenants": size.tenants, "people": size.people, "permissions": size.permissions,
            "megabytes": megabytes, "loaded_in_s": round(took_s)}  # fmt: skip


def _ensure_template() -> None:
    if bootstrap.create_database(ADMIN_URL, TEMPLATE):
        bootstrap.grant_runtime(admin_url(TEMPLATE))
        with using(TEMPLATE):
            call_command("migrate", verbosity=0)


@contextmanager
def using(database: str) -> Iterator[None]:
    """Run the block with Django's connections at another database."""
    before = {alias: connections[alias] for alias in ("default", "owner")}
    try:
        for alias in before:
            connections[alias] = wrapper(alias, database)
        yield
    finally:
        for alias, connection in before.items():
            connections[alias].close()
            connections[alias] = connection


def wrapper(alias: str, database: str) -> Any:
    """Return a connection of Django's to another database, as the same role."""
    config = copy.deepcopy(settings.DATABASES[alias])
    config["NAME"] = database
    return load_backend(config["ENGINE"]).DatabaseWrapper(config, alias)
