"""Rows follow whichever source holds; "why" names it; and removing a definition opens nothing."""

from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from apps.access.selectors import actor_for_user
from apps.accounts.models import AttributeDefinition, GroupAttribute, User, UserAttribute, UserGroup
from apps.accounts.services import set_attribute
from apps.accounts.usage import uses_of
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.datamodels.services import import_files
from apps.governance.blast_radius.people import _values
from apps.governance.explain import explain_as_administrator
from apps.queries.planning import as_query
from apps.semantic.errors import QueryError
from apps.tenants.binding import unbound
from tests.apps.conftest import confirmed
from tests.apps.queries.conftest import MODEL, Ask, analysts, ask, eve, max_, nil, sales, source

__all__ = ["analysts", "ask", "eve", "max_", "nil", "sales", "source"]


@pytest.fixture
def region(eve: User) -> AttributeDefinition:
    """The attribute that limits rows; nobody has a value any more."""
    UserAttribute.objects.all().delete()
    return AttributeDefinition.objects.get(name="region")


def origin(who: User) -> str:
    found = explain_as_administrator(actor_for_user(who), as_query({"dataset": "Sales", "fields": ["orders.count"]}))
    return str(found.rows[0].attribute.origin)


def rows(ask: Ask, who: User) -> Any:
    return ask(who, "orders.count").rows


def test_rows_follow_the_source_that_holds_and_why_names_it(
    ask: Ask, eve: User, analysts: UserGroup, region: AttributeDefinition, now: datetime
) -> None:
    GroupAttribute.objects.create(group=analysts, definition=region, values=["ALL"])
    everything = rows(ask, eve)
    assert origin(eve) == "given by group Analysts"
    UserAttribute.objects.create(
        user=eve, definition=region, values=["US"], source="claim", origin="claim “org.region” of Main"
    )
    america = rows(ask, eve)
    assert origin(eve).startswith("claim “org.region” of Main, at the last sign-in")
    UserAttribute.objects.create(user=eve, definition=region, values=["EU"], source="scim", origin="SCIM token okta")
    europe = rows(ask, eve)
    assert origin(eve).startswith("SCIM token okta, over SCIM")
    assert len({str(found) for found in (everything, america, europe)}) == 3
    set_attribute(user=eve, definition=region, values=["US"], by=SYSTEM, now=now)
    assert rows(ask, eve) == america
    assert origin(eve).startswith("set by an administrator: system")
    UserAttribute.objects.exclude(source="claim").delete()
    assert rows(ask, eve) == america
    UserAttribute.objects.all().delete()
    assert rows(ask, eve) == everything


def test_who_would_gain_is_worked_out_from_what_holds(
    eve: User, max_: User, analysts: UserGroup, region: AttributeDefinition
) -> None:
    GroupAttribute.objects.create(group=analysts, definition=region, values=["EU"])
    UserAttribute.objects.filter(user=eve).delete()
    UserAttribute.objects.update_or_create(user=max_, definition=region, source="claim", defaults={"values": ["US"]})
    UserAttribute.objects.update_or_create(user=max_, definition=region, source="scim", defaults={"values": ["ALL"]})
    for user in (eve, max_):
        held = actor_for_user(user).attributes["region"]
        assert _values(frozenset({"region"}))[user.pk] == {("region", "string", (("str", held.values[0]),))}


def test_removing_a_definition_says_what_uses_it_and_opens_nothing(
    ask: Ask, eve: User, max_: User, ada: User, region: AttributeDefinition, now: datetime
) -> None:
    for who, value in ((eve, "EU"), (max_, "ALL")):
        set_attribute(user=who, definition=region, values=[value], by=SYSTEM, now=now)
    assert rows(ask, eve)
    assert rows(ask, max_)
    import_files(
        connection=Connection.objects.get(), name="drafts", files=MODEL, publish=False, by=SYSTEM, now=now
    )  # nobody is asked for an attribute by what is not published
    assert uses_of("region") == ["data model orders"]
    assert uses_of("shoe_size") == []
    browser = Client(HTTP_HOST="acme.localhost")
    browser.force_login(ada, backend="apps.accounts.backends.IdentityBackend")
    path = f"/admin/accounts/attributedefinition/{region.pk}/delete/"
    with unbound():
        asked = browser.get(path)
        assert "Used by data model orders" in asked.content.decode()
    assert confirmed(browser, path).status_code == 302
    assert not AttributeDefinition.objects.exists()
    for who in (eve, max_):
        with pytest.raises(QueryError):
            rows(ask, who)
    again = AttributeDefinition.objects.create(name="region", label="Region", is_list=True)
    with pytest.raises(QueryError):  # a new definition of that name brings no value back
        rows(ask, max_)
    set_attribute(user=max_, definition=again, values=["ALL"], by=SYSTEM, now=now)
    assert rows(ask, max_)
