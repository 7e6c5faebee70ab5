"""Data sets whose own rules would compare masks: explanation, listing and answer refuse the same fields."""

from collections.abc import Callable
from datetime import datetime

import pytest

from apps.access.selectors import actor_for_user
from apps.accounts.models import GroupMembership, User, UserGroup
from apps.datamodels.models import Dataset
from apps.governance.explain import explain, explain_as_administrator
from apps.governance.offering import dataset_fields
from apps.governance.selectors import governed
from apps.queries.planning import as_query
from apps.semantic.errors import UnknownFieldError
from tests.apps.governance.test_resting_on_masks import publish_over
from tests.apps.queries.conftest import MODEL, Ask, analysts, ask, eve, join, sales, source

__all__ = ["analysts", "ask", "eve", "sales", "source"]
ORDERS = """schema: main
table_name: orders
dimensions:
  status: {}
  email: {mask_unless_access_grants: [finance]}
  month: {sql: "UPPER(region)", mask_unless_access_grants: [finance]}
measures: {count: {aggregate_type: count}, mails: {aggregate_type: count_distinct, sql: "${email}"}}
"""
COLUMNS = "dimensions: {who: {}, state: {primary_key: true}}\nmeasures: {count: {aggregate_type: count}}\n"
QUERY = "query: {topic: Sales, fields: {orders.email: who, orders.status: state}}\n" + COLUMNS
TEXT = "sql: SELECT o.email AS who, o.status AS state FROM main.orders AS o\n" + COLUMNS
RULE = "always_where_sql: \"${%s.who} LIKE '%%@%%'\"\n"
JOIN = """- {join_from_view: orders, join_to_view: %s, relationship_type: many_to_one,
   on_sql: "${orders.status} = ${%s.state}"%s}
"""
FILES = MODEL | {
    "orders.view.yaml": ORDERS,
    "asked.query.view.yaml": QUERY,
    "text.view.yaml": TEXT,
    "own.view.yaml": "access_filters: [{field: who, user_attribute: region, values_for_unfiltered: [EU]}]\n" + TEXT,
    "loud.view.yaml": "sql: SELECT o.status AS state, o.region AS who FROM main.orders AS o\n" + COLUMNS,
    "after.query.view.yaml": "query: {topic: Asked, fields: {asked.state: state, asked.count: n}}\ndimensions: {state: {}, n: {}}\n",
    "relationships.yaml": JOIN % ("asked", "asked", ", where_sql: \"${asked.who} LIKE '%@%'\"")
    + JOIN % ("text", "text", ""),
    "Asked.topic.yaml": "base_view: asked\n" + RULE % "asked",
    "Text.topic.yaml": "base_view: text\n" + RULE % "text",
    "Own.topic.yaml": "base_view: own\n",
    "Loud.topic.yaml": "base_view: loud\n",
    "After.topic.yaml": "base_view: after\n",
    "Grouped.topic.yaml": "base_view: orders\nalways_having_filters: {orders.mails: {greater_than: 0}}\n",
    "Joined.topic.yaml": "base_view: orders\njoins: {asked: {}, text: {}}\n",
}
OPEN = {
    "Asked": {"asked.who": False, "asked.state": False, "asked.count": False},
    "Text": {"text.state": False, "text.count": False},
    "Own": {"own.state": True},
    "Loud": {"loud.state": False, "loud.who": False, "loud.count": False},
    "After": {"after.state": False, "after.n": False},
    "Grouped": {"orders.status": False, "orders.count": False, "orders.mails": False},
    "Joined": {"orders.status": True, "orders.count": True, "asked.state": False, "text.state": True, "text.who": True},
}


@pytest.fixture
def published(sales: Dataset, analysts: UserGroup, now: datetime) -> Dataset:
    return publish_over(sales, FILES, tuple(OPEN), now)


@pytest.fixture
def fay(analysts: UserGroup, make_person: Callable[..., User]) -> User:
    """In Finance: no mask is there for her."""
    fay = join(make_person("fay@acme.example"), analysts, "EU")
    GroupMembership.objects.create(user=fay, group=UserGroup.objects.create(name="Finance"))
    return fay


@pytest.mark.parametrize(("dataset", "name"), [(dataset, name) for dataset, names in OPEN.items() for name in names])
def test_what_a_rule_over_masks_closes_is_closed_everywhere(
    published: Dataset, eve: User, fay: User, ask: Ask, dataset: str, name: str
) -> None:
    query = as_query({"dataset": dataset, "fields": [name]})
    for person in (eve, fay):
        is_open = OPEN[dataset][name] or person == fay
        actor = actor_for_user(person)
        found = explain(actor, query)
        listed = {info.name for info in dataset_fields(governed(actor, Dataset.objects.get(name=dataset)))}
        assert (found.is_allowed, found.fields[0].state != "unavailable", name in listed) == (is_open,) * 3
        if is_open:
            ask(person, name, dataset=dataset)
            continue
        with pytest.raises(UnknownFieldError):
            ask(person, name, dataset=dataset)
        assert ".yaml" not in repr(found)


@pytest.fixture
def sam(analysts: UserGroup, make_person: Callable[..., User]) -> User:
    """In the US, which no policy spares, and in no department."""
    return join(make_person("sam@acme.example"), analysts, "US")


def test_a_row_policy_that_spares_somebody_closes_nothing_to_them(
    published: Dataset, eve: User, sam: User, ask: Ask
) -> None:
    """Of the policy on ``own`` EU is spared: nothing is compared there, so the masked values are shown as masks."""
    query = as_query({"dataset": "Own", "fields": ["own.state", "own.who"]})
    for person, is_open in ((eve, True), (sam, False)):
        actor = actor_for_user(person)
        found = governed(actor, Dataset.objects.get(name="Own"))
        assert explain(actor, query).is_allowed == is_open
        assert {info.name for info in dataset_fields(found)} == (found.scope.fields if is_open else set())
        if is_open:
            values = {value for _, value in ask(person, "own.state", "own.who", dataset="Own").rows}
            assert values
            assert not any("@" in str(value) for value in values)
        else:
            with pytest.raises(UnknownFieldError):
                ask(person, "own.state", dataset="Own")


def test_a_data_set_whose_own_rule_is_refused_offers_nothing(published: Dataset, eve: User) -> None:
    for dataset, names in OPEN.items():
        found = governed(actor_for_user(eve), Dataset.objects.get(name=dataset))
        assert bool(found.scope.fields) == any(names.values())


def test_an_administrator_reads_why(published: Dataset, eve: User) -> None:
    query = as_query({"dataset": "Asked", "fields": ["asked.state"]})
    [found] = explain_as_administrator(actor_for_user(eve), query).fields
    assert "rests on values that are masked" in found.because[0].text
