"""SCIM: who may come in, and what may be said of people."""

import json
from datetime import datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from apps.access.selectors import actor_for_user
from apps.accounts.errors import SignInError
from apps.accounts.models import (
    ApiToken,
    AttributeDefinition,
    GroupMembership,
    IdentityProvider,
    ScimToken,
    User,
    UserAttribute,
)
from apps.accounts.scim.tokens import issue_scim_token, revoke_scim_token
from apps.accounts.services import (
    invite_user,
    issue_token,
    set_active,
)
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef
from tests.apps.accounts.conftest import ATTRIBUTES, GROUP, PATCH, USER, Browser, ScimClient, sign_in

NOBODY = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
def theirs(globex: TenantRef, now: datetime) -> ScimClient:
    """The SCIM client of another customer, at its own host."""
    with bound(globex.id):
        return ScimClient(issue_scim_token(name="theirs", days=30, by=SYSTEM, now=now), "globex.localhost")


def test_only_a_valid_scim_token_of_this_tenant_comes_in(
    okta: ScimClient, theirs: ScimClient, ada: User, now: datetime, as_: Browser
) -> None:
    def status(token: str, host: str = "acme.localhost") -> int:
        return ScimClient(token, host).send("GET", "/Users").status_code

    assert status(okta.token) == 200
    assert status(theirs.token, "globex.localhost") == 200
    assert status(theirs.token) == 401
    assert status(okta.token, "globex.localhost") == 401
    assert status(issue_token(user=ada, name="own", days=3, by=SYSTEM, now=now)) == 401
    assert status("omni_scim_guess") == 401
    browser = as_(ada)
    with unbound():
        assert browser.get("/scim/v2/Users").status_code == 401
        assert browser.get("/admin/").status_code == 200
        anonymous = Client(HTTP_HOST="acme.localhost").get("/scim/v2/Users")
    assert anonymous.status_code == 401
    assert anonymous["Content-Type"] == "application/scim+json"
    assert anonymous.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]


def test_a_revoked_or_expired_token_is_refused_at_the_next_request(okta: ScimClient, now: datetime) -> None:
    assert okta.send("GET", "/Users").status_code == 200
    ScimToken.objects.update(expires_at=now - timedelta(seconds=1))
    assert okta.send("GET", "/Users").status_code == 401
    ScimToken.objects.update(expires_at=now + timedelta(days=1))
    assert okta.send("GET", "/Users").status_code == 200
    revoke_scim_token(ScimToken.objects.get(), by=SYSTEM, now=now)
    assert okta.send("GET", "/Users").status_code == 401


def test_a_scim_token_opens_nothing_but_scim(okta: ScimClient, platform: TenantRef) -> None:
    carried = {"Authorization": f"Bearer {okta.token}"}
    client = Client(HTTP_HOST="acme.localhost")
    with unbound():
        assert client.get("/api/v1/datasets", headers=carried).status_code == 401
        assert client.get("/admin/", headers=carried).status_code == 302
        assert client.get("/", headers=carried).status_code == 302
        assert client.get("/scim/v2/Users", headers=carried, HTTP_HOST="localhost").status_code == 401
        assert client.get("/scim/v2/Users", headers=carried).status_code == 200


def test_tokens_are_kept_as_hashes_and_named_in_the_log(okta: ScimClient) -> None:
    row = ScimToken.objects.get()
    assert okta.token.encode() not in bytes(row.digest)
    okta.make("eve@acme.example")
    event = AuditEvent.objects.get(verb="accounts.person_provisioned")
    assert (event.actor_kind, event.actor_label) == ("scim", "SCIM token okta")
    assert ScimToken.objects.get().last_used_at is not None


def test_without_a_bearer_a_write_needs_a_token_even_with_a_session(ada: User, as_: Browser) -> None:
    browser = as_(ada)
    with unbound():
        answer = browser.post("/scim/v2/Users", {"userName": "x@acme.example"}, content_type="application/scim+json")
    assert answer.status_code == 401
    assert not User.objects.filter(email="x@acme.example").exists()


# People


def test_a_person_made_over_scim_binds_at_the_first_sign_in(
    okta: ScimClient, main: IdentityProvider, now: datetime
) -> None:
    made = okta.make("eve@acme.example", externalId="00u1", displayName="Eve")
    assert made["meta"]["location"].endswith(f"/scim/v2/Users/{made['id']}")
    user = User.objects.get(pk=made["id"])
    assert (user.subject, user.is_tenant_admin, user.name) == (None, False, "Eve")
    assert sign_in(main, "eve@acme.example", now).pk == user.pk
    assert User.objects.get(pk=user.pk).subject == "s-1"


