"""Rights hold in every clause, on every table, for every shape of question; each refusal with its positive control."""

import pytest

from apps.semantic.compile import compile_query
from apps.semantic.errors import (
    MalformedQueryError,
    MissingAttributeError,
    UnknownDatasetError,
    UnknownFieldError,
    UnprovenSqlError,
)
from apps.semantic.model.types import Condition, FieldFilter
from apps.semantic.query.types import Top
from tests.semantic import shop
from tests.semantic.shop import EUROPEANS, EVERYTHING, MASKED, MODEL, TODAY, policy, query, replace

IS_EU = Condition("is", ("EU",))


def test_row_policy_holds_when_only_the_join_touches_the_table(ask):
    assert ask(query("customers.region", "orders.count")) == [("EU", 3), ("US", 2), ("ASIA", 1), (None, 1)]
    assert ask(query("customers.region", "orders.count"), EUROPEANS) == [(None, 4), ("EU", 3)]


def test_a_filter_cannot_reach_rows_behind_the_policy(ask):
    asked = query("orders.count", filters={"customers.region": Condition("is", ("US",))})
    assert ask(asked) == [(2,)]
    assert ask(asked, EUROPEANS) == [(0,)]


def test_a_policy_of_the_data_set_holds_though_the_query_never_touches_its_view(ask):
    scope = replace(EVERYTHING, topic_policies=(policy("countries.continent", "EUROPE"),))
    assert ask(query("orders.count")) == [(7,)]
    assert ask(query("orders.count"), scope) == [(3,)]


def test_a_rule_of_the_data_set_on_a_view_that_it_does_not_join_is_refused(ask):
    scope = replace(EVERYTHING, topic="Inner")
    for field, value in (("customers.region", "EU"), ("countries.continent", "EUROPE")):
        topic = replace(shop.INNER, always_where_filters=(FieldFilter(field, Condition("is", (value,))),))
        of = replace(shop.MODEL, topics={"Inner": topic})
        if field == "customers.region":
            assert ask(query("orders.count", dataset="Inner"), scope, of) == [(4,)]
            continue
        with pytest.raises(UnprovenSqlError, match="does not join"):
            ask(query("orders.count", dataset="Inner"), scope, of)


def test_all_policies_of_a_view_hold_together(ask):
    both = (policy("customers.region", "EU", "US"), policy("customers.country", "US", "JP"))
    assert ask(query("customers.region"), replace(EVERYTHING, row_policies={"customers": both})) == [("US",), (None,)]


@pytest.mark.parametrize("place", ["table", "data set"])
def test_a_policy_without_values_lets_no_row_through(ask, place):
    nothing = policy("orders.status")
    scope = (
        replace(EVERYTHING, row_policies={"orders": (nothing,)})
        if place == "table"
        else replace(EVERYTHING, topic_policies=(nothing,))
    )
    assert ask(query("orders.id"), scope) == []
    assert ask(query("orders.count"), scope) == [(0,)]


def test_a_policy_on_an_expression_compares_the_expression(ask):
    scope = replace(EVERYTHING, row_policies={"customers": (policy("customers.double_fee", 10),)})
    assert ask(query("customers.region"), scope) == [("EU",), (None,)]


def test_a_row_without_the_attribute_is_not_let_through(ask):
    scope = replace(EVERYTHING, row_policies={"orders": (policy("orders.status", "paid"),)})
    assert ask(query("orders.id"), scope) == [(1,), (3,), (4,), (7,)]


@pytest.mark.parametrize("value", ["1", True, None])
def test_a_policy_value_of_another_type_is_a_missing_attribute(value):
    with pytest.raises(MissingAttributeError):
        shop.compiled(
            query("orders.count"), replace(EVERYTHING, row_policies={"orders": (policy("orders.id", value),)})
        )
    shop.compiled(query("orders.count"), replace(EVERYTHING, row_policies={"orders": (policy("orders.id", 1),)}))


CLAUSES = {
    "select": lambda name: query("orders.count", name),
    "filter": lambda name: query("orders.count", filters={name: IS_EU}),
    "sort": lambda name: query("orders.count", sorts=[(name, False)]),
}


@pytest.mark.parametrize("clause", CLAUSES)
@pytest.mark.parametrize("name", ["customers.region", "customers.emails"])
def test_a_forbidden_field_answers_like_a_missing_one_in_every_clause(clause, name):
    scope = replace(EVERYTHING, fields=EVERYTHING.fields - {name})
    with pytest.raises(UnknownFieldError) as forbidden:
        shop.compiled(CLAUSES[clause](name), scope)
    with pytest.raises(UnknownFieldError) as missing:
        shop.compiled(CLAUSES[clause]("customers.nowhere"), scope)
    assert forbidden.value.message.replace(name, "") == missing.value.message.replace("customers.nowhere", "")
    assert forbidden.value.path.replace(name, "") == missing.value.path.replace("customers.nowhere", "")
    assert forbidden.value.code == missing.value.code


def test_the_same_clauses_work_for_the_permitted(ask):
    assert ask(query("orders.count", filters={"customers.region": IS_EU})) == [(3,)]
    assert ask(query("orders.count", "customers.region", sorts=[("customers.region", False)]))[0] == ("ASIA", 1)
    assert ask(query("orders.count", filters={"customers.emails": Condition("greater_than", (2,))})) == [(7,)]


