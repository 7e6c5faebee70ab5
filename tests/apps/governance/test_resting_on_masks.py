"""Fields that rest on a masked one: explanation, listing, policy tests and the answer itself say the same."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from apps.access.selectors import actor_for_user
from apps.access.services import grant_permission
from apps.accounts.models import GroupMembership, User, UserGroup
from apps.audit.types import SYSTEM
from apps.datamodels.models import Dataset
from apps.datamodels.services import import_files
from apps.governance.explain import explain, explain_as_administrator
from apps.governance.explain.types import FieldExplained
from apps.governance.offering import dataset_fields
from apps.governance.policy_tests.checking import run_policy_tests
from apps.governance.selectors import governed
from apps.queries.planning import as_query
from apps.semantic.errors import UnknownFieldError
from apps.tenants.binding import unbound
from tests.apps.queries.conftest import MODEL, Ask, analysts, ask, eve, join, sales, source

__all__ = ["analysts", "ask", "eve", "sales", "source"]
VIEW = """schema: main
table_name: orders
access_filters:
  - {field: region, user_attribute: region, values_for_unfiltered: [ALL]}
dimensions:
  region: {}
  status: {}
  email: {mask_unless_access_grants: [finance]}
  loud: {sql: 'UPPER(${email})', required_access_grants: [analyst]}
  louder: {sql: '${loud}'}
  placed: {sql: placed, timeframes: [raw, date, month], mask_unless_access_grants: [finance], mask: {truncate_date: year}}
  late: {sql: "${placed} > DATE '2024-03-01'"}
  fresh: {sql: status, classification: unclassified}
measures:
  count: {aggregate_type: count}
  last: {aggregate_type: max, sql: '${email}'}
  people: {aggregate_type: count_distinct, sql: '${email}'}
  wanted: {aggregate_type: count, filters: {loud: {contains: '@'}}}
  wanted_share: {sql: '${wanted} / NULLIF(${count}, 0)'}