def test_nobody_becomes_an_administrator_over_scim(okta: ScimClient) -> None:
    body = {"schemas": [USER], "userName": "eve@acme.example", "isTenantAdmin": True}
    for extra in (
        {"isTenantAdmin": True}, {"is_tenant_admin": True}, {"roles": [{"value": "admin"}]}, {"tenant": NOBODY},
        {"entitlements": [{"value": "admin"}]}, {"password": "hunter2"}, {"session_version": 1}, {"subject": "s-1"},
        {ATTRIBUTES: {"omni_is_org_admin": "true"}}, {"schemas": [USER, "urn:evil:User"]}, {"urn:evil:User": {"a": 1}},
    ):  # fmt: skip
        answer = okta.send("POST", "/Users", {"schemas": [USER], "userName": "eve@acme.example"} | extra)
        assert answer.status_code == 400, (extra, answer.content)
    assert not User.objects.filter(email="eve@acme.example").exists()
    made = okta.make("eve@acme.example")
    path = f"/Users/{made['id']}"
    assert okta.patch(path, {"op": "replace", "path": "isTenantAdmin", "value": True}).status_code == 400
    assert okta.patch(path, {"op": "replace", "value": {"is_tenant_admin": True}}).status_code == 400
    assert okta.patch(path, {"op": "add", "path": "roles", "value": [{"value": "admin"}]}).status_code == 400
    assert okta.send("PUT", path, body).status_code == 400
    assert not User.objects.get(pk=made["id"]).is_tenant_admin


def test_standard_attributes_that_are_not_kept_are_taken_and_dropped(okta: ScimClient) -> None:
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    made = okta.make(
        "eve@acme.example", title="Analyst", schemas=[USER, enterprise], phoneNumbers=[{"value": "1", "type": "work"}],
        **{enterprise: {"department": "Sales"}},
    )  # fmt: skip
    assert "title" not in made
    assert enterprise not in made


def test_deactivation_ends_sessions_and_tokens_at_once_and_reactivation_is_the_same_person(
    okta: ScimClient, main: IdentityProvider, now: datetime, as_: Browser, region: AttributeDefinition
) -> None:
    made = okta.make("eve@acme.example", **{ATTRIBUTES: {"region": ["EU"]}})
    eve = sign_in(main, "eve@acme.example", now)
    token = issue_token(user=eve, name="own", days=3, by=SYSTEM, now=now)
    browser, caller = as_(eve), Client(HTTP_HOST="acme.localhost", headers={"Authorization": f"Bearer {token}"})
    with unbound():
        assert browser.get("/trust/").status_code == 200
        assert caller.get("/api/v1/datasets").status_code == 200
    answer = okta.patch(f"/Users/{made['id']}", {"op": "Replace", "path": "active", "value": "False"})
    assert json.loads(answer.content)["active"] is False
    with unbound():
        assert browser.get("/trust/").status_code == 302
        assert caller.get("/api/v1/datasets").status_code == 401
    assert (
        okta.send("PUT", f"/Users/{made['id']}", {"schemas": [USER], "userName": "eve@acme.example"}).status_code == 200
    )
    assert not User.objects.get(pk=eve.pk).is_active  # what does not speak of "active" does not reactivate
    okta.patch(f"/Users/{made['id']}", {"op": "replace", "value": {"active": True}})
    with unbound():
        assert browser.get("/trust/").status_code == 302
        assert caller.get("/api/v1/datasets").status_code == 401
    assert ApiToken.objects.get().revoked_at is not None
    assert sign_in(main, "eve@acme.example", now).pk == eve.pk


def test_nobody_whom_an_administrator_has_shut_out_comes_back_over_scim(
    okta: ScimClient, ada: User, now: datetime
) -> None:
    made = okta.make("eve@acme.example")
    eve, refused = User.objects.get(pk=made["id"]), "accounts.admission_over_scim_refused"
    ways = (
        lambda: okta.patch(f"/Users/{made['id']}", {"op": "replace", "path": "active", "value": True}),
        lambda: okta.send("PUT", f"/Users/{made['id']}", {"schemas": [USER], "userName": "eve@acme.example", "active": True}),
    )  # fmt: skip
    set_active(eve, is_active=False, by=actor_for_user(ada), now=now)
    for send in (*ways, *ways):
        answer = send()
        assert answer.status_code == 200
        assert json.loads(answer.content)["active"] is False
        assert not User.objects.get(pk=eve.pk).is_active
    assert AuditEvent.objects.filter(verb=refused).count() == 1
    set_active(eve, is_active=True, by=actor_for_user(ada), now=now)
    for send in ways:  # what SCIM has done SCIM undoes
        assert (
            json.loads(okta.patch(f"/Users/{made['id']}", {"op": "replace", "path": "active", "value": False}).content)[
                "active"
            ]
            is False
        )
        assert json.loads(send().content)["active"] is True
        assert User.objects.get(pk=eve.pk).is_active
    assert AuditEvent.objects.filter(verb=refused).count() == 1


