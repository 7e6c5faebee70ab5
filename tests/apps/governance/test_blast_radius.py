"""Blast radius: who gains and who loses what, told by what decides on questions, and worked out once per equal rights."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from apps.access.selectors import actor_for_user
from apps.access.services import grant_permission
from apps.accounts.models import AttributeDefinition, GroupMembership, User, UserAttribute, UserGroup
from apps.accounts.services import set_active
from apps.audit.types import SYSTEM
from apps.datamodels.models import Dataset, ModelVersion
from apps.datamodels.services import import_files
from apps.governance.blast_radius.candidates import candidate_of
from apps.governance.blast_radius.radius import blast_radius, version_radius
from apps.governance.blast_radius.telling import sentence, summary
from apps.governance.blast_radius.types import BlastRadius
from apps.governance.selectors import governed
from apps.tenants.binding import bound
from apps.tenants.types import TenantRef
from tests.apps.queries.conftest import MODEL, analysts, eve, join, max_, nil, sales, source

__all__ = ["analysts", "eve", "max_", "nil", "sales", "source"]
VIEW = MODEL["orders.view.yaml"]


@pytest.fixture
def finance(analysts: UserGroup, make_person: Callable[..., User]) -> User:
    """May query Sales, Europe only, and is in Finance."""
    fay = join(make_person("fay@acme.example"), analysts, "EU")
    GroupMembership.objects.create(user=fay, group=UserGroup.objects.create(name="Finance"))
    return fay


def radius(sales: Dataset, *changes: tuple[str, str], **files: str) -> BlastRadius:
    view = VIEW
    for old, new in changes:
        assert old in view
        view = view.replace(old, new)
    changed = MODEL | {"orders.view.yaml": view} | files
    return blast_radius(sales.data_model, candidate_of(changed, dialect="duckdb"), target="the draft")


def told(found: BlastRadius) -> list[str]:
    return [f"{'+' if effect.is_widening else '-'} {sentence(effect)}" for effect in found.effects]


def met(found: BlastRadius) -> list[list[str]]:
    return [[person.email for person in effect.people] for effect in found.effects]


def test_the_same_files_change_nothing(sales: Dataset, eve: User, max_: User, nil: User) -> None:
    found = radius(sales)
    assert (found.effects, found.people) == ((), 3)
    assert summary(found).startswith("Nobody gains or loses anything: 3 people in 3 groups")


LIFT = ("region, values_for_unfiltered: [ALL]", "region, values_for_unfiltered: [ALL, EU]")
POLICY = "access_filters:\n  - {field: region, user_attribute: region, values_for_unfiltered: [ALL]}\n"


@pytest.mark.parametrize(
    ("change", "expected", "people"),
    [
        (("{mask_unless_access_grants: [finance]}", "{}"), "+ 2 people gain `orders.email` in Sales in clear, masked until now", "eve max"),
        ((", required_access_grants: [finance]}", "}"), "+ 2 people gain `orders.margin`, `orders.margin_share` in Sales", "eve max"),
        (("  status: {}", "  status: {required_access_grants: [finance]}"), "- 2 people lose `orders.status` in Sales", "eve max"),
        (("  status: {}", "  status: {mask_unless_access_grants: [finance]}"), "- 2 people lose `orders.status` in Sales in clear: masked from then on (keyed hash)", "eve max"),
        (("  status: {}", "  status: {sql: email}"), "+ 3 people see `orders.status` in Sales from another definition", "eve fay max"),
        (("  status: {}", "  status: {label: State}"), None, ""),
        (("table_name: orders", "table_name: all_orders"), "from another definition", "eve fay max"),
        (("  status: {}", "  status: {}\n  shop: {sql: status}"), "+ 3 people gain `orders.shop` in Sales", "eve fay max"),
        (("  status: {}", "  status: {}\n  shop: {sql: status, mask_unless_access_grants: [finance]}"), "+ 2 people gain `orders.shop` in Sales, masked (keyed hash)", "eve max"),
        (("  status: {}", "  status: {classification: unclassified}"), "- 3 people lose `orders.status` in Sales", "eve fay max"),
        (LIFT, "+ 2 people gain all rows of Sales as far as `orders.region` goes, until now only EU (view orders)", "eve fay"),
        (("[ALL]", "[EVERYTHING]"), "- 1 person loses rows of Sales: only those where `orders.region` is ALL remain (view orders)", "max"),
        (("grants: [finance]}\n  placed", "grants: [finance], mask: {keep_last: 4}}\n  placed"), "through another mask", "eve max"),
        (("grants: [finance]}\n  placed", "grants: [finance], mask: redact}\n  placed"), "- 2 people lose `orders.email`", "eve max"),
    ],
)  # fmt: skip
def test_each_change_is_told_with_those_whom_it_meets(
    sales: Dataset,
    eve: User,
    max_: User,
    nil: User,
    finance: User,
    change: tuple[str, str],
    expected: str | None,
    people: str,
) -> None:
    found = radius(sales, change)
    if expected is None:
        assert told(found) == []
        return
    names = {"ann@acme.example": "eve", "bob@acme.example": "max", "fay@acme.example": "fay"}
    hits = [emails for text, emails in zip(told(found), met(found), strict=True) if expected in text]
    assert hits, told(found)
    assert sorted(names[email] for email in hits[0]) == people.split()


def test_a_lifted_policy_opens_the_data_set_for_those_without_the_attribute(
    sales: Dataset, eve: User, max_: User, nil: User
) -> None:
    found = radius(sales, (POLICY, ""))
    assert told(found) == [
        "+ 1 person gains the data set Sales: 7 fields, 1 of them masked, all rows",
        "+ 1 person gains all rows of Sales as far as `orders.region` goes, until now only EU (view orders)",
    ]
    assert met(found) == [["nil@acme.example"], ["ann@acme.example"]]


def test_a_closed_data_set_is_lost_by_those_who_had_it(sales: Dataset, eve: User, nil: User, finance: User) -> None:
    topic = MODEL["Sales.topic.yaml"] + "required_access_grants: [finance]\n"
    found = radius(sales, **{"Sales.topic.yaml": topic})
    assert told(found) == ["- 1 person loses the data set Sales: its grants do not let them through"]
    assert met(found) == [["ann@acme.example"]]
    renamed = {name: content for name, content in MODEL.items() if "topic" not in name} | {
        "Deals.topic.yaml": "base_view: orders\n"
    }
    gone = blast_radius(sales.data_model, candidate_of(renamed, dialect="duckdb"), target="the draft")
    assert told(gone) == ["- 2 people lose the data set Sales: the model does not have it"]


def test_a_data_set_that_comes_back_is_gained_by_those_who_hold_its_permission(
    sales: Dataset, eve: User, max_: User, now: datetime
) -> None:
    without = {name: content for name, content in MODEL.items() if "topic" not in name} | {
        "Deals.topic.yaml": "base_view: orders\n"
    }
    import_files(connection=sales.data_model.connection, name="orders", files=without, publish=True, by=SYSTEM, now=now)
    first = ModelVersion.objects.get(number=1)
    found = version_radius(first)
    assert [effect.kind for effect in found.effects] == ["dataset_gained", "dataset_gained"]
    assert "rows where orders.region is EU" in told(found)[0] + told(found)[1]


def test_rows_are_told_by_value(sales: Dataset, eve: User, max_: User, now: datetime) -> None:
    AttributeDefinition.objects.create(name="area", label="Area", is_list=True)
    UserAttribute.objects.create(user=eve, definition=AttributeDefinition.objects.get(name="area"), values=["US", "EU"])
    found = radius(sales, ("user_attribute: region", "user_attribute: area"))
    assert "+ 1 person gains rows of Sales where `orders.region` is US (view orders)" in told(found)
    assert "- 1 person loses the data set Sales: the user attribute “area” is not set" in told(found)
    narrow = radius(sales, (POLICY, POLICY + "  - {field: status, user_attribute: region}\n"))
    assert "- 1 person loses rows of Sales: only those where `orders.status` is EU remain (view orders)" in told(narrow)


def test_what_always_filters_a_data_set_is_part_of_it(sales: Dataset, eve: User, now: datetime) -> None:
    topic = MODEL["Sales.topic.yaml"] + "always_where_filters: {orders.status: {is: paid}}\n"
    import_files(
        connection=sales.data_model.connection, name="orders", files=MODEL | {"Sales.topic.yaml": topic}, publish=True,
        by=SYSTEM, now=now,
    )  # fmt: skip
    found = radius(sales)
    assert told(found) == [
        "+ 1 person sees rows of Sales that are chosen in another way: what always filters it (it says something else)"
    ]


def test_what_is_foretold_comes_true(sales: Dataset, eve: User, max_: User, finance: User, now: datetime) -> None:
    """The fields that people are said to gain are those that their scope has afterwards, and no others."""
    before = {user: governed(actor_for_user(user), sales).scope for user in (eve, max_, finance)}
    found = radius(sales, (", required_access_grants: [finance]}", "}"))
    files = MODEL | {"orders.view.yaml": VIEW.replace(", required_access_grants: [finance]}", "}")}
    import_files(connection=sales.data_model.connection, name="orders", files=files, publish=True, by=SYSTEM, now=now)
    for user, scope in before.items():
        foretold = {
            name for effect in found.effects for name in effect.subjects
            if effect.kind == "field_gained" and user.pk in {person.id for person in effect.people}
        }  # fmt: skip
        assert governed(actor_for_user(user), sales).scope.fields - scope.fields == foretold


def test_people_without_permission_and_shut_out_ones_are_not_met(
    sales: Dataset, eve: User, max_: User, make_person: Callable[..., User], now: datetime
) -> None:
    make_person("out@acme.example")
    set_active(max_, is_active=False, by=SYSTEM, now=now)
    found = radius(sales, ("{mask_unless_access_grants: [finance]}", "{}"))
    assert met(found) == [["ann@acme.example"]]
    assert found.people == 2


def test_another_tenants_people_are_never_met(
    sales: Dataset, eve: User, globex: TenantRef, make_person: Callable[..., User]
) -> None:
    with bound(globex.id):
        make_person("gus@globex.example")
    found = radius(sales, ("{mask_unless_access_grants: [finance]}", "{}"))
    assert met(found) == [["ann@acme.example"]]
    assert found.people == 1
    with pytest.raises(CommandError, match="no model 'orders'"):
        call_command("blast_radius", "globex", "orders")


def many(analysts: UserGroup, count: int, name: str) -> None:
    definition, _ = AttributeDefinition.objects.get_or_create(name="region", defaults={"is_list": True})
    users = [User(email=f"{name}{i}@acme.example", issuer="x", subject=f"{name}{i}") for i in range(count)]
    User.objects.bulk_create(users)
    GroupMembership.objects.bulk_create(GroupMembership(user=user, group=analysts) for user in users)
    UserAttribute.objects.bulk_create(
        UserAttribute(user=user, definition=definition, values=[("EU", "US", "ASIA")[i % 3]])
        for i, user in enumerate(users)
    )


def test_equal_rights_are_worked_out_once(sales: Dataset, analysts: UserGroup, now: datetime) -> None:
    """Five thousand people in three regions are three groups, and the statements grow with the groups alone."""

    def statements() -> int:
        with CaptureQueriesContext(database) as caught:
            radius(sales, LIFT)
        return len(caught)

    many(analysts, 6, "few")
    radius(sales, LIFT)  # what is remembered once per process is read
    few = statements()
    User.objects.update(is_active=False)
    many(analysts, 5000, "p")
    assert statements() == few
    found = radius(sales, LIFT)
    assert (found.people, found.groups) == (5000, 3)
    assert [len(effect.people) for effect in found.effects] == [1667]
    odd = User.objects.get(email="p0@acme.example")
    grant_permission(user=odd, permission="query_dataset", obj=sales, by=SYSTEM, now=now)
    GroupMembership.objects.create(user=odd, group=UserGroup.objects.create(name="Choir"))
    assert radius(sales, LIFT).groups == 4  # groups are named by a rule of this model


def test_who_is_alike_for_the_rules_is_alike_here_whatever_else_differs(
    sales: Dataset, eve: User, finance: User, make_person: Callable[..., User], analysts: UserGroup
) -> None:
    join(make_person("eva@acme.example"), analysts, "EU")
    AttributeDefinition.objects.create(name="shoe_size", label="Shoe size", type="number")
    UserAttribute.objects.create(user=eve, definition=AttributeDefinition.objects.get(name="shoe_size"), values=[38])
    found = radius(sales, LIFT)
    assert (found.people, found.groups) == (3, 2)
    personal = (POLICY, POLICY + "  - {field: email, user_attribute: omni_user_email}\n")
    assert radius(sales, personal).groups == 3


def test_the_command_tells_it_and_gives_json(
    sales: Dataset, eve: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in (
        MODEL | {"orders.view.yaml": VIEW.replace("{mask_unless_access_grants: [finance]}", "{}")}
    ).items():
        (tmp_path / name).write_text(content)
    call_command("blast_radius", "acme", "orders", str(tmp_path))
    out = capsys.readouterr().out
    assert "+ 1 person gains `orders.email` in Sales in clear, masked until now\n    Ann (ann@acme.example)" in out
    call_command("blast_radius", "acme", "orders", str(tmp_path), "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["is_widening"] is True
    assert found["effects"][0]["people"] == [{"id": str(eve.pk), "name": "Ann", "email": "ann@acme.example"}]
    call_command("blast_radius", "acme", "orders", "--version", "1")
    assert "Nobody gains or loses anything" in capsys.readouterr().out
    with pytest.raises(CommandError, match="has no version 9"):
        call_command("blast_radius", "acme", "orders", "--version", "9")
    with pytest.raises(CommandError, match="no model 'none'"):
        call_command("blast_radius", "acme", "none")


KEYED = VIEW.replace("dimensions:\n", "dimensions:\n  id: {primary_key: true, hidden: true}\n")
"""with a key beside it, a masked value decides about no group of a query view"""
DERIVED = MODEL | {
    "orders.view.yaml": KEYED,
    "mails.view.yaml": "sql: SELECT o.email AS mail, o.region AS region FROM main.orders AS o\ndimensions: {mail: {}}\nmeasures: {count: {aggregate_type: count}}\n",
    "sums.query.view.yaml": "query: {topic: Sales, fields: {orders.id: id, orders.email: who, orders.revenue: total}}\nmeasures: {count: {aggregate_type: count}}\n",
    "Mails.topic.yaml": "base_view: mails\n",
    "Sums.topic.yaml": "base_view: sums\n",
    "Both.composite_topic.yaml": "topics: [Sales, Mails]\nshared_dimensions: {mail: {mappings: {Sales: orders.email, Mails: mails.mail}}}\n",
}  # fmt: skip


@pytest.mark.parametrize("name", ["Mails", "Sums", "Both"])
def test_a_change_beneath_a_derived_view_meets_those_who_ask_it(
    sales: Dataset, ann: User, now: datetime, name: str
) -> None:
    """SQL views, query views and composites are as open as what they read; a change there is a change here."""
    orders = sales.data_model.connection
    import_files(connection=orders, name="orders", files=DERIVED, publish=True, by=SYSTEM, now=now)
    group = UserGroup.objects.create(name="Derivers")
    grant_permission(group=group, permission="query_dataset", obj=Dataset.objects.get(name=name), by=SYSTEM, now=now)
    join(ann, group, "EU")

    def kinds(old: str, new: str, **more: str) -> set[str]:
        files = DERIVED | {"orders.view.yaml": KEYED.replace(old, new)} | more
        assert files != DERIVED
        found = blast_radius(sales.data_model, candidate_of(files, dialect="duckdb"), target="the draft")
        assert {effect.dataset for effect in found.effects} <= {name}
        return {effect.kind for effect in found.effects}

    assert kinds(
        "dimensions:", "dimensions:\n  more: {sql: status, hidden: true, required_access_grants: [finance]}"
    ) <= {"field_redefined", "rows_redefined"}
    assert "field_unmasked" in kinds("{mask_unless_access_grants: [finance]}", "{}")
    assert "mask_changed" in kinds("grants: [finance]}\n  placed", "grants: [finance], mask: {keep_last: 4}}\n  placed")
    assert "rows_lifted" in kinds("[ALL]", "[ALL, EU]")
    # A column that an SQL view reads is one that a view describes: the text of the one follows the other.
    moved = {"mails.view.yaml": DERIVED["mails.view.yaml"].replace("o.email", "o.other")}
    assert "field_redefined" in kinds("email: {", "email: {sql: other, ", **moved)
    assert "dataset_lost" in kinds("user_attribute: region", "user_attribute: area")


TESTS = """
people:
  anna: {attributes: {region: [EU]}}
  boss: {attributes: {region: [ALL]}}
