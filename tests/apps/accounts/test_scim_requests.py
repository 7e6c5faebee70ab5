"""SCIM requests that are refused: malformed, too large, too deep, stale, not offered."""

import json
from uuid import uuid4

import pytest

from apps.accounts.models import (
    AttributeDefinition,
    ScimProfile,
    User,
)
from apps.audit.models import AuditEvent
from tests.apps.accounts.conftest import ATTRIBUTES, PATCH, USER, ScimClient


def test_a_refused_request_changes_nothing(okta: ScimClient, level: AttributeDefinition) -> None:
    made = okta.make("eve@acme.example", displayName="Eve")
    before = ScimProfile.objects.get().document
    answer = okta.patch(
        f"/Users/{made['id']}", {"op": "replace", "path": "displayName", "value": "Mallory"},
        {"op": "replace", "path": f"{ATTRIBUTES}:level", "value": "high"},
    )  # fmt: skip
    assert answer.status_code == 400
    assert ScimProfile.objects.get().document == before
    assert not AuditEvent.objects.filter(verb="accounts.person_changed").exists()


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", "null", '"x"', '{"userName": NaN}', "[" * 100_000, b"\xff\xfe", '{"userName": "a\\u0000@acme.example"}',
     '{"userName": "\\ud800@acme.example"}', '{"schemas": [], "userName": ["a@acme.example"]}', '{"schemas": ["urn:x"], "userName": "a@acme.example"}',
     '{"userName": "no address"}', '{"userName": "' + "a" * 300 + '@acme.example"}', '{"userName": "a@acme.example", "active": "maybe"}'],
)  # fmt: skip
def test_what_is_malformed_is_refused_as_scim_wants_it(okta: ScimClient, body: str | bytes) -> None:
    answer = okta.send("POST", "/Users", body)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/scim+json"
    assert json.loads(answer.content)["status"] == "400"
    assert not User.objects.exists()


@pytest.mark.parametrize("depth", [50, 400, 900])
def test_values_that_nest_deep_are_refused(okta: ScimClient, depth: int) -> None:
    made, value = okta.make("eve@acme.example"), "[" * depth + "]" * depth
    operation = f'{{"op": "replace", "path": "displayName", "value": {value}}}'
    body = f'{{"schemas": ["{PATCH}"], "Operations": [{operation}]}}'
    assert okta.send("PATCH", f"/Users/{made['id']}", body).status_code == 400


def test_a_body_that_is_too_large_is_refused(okta: ScimClient) -> None:
    assert okta.send("POST", "/Users", json.dumps({"userName": "a" * 3_000_000})).status_code == 413


@pytest.mark.parametrize("name", ["Operations", "operations"])
def test_a_patch_of_too_many_operations_is_refused_before_any_is_worked_on(okta: ScimClient, name: str) -> None:
    key = okta.make("zoe@acme.example")["id"]

    def patch(count: int) -> int:
        operations = [{"op": "replace", "path": "displayName", "value": f"Zoe {number}"} for number in range(count)]
        return okta.send("PATCH", f"/Users/{key}", {"schemas": [PATCH], name: operations}).status_code

    assert patch(1_001) == 413
    assert okta.get(f"/Users/{key}").get("displayName") is None
    assert patch(1_000) == 200
    assert okta.get(f"/Users/{key}")["displayName"] == "Zoe 999"


def test_a_stale_version_is_refused(okta: ScimClient) -> None:
    made = okta.make("eve@acme.example")
    path, version = f"/Users/{made['id']}", made["meta"]["version"]
    body = {"schemas": [USER], "userName": "eve@acme.example", "displayName": "Eve"}
    assert okta.send("GET", path, **{"If-None-Match": version}).status_code == 304
    first = okta.send("PUT", path, body, **{"If-Match": version})
    assert first.status_code == 200
    assert first["ETag"] != version
    assert okta.send("PUT", path, body, **{"If-Match": version}).status_code == 412
    assert okta.send("GET", path, **{"If-None-Match": version}).status_code == 200


@pytest.mark.parametrize("path", ["/Bulk", "/.search", "/Me"])
def test_what_is_not_offered_says_so(okta: ScimClient, path: str) -> None:
    assert okta.send("POST", path, {}).status_code == 501
    offered = okta.get("/ServiceProviderConfig")
    assert (offered["bulk"]["supported"], offered["sort"]["supported"], offered["patch"]["supported"]) == (
        False,
        False,
        True,
    )
    assert okta.send("GET", "/Nothing").status_code == 404
    assert okta.send("DELETE", "/Users").status_code == 405
    assert str(uuid4()) not in offered