"""
GRANTS = MODEL["model.yaml"] + "  analyst: {user_attribute: omni_user_groups, allowed_values: [Analysts]}\n"
FILES = MODEL | {"orders.view.yaml": VIEW, "model.yaml": GRANTS}
STATES = {
    "orders.status": "open",
    "orders.email": "masked",
    "orders.loud": "masked",
    "orders.louder": "masked",
    "orders.placed": "masked",
    "orders.placed[raw]": "masked",
    "orders.placed[month]": "unavailable",
    "orders.late": "unavailable",
    "orders.fresh": "unavailable",
    "orders.people": "open",
    "orders.last": "unavailable",
    "orders.wanted": "unavailable",
    "orders.wanted_share": "unavailable",
    "orders.status[month]": "unavailable",
    "orders.count[month]": "unavailable",
    "orders.nothing": "unavailable",
}
NEVER = ("orders.fresh", "orders.nothing", "orders.status[month]", "orders.count[month]")
IN_CLEAR = dict.fromkeys(STATES, "open") | dict.fromkeys(NEVER, "unavailable")


@pytest.fixture
def published(sales: Dataset, now: datetime) -> Dataset:
    """Sales over a view whose fields rest on masked ones."""
    connection = sales.data_model.connection
    import_files(connection=connection, name="orders", files=FILES, publish=True, by=SYSTEM, now=now)
    return sales


@pytest.fixture
def fay(analysts: UserGroup, make_person: Callable[..., User]) -> User:
    """May query Sales, and is in Finance: no mask is there for her."""
    fay = join(make_person("fay@acme.example"), analysts, "EU")
    GroupMembership.objects.create(user=fay, group=UserGroup.objects.create(name="Finance"))
    return fay


def told(who: User, name: str) -> FieldExplained:
    [found] = explain(actor_for_user(who), as_query({"dataset": "Sales", "fields": [name]})).fields
    return found


def told_in_full(who: User, name: str) -> FieldExplained:
    query = as_query({"dataset": "Sales", "fields": [name]})
    [found] = explain_as_administrator(actor_for_user(who), query).fields
    return found


def places(found: FieldExplained) -> list[str]:
    """Say which rules are named that did not let through."""
    return [because.place for because in found.because if because.kind == "mask" and because.place]


def listed(who: User) -> dict[str, dict[str, Any]]:
    client = Client(HTTP_HOST="acme.localhost")
    client.force_login(who, backend="apps.accounts.backends.IdentityBackend")
    with unbound():
        return {item["name"]: item for item in client.get("/api/v1/datasets/Sales").json()["fields"]}


@pytest.mark.parametrize("name", STATES)
def test_the_explanation_the_listing_and_the_answer_agree(
    published: Dataset, eve: User, fay: User, ask: Ask, name: str
) -> None:
    for person, states in ((eve, STATES), (fay, IN_CLEAR)):
        state = states[name]
        assert (told(person, name).state, told_in_full(person, name).state) == (state, state)
        fields, plain = listed(person), name.partition("[")[0]
        if state == "unavailable":
            with pytest.raises(UnknownFieldError):
                ask(person, name)
            assert plain not in fields or name.partition("[")[2].rstrip("]") not in fields[plain]["timeframes"]
            assert not explain(actor_for_user(person), as_query({"dataset": "Sales", "fields": [name]})).is_allowed
        else:
            assert ask(person, name).columns[0].is_masked == (state == "masked")
            assert fields[plain]["is_masked"] == (state == "masked")


@pytest.mark.parametrize("clause", ["filters", "sorts", "top"])
def test_a_field_that_masks_refuse_is_refused_in_every_clause(
    published: Dataset, eve: User, fay: User, ask: Ask, clause: str
) -> None:
    rest: dict[str, Any] = {
        "filters": {"filters": {"orders.wanted": {"greater_than": 0}}},
        "sorts": {"sorts": [{"field": "orders.wanted"}]},
        "top": {"top": {"field": "orders.status", "by": "orders.wanted", "n": 1}},
    }[clause]
    question = as_query({"dataset": "Sales", "fields": ["orders.status", "orders.count"]} | rest)
    assert not explain(actor_for_user(eve), question).is_allowed
    with pytest.raises(UnknownFieldError):
        ask(eve, "orders.status", "orders.count", **rest)
    assert explain(actor_for_user(fay), question).is_allowed


def test_an_administrator_reads_the_rule_of_the_mask_beneath(published: Dataset, eve: User, fay: User) -> None:
    loud = told_in_full(eve, "orders.loud")
    texts = [because.text for because in loud.because]
    assert "It rests on orders.email, which is masked" in texts
    assert "Showing orders.email unmasked asks for finance" in texts
    assert places(loud) == ["orders.view.yaml:8"]
    assert "Field orders.loud asks for analyst" in texts[0]
    assert places(told_in_full(eve, "orders.email")) == ["orders.view.yaml:8"]
    assert not any("rests on" in because.text for because in told_in_full(eve, "orders.email").because)
    assert places(told_in_full(eve, "orders.louder")) == ["orders.view.yaml:8"]
    assert places(told_in_full(fay, "orders.loud")) == []


@pytest.mark.parametrize(
    ("name", "place"),
    [("orders.last", 8), ("orders.wanted_share", 8), ("orders.placed[month]", 11), ("orders.late", 11)],
)
def test_an_administrator_reads_which_mask_refuses_a_field(
    published: Dataset, eve: User, name: str, place: int
) -> None:
    found = told_in_full(eve, name)
    assert found.because[0].text == "It cannot be worked out of masked values"
    assert places(found) == [f"orders.view.yaml:{place}"]
    assert told_in_full(eve, "orders.fresh").because[0].text == "Field orders.fresh, not classified yet"
    assert told_in_full(eve, "orders.status[month]").because[0].text == "orders.status has no such timeframe"


def test_a_count_over_masked_values_says_so(published: Dataset, eve: User, fay: User) -> None:
    assert (told(eve, "orders.people").text, told(fay, "orders.people").text) == (
        "Shown; it is worked out of masked values.", "Shown.",
    )  # fmt: skip
    assert places(told_in_full(eve, "orders.people")) == ["orders.view.yaml:8"]


def test_whoever_is_no_administrator_reads_a_refusal_by_masks_like_a_missing_field(
    published: Dataset, eve: User
) -> None:
    last, nothing = told(eve, "orders.last"), told(eve, "orders.nothing")
    assert repr(last).replace("orders.last", "X") == repr(nothing).replace("orders.nothing", "X")
    assert ".yaml" not in repr(told(eve, "orders.loud"))


def test_what_is_masked_is_listed_among_limits_and_withheld_fields(published: Dataset, eve: User, fay: User) -> None:
    query = as_query({"dataset": "Sales", "fields": ["orders.count"]})
    found = explain_as_administrator(actor_for_user(eve), query)
    assert found.masked == ("orders.email", "orders.loud", "orders.louder", "orders.placed")
    withheld = {field.name: field.state for field in found.withheld}
    assert withheld == {
        name: state
        for name, state in STATES.items()
        if state != "open" and "[" not in name and name != "orders.nothing"
    }
    assert "Masked: Email, Loud, Louder, Placed" in governed(actor_for_user(eve), published).limits
    assert explain_as_administrator(actor_for_user(fay), query).masked == ()


TESTS = """
people:
  anna: {attributes: {region: [EU]}, groups: [Analysts]}
  boss: {attributes: {region: [EU]}, groups: [Analysts, Finance]}