tests:
  - {name: anna sees Europe, person: anna, dataset: Sales, expect: {rows_only_where: {orders.region: [EU]}}}
  - {name: boss sees all, person: boss, dataset: Sales, expect: allowed}
"""
TEST_FILE = "sales.access_test.yaml"


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({}, ["the policy test `anna sees Europe` of Sales is removed", "the policy test `boss sees all` of Sales is removed"]),
        ({TEST_FILE: TESTS.replace("  - {name: boss sees all, person: boss, dataset: Sales, expect: allowed}\n", "")}, ["the policy test `boss sees all` of Sales is removed"]),
        ({TEST_FILE: TESTS.replace("expect: {rows_only_where: {orders.region: [EU]}}", "expect: allowed")}, ["the policy test `anna sees Europe` of Sales is changed"]),
        ({TEST_FILE: TESTS.replace("region: [EU]}}\n  boss", "region: [ALL]}}\n  boss")}, ["the policy test `anna sees Europe` of Sales is changed"]),
        ({TEST_FILE: TESTS.replace("anna sees Europe", "anna")}, ["the policy test `anna sees Europe` of Sales is removed"]),
        ({TEST_FILE: "tests: [\n"}, ["the policy test `anna sees Europe` of Sales is removed", "the policy test `boss sees all` of Sales is removed"]),
        ({"moved.access_test": "# a comment\n" + TESTS}, []),
        ({TEST_FILE: TESTS + "  - {name: more, person: boss, dataset: Sales, expect: allowed}\n"}, []),
    ],
    ids=["all gone", "one gone", "expects less", "other person", "renamed", "unreadable", "moved", "more"],
)  # fmt: skip
def test_a_policy_test_that_goes_or_changes_widens(
    sales: Dataset, eve: User, now: datetime, after: dict[str, str], expected: list[str]
) -> None:
    connection = sales.data_model.connection
    import_files(
        connection=connection, name="orders", files=MODEL | {TEST_FILE: TESTS}, publish=True, by=SYSTEM, now=now
    )
    found = blast_radius(sales.data_model, candidate_of(MODEL | after, dialect="duckdb"), target="the draft")
    assert [sentence(effect) for effect in found.widening] == expected
    assert not found.narrowing