def test_a_field_that_the_topic_does_not_offer_is_unknown():
    topic = replace(shop.SALES, fields=shop.ALL - {"orders.odd"})
    model = replace(shop.MODEL, topics={"Sales": topic})
    with pytest.raises(UnknownFieldError):
        shop.compiled(query("orders.odd"), of=model)
    shop.compiled(query("orders.status"), of=model)


@pytest.mark.parametrize("name", ["orders.status[month]", "orders.count[month]", "orders.created_at[century]"])
def test_a_timeframe_that_the_field_does_not_have_is_unknown(name):
    with pytest.raises(UnknownFieldError):
        shop.compiled(query(name))
    shop.compiled(query("orders.created_at[month]"))


def test_another_data_set_than_the_scopes_is_unknown():
    for name in ("Inner", "Nowhere"):
        with pytest.raises(UnknownDatasetError) as error:
            shop.compiled(query("orders.count", dataset=name))
        assert error.value.message == f"There is no data set “{name}”."


def test_a_dialect_that_is_not_written_here_is_refused():
    for dialect in ("duckdb", "snowflake", "oracle"):
        if dialect != "oracle":
            assert compile_query(query("orders.count"), model=MODEL, scope=EVERYTHING, today=TODAY, dialect=dialect)
            continue
        with pytest.raises(UnprovenSqlError, match="no dialect"):
            compile_query(query("orders.count"), model=MODEL, scope=EVERYTHING, today=TODAY, dialect=dialect)


def test_sorting_by_a_field_that_is_not_asked_for_is_malformed():
    with pytest.raises(MalformedQueryError):
        shop.compiled(query("orders.count", sorts=[("orders.status", False)]))


def test_a_masked_field_groups_like_the_raw_one_and_keeps_empty_values(ask):
    raw, masked = (ask(query("customers.email", "orders.revenue"), scope) for scope in (EVERYTHING, MASKED))
    assert sorted(row[1] for row in raw) == sorted(row[1] for row in masked)
    assert {row[0] is None for row in masked} == {True, False}
    assert not {row[0] for row in raw if row[0]} & {row[0] for row in masked}
    assert all(len(row[0]) == 16 for row in masked if row[0])


def test_masks_differ_by_key(ask):
    other = replace(MASKED, mask_key="f" * 32)
    assert ask(query("customers.email"), MASKED) != ask(query("customers.email"), other)


def test_a_filter_on_a_masked_field_compares_the_mask(ask):
    guess = {"customers.email": Condition("is", ("ola@x.no",))}
    assert ask(query("orders.count", filters=guess)) == [(2,)]
    assert ask(query("orders.count", filters=guess), MASKED) == [(0,)]
    mask = next(row[0] for row in ask(query("customers.email", "orders.revenue"), MASKED) if row[1] == 150)
    assert ask(query("orders.count", filters={"customers.email": Condition("is", (mask,))}), MASKED) == [(2,)]


@pytest.mark.parametrize("name", ["customers.same_email", "orders.buyer"])
def test_a_mask_follows_references(ask, name):
    assert sorted(ask(query(name), MASKED), key=str) == sorted(ask(query("customers.email"), MASKED), key=str)
    assert shop.compiled(query(name), MASKED).columns[0].is_masked


def test_text_made_from_a_masked_field_is_made_from_the_mask(ask):
    assert ("x.no",) in ask(query("customers.mail_domain"))
    assert set(ask(query("customers.mail_domain"), MASKED)) == {("",), (None,)}


def test_distinct_counts_work_on_masks(ask):
    assert ask(query("orders.buyers"), MASKED) == ask(query("orders.buyers"))


@pytest.mark.parametrize(
    "name", ["customers.fees", "customers.last_email", "orders.european_share", "customers.double_fee"]
)
def test_what_needs_the_raw_value_of_a_masked_field_is_unknown(name):
    masked = frozenset(("customers.email", "customers.fee", "customers.region"))
    with pytest.raises(UnknownFieldError):
        shop.compiled(query(name), replace(MASKED, masked=masked))


def test_nothing_is_ranked_by_a_measure_that_needs_the_raw_value_of_a_masked_field():
    masked = replace(MASKED, masked=frozenset(("customers.region",)))
    for by, scope in (("orders.european_share", EVERYTHING), ("orders.count", masked)):
        assert shop.compiled(query("orders.status", top=Top("orders.status", 1, by)), scope)
    with pytest.raises(UnknownFieldError):
        shop.compiled(query("orders.status", top=Top("orders.status", 1, "orders.european_share")), masked)


def test_a_policy_sees_the_raw_value_of_a_masked_field(ask):
    scope = replace(
        MASKED, masked=frozenset(("customers.region",)), row_policies={"customers": (policy("customers.region", "EU"),)}
    )
    found = ask(query("customers.region", "orders.count"), scope)
    assert [row[1] for row in found] == [4, 3]
    assert "EU" not in str(found)


def test_a_masked_join_key_still_joins(ask):
    scope = replace(MASKED, masked=frozenset(("customers.id", "customers.country")))
    assert ask(query("countries.continent", "orders.count"), scope) == ask(query("countries.continent", "orders.count"))
    assert "EU" not in str(ask(query("customers.id"), scope))
