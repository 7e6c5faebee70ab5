"""A SCIM client of Acme, and a browser."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from apps.accounts.models import AttributeDefinition, IdentityProvider, User
from apps.accounts.scim.tokens import issue_scim_token
from apps.accounts.services import save_provider, sign_in_from_claims
from apps.audit.types import SYSTEM
from apps.tenants.binding import unbound
from apps.tenants.types import TenantRef
from tests.apps.conftest import SignedIn

ATTRIBUTES = "urn:omni:params:1.0:UserAttribute"
USER, GROUP = "urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class ScimClient:
    """Requests to the SCIM service of one tenant, with one token."""

    def __init__(self, token: str, host: str = "acme.localhost") -> None:
        self.token = token
        self.client = Client(HTTP_HOST=host, enforce_csrf_checks=True)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        data = body if isinstance(body, str | bytes) else json.dumps(body) if body is not None else ""
        with unbound():
            found: HttpResponse = self.client.generic(
                method, f"/scim/v2{path}", data, content_type="application/scim+json",
                headers={"Authorization": f"Bearer {self.token}"} | headers,
            )  # fmt: skip
        return found

    def get(self, path: str, **parameters: object) -> Any:
        with unbound():
            answer = self.client.get(f"/scim/v2{path}", parameters, headers={"Authorization": f"Bearer {self.token}"})
        return answer.json()

    def make(self, email: str, **extra: Any) -> dict[str, Any]:
        body = {"schemas": [USER], "userName": email, "emails": [{"value": email, "primary": True}]} | extra
        answer = self.send("POST", "/Users", body)
        assert answer.status_code == 201, answer.content
        found: dict[str, Any] = json.loads(answer.content)
        return found

    def make_group(self, name: str, *members: str) -> dict[str, Any]:
        body = {"schemas": [GROUP], "displayName": name, "members": [{"value": member} for member in members]}
        answer = self.send("POST", "/Groups", body)
        assert answer.status_code == 201, answer.content
        found: dict[str, Any] = json.loads(answer.content)
        return found

    def patch(self, path: str, *operations: dict[str, Any]) -> HttpResponse:
        return self.send("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})


@pytest.fixture
def okta(acme: TenantRef, now: datetime) -> ScimClient:
    """Acme's SCIM client."""
    return ScimClient(issue_scim_token(name="okta", days=30, by=SYSTEM, now=now))


@pytest.fixture
def region(acme: TenantRef) -> AttributeDefinition:
    return AttributeDefinition.objects.create(name="region", label="Region", is_list=True)


@pytest.fixture
def level(acme: TenantRef) -> AttributeDefinition:
    return AttributeDefinition.objects.create(name="level", label="Level", type="number")


Browser = Callable[[Any], Client]


@pytest.fixture
def as_(acme: TenantRef, signed_in: SignedIn) -> Browser:
    """A browser of somebody who has just signed in at Acme."""
    return signed_in


@pytest.fixture
def main(acme: TenantRef, now: datetime) -> IdentityProvider:
    row = IdentityProvider(
        slug="main", name="Main", issuer="https://idp.example", client_id="omni", sealed_client_secret=b"-"
    )
    return save_provider(row, client_secret="canary", by=SYSTEM, now=now)


def sign_in(provider: IdentityProvider, email: str, now: datetime, subject: str = "s-1", **claims: Any) -> User:
    said = {"sub": subject, "email": email, "email_verified": True} | claims
    return sign_in_from_claims(provider=provider, claims=said, now=now)


# Who may come in
