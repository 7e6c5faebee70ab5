"""What only decorates is shown where it belongs: under which label fields stand, in which order, and what assistants are told."""

from datetime import datetime

from apps.access.selectors import actor_for_user
from apps.accounts.models import User, UserGroup
from apps.audit.types import SYSTEM
from apps.datamodels.models import Dataset, ModelVersion
from apps.datamodels.services import import_files
from apps.governance.offering import context_of, dataset_fields, is_hidden
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
  placed: {sql: placed, timeframes: [raw, date], display_order: 1.5}
measures:
  count: {aggregate_type: count}
  most: {aggregate_type: max, sql: "${amount}", view_label: Numbers, display_order: 1}
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
        ("orders.most", "Numbers"), ("orders.placed", "Our sales"), ("orders.status", "Our sales"), ("orders.region", "Places"),
        ("orders.count", "Our sales"),
    ]  # fmt: skip
    plain = {name: text.replace("base_view_label: Our sales\n", "") for name, text in FILES.items()}
    assert {label for _, label in shown(plain | {"model.yaml": MODEL["model.yaml"]})} == {"Numbers", "Orders", "Places"}
    assert contexts == ["Amounts are in euro.\nOne row per order.", "One row per order."]


def test_a_hidden_view_hides_its_fields_and_closes_none(
    sales: Dataset, eve: User, analysts: UserGroup, now: datetime
) -> None:
    def hidden(files: dict[str, str]) -> dict[str, bool]:
        import_files(
            connection=sales.data_model.connection, name="orders", files=files, publish=True, by=SYSTEM, now=now
        )
        return {info.name: info.is_hidden for info in dataset_fields(governed(actor_for_user(eve), sales))}

    shown = hidden(FILES)
    assert set(shown.values()) == {False}
    view = "orders.view.yaml"
    assert hidden(FILES | {view: FILES[view] + "hidden: true\n"}) == dict.fromkeys(shown, True)
    field = FILES[view].replace("region: {", "region: {hidden: true, ")
    assert hidden(FILES | {view: field}) == shown | {"orders.region": True}


def test_what_the_published_model_does_not_have_is_not_listed(sales: Dataset, eve: User, now: datetime) -> None:
    actor = actor_for_user(eve)
    assert not is_hidden(actor, sales)
    files = {path.replace("Sales.", "Others."): content for path, content in MODEL.items()}
    import_files(connection=sales.data_model.connection, name="orders", files=files, publish=True, by=SYSTEM, now=now)
    assert is_hidden(actor, sales)
    ModelVersion.objects.update(is_current=False)
    assert is_hidden(actor, sales)
