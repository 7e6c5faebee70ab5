"""Whether rows are others where a mask stands in for values: by its kind, and by what the question does with them."""

from typing import get_args

import pytest

from apps.semantic.model.deciding import How, decides, deciding_names
from apps.semantic.model.reading import read_model

FILES = {"model": "access_grants: {g: {user_attribute: a, allowed_values: [x]}}", "A.topic": "base_view: a"}
VIEW = "dimensions:\n  f: {mask_unless_access_grants: [g], mask: %s, sql: %s}\n"


@pytest.mark.parametrize(
    ("mask", "sql", "dialect", "meant"),
    [
        ("hash", "f", "duckdb", {"compared"}),
        (
            "hash",
            "f",
            "mysql",
            {"compared", "grouped"},
        ),  # texts in other letters are one there, and their hashes are not
        ("hash", "CAST(f AS SIGNED)", "mysql", {"compared"}),
        ("redact", "f", "duckdb", {"compared", "grouped"}),
        ("redact", "f", "mysql", {"compared", "grouped"}),
        ("'null'", "f", "duckdb", {"compared", "grouped", "given"}),
        ("'null'", "f", "mysql", {"compared", "grouped", "given"}),
        ("{keep_last: 4}", "f", "mysql", {"compared", "grouped"}),
    ],
)
def test_a_mask_decides_by_what_it_leaves_of_values(mask: str, sql: str, dialect: str, meant: set[How]) -> None:
    found = read_model(FILES | {"s/a.view": VIEW % (mask, sql)}, dialect=dialect).dimension("a.f")
    assert found is not None
    assert {how for how in get_args(How) if decides(found, how, dialect=dialect)} == meant


OTHERS = """
  f: {}
  g: {}
  t: {timeframes: [raw, month]}
  d: {sql: CAST(f AS DATE)}
  best: {sql: "${f}", dynamic_top_n: {n: 1, by: n, else: rest}}
  spent: {sql: "${f}", level_of_detail: {aggregate_type: sum, fixed: [a.g]}}
"""


def names(query: str, keys: str = "id: {primary_key: true}") -> set[tuple[str, How]]:
    """Return by what a query view's question chooses rows of a table with these keys."""
    table = f"dimensions:\n  {keys}\n{OTHERS}measures: {{n: {{aggregate_type: count}}}}\n"
    view = f"query: {{base_view: a, {query}}}\ndimensions: {{x: {{}}}}\n"
    files = FILES | {"s/a.view": table, "q.query.view": view, "Q.topic": "base_view: q"}
    model = read_model(files, dialect="duckdb")
    found = model.views["q"]
    assert found.query_source is not None
    return {*deciding_names(found, model.of_topic(found.query_source.topic))}


@pytest.mark.parametrize(
    ("rule", "how"),
    [
        ("a.f: {is: null}", "given"), ("a.f: {not: null}", "given"), ("a.f: {is: x}", "compared"),
        ("a.f: {is: [null, x]}", "compared"), ("a.f: {not: {is: null}}", "compared"), ("a.f: {contains: x}", "compared"),
        ("a.f: {is: null, not: x}", "compared"),
    ],
)  # fmt: skip
def test_a_filter_compares_but_where_it_asks_whether_there_is_a_value(rule: str, how: How) -> None:
    assert names(f"fields: {{a.n: x}}, filters: {{{rule}}}") == {("a.f", how)}


def test_a_filter_on_a_period_compares() -> None:
    assert names('fields: {a.n: x}, filters: {"a.t[month]": {is: null}}') == {("a.t", "compared")}


@pytest.mark.parametrize(
    ("fields", "keys", "meant"),
    [
        ("a.f: x, a.n: y", "id: {primary_key: true}", {("a.f", "grouped")}),
        ("a.id: x, a.f: y", "id: {primary_key: true}", {("a.id", "grouped")}),
        ("a.id: x, a.f: y", "id: {}", {("a.id", "grouped"), ("a.f", "grouped")}),
        (
            "a.id: x, a.f: y",
            "id: {primary_key: true}\n  no: {primary_key: true}",
            {("a.id", "grouped"), ("a.f", "grouped")},
        ),
        ('"a.t[month]": x, a.n: y', "id: {primary_key: true}", {("a.t", "compared")}),
        ("a.id: x, a.best: y", "id: {primary_key: true}", {("a.id", "grouped"), ("a.best", "grouped")}),
        ("a.id: x, a.spent: y", "id: {primary_key: true}", {("a.id", "grouped"), ("a.spent", "grouped")}),
    ],
)
def test_groups_are_told_apart_by_all_but_what_a_key_beside_it_has_told(
    fields: str, keys: str, meant: set[tuple[str, How]]
) -> None:
    assert names(f"fields: {{{fields}}}", keys) == meant


@pytest.mark.parametrize(
    ("fields", "sorts", "meant"),
    [
        ("a.id: x, a.n: y", ["a.id"], {"a.id"}), ("a.f: x, a.n: y", ["a.n"], {"a.n", "a.f"}),
        ("a.f: x, a.id: y", ["a.id"], {"a.id"}), ("a.id: x, a.f: y", ["a.f"], {"a.f", "a.id"}),
        ("a.id: x, a.n: y", ["a.id", "a.n"], {"a.id", "a.n"}), ("a.id: x, a.best: y", ["a.id"], {"a.id", "a.best"}),
        ("a.id: x, a.f: y", [], {"a.id"}), ("a.id: x, a.d: y", [], {"a.id", "a.d"}), ("a.id: x, a.n: y", [], {"a.id", "a.n"}),
    ],
)  # fmt: skip
def test_an_order_that_is_cut_off_compares_until_each_row_is_told(
    fields: str, sorts: list[str], meant: set[str]
) -> None:
    query = f"fields: {{{fields}}}, sorts: [{', '.join(f'{{field: {name}}}' for name in sorts)}]"
    assert {name for name, how in names(f"{query}, limit: 5") if how == "compared"} == meant
    assert {name for name, how in names(query) if how == "compared"} == set()


def test_no_row_is_told_by_a_key_that_there_is_not() -> None:
    query = "fields: {a.f: x, a.g: y}, sorts: [{field: a.f}], limit: 5"
    assert {name for name, how in names(query, "id: {}") if how == "compared"} == {"a.f", "a.g"}


def test_a_period_comes_first_where_nothing_else_is_said() -> None:
    found = names('fields: {a.id: x, "a.t[month]": y}, limit: 5')
    assert {name for name, how in found if how == "compared"} == {"a.id", "a.t"}
