"""Why somebody gets what they get: every verdict with its rule, and nothing about what is hidden."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from apps.access.selectors import actor_for_user, decide, has_permission
from apps.access.services import grant_permission, revoke_permission
from apps.access.types import Actor, SupportScope
from apps.accounts.models import (
    AttributeDefinition,
    ClaimMapping,
    GroupAttribute,
    GroupMembership,
    IdentityProvider,
    User,
    UserAttribute,
    UserGroup,
)
from apps.accounts.services import set_attribute
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.datamodels.models import Dataset, ModelVersion
from apps.datamodels.services import import_files
from apps.governance.explain import Explanation, explain, explain_as_administrator, may_know_all
from apps.governance.selectors import governed
from apps.queries.planning import as_query
from apps.semantic.errors import QueryError, UnknownDatasetError, UnknownFieldError
from apps.tenants.binding import unbound
from apps.tenants.types import TenantRef
from tests.apps.queries.conftest import Ask, analysts, ask, eve, max_, nil, sales, source

__all__ = ["analysts", "ask", "eve", "max_", "nil", "sales", "source"]

FILES = {
    "model.yaml": "access_grants:\n"
    "  finance: {user_attribute: omni_user_groups, allowed_values: [Finance]}\n"
    "  europe: {user_attribute: region, allowed_values: [EU]}\n",
    "staff.view.yaml": """schema: main
table_name: orders
required_access_grants: [finance]
access_filters:
  - {field: staff.region, user_attribute: region, values_for_unfiltered: [ALL]}
dimensions:
  region: {required_access_grants: [europe]}
  status: {}
measures:
  count: {aggregate_type: count}
""",
    "open.view.yaml": """schema: main
table_name: orders
access_filters:
  - {field: open.region, user_attribute: region, values_for_unfiltered: [ALL]}
dimensions:
  region: {required_access_grants: [finance]}
  status: {}
