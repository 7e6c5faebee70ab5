"""Acme's orders in a DuckDB file, a model over them, and three people whose attributes differ."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from apps.access.selectors import actor_for_user
from apps.access.services import grant_permission
from apps.access.types import Actor
from apps.accounts.models import AttributeDefinition, GroupMembership, User, UserAttribute, UserGroup
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.connections.services import save_connection
from apps.datamodels.models import Dataset
from apps.datamodels.services import import_files
from apps.queries.services import answer
from apps.queries.types import Answer
from apps.tenants.types import TenantRef
from tests.duckdb_files import write_file

MODEL = {
    "model.yaml": "access_grants:\n  finance: {user_attribute: omni_user_groups, allowed_values: [Finance]}\n",
    "orders.view.yaml": """
schema: main
table_name: orders
access_filters:
  - {field: region, user_attribute: region, values_for_unfiltered: [ALL]}
dimensions:
  region: {}
  status: {}
  email: {mask_unless_access_grants: [finance]}
  placed: {sql: placed, timeframes: [raw, date, month]}
  price: {sql: CAST(price AS DOUBLE), hidden: true}
measures:
  count: {aggregate_type: count}
  revenue: {aggregate_type: sum, sql: "${price}"}
  margin: {aggregate_type: sum, sql: "0.2 * ${price}", required_access_grants: [finance]}
  margin_share: {sql: "${margin} / NULLIF(${revenue}, 0)"}
""",
    "Sales.topic.yaml": "base_view: orders\nlabel: Sales\n",
}
CANARY = "canary.7f3a9c51@example.com"


@pytest.fixture
def source(tmp_path: Path, settings: Settings) -> Path:
    """Seven orders in two regions."""
    settings.OMNI_DATA_DIR = tmp_path
    path = tmp_path / "acme" / "acme.duckdb"
    write_file(
        path,
        "CREATE TABLE orders (region VARCHAR, status VARCHAR, email VARCHAR, placed TIMESTAMP, price DOUBLE)",
        "INSERT INTO orders SELECT CASE WHEN i < 3 THEN 'EU' ELSE 'US' END, CASE WHEN i % 2 = 0 THEN 'paid' ELSE 'open' END,"
        f" CASE WHEN i = 0 THEN '{CANARY}' ELSE 'p' || i || '@example.com' END, TIMESTAMP '2024-01-15' + INTERVAL (i) MONTH,"
        " 10.0 * (i + 1) FROM range(7) t(i)",
    )
    return path


@pytest.fixture
def sales(acme: TenantRef, source: Path, now: datetime) -> Dataset:
    """The data set over the file."""
    return published(MODEL, now)


def published(files: Mapping[str, str], now: datetime) -> Dataset:
    """Connect to the file and publish a model over it that goes by regions; return Sales."""
    connection = Connection(name="orders", dialect="duckdb", database="acme.duckdb")
    save_connection(connection, secret=None, by=SYSTEM, now=now)
    AttributeDefinition.objects.get_or_create(name="region", defaults={"label": "Region", "is_list": True})
    import_files(connection=connection, name="orders", files=files, publish=True, by=SYSTEM, now=now)
    return Dataset.objects.get(name="Sales")


@pytest.fixture
def analysts(sales: Dataset, now: datetime) -> UserGroup:
    """A group that may query Sales."""
    group = UserGroup.objects.create(name="Analysts")
    grant_permission(group=group, permission="query_dataset", obj=sales, by=SYSTEM, now=now)
    return group


def join(user: User, group: UserGroup, *regions: str) -> User:
    """Put a person into a group and give them regions."""
    GroupMembership.objects.create(user=user, group=group)
    if regions:
        definition, _ = AttributeDefinition.objects.get_or_create(name="region", defaults={"is_list": True})
        UserAttribute.objects.create(user=user, definition=definition, values=list(regions))
    return user


@pytest.fixture
def eve(ann: User, analysts: UserGroup) -> User:
    """May query Sales, Europe only."""
    return join(ann, analysts, "EU")


@pytest.fixture
def max_(bob: User, analysts: UserGroup) -> User:
    """May query Sales, everywhere."""
    return join(bob, analysts, "ALL")


@pytest.fixture
def nil(analysts: UserGroup, make_person: Callable[..., User]) -> User:
    """May query Sales and has no region."""
    return join(make_person("nil@acme.example"), analysts)


Ask = Callable[..., Answer]


@pytest.fixture
def ask() -> Ask:
    """Ask as a person, with rights read now."""

    def put(who: User | Actor, *fields: str, now: datetime | None = None, **rest: Any) -> Answer:
        actor = who if isinstance(who, Actor) else actor_for_user(User.objects.get(pk=who.pk))
        question = {"dataset": "Sales", "fields": list(fields)} | rest
        found = answer(actor, question, now=now or datetime.now(UTC), wait_s=5)
        assert isinstance(found, Answer)
        return found

    return put
