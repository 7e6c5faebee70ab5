"""The whole way to a Spark: a connection that is checked, a model, three people, an answer that is kept."""

from contextlib import closing
from datetime import datetime

import pytest

from apps.accounts.models import AttributeDefinition, User
from apps.audit.types import SYSTEM
from apps.connections.checking import check
from apps.connections.models import CatalogColumn, Connection
from apps.connections.services import save_connection
from apps.datamodels.models import Dataset
from apps.datamodels.services import import_files
from apps.tenants.types import TenantRef
from tests.apps.queries.conftest import CANARY, MODEL, Ask
from tests.spark import Owner, started_spark, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is a Spark")
TABLES = (
    "SET spark.sql.session.timeZone = UTC", "DROP SCHEMA IF EXISTS main CASCADE", "CREATE SCHEMA main",
    "CREATE TABLE main.orders (region STRING, status STRING, email STRING, placed TIMESTAMP, price DOUBLE) USING parquet",
    "INSERT INTO main.orders SELECT CASE WHEN i < 3 THEN 'EU' ELSE 'US' END, CASE WHEN i % 2 = 0 THEN 'paid' ELSE 'open' END,"
    f" CASE WHEN i = 0 THEN '{CANARY}' ELSE 'p' || i || '@example.com' END, add_months(date '2024-01-15', CAST(i AS INT)),"
    " 10.0 * (i + 1) FROM range(7) t(i)",
)  # fmt: skip


@pytest.fixture
def sales(acme: TenantRef, now: datetime) -> Dataset:
    """The data set over Spark."""
    port = started_spark()
    with closing(Owner(port)) as owner:
        for statement in TABLES:
            owner.tell(statement)
    connection = Connection(
        name="lake", dialect="spark", host="127.0.0.1", port=port, database="spark_catalog.main", username="omni"
    )
    save_connection(connection, secret=None, by=SYSTEM, now=now)
    AttributeDefinition.objects.get_or_create(name="region", defaults={"label": "Region", "is_list": True})
    import_files(connection=connection, name="orders", files=MODEL, publish=True, by=SYSTEM, now=now)
    return Dataset.objects.get(name="Sales")


def test_each_person_gets_their_rows_and_masks(ask: Ask, eve: User, max_: User) -> None:
    fields = ("orders.region", "orders.revenue", "orders.count")
    assert ask(eve, *fields).rows == [("EU", 60.0, 3)]
    assert ask(max_, *fields).rows == [("US", 220.0, 4), ("EU", 60.0, 3)]
    assert not any(CANARY in str(row) for row in ask(max_, "orders.email").rows)
    months = ask(eve, "orders.placed[month]", "orders.count").rows
    assert [str(row[0])[:10] for row in months] == ["2024-01-01", "2024-02-01", "2024-03-01"]


def test_a_check_reads_the_catalogue_and_says_that_spark_has_no_rights(sales: Dataset) -> None:
    connection = Connection.objects.get(name="lake")
    check(connection)
    connection.refresh_from_db()
    assert connection.health == Connection.Health.OK
    assert any("may change the data of" in text for text in connection.excess_rights)
    columns = CatalogColumn.objects.filter(table__connection=connection, table__name="orders")
    assert [column.name for column in columns] == ["region", "status", "email", "placed", "price"]
