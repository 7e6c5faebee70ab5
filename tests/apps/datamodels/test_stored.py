"""What a model knows of its source: which tables are stored, and which are views that are worked out when they are read."""

from datetime import datetime

import pytest

from apps.accounts.models import User
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.connections.services import save_connection
from apps.datamodels import services
from apps.datamodels.models import DataModel
from apps.datamodels.selectors import current_version, semantic_model
from tests.apps.datamodels.conftest import Change


def is_worked_out(data_model: DataModel) -> bool:
    version = current_version(DataModel.objects.get(pk=data_model.pk))
    assert version is not None
    return semantic_model(version).views["orders"].is_worked_out


def test_nothing_is_taken_for_stored_before_somebody_has_looked(shop: DataModel, now: datetime) -> None:
    assert is_worked_out(shop)
    services.refresh_schema(shop, by=SYSTEM, now=now)
    assert not is_worked_out(shop)


def test_a_table_that_becomes_a_view_is_known_for_one_after_the_next_look(
    shop: DataModel, alter: Change, now: datetime
) -> None:
    services.refresh_schema(shop, by=SYSTEM, now=now)
    alter("ALTER TABLE orders RENAME TO raw_orders", "CREATE VIEW orders AS SELECT * FROM raw_orders")
    services.refresh_schema(shop, by=SYSTEM, now=now)
    assert is_worked_out(shop)
    alter("DROP VIEW orders", "ALTER TABLE raw_orders RENAME TO orders")
    services.refresh_schema(shop, by=SYSTEM, now=now)
    assert not is_worked_out(shop)


def test_a_draft_knows_it_as_well(shop: DataModel, ada: User, now: datetime) -> None:
    draft = services.open_draft(shop, by=SYSTEM, now=now)
    draft = services.save_draft_file(draft, path="b.view", content="{}", digest=draft.digest, by=SYSTEM, now=now)
    assert semantic_model(draft).views["orders"].is_worked_out
    services.refresh_schema(shop, by=SYSTEM, now=now)
    draft.refresh_from_db()
    draft.data_model.connection.refresh_from_db()
    assert not semantic_model(draft).views["orders"].is_worked_out


@pytest.mark.parametrize(
    ("change", "is_known"), [({"max_rows": 7}, True), ({"database": "another.duckdb"}, False)]
)  # fmt: skip
def test_of_another_source_nothing_is_known(
    shop: DataModel, now: datetime, change: dict[str, object], is_known: bool
) -> None:
    services.refresh_schema(shop, by=SYSTEM, now=now)
    connection = Connection.objects.get(pk=shop.connection_id)
    stale = Connection.objects.get(pk=shop.connection_id)
    for name, value in change.items():
        setattr(connection, name, value)
    connection.stored_digest = stale.stored_digest = ""  # as a form knew it before the source was looked at
    save_connection(connection, secret=None, by=SYSTEM, now=now)
    assert is_worked_out(shop) is not is_known
