"""Members removed one by one are removed as the library does it, whatever else a request says."""

import json
from typing import Any

import pytest

from apps.accounts.models import GroupMembership
from apps.accounts.scim import removals
from tests.apps.accounts.conftest import PATCH, ScimClient

NOBODY = "00000000-0000-4000-8000-000000000000"


def removal(member: str, **other: Any) -> dict[str, Any]:
    return {"op": "remove", "path": f'members[value eq "{member}"]'} | other


@pytest.fixture
def members(okta: ScimClient) -> list[str]:
    return [okta.make(f"{name}@acme.example")["id"] for name in ("eve", "zoe", "kim", "liv")]


def left(okta: ScimClient, group: str) -> list[str]:
    return sorted(member["value"] for member in okta.get(f"/Groups/{group}").get("members", ()))


@pytest.mark.parametrize("places", [[0], [0, 2], [1, 1, 3], [0, 1, 2, 3], [None], [None, 2]])
def test_as_the_library_does_it(
    okta: ScimClient, members: list[str], places: list[int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = [removal(NOBODY if place is None else members[place]) for place in places]
    first, second = (okta.make_group(name, *members)["id"] for name in ("First", "Second"))
    calls: list[frozenset[str]] = []
    really = removals.without
    monkeypatch.setattr(removals, "without", lambda *given: calls.append(given[1]) or really(*given))
    assert okta.patch(f"/Groups/{first}", *changes).status_code == 200
    assert len(calls) == 1
    monkeypatch.setattr(removals, "only_removals", lambda _: None)
    assert okta.patch(f"/Groups/{second}", *changes).status_code == 200
    assert left(okta, first) == left(okta, second) == sorted({*members} - {members[p] for p in places if p is not None})
    assert GroupMembership.objects.filter(group_id=first).count() == len(left(okta, first))


def test_what_is_more_than_removals_goes_the_usual_way(okta: ScimClient, members: list[str]) -> None:
    body = {"schemas": [PATCH], "Operations": [removal(members[0])]}
    assert removals.only_removals(body) == {members[0]}
    rename = {"op": "replace", "path": "displayName", "value": "Other"}
    for other in (
        {"schemas": [PATCH], "Operations": [removal(members[0]), rename]},
        {"schemas": [PATCH], "Operations": [removal(members[0], value="x")]},
        {"schemas": [PATCH], "Operations": [removal(members[0]) | {"op": "add"}]},
        {"schemas": [PATCH], "Operations": [removal(members[0]) | {"op": None}]},
        {"schemas": [PATCH], "Operations": [removal(f'{members[0]}" or value eq "{members[1]}')]},
        {"schemas": [PATCH], "Operations": [{"op": "remove", "path": "members"}]},
        {"schemas": [PATCH], "Operations": [{"op": "remove", "path": ["members"]}]},
        {"schemas": [PATCH], "Operations": ["remove"]},
        {"schemas": [PATCH], "Operations": []},
        {"schemas": [PATCH], "Operations": "remove"},
        {"schemas": [], "Operations": [removal(members[0])]},
        {"Operations": [removal(members[0])]},
        {**body, "operations": []},
    ):
        assert removals.only_removals(other) is None, json.dumps(other)
    group = okta.make_group("Both", *members)["id"]
    assert okta.patch(f"/Groups/{group}", removal(members[0]), rename).status_code == 200
    assert okta.get(f"/Groups/{group}")["displayName"] == "Other"
    assert left(okta, group) == sorted(members[1:])
    person = okta.patch(f"/Users/{members[0]}", removal(members[1]))
    assert person.status_code == 400
