"""Acme's connections to real sources: a DuckDB file and a PostgreSQL database with a reader."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from apps.accounts.models import User
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.connections.services import save_connection
from apps.tenants.types import TenantRef
from apps.warehouses.types import Target
from tests.apps.conftest import SignedIn
from tests.environment import WORKER
from tests.warehouses.samples import PASSWORD, make_file, reader_database

Browse = Callable[[User], Client]


@pytest.fixture(scope="session")
def target() -> Iterator[Target]:
    with reader_database(f"connection_source_{WORKER}") as found:
        yield found


@pytest.fixture
def data_dir(tmp_path: Path, settings: Settings) -> Path:
    """The operator's data folder: files of two tenants in their own folders, and one in nobody's."""
    settings.OMNI_DATA_DIR = tmp_path / "data"
    for name in ("shared", "acme/shop", "acme/ours", "globex/theirs"):
        make_file(settings.OMNI_DATA_DIR / f"{name}.duckdb")
    return tmp_path / "data"


@pytest.fixture
def shop(acme: TenantRef, data_dir: Path, now: datetime) -> Connection:
    connection = Connection(name="shop", dialect="duckdb", database="shop.duckdb")
    return save_connection(connection, secret=None, by=SYSTEM, now=now)


@pytest.fixture
def mill(acme: TenantRef, target: Target, now: datetime) -> Connection:
    connection = Connection(
        name="mill", dialect="postgres", host=target.host, database=target.database, username=target.username
    )
    return save_connection(connection, secret=PASSWORD, by=SYSTEM, now=now)


@pytest.fixture
def browse(acme: TenantRef, settings: Settings, signed_in: SignedIn) -> Browse:
    """Return a browser of a person who has just signed in."""
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
    return signed_in
