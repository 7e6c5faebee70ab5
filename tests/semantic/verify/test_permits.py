"""What a scope permits is worked out from the model: a rule that cannot be, or that could be read in two ways, permits nothing."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.verify import verify
from tests.semantic.features.store import FILES, MASK_KEY, ask, everything, model, policy
from tests.semantic.verify.hand import statement
from tests.semantic.verify.test_asked import FEW, viewed

SPELT = {
    "duckdb": 'CAST("status" AS TEXT)',
    "mysql": 'CAST(CAST("status" AS CHAR CHARACTER SET utf8mb4) AS BINARY)',
    "spark": 'CAST("status" AS STRING)',
}
QUESTION = ask("Sales", "orders.id")


def ruled(dialect, *rules, question=QUESTION, **files):
    of = model(dialect, **files)
    return statement(question, of, replace(everything(of, question["dataset"]), row_policies={"orders": rules}))


def test_a_query_view_rests_on_the_topic_that_its_scope_opens():
    found = viewed(FEW)
    nested = found.rights.nested
    found.proves(found.text)
    without = replace(
        found.model,
        topics={name: topic for name, topic in found.model.topics.items() if name != "Sales"},
        topic_models={},
    )
    for of, other in (
        (found.model, {}), (found.model, {"Sales": nested["People"]}), (found.model, {"Sales": replace(nested["Sales"], topic="People")}), (without, nested),
    ):  # fmt: skip
        with pytest.raises(UnprovenSqlError, match="A query view rests on a topic that the scope does not open"):
            verify(found.compiled, model=of, scope=replace(found.rights, nested=other))


def test_a_rule_on_what_the_model_does_not_have_permits_nothing():
    found = ruled("duckdb", policy("orders.status", "paid"))
    found.proves(found.text)
    for changes in ({"row_policies": {"orders": (policy("orders.nothing", 1),)}}, {"topic_policies": (policy("orders.nothing", 1),)},
                    {"masked": frozenset(("orders.nothing",))}, {"masked": frozenset(("orders.count",))}):  # fmt: skip
        with pytest.raises(UnprovenSqlError, match="which the model does not have"):
            verify(found.compiled, model=found.model, scope=replace(found.rights, **changes))
    with pytest.raises(UnprovenSqlError, match="The scope is for a data set that the model does not have"):
        verify(found.compiled, model=found.model, scope=replace(found.rights, topic="Nothing"))


@pytest.mark.parametrize("dialect", SPELT)
def test_a_value_that_is_no_text_is_compared_as_it_is_spelt(dialect):
    """A column of unknown type may hold texts, which the database would turn into numbers to compare them."""
    found = ruled(dialect, policy("orders.status", 5))
    assert f"{SPELT[dialect]} IN (:0:)" in found.text
    assert found.compiled.parameters[0] == "5"
    for other in (f"{SPELT[dialect]} IN (:=5:)", '"status" IN (:0:)', '"status" IN (:=5:)'):
        found.refuses(found.changed((f"{SPELT[dialect]} IN (:0:)", other)), None)
    both = ruled(dialect, policy("orders.status", 5, "paid"))
    assert sorted(both.compiled.parameters[:2]) == ["5", "paid"]
    both.refuses(both.changed((SPELT[dialect], '"status"')), None)


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "mysql", "spark"])
def test_texts_and_columns_of_a_known_type_are_compared_as_they_are(dialect):
    texts = ruled(dialect, policy("orders.status", "paid"))
    if dialect in ("duckdb", "postgres"):
        assert ' WHERE "status" IN (:0:)' in texts.text
    else:
        assert SPELT[dialect] in texts.text
    numbers = ruled(dialect, policy("orders.amount", 5))
    assert " AS INT) IN (:0:)" in numbers.text or " AS SIGNED) IN (:0:)" in numbers.text
    numbers.refuses(numbers.changed((":0:", ":'5':")), "another value")
    days = ruled(
        dialect,
        policy("orders.day", "2026-01-01"),
        **{
            "orders.view": FILES["orders.view"].replace(
                "  status: {}\n", "  status: {}\n  day: {sql: CAST(shipped_at AS DATE)}\n", 1
            )
        },
    )
    assert ' WHERE CAST("shipped_at" AS DATE) IN (:0:)' in days.text
    if dialect == "postgres":
        plain = ruled(dialect, policy("orders.status", 5))
        assert ' WHERE "status" IN (:0:)' in plain.text
        assert plain.compiled.parameters[0] == 5


@pytest.mark.parametrize("dialect", SPELT)
@pytest.mark.parametrize("value", [True, False, 5.0, Decimal(5), date(2026, 1, 1), None])
def test_a_value_that_may_be_spelt_in_two_ways_permits_nothing(dialect, value):
    found = ruled(dialect, policy("orders.status", 5))
    rights = replace(found.rights, row_policies={"orders": (policy("orders.status", value),)})
    if dialect == "duckdb" and isinstance(value, bool):
        told = statement(QUESTION, found.model, rights)
        assert told.compiled.parameters[0] == ("true" if value else "false")
        return
    with pytest.raises(UnprovenSqlError, match=r"may spell it in another way|compares a value with a column"):
        verify(found.compiled, model=found.model, scope=rights)


MORE = """dimensions:
  state: {sql: "${orders.status}"}
  deep: {sql: "UPPER(${customers.state})"}
  own: {sql: "${region} = '{{omni_attributes.region}}'"}
