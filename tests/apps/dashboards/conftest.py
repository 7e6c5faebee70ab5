"""A shop with real rows in DuckDB, a model over it, a dashboard, and people who may see parts of it."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from apps.access.services import grant_permission
from apps.accounts.models import AttributeDefinition, User
from apps.accounts.services import set_attribute
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.connections.services import save_connection
from apps.dashboards.models import Dashboard
from apps.dashboards.services import import_dashboard
from apps.datamodels.models import Dataset
from apps.datamodels.services import import_files
from apps.tenants.types import TenantRef
from tests.apps.conftest import SignedIn
from tests.duckdb_files import write_file
from tests.environment import WORKER

ROWS = """
CREATE TABLE orders (id INT, country VARCHAR, status VARCHAR, amount INT, cost INT, created_at TIMESTAMP);
INSERT INTO orders VALUES
  (1, 'NO', 'paid', 100, 60, '2026-01-31 23:30:00'), (2, 'NO', 'open', 50, 20, '2026-02-10 08:00:00'),
  (3, 'SE', 'paid', 30, 10, '2026-02-28 23:59:00'), (4, 'SE', '</script><b>', 500, 90, '2026-03-01 00:30:00');
"""
FILES = {
    "model.yaml": "access_grants:\n  finance: {user_attribute: department, allowed_values: [finance]}\n",
    "relationships.yaml": "[]\n",
    "orders.view.yaml": """
table_name: orders
dimensions:
  id: {primary_key: true, hidden: true}
  country: {}
  status: {}
  amount: {hidden: true}
  cost: {hidden: true, required_access_grants: [finance]}
  created_at: {timeframes: [raw, date, month, year, hour_of_day, day_of_week_name]}
measures:
  count: {aggregate_type: count, label: Orders, format: number_0}
  revenue: {aggregate_type: sum, sql: "${amount}", label: Revenue, format: usdcurrency_0}
  total_cost: {aggregate_type: sum, sql: "${cost}", required_access_grants: [finance]}
access_filters:
  - {field: orders.country, user_attribute: country, values_for_unfiltered: [ALL]}
""",
    "Sales.topic.yaml": "base_view: orders\nlabel: Sales\n",
}
DEFINITION: dict[str, Any] = {
    "slug": "sales",
    "title": "Sales <overview>",
    "description": "What we sold.",
    "filters": [
        {"key": "status", "label": "Status", "field": "orders.status", "dataset": "Sales"},
        {"key": "dates", "label": "Dates", "field": "orders.created_at", "dataset": "Sales", "kind": "date_range"},
    ],
    "tiles": [
        {"title": "Orders", "dataset": "Sales", "chart": "kpi", "width": 3, "query": {"fields": ["orders.count"]}},
        {
            "title": "Revenue per month", "dataset": "Sales", "chart": "line", "width": 9,
            "query": {"fields": ["orders.created_at[month]", "orders.revenue"]},
        },
        {"title": "By status", "dataset": "Sales", "chart": "bar", "query": {"fields": ["orders.status", "orders.count"]}},
        {"title": "Rows", "dataset": "Sales", "chart": "table", "query": {"fields": ["orders.status", "orders.revenue"]}},
        {"title": "Cost", "dataset": "Sales", "chart": "kpi", "query": {"fields": ["orders.total_cost"]}},
    ],
}  # fmt: skip

Browse = Callable[[User], Client]
Person = Callable[..., User]


@pytest.fixture
def source(acme: TenantRef, now: datetime) -> Connection:
    """A DuckDB file in the data folder and the connection to it."""
    name = f"dashboards-{WORKER}.duckdb"
    path = Path(settings.OMNI_DATA_DIR) / acme.slug / name
    write_file(path, ROWS)
    connection = Connection(name="shop", dialect="duckdb", database=name)
    return save_connection(connection, secret=None, by=SYSTEM, now=now)


def define_attributes() -> None:
    """Define what the models of these tests go by."""
    for name in ("country", "department"):
        AttributeDefinition.objects.get_or_create(name=name, defaults={"label": name.capitalize(), "is_list": True})


@pytest.fixture
def sales(source: Connection, now: datetime) -> Dataset:
    define_attributes()
    import_files(connection=source, name="shop", files=FILES, publish=True, by=SYSTEM, now=now)
    return Dataset.objects.get(name="Sales")


@pytest.fixture
def dashboard(sales: Dataset, now: datetime) -> Dashboard:
    return import_dashboard(DEFINITION, by=SYSTEM, now=now)


@pytest.fixture
def give(now: datetime) -> Callable[..., None]:
    """Give a person attributes, and permissions as ``(codename, object)``."""

    def act(user: User, *permissions: tuple[str, Any], **attributes: list[str]) -> None:
        for codename, obj in permissions:
            grant_permission(user=user, permission=codename, obj=obj, by=SYSTEM, now=now)
        for name, values in attributes.items():
            definition, _ = AttributeDefinition.objects.get_or_create(
                name=name, defaults={"label": name, "is_list": True}
            )
            set_attribute(user=user, definition=definition, values=values, by=SYSTEM, now=now)

    return act


@pytest.fixture
def browse(acme: TenantRef, signed_in: SignedIn) -> Browse:
    """Return a browser of a person who has signed in."""
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)  # the file server warns when nothing was collected

    def act(user: User) -> Client:
        return signed_in(user, host=acme.host or "acme.localhost")

    return act
