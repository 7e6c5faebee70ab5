"""What differs between two versions: lines, and what they mean."""

import pytest

from apps.datamodels.comparing import as_text, compare_files
from apps.datamodels.meaning import compare_meaning
from apps.datamodels.models import DataModel, ModelVersion
from apps.datamodels.selectors import version_diff
from apps.semantic.model.reading import read_model
from tests.apps.datamodels.conftest import FILES, ORDERS, Publish

VIEW, TOPIC = "orders.view.yaml", "Sales.topic.yaml"


def meaning(changes: dict[str, str | None]) -> list[tuple[str, str, str, tuple[str, ...]]]:
    after = {path: text for path, text in (FILES | changes).items() if text is not None}
    old, new = (read_model(files, dialect="duckdb") for files in (FILES, after))
    return [(item.kind, item.what, item.name, item.details) for item in compare_meaning(old, new)]


def view(old: str, new: str) -> dict[str, str | None]:
    assert old in ORDERS
    return {VIEW: ORDERS.replace(old, new)}


def test_comments_and_order_mean_nothing() -> None:
    assert meaning({VIEW: "# Another comment.\n\n" + ORDERS, TOPIC: "label: Sales\nbase_view: orders\n"}) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (view("  amount: {hidden: true}\n", "  amount: {hidden: true}\n  vat: {}\n"), ("added", "field", "orders.vat", ())),
        (view("  revenue: {aggregate_type: sum, sql: \"${amount}\"}\n", ""), ("removed", "field", "orders.revenue", ())),
        (view("${amount}", "2 * ${amount}"), ("changed", "field", "orders.revenue", ("expression",))),
        (view("country: {}", "country: {classification: internal}"), ("changed", "field", "orders.country", ("classification",))),
        (view("country: {}", "country: {required_access_grants: [finance]}"), ("changed", "field", "orders.country", ("required grants",))),
        (view("country: {}", "country: {mask_unless_access_grants: [finance]}"), ("changed", "field", "orders.country", ("grants that lift the mask",))),
        (view("[ALL]", "[ALL, ANY]"), ("changed", "row policy", "view orders: orders.country by country", ("values for unfiltered",))),
        (view("access_filters:\n  - {field: orders.country, user_attribute: country, values_for_unfiltered: [ALL]}\n", ""), ("removed", "row policy", "view orders: orders.country by country", ())),
        (view("table_name: orders", "table_name: all_orders"), ("changed", "view", "orders", ("table",))),
        ({TOPIC: "base_view: orders\nlabel: Shop\n"}, ("changed", "data set", "Sales", ("label",))),
        ({"More.topic.yaml": "base_view: orders\n"}, ("added", "data set", "More", ())),
        ({"model.yaml": FILES["model.yaml"].replace("[finance]", "[finance, audit]")}, ("changed", "access grant", "finance", ("allowed values",))),
        ({"model.yaml": FILES["model.yaml"] + "week_start_day: sunday\n"}, ("changed", "model", "settings", ("week start",))),
        ({"stock.view.yaml": "dimensions:\n  id: {}\n  count: {}\n"}, ("added", "view", "stock", ("2 fields",))),
    ],
    ids=lambda value: "-".join(value[:3]) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_a_change_is_named_by_what_it_means(
    changes: dict[str, str | None], expected: tuple[str, str, str, tuple[str, ...]]
) -> None:
    assert expected in meaning(changes)


ROWS = "access_filters: [{field: amount, user_attribute: level}]"
CLOSED = "required_access_grants: [finance]"


def own(text: str) -> dict[str, str]:
    return {TOPIC: f"base_view: orders\nviews: {{orders: {{{text}}}}}\n"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (own(ROWS), own(CLOSED), [
            ("removed", "row policy", "view Sales / orders: orders.amount by level", ()),
            ("changed", "view", "Sales / orders", ("required grants",)),
        ]),
        ({TOPIC: "base_view: orders\n"}, own(ROWS), [("added", "row policy", "view Sales / orders: orders.amount by level", ())]),
        (own(CLOSED), {TOPIC: "base_view: orders\n"}, [("changed", "view", "Sales / orders", ("required grants",))]),
        (own("dimensions: {country: {label: A}}"), own("dimensions: {country: {label: B}}"), [("changed", "field", "Sales / orders.country", ("label",))]),
        (own("measures: {m: {aggregate_type: count}}"), own("label: X"), [
            ("changed", "view", "Sales / orders", ("label",)),
            ("removed", "field", "Sales / orders.m", ()),
            ("changed", "data set", "Sales", ("1 fewer field",)),
        ]),
        (own(ROWS), own(ROWS) | view("${amount}", "2 * ${amount}"), [("changed", "field", "orders.revenue", ("expression",))]),
        (own("label: X"), own("label: X"), []),
    ],
)  # fmt: skip
def test_what_a_topics_own_view_changes_is_told_with_the_topic(
    before: dict[str, str], after: dict[str, str], expected: list[tuple[str, str, str, tuple[str, ...]]]
) -> None:
    old, new = (read_model(FILES | files, dialect="duckdb") for files in (before, after))
    found = [(item.kind, item.what, item.name, item.details) for item in compare_meaning(old, new)]
    assert sorted(found) == sorted(expected)


def test_of_two_policies_alike_the_one_that_goes_is_told() -> None:
    one = "{field: amount, user_attribute: level, values_for_unfiltered: [A, B]}"
    two = "{field: amount, user_attribute: level, values_for_unfiltered: [B]}"
    old, new = (
        read_model(FILES | own(f"access_filters: [{rows}]"), dialect="duckdb") for rows in (f"{one}, {two}", two)
    )
    assert {(item.kind, item.what) for item in compare_meaning(old, new)} == {
        ("removed", "row policy"),
        ("changed", "row policy"),
    }


def test_lines_are_compared_file_by_file_with_their_numbers() -> None:
    after = FILES | view("country: {}", "country: {label: Country}") | {"New.topic.yaml": "base_view: orders\n"}
    new, changed = compare_files(FILES, {path: text for path, text in after.items() if text is not None})
    assert (new.path, new.kind, new.added, new.removed) == ("New.topic.yaml", "added", 1, 0)
    assert (changed.path, changed.kind, changed.added, changed.removed) == (VIEW, "changed", 1, 1)
    assert [(line.old, line.new) for line in changed.lines if line.kind in ("added", "removed")] == [
        (5, None),
        (None, 5),
    ]
    assert "  -  country: {}   # where it went\n  +  country: {label: Country}   # where it went" in as_text((changed,))


def test_a_file_of_too_many_lines_is_named_and_not_compared() -> None:
    (found,) = compare_files({"x": "a\n" * 10_001}, {"x": "b\n" * 10_001})
    assert (found.is_too_large, found.lines) == (True, ())


def test_versions_are_compared_and_a_faulty_one_by_its_lines_alone(shop: DataModel, publish: Publish) -> None:
    second = publish({TOPIC: "base_view: orders\nlabel: Shop\n"})
    first = ModelVersion.objects.get(number=1)
    diff = version_diff(first, second)
    assert [item.path for item in diff.files] == [TOPIC]
    assert diff.meaning is not None
    assert [item.name for item in diff.meaning] == ["Sales"]
    assert version_diff(None, first).meaning is not None
