"""A shop in DuckDB, its model, and browsers of people who have signed in."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from django.conf import settings
from django.test import Client

from apps.accounts.models import AttributeDefinition, User
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.connections.services import save_connection
from apps.datamodels import gates
from apps.datamodels.models import DataModel, ModelVersion
from apps.datamodels.services import import_files
from apps.tenants.types import TenantRef
from tests.apps.conftest import SignedIn
from tests.duckdb_files import write_file
from tests.environment import WORKER

TABLES = """
CREATE TABLE orders (id INT, country VARCHAR, amount INT, created_at TIMESTAMP);
INSERT INTO orders VALUES (1, 'NO', 100, '2026-01-31 23:30:00'), (2, 'SE', 50, '2026-02-10 08:00:00');
"""
ORDERS = """\
# Orders of the shop.
table_name: orders
dimensions:
  id: {primary_key: true, hidden: true}
  country: {}   # where it went
  amount: {hidden: true}
  created_at: {timeframes: [raw, date, month]}

# What we count.
measures:
  count: {aggregate_type: count}
  revenue: {aggregate_type: sum, sql: "${amount}"}
access_filters:
  - {field: orders.country, user_attribute: country, values_for_unfiltered: [ALL]}
"""
FILES = {
    "model.yaml": "access_grants:\n  finance: {user_attribute: department, allowed_values: [finance]}\n",
    "relationships.yaml": "[]\n",
    "orders.view.yaml": ORDERS,
    "Sales.topic.yaml": "base_view: orders\nlabel: Sales\n",
}
Browse = Callable[[User], Client]
Object = Callable[[str], None]
Change = Callable[..., None]
Publish = Callable[..., ModelVersion]


def define_attributes() -> None:
    """Make the attributes that the shop's rules name, in the bound tenant."""
    for name in ("country", "department"):
        AttributeDefinition.objects.get_or_create(name=name, defaults={"label": name.capitalize(), "is_list": True})


@pytest.fixture
def database_file(acme: TenantRef) -> Path:
    """The file that the shop's connection reads; nothing holds it open between checks."""
    path = Path(settings.OMNI_DATA_DIR) / acme.slug / f"versions-{WORKER}.duckdb"
    write_file(path, TABLES)
    return path


@contextmanager
def another_file(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Change the source as its owner does: a changed copy takes the place of the file that readers may have open."""
    draft = path.with_name(f"draft-{path.name}")
    shutil.copy(path, draft)
    with duckdb.connect(str(draft)) as database:
        yield database
    draft.replace(path)


@pytest.fixture
def alter(database_file: Path) -> Change:
    """Run statements at the source."""

    def act(*statements: str) -> None:
        with another_file(database_file) as database:
            for statement in statements:
                database.execute(statement)

    return act


@pytest.fixture
def source(database_file: Path, now: datetime) -> Connection:
    define_attributes()
    connection = Connection(name="shop", dialect="duckdb", database=database_file.name)
    return save_connection(connection, secret=None, by=SYSTEM, now=now)


@pytest.fixture
def shop(source: Connection, now: datetime) -> DataModel:
    """The shop's model, version 1 published."""
    import_files(connection=source, name="shop", files=FILES, publish=True, by=SYSTEM, now=now)
    return DataModel.objects.select_related("connection").get(name="shop")


@pytest.fixture
def publish(shop: DataModel, now: datetime) -> Publish:
    """Publish the shop's files with changes; a content of None takes the file out."""

    def act(changes: dict[str, str | None]) -> ModelVersion:
        files = {path: text for path, text in (FILES | changes).items() if text is not None}
        return import_files(connection=shop.connection, name="shop", files=files, publish=True, by=SYSTEM, now=now)

    return act


@pytest.fixture
def against() -> Iterator[Object]:
    """Have a gate object to every publication until the end of the test."""

    def act(objection: str) -> None:
        gates.register_gate("test")(lambda publication: (objection,))

    yield act
    gates._gates.pop("test", None)


@pytest.fixture
def browse(acme: TenantRef, signed_in: SignedIn) -> Browse:
    """Return a browser of a person who has signed in."""
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)  # the file server warns when nothing was collected

    def act(user: User) -> Client:
        return signed_in(user, host=acme.host or "acme.localhost")

    return act
