"""Row policies: what they may rest on, and what they are refused for."""

from dataclasses import replace

import pytest

from apps.semantic.errors import MissingAttributeError, QueryError, UnprovenSqlError
from tests.semantic.features.store import FILES, ask, everything, model, policy

PEOPLE = ask("People", "customers.name")


@pytest.mark.parametrize(
    "rule",
    [
        policy("customers.nowhere", "x"), policy("customers.born[year]", "1990-01-01"), policy("orders.status", "paid"),
        policy("customers.lifetime", 150),
    ],
    ids=["no field", "timeframe", "another view", "level of detail"],
)  # fmt: skip
def test_a_policy_rests_on_a_dimension_of_its_own_view(store, rule):
    good = everything(store.model, "People", row_policies={"customers": (policy("customers.region", "US"),)})
    assert store.ask(PEOPLE, good) == [("Joe",)]
    with pytest.raises(UnprovenSqlError, match="names no dimension of its view"):
        store.ask(PEOPLE, replace(good, row_policies={"customers": (rule,)}))


def test_a_policy_does_not_rest_on_a_duration(store):
    question = ask("Sales", "orders.count")
    good = everything(store.model, "Sales", row_policies={"orders": (policy("orders.amount", 11, 50.0),)})
    assert store.ask(question, good) == [(2,)]
    with pytest.raises(UnprovenSqlError, match="names no dimension of its view"):
        store.ask(question, replace(good, row_policies={"orders": (policy("orders.delivery", 1),)}))


def test_a_policy_reads_its_own_table_alone(store):
    lines = """dimensions:
  best: {sql: "${credit}", level_of_detail: {aggregate_type: max, fixed: [customers.region]}}
  rich: {sql: "${best} > 100"}
  domain: {sql: "UPPER(${region})"}
"""
    view = FILES["customers.view"].replace("dimensions:\n", lines, 1)
    of = model(store.engine.dialect, **{"customers.view": view})
    question = ask("Sales", "customers.count")

    def counted(view, field, value):
        scope = everything(of, "Sales", row_policies={view: (policy(field, value),)})
        return store.ask(question, scope, of)

    assert counted("customers", "customers.domain", "EU") == [(2,)]
    for view, field, value in (("customers", "customers.rich", True), ("orders", "orders.best_customers", "Ola")):
        with pytest.raises(UnprovenSqlError, match="is a rule about one table but reads another"):
            counted(view, field, value)


def test_a_policy_of_a_view_that_the_data_set_does_not_join_is_not_looked_at(store):
    question = ask("Tickets", "tickets.count")
    unfit = {"orders": (policy("orders.amount", "many"),)}
    assert store.ask(question, everything(store.model, "Tickets", row_policies=unfit)) == [(3,)]
    with pytest.raises(MissingAttributeError):
        store.ask(ask("Sales", "orders.count"), everything(store.model, "Sales", row_policies=unfit))


def test_a_policy_of_the_data_set_on_a_view_that_it_does_not_join_is_refused(store):
    question = ask("Tickets", "tickets.count")
    for field, value in (("customers.region", "US"), ("orders.status", "paid")):
        scope = everything(store.model, "Tickets", topic_policies=(policy(field, value),))
        if field == "customers.region":
            assert store.ask(question, scope) == [(1,)]
            continue
        with pytest.raises(UnprovenSqlError, match="does not join"):
            store.ask(question, scope)


@pytest.mark.parametrize(
    ("field", "value", "names"),
    [("customers.born", "1990-05-17", ["Ola"]), ("customers.manager_id", 1, ["Joe", "Kari"])],
    ids=["date", "unknown"],
)
def test_a_policy_on_dates_or_numbers_compares_them_as_they_are(store, field, value, names):
    scope = everything(store.model, "People", row_policies={"customers": (policy(field, value),)})
    assert [name for (name,) in store.ask(PEOPLE, scope)] == names


def by_state(store, field, value, *masked):
    """Return the model with a query view by customer and state, and rights under a policy and masks within."""
    view = FILES["customer_facts.query.view"].replace("fields: {", "fields: {orders.status: state, ")
    view = view.replace("dimensions: {", 'dimensions: {state: {}, same_state: {sql: "${state}"}, doubled: {}, ')
    of = model(store.engine.dialect, **{"customer_facts.query.view": view})
    scope = everything(of, "Facts", row_policies={"customer_facts": (policy(field, value),)})
    nested = replace(scope.nested["__orders"], masked=frozenset(masked), mask_key=scope.mask_key)
    return replace(scope, nested={**scope.nested, "__orders": nested}), of


@pytest.mark.parametrize("field", ["customer_facts.state", "customer_facts.same_state"])
def test_a_policy_on_a_query_views_column_that_is_masked_within_is_refused(store, field):
    question = ask("Facts", "customer_facts.best")
    assert store.ask(question, *by_state(store, field, "open")) == [(50,)]
    with pytest.raises(QueryError, match="masked for you"):
        store.ask(question, *by_state(store, field, "open", "orders.status"))
    by_customer = "customer_facts.customer_id"
    if store.engine.dialect == "mysql":  # texts that it takes for one have several hashes
        with pytest.raises(QueryError, match="chooses its rows by a value that is masked"):
            store.ask(question, *by_state(store, by_customer, 1, "orders.status"))
        return
    assert store.ask(question, *by_state(store, by_customer, 1, "orders.status")) == [(100,)]
    with pytest.raises(UnprovenSqlError, match="something else than the model's column"):
        store.ask(question, *by_state(store, "customer_facts.doubled", 300, "orders.status"))


def test_a_policy_on_a_query_view_whose_topic_is_closed_is_refused_as_the_view_is(store):
    question = ask("Facts", "customer_facts.best")
    scope, of = by_state(store, "customer_facts.customer_id", 1)
    assert store.ask(question, scope, of) == [(100,)]
    with pytest.raises(UnprovenSqlError, match="does not open"):
        store.ask(question, replace(scope, nested={}), of)