"""
CUT = "  born: {timeframes: [raw, date, month, year], sql: CAST(born AS DATE), mask: {truncate_date: year}, mask_unless_access_grants: [sees_mail]}\n"
CUT += "  limits: {sql: limit_, mask: {bucket: 100}, mask_unless_access_grants: [sees_mail]}\n"


@pytest.mark.parametrize("name", ["state", "deep", "own"])
def test_a_mask_over_several_tables_or_of_whoever_asks_stands_in_none_of_them(name):
    of = model(**{"customers.view": FILES["customers.view"].replace("dimensions:\n", MORE, 1)})
    rights = everything(of, "Sales", attributes={"region": ("EU",)})
    masked = replace(rights, masked=frozenset((f"customers.{name}",)), mask_key=MASK_KEY)
    found = statement(ask("Sales", "customers.region", "orders.status"), of, masked)
    column = '"customers"."region" AS "customers.region"'
    found.refuses(
        found.changed(
            (column, '"customers"."masked x" AS "customers.region"'),
            (
                '(SELECT "region", ',
                '(SELECT "region", LEFT(SHA256(CAST(:\'k\': AS TEXT) || CAST("status" AS TEXT)), 16) AS "masked x", ',
            ),
        ),
        None,
    )


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "mysql", "spark"])
def test_a_time_that_is_cut_and_a_range_are_no_texts(dialect):
    born = next(line for line in FILES["customers.view"].splitlines() if line.startswith("  born"))
    of = model(dialect, **{"customers.view": FILES["customers.view"].replace(f"{born}\n", CUT, 1)})
    rights = replace(
        everything(of, "People"), masked=frozenset(("customers.born", "customers.limits")), mask_key=MASK_KEY
    )
    found = statement(ask("People", "customers.limits"), of, rights)
    shown = '"customers"."masked limits" AS "customers.limits"'
    assert shown in found.text
    found.proves(found.changed((shown, '"customers"."masked limits" + 1 AS "customers.limits"')))


def test_a_table_stands_in_its_catalogue():
    of = model(**{"customers.view": "catalog: lake\n" + FILES["customers.view"].lstrip()})
    found = statement(ask("People", "customers.region"), of, everything(of, "People"))
    for other in ('"omni_store"."customers"', '"sea"."omni_store"."customers"', 'lake."omni_store"."customers"'):
        found.refuses(found.changed(('"lake"."omni_store"."customers"', other)), None)
