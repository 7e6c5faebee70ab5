"""Names in what decorates, and masks that do not suit a field's type."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model
from tests.semantic.model.files import ORDERS, SHOP, field, field_problems, with_field


def warnings(files: dict[str, str]) -> list[str]:
    return [str(item) for item in read_model(SHOP | files, dialect="duckdb").warnings]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{drill_fields: [status, stats]}", "drill_fields: there is no field “orders.stats”. Did you mean “orders.status”?"),
        ("{drill_fields: [customers.reion]}", "drill_fields: there is no field “customers.reion”. Did you mean “customers.region”?"),
        ("{suggest_from_field: customer.region}", "suggest_from_field: there is no field “customer.region”."),
        ("{parent_field: nope}", "parent_field: there is no field “orders.nope”. Did you mean “orders.placed”?"),
        ("{suggest_from_topic: Sale}", "suggest_from_topic: there is no topic “Sale”. Did you mean “Sales”?"),
    ],
)  # fmt: skip
def test_a_decoration_that_names_no_field_is_a_warning(text: str, says: str) -> None:
    assert warnings(with_field("dimensions", text)) == [f"shop/orders.view.yaml:4:3: warning: {says}"]


def test_decorations_that_lead_somewhere_are_not_warned_about() -> None:
    text = (
        "{drill_fields: [status, '${customers.region}', 'placed[month]', orders.count, 'customers.*', 'tag:x'],"
        " suggest_from_field: customers.region, suggest_from_topic: Sales, parent_field: status}"
    )
    assert warnings(with_field("dimensions", text)) == []


def test_a_views_and_a_topics_own_decorations_are_looked_at() -> None:
    assert warnings({"shop/orders.view.yaml": ORDERS + "default_drill_fields: [id, idd]\n"}) == [
        "shop/orders.view.yaml:2:1: warning: default_drill_fields: there is no field “orders.idd”. Did you mean “orders.id”?"
    ]
    own = (
        "base_view: orders\nviews:\n  orders: {measures: {more: {aggregate_type: count, drill_fields: [more, mre]}}}\n"
    )
    assert warnings({"Own.topic": own}) == [
        "Own.topic:3:23: warning: drill_fields: there is no field “orders.mre”. Did you mean “orders.more”?"
    ]


def masked(sql: str, mask: str) -> str:
    return f"{{sql: '{sql}', mask_unless_access_grants: [mail], mask: {mask}}}"


@pytest.mark.parametrize(
    ("sql", "mask", "says"),
    [
        ("CAST(other AS VARCHAR)", "{bucket: 10}", "“orders.x” is a text; its mask bucket is for a number"),
        ("CAST(other AS DATE)", "{bucket: 10}", "“orders.x” is a date; its mask bucket is for a number"),
        ("CAST(other AS INT)", "{truncate_date: month}", "“orders.x” is a number; its mask truncate_date is for a date or a moment"),
        ("CAST(other AS VARCHAR)", "{truncate_date: month}", "“orders.x” is a text; its mask truncate_date is for a date or a moment"),
        ("CAST(other AS BOOLEAN)", "{truncate_date: year}", "“orders.x” is a true or false; its mask truncate_date is for a date or a moment"),
    ],
)  # fmt: skip
def test_a_mask_that_does_not_suit_the_type_is_a_fault(sql: str, mask: str, says: str) -> None:
    assert field_problems("dimensions", masked(sql, mask)) == [f"shop/orders.view.yaml:4:3: {says}"]


@pytest.mark.parametrize(
    ("sql", "mask"),
    [
        ("CAST(other AS INT)", "{bucket: 10}"),
        ("CAST(other AS DATE)", "{truncate_date: month}"),
        ("CAST(other AS TIMESTAMP)", "{truncate_date: month}"),
        ("untyped", "{bucket: 10}"),
        ("untyped", "{truncate_date: month}"),
        ("CAST(other AS VARCHAR)", "{keep_last: 2}"),
        ("CAST(other AS INT)", "redact"),
    ],
)
def test_a_mask_that_suits_or_whose_type_is_unknown_is_read(sql: str, mask: str) -> None:
    assert field("dimensions", masked(sql, mask))[0].mask_unless_access_grants is not None


def test_where_a_text_is_taken_for_a_date_a_mask_of_dates_is_doubtful_only() -> None:
    files = with_field("dimensions", masked("CAST(other AS CHAR)", "{truncate_date: month}"))
    texts = [str(item) for item in read_model(SHOP | files, dialect="mysql").warnings]
    assert ["its mask truncate_date is for a date" in text for text in texts] == [True]
    with pytest.raises(ModelError, match="its mask truncate_date"):
        read_model(SHOP | files, dialect="duckdb")


def test_filling_up_dates_is_told_not_to_happen() -> None:
    files = with_field("dimensions", "{}")
    files["shop/orders.view.yaml"] += "fill_fields: [placed]\n"
    [told] = [str(item) for item in read_model(SHOP | files, dialect="duckdb").warnings]
    assert told.endswith("“fill_fields” is kept, not followed: dates without rows are not made up")
