"""Filters and pages: the same answer whether a column decides or the finished resource, and no name becomes a look-up."""

import json
from typing import Any

import pytest

from apps.accounts.models import AttributeDefinition, User
from apps.accounts.scim import filters
from tests.apps.accounts.conftest import ATTRIBUTES, ScimClient


@pytest.fixture
def people(okta: ScimClient, region: AttributeDefinition, ann: User) -> dict[str, Any]:
    """Eve and Max came over SCIM, Ann was invited; Max is shut out."""
    eve = okta.make("eve@acme.example", externalId="00u1", displayName="Eve Adams", **{ATTRIBUTES: {"region": ["EU"]}})
    max_ = okta.make("max@acme.example", externalId="00u2", active=False, name={"familyName": "Zorn"})
    return {"eve": eve, "max": max_}


def found(okta: ScimClient, filter_: str) -> set[str]:
    answer = okta.get("/Users", filter=filter_)
    assert "Resources" in answer or answer.get("totalResults") == 0, answer
    return {item["userName"].partition("@")[0] for item in answer.get("Resources", [])}


@pytest.mark.parametrize(
    ("filter_", "who"),
    [
        ('userName eq "EVE@acme.example"', {"eve"}),
        ('username Eq "eve@acme.example"', {"eve"}),
        ('urn:ietf:params:scim:schemas:core:2.0:User:userName eq "eve@acme.example"', {"eve"}),
        ('userName eq "ann@acme.example"', {"ann"}),
        ('userName ne "eve@acme.example"', {"ann", "max"}),
        ('userName sw "e"', {"eve"}),
        ('userName co "acme" and active eq true', {"eve", "ann"}),
        ('externalId eq "00u1"', {"eve"}),
        ('externalId eq "00U1"', set()),
        ('not (externalId eq "00u1")', {"ann", "max"}),
        ("externalId pr", {"eve", "max"}),
        ("active eq false", {"max"}),
        ('active eq false or externalId eq "00u1"', {"eve", "max"}),
        ('(active eq true) and not (userName sw "a")', {"eve"}),
        ('displayName eq "eve adams"', {"eve"}),
        ('name.familyName ge "z"', {"max"}),
        ('emails[primary eq true and value ew "@acme.example"]', {"eve", "max", "ann"}),
        ('emails.value eq "MAX@acme.example"', {"max"}),
        (f'{ATTRIBUTES}:region eq "EU"', {"eve"}),
        ('userName eq "x\\" or userName pr"', set()),
        ('userName eq "%"', set()),
        ('id eq "nonsense"', set()),
        ('meta.created gt "2000-01-01T00:00:00Z"', {"eve", "max", "ann"}),
    ],
)
def test_a_filter_finds_whom_it_names(okta: ScimClient, people: dict[str, Any], filter_: str, who: set[str]) -> None:
    assert found(okta, filter_) == who


@pytest.mark.parametrize(
    "filter_",
    [
        'is_tenant_admin eq true', 'tenant__slug eq "globex"', 'userName__startswith eq "e"', 'subject pr',
        'password eq "x"', 'title eq "x"', "userName", 'userName eq', 'userName xx "y"', "' OR 1=1 --", 'active gt true',
        'userName eq "a" and', "(" * 200 + 'userName pr' + ")" * 200 + "x", 'userName eq "\\u0000"', 'userName eq "\\ud800"',
        "userName eq \"" + "a" * 3000 + '"', 'roles pr', 'emails[is_tenant_admin eq true]', f'{ATTRIBUTES}:nope eq "x"',
        'urn:evil:User:userName eq "x"',
    ],
)  # fmt: skip
def test_what_is_no_filter_on_what_is_served_is_refused(okta: ScimClient, filter_: str) -> None:
    okta.make("eve@acme.example")
    answer = okta.get("/Users", filter=filter_)
    assert answer["status"] == "400", answer
    assert "Resources" not in answer


def test_columns_and_finished_resources_agree(
    okta: ScimClient, people: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ('userName eq "Eve@acme.example"', 'not (userName eq "ann@acme.example") and active eq true', 'externalId ne "00u1"',
             f'id eq "{people["max"]["id"]}"', 'active ne true or externalId eq "00u1"')  # fmt: skip
    by_column = [found(okta, one) for one in asked]
    monkeypatch.setattr(filters, "PEOPLE", {})
    monkeypatch.setattr("apps.accounts.scim.views.filters.PEOPLE", {})
    assert [found(okta, one) for one in asked] == by_column


def test_groups_are_found_by_name_and_member(okta: ScimClient, people: dict[str, Any]) -> None:
    eve = people["eve"]["id"]
    okta.make_group("Finance", eve)
    okta.make_group("Sales")

    def groups(filter_: str) -> list[str]:
        return [item["displayName"] for item in okta.get("/Groups", filter=filter_).get("Resources", [])]

    assert groups('displayName eq "FINANCE"') == ["Finance"]
    assert groups(f'members.value eq "{eve}"') == ["Finance"]
    assert groups(f'members[value eq "{eve}"]') == ["Finance"]
    assert groups(f'displayName sw "s" or members eq "{eve}"') == ["Finance", "Sales"]
    assert groups("members pr") == ["Finance"]
    assert okta.get(f"/Users/{eve}")["groups"][0]["display"] == "Finance"


def test_pages_are_bounded_whatever_is_asked(okta: ScimClient, people: dict[str, Any]) -> None:
    def page(**asked: object) -> tuple[int, int, int]:
        answer = okta.get("/Users", **asked)
        return answer["totalResults"], answer["startIndex"], len(answer.get("Resources", []))

    assert page(count=2) == (3, 1, 2)
    assert page(count=2, startIndex=3) == (3, 3, 1)
    assert page(count=0) == (3, 1, 0)
    assert page(count=-5, startIndex=-7) == (3, 1, 0)
    assert page(count=10**30) == (3, 1, 3)
    assert page(startIndex=10**30) == (3, 10**9, 0)
    assert okta.get("/Users", count="many")["status"] == "400"
    first, second = (okta.get("/Users", count=1, startIndex=index)["Resources"][0]["id"] for index in (1, 2))
    assert first != second


def test_a_search_by_post_answers_like_a_list(okta: ScimClient, people: dict[str, Any]) -> None:
    asked = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": 'userName sw "m"'}
    answer = json.loads(okta.send("POST", "/Users/.search", asked).content)
    assert [item["userName"] for item in answer["Resources"]] == ["max@acme.example"]


def test_attributes_can_be_chosen(okta: ScimClient, people: dict[str, Any]) -> None:
    path = f"/Users/{people['eve']['id']}"
    assert set(okta.get(path, attributes="userName")) == {"schemas", "id", "userName"}
    assert "emails" not in okta.get(path, excludedAttributes="emails")


def test_too_many_to_look_at_one_by_one_is_refused(
    okta: ScimClient, people: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "MAX_SCAN", 2)
    answer = okta.get("/Users", filter='userName co "acme"')
    assert (answer["status"], answer["scimType"]) == ("400", "tooMany")
    assert found(okta, 'userName co "acme" and externalId eq "00u1"') == {"eve"}