def test_who_is_made_after_a_deletion_is_somebody_else_and_inherits_nothing(
    okta: ScimClient, main: IdentityProvider, now: datetime, region: AttributeDefinition
) -> None:
    made = okta.make("eve@acme.example", **{ATTRIBUTES: {"region": ["EU"]}})
    okta.make_group("Finance", made["id"])
    eve = sign_in(main, "eve@acme.example", now)
    assert okta.send("DELETE", f"/Users/{made['id']}").status_code == 204
    assert okta.send("GET", f"/Users/{made['id']}").status_code == 404
    assert okta.patch(f"/Users/{made['id']}", {"op": "replace", "path": "active", "value": True}).status_code == 404
    IdentityProvider.objects.update(admits_uninvited=True)
    main.refresh_from_db()
    with pytest.raises(SignInError):  # who was removed does not come back uninvited, others may
        sign_in(main, "eve@acme.example", now)
    assert sign_in(main, "new@acme.example", now, subject="s-2")
    again = okta.make("eve@acme.example")
    assert again["id"] != made["id"]
    twin = sign_in(main, "eve@acme.example", now)
    assert str(twin.pk) == again["id"]
    assert actor_for_user(twin).group_names == frozenset()
    assert "region" not in actor_for_user(twin).attributes
    gone = User.objects.get(pk=eve.pk)
    assert (gone.is_active, gone.subject) == (False, None)
    assert gone.removed_at is not None


def test_nobody_takes_the_address_that_a_removal_needs(okta: ScimClient, now: datetime) -> None:
    """A removal gives the row an address that is nobody's: taken by somebody, it would keep the person from being removed."""
    person, squatter = okta.make("zoe@acme.example"), okta.make("squatter@acme.example")
    for address in (f"{person['id']}@removed.invalid", "nightly@service.INVALID"):
        taken = {"schemas": [USER], "userName": "another", "emails": [{"value": address}]}
        refused = okta.send("POST", "/Users", taken), okta.send("PUT", f"/Users/{squatter['id']}", taken)
        assert [answer.status_code for answer in refused] == [400, 400]
        assert all("ends in" in answer.json()["detail"] for answer in refused), refused[0].content
        with pytest.raises(ValidationError, match="ends in"):
            invite_user(email=address, by=SYSTEM, now=now)
    assert okta.send("DELETE", f"/Users/{person['id']}").status_code == 204
    assert User.objects.get(pk=person["id"]).email == f"{person['id']}@removed.invalid"


def test_an_invited_administrators_address_cannot_be_turned_over_scim(
    okta: ScimClient, main: IdentityProvider, now: datetime
) -> None:
    boss = invite_user(email="boss@acme.example", is_admin=True, by=SYSTEM, now=now)
    path = f"/Users/{boss.pk}"
    body = {"schemas": [USER], "userName": "mallory@acme.example", "emails": [{"value": "mallory@acme.example"}]}
    refused = okta.send("PUT", path, body)
    assert (refused.status_code, json.loads(refused.content)["scimType"]) == (400, "mutability")
    with pytest.raises(Exception, match="nobody has invited"):
        sign_in(main, "mallory@acme.example", now)
    sign_in(main, "boss@acme.example", now)
    assert okta.send("PUT", path, body).status_code == 200  # a label from now on: identity is issuer and subject
    assert sign_in(main, "whatever@acme.example", now).pk == boss.pk


@pytest.mark.parametrize("is_admin", [True, False])
def test_whoever_scim_made_and_is_an_administrator_keeps_their_address_too(okta: ScimClient, is_admin: bool) -> None:
    """Until the first sign-in the address decides who becomes an administrator; of others the directory says so."""
    boss = okta.make("boss@acme.example")["id"]
    User.objects.filter(pk=boss).update(is_tenant_admin=is_admin)
    body = {"schemas": [USER], "userName": "mallory@acme.example", "emails": [{"value": "mallory@acme.example"}]}
    assert okta.send("PUT", f"/Users/{boss}", body).status_code == (400 if is_admin else 200)
    assert User.objects.get(pk=boss).email == ("boss@acme.example" if is_admin else "mallory@acme.example")


