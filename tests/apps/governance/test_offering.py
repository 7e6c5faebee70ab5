"""What only decorates is shown where it belongs: under which label fields stand, in which order, and what assistants are told."""

from datetime import datetime

from apps.access.selectors import actor_for_user
from apps.access.services import grant_permission
from apps.accounts.models import User, UserGroup
from apps.audit.types import SYSTEM
from apps.datamodels.models import Dataset, ModelVersion
from apps.datamodels.services import import_files
from apps.governance.offering import context_of, dataset_fields, is_hidden
from apps.governance.selectors import governed
from apps.governance.types import FieldInfo
from tests.apps.queries.conftest import MODEL, analysts, eve, join, max_, sales, source

__all__ = ["analysts", "eve", "join", "max_", "sales", "source"]
FILES = {
    "model.yaml": MODEL["model.yaml"] + "ai_context: Amounts are in euro.\n",
    "orders.view.yaml": """schema: main
table_name: orders
label: Orders
dimensions:
  region: {view_label: Places, display_order: true}
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


def put(sales: Dataset, files: dict[str, str], analysts: UserGroup, now: datetime) -> None:
    """Publish files; analysts may query whatever they make."""
    import_files(connection=sales.data_model.connection, name="orders", files=files, publish=True, by=SYSTEM, now=now)
    for dataset in Dataset.objects.filter(is_published=True):
        grant_permission(group=analysts, permission="query_dataset", obj=dataset, by=SYSTEM, now=now)


def listed(user: User, dataset: str) -> dict[str, FieldInfo]:
    found = governed(actor_for_user(user), Dataset.objects.get(name=dataset))
    return {info.name: info for info in dataset_fields(found)}


def test_a_composite_lists_what_it_offers_and_the_actor_may_use(
    sales: Dataset, eve: User, max_: User, analysts: UserGroup, now: datetime
) -> None:
    view = MODEL["orders.view.yaml"].replace("  status: {}\n", "  status: {required_access_grants: [finance]}\n")
    view = view.replace("revenue: {", "revenue: {group_label: Money, ")
    shared = "region: {mappings: {Sales: orders.region, Again: orders.region}}, state: {mappings: {Sales: orders.region, Again: orders.status}}"
    shared += ", day: {mappings: {Sales: 'orders.placed[date]', Again: 'orders.placed[date]'}}"
    files = MODEL | {
        "orders.view.yaml": view, "Again.topic": "base_view: orders\n",
        "Both.composite_topic": "topics: [Sales, Again]\nfields: [all_views.*, -@Again.orders.revenue]\n"
        f"shared_dimensions: {{{shared}}}\n",
    }  # fmt: skip
    put(sales, files, analysts, now)
    join(max_, UserGroup.objects.create(name="Finance"))
    open_to_all = {
        "@_shared_dimensions_.region", "@_shared_dimensions_.day", "@Sales.orders.count", "@Sales.orders.revenue", "@Again.orders.count",
    }  # fmt: skip
    own = listed(eve, "Both")
    assert own.keys() == open_to_all
    assert (own["@Sales.orders.count"].group_label, own["@Sales.orders.revenue"].group_label) == ("Sales", "Money")
    more = {f"@{topic}.orders.{name}" for topic in ("Sales", "Again") for name in ("margin", "margin_share")}
    assert listed(max_, "Both").keys() == open_to_all | more | {"@_shared_dimensions_.state"}


def test_what_decorates_masked_values_is_told_to_those_who_see_them(
    sales: Dataset, eve: User, max_: User, analysts: UserGroup, now: datetime
) -> None:
    told = "suggestion_list: [a@example.com], colors: {conditions: [{condition: {is: a@example.com}, color: red}]}"
    view = MODEL["orders.view.yaml"].replace("  status: {}\n", f"""  status: {{{told}, suggest_from_field: region}}
  contact: {{sql: 'UPPER(${{email}})', {told}, suggest_from_field: orders.region}}
""")  # fmt: skip
    files = MODEL | {
        "orders.view.yaml": view, "Sums.topic": "base_view: sums\n",
        "sums.query.view": "query: {topic: Sales, fields: {orders.email: who, orders.status: state}}\n"
        f"dimensions: {{hello: {{sql: 'UPPER(${{who}})', {told}}}, again: {{sql: 'UPPER(${{state}})', {told}}}}}\n",
    }  # fmt: skip
    put(sales, files, analysts, now)
    join(max_, UserGroup.objects.create(name="Finance"))
    for name, is_over_masked in (
        ("orders.status", False), ("orders.contact", True), ("sums.again", False), ("sums.hello", True),
    ):  # fmt: skip
        dataset = "Sums" if name.startswith("sums") else "Sales"
        for person in (eve, max_):
            info = listed(person, dataset)[name]
            is_told = person == max_ or not is_over_masked
            assert (bool(info.suggested), info.colours is not None) == (is_told, is_told), (name, person)
            if dataset == "Sales":
                assert info.suggests_from == ("orders.region" if is_told else "")