""",
    "Payroll.topic.yaml": "base_view: staff\nrequired_access_grants: [finance|europe]\n",
    "Open.topic.yaml": "base_view: open\n",
}


def told(who: User, *fields: str, dataset: str = "Sales", **rest: Any) -> Explanation:
    """Explain to the person themself."""
    return explain(
        actor_for_user(User.objects.get(pk=who.pk)), as_query({"dataset": dataset, "fields": list(fields)} | rest)
    )


def told_in_full(who: User, *fields: str, dataset: str = "Sales", **rest: Any) -> Explanation:
    """Explain to an administrator."""
    actor = actor_for_user(User.objects.get(pk=who.pk))
    return explain_as_administrator(actor, as_query({"dataset": dataset, "fields": list(fields)} | rest))


@pytest.fixture
def more(sales: Dataset, analysts: UserGroup, now: datetime) -> None:
    """Two more data sets over the same table: one behind a grant, one whose row policy is on a closed field."""
    connection = Connection.objects.get(name="orders")
    import_files(connection=connection, name="more", files=FILES, publish=True, by=SYSTEM, now=now)
    for name in ("Payroll", "Open"):
        dataset = Dataset.objects.get(name=name)
        grant_permission(group=analysts, permission="query_dataset", obj=dataset, by=SYSTEM, now=now)


@pytest.fixture
def finance(acme: TenantRef) -> UserGroup:
    return UserGroup.objects.create(name="Finance")


Send = Callable[..., Any]


@pytest.fixture
def send(acme: TenantRef) -> Send:
    """Ask the API in a signed-in browser."""

    def post(user: User, body: Any) -> Any:
        client = Client(HTTP_HOST="acme.localhost")
        client.force_login(user, backend="apps.accounts.backends.IdentityBackend")
        with unbound():
            return client.post("/api/v1/explain", json.dumps(body), content_type="application/json")

    return post


def test_a_person_is_told_the_rows_they_may_see_and_why(eve: User) -> None:
    [rows] = told(eve, "orders.count").rows
    assert rows.state == "limited"
    assert (rows.field, rows.values) == ("orders.region", ("EU",))
    assert rows.attribute.name == "region"
    assert rows.attribute.source == "administrator"
    assert "EU" in rows.text


def test_the_rule_that_lifts_a_limit_is_named(max_: User) -> None:
    [rows] = told(max_, "orders.count").rows
    assert rows.state == "unfiltered"
    assert rows.attribute.values == ("ALL",)


def test_an_unset_attribute_is_a_refusal_that_says_so(nil: User) -> None:
    found = told(nil, "orders.count")
    assert not found.is_allowed
    assert "region" in found.text
    assert [rows.state for rows in found.rows] == ["missing"]
    assert found.fingerprint == ""


def test_a_hidden_field_and_a_missing_one_read_alike(eve: User) -> None:
    hidden = told(eve, "orders.margin", filters={"orders.margin": {"greater_than": 1}})
    missing = told(eve, "orders.nothing", filters={"orders.nothing": {"greater_than": 1}})
    assert repr(hidden).replace("orders.margin", "X") == repr(missing).replace("orders.nothing", "X")
    assert not hidden.is_allowed
    assert hidden.withheld == hidden.because == ()
    assert told(eve, "orders.revenue").is_allowed


def test_a_hidden_data_set_and_a_missing_one_read_alike(more: None, nil: User) -> None:
    with pytest.raises(UnknownDatasetError) as hidden:
        told(nil, "staff.count", dataset="Payroll")
    with pytest.raises(UnknownDatasetError) as missing:
        told(nil, "staff.count", dataset="Nothing")
    assert hidden.value.message.replace("Payroll", "X") == missing.value.message.replace("Nothing", "X")
    assert told_in_full(nil, "staff.count", dataset="Payroll").dataset == "Payroll"


def test_a_row_policy_on_a_closed_field_does_not_name_it(more: None, eve: User) -> None:
    found = told(eve, "open.status", dataset="Open")
    assert found.is_allowed
    [rows] = found.rows
    assert rows.state == "limited"
    assert (rows.field, rows.label, rows.place) == ("", "", "")
    assert rows.values == ("EU",)
    assert "open.region" not in repr(found)
    [rows] = told_in_full(eve, "open.status", dataset="Open").rows
    assert rows.field == "open.region"


def test_no_place_of_a_rule_is_told_but_to_administrators(eve: User) -> None:
    fields = ("orders.region", "orders.email", "orders.revenue")
    assert ".yaml" not in repr(told(eve, *fields))
    assert "orders.view.yaml:" in repr(told_in_full(eve, *fields))


def test_an_administrator_learns_which_rule_closes_a_field_and_what_leads_there(eve: User) -> None:
    margin, share, nothing = told_in_full(eve, "orders.margin", "orders.margin_share", "orders.nothing").fields
    rule, grant = margin.because
    assert "Field orders.margin asks for finance" in rule.text
    assert rule.place == "orders.view.yaml:15"
    assert not rule.holds
    assert "Grant finance: Groups among Finance; has Analysts" in grant.text
    assert grant.place.startswith("model.yaml:2")
    assert grant.attribute
    assert grant.attribute.values == ("Analysts",)
    assert "rests on orders.margin" in share.because[0].text
    assert share.because[1] == rule
    assert nothing.because == ()
    assert "no such field" in nothing.text
    assert "Closed" in margin.text


def test_an_open_field_names_the_rule_that_let_it_through(eve: User, finance: UserGroup) -> None:
    GroupMembership.objects.create(user=eve, group=finance)
    [margin] = told_in_full(eve, "orders.margin").fields
    assert margin.state == "open"
    assert [because.holds for because in margin.because] == [True, True]
    assert "has Finance" in margin.because[1].text


def test_a_masked_field_is_told_to_all_and_its_rule_to_administrators(eve: User, finance: UserGroup) -> None:
    [own] = told(eve, "orders.email").fields
    assert own.state == "masked"
    assert own.because == ()
    [full] = told_in_full(eve, "orders.email").fields
    assert full.because[0].kind == "mask"
    assert full.because[0].place.startswith("orders.view.yaml:")
    GroupMembership.objects.create(user=eve, group=finance)
    assert told(eve, "orders.email").fields[0].state == "open"


def test_an_administrator_sees_what_is_withheld_beside_the_question(eve: User) -> None:
    withheld = {field.name: field.state for field in told_in_full(eve, "orders.revenue").withheld}
    assert withheld == {"orders.email": "masked", "orders.margin": "unavailable", "orders.margin_share": "unavailable"}


def test_every_clause_is_explained(eve: User) -> None:
    found = told_in_full(
        eve, "orders.placed[month]", "orders.revenue", filters={"orders.status": {"is": "paid"}},
        sorts=[{"field": "orders.revenue"}], pivots=["orders.placed[month]"],
    )  # fmt: skip
    assert [field.name for field in found.fields] == ["orders.placed[month]", "orders.revenue", "orders.status"]
    assert found.is_allowed


def test_a_data_set_behind_a_grant_names_the_grant_that_failed(more: None, nil: User, eve: User) -> None:
    found = told_in_full(nil, "staff.count", dataset="Payroll")
    assert not found.is_allowed
    assert found.because[0].holds  # the permission is there
    rule = found.because[1]
    assert "finance or europe" in rule.text
    assert rule.place == "Payroll.topic.yaml:2"
    assert not rule.holds
    met = {because.text.partition(":")[0]: because.holds for because in told_in_full(eve, "staff.count", dataset="Payroll").because}  # fmt: skip
    assert met["Grant europe"]
    assert not met["Grant finance"]


def test_a_view_behind_a_grant_closes_all_its_fields(more: None, eve: User) -> None:
    count, region = told_in_full(eve, "staff.count", "staff.region", dataset="Payroll").fields
    assert "View staff asks for finance" in count.because[0].text
    assert "View staff asks for finance" in region.because[0].text


def test_a_permission_names_what_gives_it(sales: Dataset, eve: User, bob: User, now: datetime) -> None:
    assert "through group Analysts" in told_in_full(eve, "orders.count").because[0].text
    refused = told_in_full(bob, "orders.count")
    assert not refused.is_allowed
    assert not refused.because[0].holds
    assert "in no group" in refused.because[0].text
    grant_permission(user=bob, permission="query_dataset", obj=sales, by=SYSTEM, now=now)
    assert "personally" in told_in_full(bob, "orders.count").because[0].text


def test_holders_and_the_permission_never_disagree(
    sales: Dataset, eve: User, bob: User, analysts: UserGroup, now: datetime
) -> None:
    def agree(user: User) -> bool:
        actor = actor_for_user(user)
        holders = decide(actor, "query_dataset", sales).through
        assert bool(holders) == has_permission(actor, "query_dataset", sales)
        return bool(holders)

    assert agree(eve)
    assert not agree(bob)
    revoke_permission(group=analysts, permission="query_dataset", obj=sales, by=SYSTEM, now=now)
    assert not agree(eve)


def test_the_explanation_and_the_answer_agree_on_every_field(
    eve: User, max_: User, nil: User, finance: UserGroup, ask: Ask
) -> None:
    GroupMembership.objects.create(user=max_, group=finance)
    for person in (eve, max_, nil):
        for field in ("region", "status", "email", "count", "revenue", "margin", "margin_share", "price", "nothing"):
            name = f"orders.{field}"
            found = told(person, name)
            try:
                answer = ask(person, name)
            except UnknownFieldError:
                assert found.fields[0].state == "unavailable", name
                continue
            except QueryError:
                assert not found.is_allowed, name
                continue
            assert found.is_allowed, name
            assert (found.fields[0].state == "masked") == answer.columns[0].is_masked, name
            assert found.fingerprint == answer.policy_fingerprint


def test_an_attribute_set_by_hand_names_who_set_it_and_when(eve: User, ada: User, now: datetime) -> None:
    definition = AttributeDefinition.objects.get(name="region")
    set_attribute(user=eve, definition=definition, values=["US"], by=actor_for_user(ada), now=now)
    full = told_in_full(eve, "orders.count").rows[0].attribute
    assert full.origin == f"set by an administrator: Ada, {now:%Y-%m-%d}"
    assert told(eve, "orders.count").rows[0].attribute.origin == "set by an administrator"


def test_an_attribute_from_a_claim_names_the_claim(eve: User) -> None:
    UserAttribute.objects.filter(user=eve).update(source="claim")
    provider = IdentityProvider.objects.create(
        slug="k", name="Keycloak", issuer="https://k.example", client_id="omni", sealed_client_secret=b"x"
    )
    definition = AttributeDefinition.objects.get(name="region")
    unmapped = told_in_full(eve, "orders.count").rows[0].attribute.origin
    assert unmapped == "from the identity provider, at the last sign-in"
    ClaimMapping.objects.create(provider=provider, claim="org.region", definition=definition)
    assert told_in_full(eve, "orders.count").rows[0].attribute.origin.startswith("claim “org.region” of Keycloak")
    own = told(eve, "orders.count").rows[0].attribute.origin
    assert own == "from the identity provider, at the last sign-in"


def test_which_groups_give_a_value_is_told_to_administrators(eve: User, analysts: UserGroup) -> None:
    UserAttribute.objects.filter(user=eve).delete()
    definition = AttributeDefinition.objects.get(name="region")
    GroupAttribute.objects.create(group=analysts, definition=definition, values=["EU"])
    assert told_in_full(eve, "orders.count").rows[0].attribute.origin == "given by group Analysts"
    assert told(eve, "orders.count").rows[0].attribute.origin == "given by a group"


@pytest.mark.parametrize(("source", "text"), [("invitation", "invitation"), ("default", "default"), ("system", "Omni")])
def test_every_other_source_is_said(eve: User, source: str, text: str) -> None:
    UserAttribute.objects.filter(user=eve).update(source=source)
    assert text in told(eve, "orders.count").rows[0].attribute.origin


def test_groups_say_who_put_the_person_in(eve: User, finance: UserGroup) -> None:
    GroupMembership.objects.create(user=eve, group=finance, source=GroupMembership.Source.CLAIM)
    grant = told_in_full(eve, "orders.margin").fields[0].because[1]
    assert grant.attribute
    assert grant.attribute.origin == "Analysts: put in by an administrator; Finance: from the identity provider"


def test_a_support_session_is_told_of_no_person_and_of_nothing_hidden(sales: Dataset, acme: TenantRef) -> None:
    scope = SupportScope(uuid4(), uuid4(), frozenset([sales.pk]), sees_values=False, staff_label="Sam")
    sam = Actor("support", acme.id, None, "Sam", support=scope)
    found = explain(sam, as_query({"dataset": "Sales", "fields": ["orders.margin", "orders.email"]}))
    assert [field.state for field in found.fields] == ["unavailable", "masked"]
    assert not found.is_complete
    assert found.rows == ()


def test_only_an_administrator_in_person_may_know_all(sales: Dataset, ada: User, eve: User) -> None:
    own = actor_for_user(ada)
    scope = SupportScope(uuid4(), uuid4(), frozenset([sales.pk]), sees_values=False, staff_label="Sam")
    assert may_know_all(own)
    assert not may_know_all(actor_for_user(eve))
    assert not may_know_all(replace(own, kind="token"))
    assert not may_know_all(replace(own, support=scope))


def test_an_administrator_reads_that_a_data_set_is_not_published(sales: Dataset, eve: User) -> None:
    text = "The published model has no such data set"

    def reasons() -> list[str]:
        found = told_in_full(eve, "orders.count")
        assert found.is_allowed == (text not in [because.text for because in found.because])
        return [because.text for because in found.because]

    assert text not in reasons()
    Dataset.objects.update(is_published=False)
    assert text in reasons()
    Dataset.objects.update(is_published=True)
    assert text not in reasons()
    ModelVersion.objects.update(is_current=False)
    assert text in reasons()


def test_limits_in_words_do_not_name_a_closed_field(more: None, eve: User) -> None:
    limits = governed(actor_for_user(eve), Dataset.objects.get(name="Open")).limits
    assert limits == ("Only rows for your region: EU",)
    assert governed(actor_for_user(eve), Dataset.objects.get(name="Sales")).limits[0] == "Only rows where Region is EU"