def test_names_and_addresses_are_unique_in_a_tenant_and_never_across(okta: ScimClient, theirs: ScimClient) -> None:
    okta.make("eve@acme.example")
    body = {"schemas": [USER], "userName": "EVE@acme.example"}
    taken = okta.send("POST", "/Users", body)
    assert (taken.status_code, json.loads(taken.content)["scimType"]) == (409, "uniqueness")
    assert (
        okta.send("POST", "/Users", body | {"userName": "e", "emails": [{"value": "Eve@acme.example"}]}).status_code
        == 409
    )
    assert theirs.send("POST", "/Users", body).status_code == 201
    okta.make_group("Finance")
    assert okta.send("POST", "/Groups", {"schemas": [GROUP], "displayName": "Finance"}).status_code == 409
    assert theirs.send("POST", "/Groups", {"schemas": [GROUP], "displayName": "Finance"}).status_code == 201


def test_ids_of_another_tenant_are_like_missing_ones(okta: ScimClient, theirs: ScimClient) -> None:
    foreign, group = theirs.make("gus@globex.example"), theirs.make_group("Finance")
    ours = okta.make_group("Finance")
    body = {"schemas": [USER], "userName": "x@acme.example"}
    for key, theirs_ in ((foreign["id"], "Users"), (group["id"], "Groups")):
        for method, sent in (
            ("GET", None),
            ("PUT", body),
            ("DELETE", None),
            ("PATCH", {"schemas": [PATCH], "Operations": []}),
        ):
            found = okta.send(method, f"/{theirs_}/{key}", sent)
            missing = okta.send(method, f"/{theirs_}/{NOBODY}", sent)
            assert (
                (found.status_code, found.content) == (missing.status_code, missing.content) == (404, missing.content)
            )
    for member in (foreign["id"], NOBODY, ours["id"], "nonsense"):
        answer = okta.patch(f"/Groups/{ours['id']}", {"op": "add", "path": "members", "value": [{"value": member}]})
        assert answer.status_code == 400, member
    assert not GroupMembership.objects.exists()
    assert theirs.send("GET", f"/Users/{foreign['id']}").status_code == 200


# Attributes


def test_attributes_come_typed_and_only_those_that_are_defined(
    okta: ScimClient, region: AttributeDefinition, level: AttributeDefinition
) -> None:
    made = okta.make("eve@acme.example", **{ATTRIBUTES: {"region": ["EU", "US"], "level": 3}})
    eve = User.objects.get(pk=made["id"])
    actor = actor_for_user(eve)
    assert actor.attributes["region"].values == ("EU", "US")
    assert actor.attributes["level"].values == (3,)
    assert isinstance(actor.attributes["level"].values[0], int)
    assert {row.origin for row in UserAttribute.objects.all()} == {"SCIM token okta"}
    path = f"/Users/{made['id']}"
    for name, value in (
        ("level", True), ("level", "3"), ("level", 1e300), ("region", "x" * 501), ("region", {"$ne": ""}), ("region", [1]),
        ("nope", "x"), ("region", ["x"] * 501), ("id", "x"),
    ):  # fmt: skip
        answer = okta.patch(path, {"op": "replace", "path": f"{ATTRIBUTES}:{name}", "value": value})
        assert answer.status_code == 400, (name, value, answer.content)
    assert actor_for_user(eve).attributes == actor.attributes
    okta.patch(path, {"op": "Add", "path": f"{ATTRIBUTES}:region", "value": "ASIA"})
    assert actor_for_user(eve).attributes["region"].values == ("EU", "US", "ASIA")
    okta.patch(path, {"op": "remove", "path": f"{ATTRIBUTES}:region"})
    assert "region" not in actor_for_user(eve).attributes


def test_a_new_definition_is_in_the_schema_at_the_next_request(okta: ScimClient) -> None:
    def names() -> set[str]:
        return {item["name"] for item in okta.get(f"/Schemas/{ATTRIBUTES}").get("attributes", [])}

    assert names() == set()
    AttributeDefinition.objects.create(name="floor", label="Floor", type="number")
    assert names() == {"floor"}
    AttributeDefinition.objects.create(name="Floor", label="Other floor")
    assert names() == set()  # SCIM cannot tell the two apart


# Groups
