"""What only decorates is shown where it belongs: under which label fields stand, in which order, and what assistants are told."""

from datetime import datetime

from apps.access.selectors import actor_for_user
from apps.accounts.models import User, UserGroup
from apps.audit.types import SYSTEM
from apps.datamodels.models import Dataset
from apps.datamodels.services import import_files
from apps.governance.offering import context_of, dataset_fields
from apps.governance.selectors import governed
from tests.apps.queries.conftest import MODEL, analysts, eve, join, sales, source

__all__ = ["analysts", "eve", "join", "sales", "source"]
FILES = {
    "model.yaml": MODEL["model.yaml"] + "ai_context: Amounts are in euro.\n",
    "orders.view.yaml": """schema: main
table_name: orders
label: Orders
dimensions:
  region: {view_label: Places}
  status: {display_order: 2}
  placed: {sql: placed, timeframes: [raw, date], display_order: 1}
measures:
  count: {aggregate_type: count}
""",
    "Sales.topic.yaml": "base_view: orders\nbase_view_label: Our sales\nai_context: One row per order.\n",
}


def test_fields_stand_under_their_labels_and_in_their_order(
    sales: Dataset, eve: User, analysts: UserGroup, now: datetime
) -> None:
    def shown(files: dict[str, str]) -> list[tuple[str, str]]:
        import_files(
            connection=sales.data_model.connection, name="orders", files=files, publish=True, by=SYSTEM, now=now
        )
        found = governed(actor_for_user(eve), sales)
        contexts.append(context_of(found))
        return [(info.name, info.view_label) for info in dataset_fields(found)]

    contexts: list[str] = []
    assert shown(FILES) == [
        ("orders.placed", "Our sales"), ("orders.status", "Our sales"), ("orders.region", "Places"), ("orders.count", "Our sales"),
    ]  # fmt: skip
    plain = {name: text.replace("base_view_label: Our sales\n", "") for name, text in FILES.items()}
    assert {label for _, label in shown(plain | {"model.yaml": MODEL["model.yaml"]})} == {"Orders", "Places"}
    assert contexts == ["Amounts are in euro.\nOne row per order.", "One row per order."]
