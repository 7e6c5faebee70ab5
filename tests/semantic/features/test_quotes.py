"""Names in double quotes, and bars that join: one meaning for the model and for the sessions that ask."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model
from tests.semantic.features.store import FILES, Store, ask, everything, policy

CUSTOMERS = FILES["customers.view"].replace("  region: {}", "  region: {sql: '\"region\"'}")
PEOPLE = "base_view: customers\n"


def read(store: Store, **files: str):
    changed = {name.replace("_", "."): text for name, text in files.items()}
    return read_model(FILES | changed, dialect=store.engine.dialect)


def is_refused(store: Store) -> bool:
    """Spark's own quotes are others: there a text in double quotes is a fault."""
    if store.engine.dialect != "spark":
        return False
    with pytest.raises(ModelError, match="double quotes hold a text here"):
        read(store, customers_view=CUSTOMERS)
    return True


def test_a_rule_over_a_quoted_column_reads_the_column(store: Store) -> None:
    if is_refused(store):
        return
    of = read(
        store, customers_view=CUSTOMERS, People_topic=f"{PEOPLE}always_where_sql: ${{customers.region}} <> 'US'\n"
    )
    assert store.ask(ask("People", "customers.id"), everything(of, "People"), of) == [(1,), (2,)]
    of = read(store, customers_view=CUSTOMERS, People_topic=PEOPLE)
    for value, passing in (("region", []), ("US", [(3,)])):
        rights = everything(of, "People", row_policies={"customers": (policy("customers.region", value),)})
        assert store.ask(ask("People", "customers.id"), rights, of) == passing


def test_a_mask_on_a_quoted_column_reaches_all_that_is_that_column(store: Store) -> None:
    if is_refused(store):
        return
    view = FILES["customers.view"].replace("  mail: {sql: email,", "  mail: {sql: '\"email\"',")
    of = read(
        store, customers_view=view.replace("  name: {}", "  name: {}\n  contact: {sql: email}"), People_topic=PEOPLE
    )
    assert of.dimension("customers.contact").mask_unless_access_grants is not None


def test_an_sql_view_may_quote_its_columns(store: Store) -> None:
    if is_refused(store):
        return
    text = 'sql: SELECT c."id" AS id FROM omni_store.customers AS c WHERE c."region" = \'EU\'\ndimensions: {id: {}}\n'
    of = read(store, v_view=text, V_topic="base_view: v\n")
    assert store.ask(ask("V", "v.id"), everything(of, "V"), of) == [(1,), (2,)]


def test_bars_join_texts_or_are_a_fault(store: Store) -> None:
    rule = f"{PEOPLE}always_where_sql: \"${{customers.id}} || '-' || ${{customers.region}} = '1-EU'\"\n"
    if store.engine.dialect == "mysql":
        with pytest.raises(ModelError, match=r"People\.topic:2:19: \|\| is OR in one mode"):
            read(store, People_topic=rule)
        rule = f"{PEOPLE}always_where_sql: \"CONCAT(${{customers.id}}, '-', ${{customers.region}}) = '1-EU'\"\n"
    of = read(store, People_topic=rule)
    assert store.ask(ask("People", "customers.id"), everything(of, "People"), of) == [(1,)]
    of = read(store, People_topic=f"{PEOPLE}always_where_sql: \"${{customers.region}} <> '||'\"\n")
    assert len(store.ask(ask("People", "customers.id"), everything(of, "People"), of)) == 3


@pytest.mark.parametrize("dialect", ["bigquery", "spark", "databricks"])
@pytest.mark.parametrize("text", ['"paid"', 'CASE WHEN status = "paid" THEN 1 END'])
def test_a_text_in_double_quotes_is_a_fault_where_it_would_be_one(dialect: str, text: str) -> None:
    view = f"dimensions: {{id: {{primary_key: true}}, x: {{sql: '{text}'}}}}\n"
    with pytest.raises(ModelError, match="double quotes hold a text here"):
        read_model({"orders.view": view}, dialect=dialect)
    good = view.replace('"paid"', "''paid''")
    assert read_model({"orders.view": good}, dialect=dialect).dimension("orders.x") is not None


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "mysql"])
@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("access_filters: [{field: orders.one, user_attribute: a}]\n", "is the same in every row, so it chooses none"),
        ("  two: {sql: \"'x'\", mask: redact, mask_unless_access_grants: [g]}\n", "there is nothing to mask"),
    ],
)  # fmt: skip
def test_no_rule_rests_on_what_is_the_same_in_every_row(dialect: str, more: str, says: str) -> None:
    view = f"dimensions:\n  id: {{primary_key: true}}\n  one: {{sql: \"'x'\"}}\n{more}"
    grants = "access_grants: {g: {user_attribute: a, allowed_values: [b]}}\n"
    with pytest.raises(ModelError, match=says):
        read_model({"orders.view": view, "model": grants}, dialect=dialect)
    read_model({"orders.view": view.replace("\"'x'\"", "status"), "model": grants}, dialect=dialect)


def test_what_mysql_also_takes_for_a_statement_may_begin_an_expression(store: Store) -> None:
    view = FILES["customers.view"].replace("  name: {}", "  name: {}\n  said: {sql: \"REPLACE(${name}, 'a', 'o')\"}")
    of = read(store, customers_view=view, People_topic=PEOPLE)
    assert ("Mio",) in store.ask(ask("People", "customers.said"), everything(of, "People"), of)
