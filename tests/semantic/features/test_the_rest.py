"""The rest beyond the top values is a group of its own, whatever the values beside it are called."""

import pytest

from tests.semantic.features.store import FILES, ask, everything, model

NAMES = ["Other", "Other (value)", "Other (value) (value)", "other", "Otherwise", None, "x", "y"]
AMOUNTS = [100, 90, 80, 70, 60, 50, 2, 1]


@pytest.fixture(scope="module")
def parts(store):
    """A table of parts, most of which are called as a rest might be; the last two are the rest."""
    rows = ", ".join(
        f"({place}, {'NULL' if name is None else repr(name)}, {amount}, '2025-02-0{place}', '{'ab'[place % 2]}')"
        for place, (name, amount) in enumerate(zip(NAMES, AMOUNTS, strict=True), start=1)
    )
    store.engine.rows(
        "CREATE TABLE omni_store.parts (id INT, name VARCHAR(40), amount INT, made DATE, side VARCHAR(4))"
    )
    store.engine.rows(f"INSERT INTO omni_store.parts VALUES {rows}")
    store.engine.rows("CREATE TABLE omni_store.bits (id INT, part_id INT)")
    store.engine.rows("INSERT INTO omni_store.bits VALUES (1, 1), (2, 1), (3, 7), (4, 8)")
    files = {
        "parts.view": "schema: omni_store\ndimensions: {id: {primary_key: true}, name: {}, made: {sql: CAST(made AS DATE), timeframes: [date, year]}, side: {},"
        " amount: {sql: CAST(amount AS INT)}, best: {sql: '${name}', dynamic_top_n: {n: 6, by: total, else: Other}}}\n"
        "measures: {total: {aggregate_type: sum, sql: '${amount}'}, count: {aggregate_type: count}}\n",
        "bits.view": "schema: omni_store\ndimensions: {id: {primary_key: true}, part_id: {}}\nmeasures: {count: {aggregate_type: count}}\n",
        "Parts.topic": "base_view: parts\njoins: {bits: {}}\n",
        "relationships": FILES["relationships"] + "- {join_from_view: parts, join_to_view: bits, relationship_type: one_to_many,"
        " on_sql: '${parts.id} = ${bits.part_id}'}\n",
    }  # fmt: skip
    return model(store.engine.dialect, **files)


def tops(n, others="Other", field="parts.name"):
    return {"field": field, "n": n, "by": "parts.total", "others": others}


# To MariaDB “Other” and “other” are one value, in every group.
SHOWN = {"Other (value)": 100, "Other (value) (value)": 90, "Other (value) (value) (value)": 80, "other": 70, "Otherwise": 60,
         None: 50, "Other": 3}  # fmt: skip
FOLDED = {
    "Other (value)": 170,
    "Other (value) (value)": 90,
    "Other (value) (value) (value)": 80,
    "Otherwise": 60,
    None: 50,
    "Other": 3,
}


def expected(store):
    return FOLDED if store.engine.dialect == "mysql" else SHOWN


def shown(store, of, question):
    found = store.ask(question, everything(of, question["dataset"]), of)
    values = dict(row[:2] for row in found)
    assert len(values) == len(found), "two groups have one name"
    return values


def test_a_value_that_is_called_as_the_rest_is_a_group_of_its_own(store, parts):
    n = len(expected(store)) - 1
    assert shown(store, parts, ask("Parts", "parts.name", "parts.total", top=tops(n))) == expected(store)
    assert shown(store, parts, ask("Parts", "parts.name", "parts.total", top=tops(1, "x"))) == {
        "Other": expected(store)["Other (value)"], "x": sum(AMOUNTS) - expected(store)["Other (value)"],
    }  # fmt: skip
    by_model = shown(store, parts, ask("Parts", "parts.best", "parts.total"))
    assert by_model == (SHOWN if n == 6 else FOLDED | {"x": 2, "Other": 1})


def test_the_rest_stays_apart_where_rows_are_told_apart_by_key_and_beside_an_earlier_time(store, parts):
    n = len(expected(store)) - 1
    question = ask("Parts", "parts.name", "parts.total", "bits.count", top=tops(n))
    assert shown(store, parts, question) == expected(store)
    compared = ask(
        "Parts", "parts.name", "parts.total", top=tops(n), compare={"field": "parts.made", "offset": "1 day"}
    )
    found = store.ask(compared, everything(parts, "Parts"), parts)
    assert {row[0]: row[1] for row in found} == expected(store)
    assert {row[0]: row[2] for row in found} == expected(store)


