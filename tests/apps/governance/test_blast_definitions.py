"""What a change of files makes another definition: fields, rules on rows, and what may choose others where there are fewer."""

from apps.governance.blast_radius.candidates import candidate_of
from apps.governance.blast_radius.definitions import Definitions, definitions
from tests.apps.governance.shop import SHOP
from tests.apps.governance.test_blast_gate import Change, changed


def defined(files: dict[str, str], topic: str) -> Definitions:
    return definitions(candidate_of(files, dialect="duckdb"), (topic,))


def moved(topic: str, *changes: Change) -> set[str]:
    """Return the fields and rules of a data set that are defined otherwise once texts in its files are replaced."""
    old, new = defined(SHOP, topic), defined(changed(*changes), topic)
    fields = {name for name in old.model.topics[topic].fields if old.of(name) != new.of(name)}
    return fields | {name for name in old.rules if old.rules[name] != new.rules.get(name)}


KEY: Change = ("orders", "id: {primary_key: true}\n  customer_id: {}", "id: {}\n  customer_id: {primary_key: true}")


def test_what_tells_rows_apart_is_part_of_conditions_on_groups_alone() -> None:
    of_groups, of_rows = "what always filters its groups", "what always filters it"
    assert of_groups in moved("Small", KEY)
    assert of_rows not in moved("Small", KEY)
    in_sql: Change = (
        "Small",
        "always_having_filters: {orders.people: {less_than: 5}}",
        "always_having_sql: ${orders.people} < 5",
    )
    old, new = defined(changed(in_sql), "Small"), defined(changed(in_sql, KEY), "Small")
    assert old.rules[of_groups] != new.rules[of_groups]
    assert not {of_groups, of_rows} & moved("Allowed", KEY)


def test_a_field_that_another_is_sorted_by_counts_where_its_values_are_read_as_well() -> None:
    sorted_by: Change = ("orders", "status: {}", "status: {order_by_field: orders.zone}")
    read: Change = ("orders", "status: {}", 'status: {sql: "UPPER(${zone})", order_by_field: orders.zone}')
    zone: Change = ("orders", "zone: {}", "zone: {sql: \"COALESCE(zone, 'EU')\"}")
    for own, is_other in ((sorted_by, False), (read, True)):
        old, new = defined(changed(own), "Sales"), defined(changed(own, zone), "Sales")
        assert (old.of("orders.status") != new.of("orders.status")) == is_other


def test_a_condition_that_a_query_view_takes_over_counts_with_what_it_compares() -> None:
    taken: Change = (
        "totals",
        "query: {base_view: orders,",
        "query: {base_view: orders, bind: {orders.zone: totals.status},",
    )
    zone: Change = ("orders", "zone: {}", "zone: {sql: \"COALESCE(zone, 'EU')\"}")
    old, new = defined(changed(taken), "Totals"), defined(changed(taken, zone), "Totals")
    assert old.rules["its base view totals"] != new.rules["its base view totals"]
    assert not moved("Totals", zone)