tests:
  - {name: it, person: PERSON, dataset: Sales, expect: EXPECT}
"""


@pytest.mark.parametrize(
    ("expectation", "of_anna", "of_boss"),
    [
        ("{masked: {includes: [orders.loud, orders.louder]}}", True, False),
        ("{masked: [orders.email, orders.loud, orders.louder, orders.placed]}", True, False),
        ("{masked: []}", False, True),
        ("{fields: {includes: [orders.last]}}", False, True),
        ("{fields: {excludes: [orders.last, orders.wanted, orders.wanted_share, orders.late]}}", True, False),
        ("{fields: {includes: [orders.loud, orders.people]}}", True, True),
    ],
)
def test_policy_tests_say_what_the_answer_does(
    published: Dataset, expectation: str, *, of_anna: bool, of_boss: bool
) -> None:
    for person, wanted in (("anna", of_anna), ("boss", of_boss)):
        content = TESTS.replace("PERSON", person).replace("EXPECT", expectation)
        [found] = run_policy_tests(
            FILES | {"a.access_test.yaml": content}, published.data_model.connection, now=datetime.now(UTC)
        )
        assert found.has_passed == wanted, found.failures


SUMS = FILES | {
    "sums.query.view.yaml": "query:\n  topic: Sales\n"
    "  fields: {orders.email: who, orders.status: state, orders.count: n, orders.people: persons}\n"
    "  calculations: {greeting: {sql: \"CONCAT('Dear ', who)\"}}\n"
    "dimensions: {greeting: {}, hello: {sql: 'UPPER(${who})'}}\n"
    "measures: {most: {aggregate_type: max, sql: '${who}'}, total: {aggregate_type: sum, sql: '${n}'}}\n",
    "again.query.view.yaml": "query: {topic: Sums, fields: {sums.who: name, sums.state: state}}\n",
    "refused.query.view.yaml": "query: {topic: Sales, fields: {orders.last: last, orders.status: state}}\n",
    "Sums.topic.yaml": "base_view: sums\n",
    "Again.topic.yaml": "base_view: again\n",
    "Refused.topic.yaml": "base_view: refused\n",
    "far.view.yaml": "schema: main\ntable_name: orders\ndimensions: {status: {}, other: {sql: '${orders.status}'}}\n",
    "Far.topic.yaml": "base_view: far\n",
}
TEXT = FILES | {
    "orders.view.yaml": VIEW.replace("  fresh: {sql: status, classification: unclassified}\n", ""),
    "text.view.yaml": "sql: SELECT UPPER(o.email) AS loud, o.status FROM main.orders AS o\n"
    "dimensions: {loud: {}, status: {}, hello: {sql: \"CONCAT('Dear ', ${loud})\"}}\n"
    "measures: {most: {aggregate_type: max, sql: '${hello}'}, people: {aggregate_type: count_distinct, sql: '${loud}'}}\n",
    "Text.topic.yaml": "base_view: text\n",
}
INNER = {
    "sums.who": "masked",
    "sums.hello": "masked",
    "sums.greeting": "masked",
    "sums.state": "open",
    "sums.persons": "open",
    "sums.n": "open",
    "sums.most": "over masked",
    "sums.total": "open",
    "again.name": "masked",
    "again.state": "open",
    "refused.state": "unavailable",
    "refused.last": "unavailable",
    "far.status": "open",
    "far.other": "not joined",
}
IN_TEXT = {
    "text.loud": "masked",
    "text.hello": "masked",
    "text.status": "open",
    "text.most": "over masked",
    "text.people": "over masked",
}


def publish_over(sales: Dataset, files: dict[str, str], datasets: tuple[str, ...], now: datetime) -> Dataset:
    import_files(connection=sales.data_model.connection, name="orders", files=files, publish=True, by=SYSTEM, now=now)
    group = UserGroup.objects.get(name="Analysts")
    for name in datasets:
        dataset = Dataset.objects.get(name=name)
        grant_permission(group=group, permission="query_dataset", obj=dataset, by=SYSTEM, now=now)
    return sales


@pytest.fixture
def derived(sales: Dataset, now: datetime) -> Dataset:
    """Data sets over query views, and one that offers a field of a view that it does not join."""
    return publish_over(sales, SUMS, ("Sums", "Again", "Refused", "Far"), now)


@pytest.fixture
def written(sales: Dataset, now: datetime) -> Dataset:
    """A data set over an SQL view, which reads its table through the view that governs it."""
    return publish_over(sales, TEXT, ("Text",), now)


@pytest.mark.parametrize("name", INNER)
def test_what_a_query_views_own_question_masks_is_told_as_masked(
    eve: User, fay: User, derived: Dataset, ask: Ask, name: str
) -> None:
    all_say_the_same(eve, fay, ask, name, INNER[name])


@pytest.mark.parametrize("name", IN_TEXT)
def test_what_an_sql_view_reads_masked_is_told_as_masked(
    eve: User, fay: User, written: Dataset, ask: Ask, name: str
) -> None:
    all_say_the_same(eve, fay, ask, name, IN_TEXT[name])


def all_say_the_same(eve: User, fay: User, ask: Ask, name: str, wanted: str) -> None:
    """Ask as somebody who sees masks and as somebody who does not; compare with what is told beforehand."""
    dataset = name.partition(".")[0].capitalize()
    query = as_query({"dataset": dataset, "fields": [name]})
    for person in (eve, fay):
        is_clear = person == fay and wanted != "not joined"
        actor = actor_for_user(person)
        [own] = explain(actor, query).fields
        [full] = explain_as_administrator(actor, query).fields
        found = governed(actor, Dataset.objects.get(name=dataset))
        listed_masks = {info.name: info.is_masked for info in dataset_fields(found)}
        state = "open" if is_clear else {"over masked": "open", "not joined": "unavailable"}.get(wanted, wanted)
        assert (own.state, full.state) == (state, state)
        assert listed_masks.get(name) == (None if state == "unavailable" else state == "masked")
        if state == "unavailable":
            with pytest.raises(UnknownFieldError):
                ask(person, name, dataset=dataset)
        else:
            assert ask(person, name, dataset=dataset).columns[0].is_masked == (state == "masked")
        assert places(full) == (["orders.view.yaml:8"] if not is_clear and wanted in ("masked", "over masked") else [])
        assert ("Masked: " in " ".join(found.limits)) == (
            not is_clear and dataset in ("Sums", "Again", "Refused", "Text")
        )


def test_a_field_beyond_the_joins_is_told_so_to_administrators(eve: User, derived: Dataset) -> None:
    query = as_query({"dataset": "Far", "fields": ["far.other"]})
    [found] = explain_as_administrator(actor_for_user(eve), query).fields
    assert "a view that the data set does not join" in found.because[0].text