def test_the_rest_stays_apart_in_a_cross_table(store, parts):
    question = ask("Parts", "parts.name", "parts.side", "parts.total", top=tops(1), pivots=["parts.name"])
    found = store.ask(question, everything(parts, "Parts"), parts)
    by_hand = {("Other (value)", "b"): 100, ("Other", "a"): 90 + 70 + 50 + 1, ("Other", "b"): 80 + 60 + 2}
    if store.engine.dialect == "mysql":
        by_hand |= {("Other (value)", "a"): 70, ("Other", "a"): 90 + 50 + 1}
    assert {row[:2]: row[2] for row in found} == by_hand


def test_a_number_is_not_taken_for_a_rest_that_is_called_as_it(store, parts):
    question = ask("Parts", "parts.amount", "parts.total", top=tops(2, "100", "parts.amount"))
    assert shown(store, parts, question) == {"100 (value)": 100, "90": 90, "100": sum(AMOUNTS) - 190}


@pytest.mark.parametrize("collation", ["utf8mb4_bin", "utf8mb4_general_ci", "latin1_general_cs"])
def test_values_that_a_column_tells_apart_stay_apart(store, collation):
    if store.engine.dialect != "mysql":
        pytest.skip("runs on MariaDB: elsewhere texts of a column are compared letter by letter")
    table, charset = f"told_by_{collation}", collation.partition("_")[0]
    store.engine.rows(
        f"CREATE TABLE omni_store.{table} (id INT, name VARCHAR(40) CHARACTER SET {charset} COLLATE {collation}, amount INT)"
    )
    values = "(1, 'Ola', 8), (2, 'OLA', 4), (3, 'other', 2), (4, 'Åse', 1)"
    store.engine.rows(f"INSERT INTO omni_store.{table} VALUES {values}")
    view = (
        f"schema: omni_store\ntable_name: {table}\ndimensions: {{id: {{primary_key: true}}, name: {{}}}}\n"
        "measures: {total: {aggregate_type: sum, sql: amount}}\n"
    )
    of = model("mysql", **{"told.view": view, "Told.topic": "base_view: told"})
    top = {"field": "told.name", "n": 3, "by": "told.total", "others": "Other"}
    found = shown(store, of, ask("Told", "told.name", "told.total", top=top))
    if collation == "utf8mb4_general_ci":
        assert set(found.values()) == {12, 2, 1}
    else:
        assert found == {"Ola": 8, "OLA": 4, "other": 2, "Other": 1}
    # A label that the column's own letters cannot write, a database refuses to compare with it.
    for label in ("Øvrige", "Прочее") if charset == "utf8mb4" else ("Øvrige",):
        assert len(shown(store, of, ask("Told", "told.name", "told.total", top=top | {"others": label}))) > 2


@pytest.mark.parametrize(
    "constant", ["'web'", "7", "TRUE", "NULL", "CONCAT('a', 'b')", "1 + 1", "CAST('2026-01-01' AS DATE)"]
)
def test_a_field_that_is_the_same_in_each_row_stands_beside_others(store, constant):
    customers = FILES["customers.view"].replace("dimensions:\n", f'dimensions:\n  same: {{sql: "{constant}"}}\n', 1)
    of = model(store.engine.dialect, **{"customers.view": customers})
    for fields in (("same", "region"), ("region", "same"), ("same",)):
        found = store.ask(
            ask("People", *(f"customers.{name}" for name in fields), "customers.count"), everything(of, "People"), of
        )
        assert sum(row[-1] for row in found) == 4
        assert len(found) == (3 if "region" in fields else 1)


def test_values_that_another_field_puts_at_one_place_come_in_their_own_order(store):
    customers = FILES["customers.view"].replace("  name: {}", "  name: {order_by_field: area}", 1)
    of = model(store.engine.dialect, **{"customers.view": customers})
    names = ask("People", "customers.name", sorts=[{"field": "customers.name"}])
    assert [name for (name,) in store.ask(names, everything(of, "People"), of)] == ["Joe", "Mia", "Kari", "Ola"]
