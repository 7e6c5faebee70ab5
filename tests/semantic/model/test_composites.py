"""What a composite offers of its parts, under which labels, and what is told when it names what there is not."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import CompositeTopic

FILES = {
    "model.yaml": "",
    "orders.view": "table_name: orders\ndimensions: {region: {}, status: {}}\nmeasures: {count: {aggregate_type: count}}\n",
    "orders_old.view": "table_name: old\ndimensions: {note: {}}\n",
    "tickets.view": "table_name: tickets\ndimensions: {area: {}}\nmeasures: {count: {aggregate_type: count}}\n",
    "relationships": "- {join_from_view: orders, join_to_view: orders_old, on_sql: '${orders.status} = ${orders_old.note}'}\n",
    "Sales.topic": "base_view: orders\njoins: {orders_old: {}}\n",
    "Tickets.topic": "base_view: tickets\n",
}
HEAD = "topics: [Sales, Tickets]\nshared_dimensions:\n  in_region: {mappings: {Sales: orders.region, Tickets: tickets.area}}\n"
SHARED = "@_shared_dimensions_.in_region"
SALES = {"@Sales.orders.region", "@Sales.orders.status", "@Sales.orders.count", "@Sales.orders_old.note"}
TICKETS = {"@Tickets.tickets.area", "@Tickets.tickets.count"}


def composite(more: str = "", head: str = HEAD) -> CompositeTopic:
    return read_model(FILES | {"Both.composite_topic": head + more}, dialect="duckdb").composites["Both"]


@pytest.mark.parametrize(
    ("fields", "offered"),
    [
        ("", {SHARED} | SALES | TICKETS),
        ("fields: []", {SHARED} | SALES | TICKETS),
        ("fields: [all_views.*]", {SHARED} | SALES | TICKETS),
        ("fields: ['@Sales.orders.count']", {"@Sales.orders.count"}),
        ("fields: ['@Sales.orders.count', '@Tickets.tickets.count']", {"@Sales.orders.count", "@Tickets.tickets.count"}),
        ("fields: ['@Sales.orders.*']", SALES - {"@Sales.orders_old.note"}),
        ("fields: ['@Sales.orders.*', '-@Sales.orders.count']", {"@Sales.orders.region", "@Sales.orders.status"}),
        ("fields: ['-@Sales.*']", {SHARED} | TICKETS),
        ("fields: [all_views.*, '-@Tickets.tickets.count']", {SHARED, "@Tickets.tickets.area"} | SALES),
        ("fields: ['-@Sales.orders.count', '@Sales.orders.count']", {"@Sales.orders.count"}),
    ],
)  # fmt: skip
def test_what_is_offered(fields: str, offered: set[str]) -> None:
    assert composite(fields).fields == offered


def test_a_pattern_ends_with_a_star_after_a_point() -> None:
    for name in ("@Sales.orders", "@Sales.orders*", "@Sales.nothing.*"):
        with pytest.raises(ModelError, match="matches no field here"):
            composite(f"fields: ['{name}']")


def test_labels_are_those_that_are_given_or_the_name_in_words() -> None:
    found = composite()
    assert (found.label, found.shared_dimensions["in_region"].label) == ("Both", "In region")
    head = HEAD.replace("in_region: {", "in_region: {label: Where, ")
    found = composite("label: All of it\n", head)
    assert (found.label, found.shared_dimensions["in_region"].label) == ("All of it", "Where")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[Sales, Tickets]", "[Sales]", "a composite topic needs two topics or more"),
        ("[Sales, Tickets]", "[Sales, Ticket]", "there is no topic “Ticket”. Did you mean “Tickets”?"),
        ("tickets.area", "tickets.aera", "“tickets.aera” is no field of “Tickets”. Did you mean “tickets.area”?"),
        (", Tickets: tickets.area", "", "“in_region” is not mapped for Tickets"),
    ],
)
def test_what_there_is_not(old: str, new: str, told: str) -> None:
    with pytest.raises(ModelError) as caught:
        composite(head=HEAD.replace(old, new))
    assert told in [problem.message for problem in caught.value.problems]


def test_what_is_shared_is_ranked_alike_or_nowhere() -> None:
    top = "dynamic_top_n: {{n: 1, by: count, else: {}}}"
    files = FILES | {
        "orders.view": FILES["orders.view"].replace(
            "region: {}", f"region: {{{top.format('the rest')}}}, made: {{timeframes: [month], {top.format('None')}}}"
        ),
        "Both.composite_topic": HEAD,
    }

    def read(tickets: str, head: str = HEAD) -> None:
        area = FILES["tickets.view"].replace("area: {}", f"area: {{{tickets}}}, at: {{timeframes: [month]}}")
        read_model(files | {"tickets.view": area, "Both.composite_topic": head}, dialect="duckdb")

    read(top.format("the rest"))
    read("", HEAD.replace("orders.region", '"orders.made[month]"').replace("tickets.area", '"tickets.at[month]"'))
    for other in ("", top.format("Other")):
        with pytest.raises(ModelError, match="“the rest” in one topic would stand for the rest of another") as error:
            read(other)
        assert len(error.value.problems) == 1
