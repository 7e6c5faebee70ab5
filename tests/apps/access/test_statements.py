"""The statements of every request: how many, and that they say what the ORM says."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.access.deciding import has_permission
from apps.access.identity import identity_of_session, identity_of_token, rights_of, rights_of_people
from apps.access.middleware import ActorMiddleware
from apps.access.models import Role, RoleAssignment
from apps.access.roles import BUILT_IN, Capability
from apps.access.selectors import actor_for_token
from apps.access.services import grant_permission
from apps.accounts.attributes import standing_by_person
from apps.accounts.models import (
    ApiToken,
    AttributeDefinition,
    GroupAttribute,
    GroupMembership,
    IdentityProvider,
    User,
    UserAttribute,
    UserGroup,
)
from apps.accounts.models import UserSession as Session
from apps.accounts.services import issue_token, revoke_token, token_digest
from apps.accounts.sessions import RECOVERY_KEY, TenantSessionMiddleware, session_digest
from apps.audit.types import SYSTEM
from apps.dashboards.models import Dashboard, Folder
from apps.tenants.binding import bound, unbound
from apps.tenants.middleware import TenantMiddleware
from apps.tenants.models import Tenant
from apps.tenants.selectors import tenant_by_host, tenant_by_slug
from apps.tenants.types import TenantRef
from tests.databases import admin_url
from tests.environment import WORKER

BACKEND = "apps.accounts.backends.IdentityBackend"
Ask = Callable[..., tuple[bytes, int]]


def signed_in(user: User, host: str = "acme.localhost") -> Client:
    client = Client(headers={"host": host})
    client.force_login(user, backend=BACKEND)
    return client


def provider() -> IdentityProvider:
    """Return a provider that is switched on."""
    return IdentityProvider.objects.create(
        slug="main", name="Main", issuer="https://idp.example", client_id="omni", sealed_client_secret=b"-"
    )


@pytest.fixture
def inside(acme: TenantRef) -> Dashboard:
    folder = Folder.objects.create(name="Sales", parent=Folder.objects.create(name="Company"))
    return Dashboard.objects.create(slug="inside", title="Inside", folder=folder)


@pytest.fixture
def ask(inside: Dashboard) -> Ask:
    """Ask for one permission on one object, through the middleware; return the answer and the number of statements."""

    def view(request: Any) -> HttpResponse:
        return HttpResponse(b"yes" if has_permission(request.actor, "view_dashboard", inside) else b"no")

    handler = TenantMiddleware(TenantSessionMiddleware(AuthenticationMiddleware(ActorMiddleware(view))))

    def act(*, session: str = "", token: str = "") -> tuple[bytes, int]:
        headers = {"host": "acme.localhost"} | ({"authorization": f"Bearer {token}"} if token else {})
        factory = RequestFactory(headers=headers)
        factory.cookies["omni_session"] = session
        with unbound(), CaptureQueriesContext(connection) as captured:
            answer = handler(factory.get("/api/v1/x" if token else "/x/"))
        return answer.content, len(captured)

    return act


def test_a_signed_in_request_costs_three_statements_whatever_somebody_holds(
    ask: Ask, inside: Dashboard, ann: User, now: datetime
) -> None:
    session = signed_in(ann).cookies["omni_session"].value
    token = issue_token(user=ann, name="t", days=1, by=SYSTEM, now=now)
    ask(session=session), ask(token=token)  # keys of permissions are read once per process
    assert ask(session=session) == ask(token=token) == (b"no", 3)
    for number in range(12):
        group = UserGroup.objects.create(name=f"g{number}")
        GroupMembership.objects.create(user=ann, group=group)
        RoleAssignment.objects.create(group=group, built_in="modeler")
        definition = AttributeDefinition.objects.create(name=f"a{number}", label="A")
        UserAttribute.objects.create(user=ann, definition=definition, values=["x"])
        grant_permission(group=group, permission="view_folder", obj=inside.folder.parent, by=SYSTEM, now=now)
    assert ask(session=session) == ask(token=token) == (b"yes", 3)
    assert ask() == (b"no", 1)


def test_the_administration_asks_once_what_its_reader_may_edit(inside: Dashboard, ann: User, now: datetime) -> None:
    client = signed_in(ann)

    def cost(status: int, path: str = "/admin/") -> int:
        with unbound(), CaptureQueriesContext(connection) as captured:
            assert client.get(path).status_code == status
        return len(captured)

    cost(404), cost(404)  # keys of permissions are read once per process
    assert cost(404) == cost(404, "/admin/dashboards/dashboard/") == 3  # the tenant, who it is, and this
    grant_permission(user=ann, permission="edit_folder", obj=inside.folder, by=SYSTEM, now=now)
    assert cost(200) == 4  # and one of the page's own: all kinds are asked at once, however many the index names
    assert cost(403, "/admin/connections/connection/") == 3  # they know that there is an administration


def test_the_list_of_dashboards_costs_the_same_whatever_its_length(inside: Dashboard, ann: User, now: datetime) -> None:
    client = signed_in(ann)
    grant_permission(user=ann, permission="view_folder", obj=inside.folder, by=SYSTEM, now=now)

    def cost() -> int:
        with unbound(), CaptureQueriesContext(connection) as captured:
            assert client.get("/").status_code == 200
        return len(captured)

    cost()
    few = cost()
    for number in range(20):
        Dashboard.objects.create(slug=f"d{number}", title=f"D{number}", folder=inside.folder)
    assert cost() == few <= 4


def test_the_person_and_the_rights_are_what_the_orm_reads(ann: User, bob: User, now: datetime) -> None:
    role = Role.objects.create(name="Own", capabilities=[Capability.READ_AUDIT, "unknown"])
    group = UserGroup.objects.create(name="Modelers")
    RoleAssignment.objects.create(user=ann, role=role)
    RoleAssignment.objects.create(group=group, built_in="modeler")
    GroupMembership.objects.create(user=ann, group=group)
    for name, values in (("region", ["EU", "é"]), ("level", [1, 2.5, True])):
        definition = AttributeDefinition.objects.create(name=name, label=name)
        UserAttribute.objects.create(user=ann, definition=definition, values=values)
    key = signed_in(ann).cookies["omni_session"].value
    found = identity_of_session(key, now=now)
    assert found is not None
    assert found.identity is not None
    fresh = User.objects.get(pk=ann.pk)
    read = {field.attname: getattr(found.identity.person, field.attname) for field in User._meta.concrete_fields}
    assert read == {field.attname: getattr(fresh, field.attname) for field in User._meta.concrete_fields}
    rights = found.identity.rights
    assert rights == rights_of(ann) == rights_of_people([bob.pk, ann.pk])[ann.pk]
    assert rights.capabilities == BUILT_IN["modeler"] | {Capability.READ_AUDIT}
    assert rights.groups == [(group.pk, "Modelers")]
    rows = UserAttribute.objects.filter(user=ann).values_list(
        "definition__name", "definition__type", "source", "values"
    )
    assert {(name, held.type, held.source, held.values) for name, held in rights.attributes.items()} == {
        (name, kind, source, tuple(values)) for name, kind, source, values in rows
    }
    assert rights_of(bob).capabilities == BUILT_IN["querier"]


def test_of_many_sources_the_statement_reads_what_stands(ann: User, bob: User, now: datetime) -> None:
    region = AttributeDefinition.objects.create(name="region", label="Region", is_list=True)
    level = AttributeDefinition.objects.create(name="level", label="Level", type="number")
    for source in UserAttribute.Source.values:
        UserAttribute.objects.create(user=ann, definition=region, values=[source], source=source)
    for name, height in (("One", 1), ("Two", 2.5)):
        group = UserGroup.objects.create(name=name)
        GroupAttribute.objects.create(group=group, definition=region, values=[name, "both"])
        GroupAttribute.objects.create(group=group, definition=level, values=[height])
        for source in GroupMembership.Source.values:
            GroupMembership.objects.create(user=bob, group=group, source=source)
        GroupMembership.objects.create(user=ann, group=group) if name == "One" else None
    everybody = standing_by_person(("region", "level"))
    for user in (ann, bob):
        found = identity_of_session(signed_in(user).cookies["omni_session"].value, now=now)
        assert found is not None
        assert found.identity is not None
        held = {name: (one.values, one.type, one.source) for name, one in found.identity.rights.attributes.items()}
        stands = {name: (one.values, one.type, one.source) for name, one in everybody[user.pk].items() if one.values}
        assert held == stands
    assert held == {"region": (("One", "both", "Two"), "string", "group")}  # two groups give two levels: unset
    assert sorted(name for _, name in found.identity.rights.groups) == ["One", "Two"]


def test_no_field_of_a_person_or_a_session_needs_the_orm_to_be_read() -> None:
    fields = (*User._meta.concrete_fields, *Session._meta.concrete_fields)
    assert not [field for field in fields if hasattr(field, "from_db_value")]


def test_the_row_of_a_session_is_what_the_orm_reads(ann: User, now: datetime) -> None:
    key = signed_in(ann).cookies["omni_session"].value
    Session.objects.update(address="192.0.2.1", browser="Firefox", provider_name="Main", provider=provider())
    found, fresh = identity_of_session(key, now=now), Session.objects.get()
    assert found is not None
    names = [field.attname for field in Session._meta.concrete_fields]
    assert [getattr(found.row, name) for name in names] == [getattr(fresh, name) for name in names]


def test_the_hosts_tenant_is_what_the_orm_reads(acme: TenantRef) -> None:
    networks = {"networks_people": ["192.0.2.0/24"], "networks_tokens": ["::1/128"], "networks_scim": []}
    Tenant.objects.using("owner").filter(pk=acme.id).update(session_idle_min=7, token_max_days=9, **networks)
    found = tenant_by_host("acme.localhost")
    assert found == tenant_by_slug("acme")
    assert (found.limits.session_idle_min, found.limits.networks_people) == (7, ("192.0.2.0/24",))


@pytest.mark.parametrize(
    "change",
    [
        {"expire_date": timedelta(days=8)},
        {"started_at": timedelta(hours=13)},
        {"last_seen_at": timedelta(hours=2, seconds=1)},
    ],
)
def test_a_session_over_one_of_its_limits_is_nobodys(
    ask: Ask, inside: Dashboard, ann: User, now: datetime, change: dict[str, timedelta]
) -> None:
    grant_permission(user=ann, permission="view_dashboard", obj=inside, by=SYSTEM, now=now)
    key = signed_in(ann).cookies["omni_session"].value
    assert ask(session=key)[0] == b"yes"
    (name, age), row = next(iter(change.items())), Session.objects.get()
    Session.objects.filter(digest=session_digest(key)).update(**{name: getattr(row, name) - age})
    assert ask(session=key)[0] == b"no"


def test_a_session_of_a_provider_that_is_switched_off_is_nobodys(
    ask: Ask, inside: Dashboard, ann: User, now: datetime
) -> None:
    grant_permission(user=ann, permission="view_dashboard", obj=inside, by=SYSTEM, now=now)
    key = signed_in(ann).cookies["omni_session"].value
    main = provider()
    Session.objects.filter(digest=session_digest(key)).update(provider=main)
    assert ask(session=key)[0] == b"yes"
    type(main).objects.filter(pk=main.pk).update(is_enabled=False)
    assert ask(session=key)[0] == b"no"


def test_a_service_account_has_no_session(ask: Ask, inside: Dashboard, ann: User, ada: User, now: datetime) -> None:
    grant_permission(user=ann, permission="view_dashboard", obj=inside, by=SYSTEM, now=now)
    key = signed_in(ann).cookies["omni_session"].value
    assert ask(session=key)[0] == b"yes"
    User.objects.filter(pk=ann.pk).update(kind=User.Kind.SERVICE, owner=ada, subject=None)
    assert ask(session=key)[0] == b"no"


def test_a_recovery_holds_nothing_and_costs_no_more(ask: Ask, inside: Dashboard, ada: User, now: datetime) -> None:
    grant_permission(user=ada, permission="view_dashboard", obj=inside, by=SYSTEM, now=now)
    client = signed_in(ada)
    key = client.cookies["omni_session"].value
    assert ask(session=key)[0] == b"yes"
    session = client.session
    session[RECOVERY_KEY] = True
    session.save()
    assert ask(session=key) == (b"no", 2)  # it is refused by what it is: no grant is looked up


def test_once_a_minute_a_request_costs_one_statement_more(ask: Ask, inside: Dashboard, ann: User) -> None:
    key = signed_in(ann).cookies["omni_session"].value
    ask(session=key)
    Session.objects.filter(digest=session_digest(key)).update(last_seen_at=timezone.now() - timedelta(seconds=61))
    assert [ask(session=key)[1] for _ in range(3)] == [4, 3, 3]


@pytest.mark.parametrize("scope", ["read", "query"])
def test_a_tokens_scope_is_read_with_it(ann: User, now: datetime, scope: str) -> None:
    token = issue_token(user=ann, name="t", days=1, scope=scope, by=SYSTEM, now=now)
    actor = actor_for_token(token, now=now, is_inside=True)
    assert actor is not None
    assert (actor.token_scope, actor.may_run) == (scope, scope == "query")


def test_a_session_is_its_own_tenants_and_ends(
    ask: Ask, inside: Dashboard, ann: User, globex: TenantRef, now: datetime
) -> None:
    grant_permission(user=ann, permission="view_dashboard", obj=inside, by=SYSTEM, now=now)
    key = signed_in(ann).cookies["omni_session"].value
    assert ask(session=key)[0] == b"yes"
    with bound(globex.id):
        assert identity_of_session(key, now=now) is None
    assert identity_of_session(key, now=now + timedelta(days=30)) is None
    for wrong in ("", "x" * 32, key[:-1], f"{key}\x00", "' OR true --"):
        assert ask(session=wrong)[0] == b"no"
    User.objects.filter(pk=ann.pk).update(session_version=2)
    assert ask(session=key)[0] == b"no"
    assert not Session.objects.filter(digest=session_digest(key)).exists()


@pytest.mark.parametrize("change", [{"is_active": False}, {"subject": None, "is_active": False}])
def test_a_disabled_person_has_no_session_and_no_token(
    ask: Ask, inside: Dashboard, ann: User, now: datetime, change: dict[str, object]
) -> None:
    grant_permission(user=ann, permission="view_dashboard", obj=inside, by=SYSTEM, now=now)
    key, token = (
        signed_in(ann).cookies["omni_session"].value,
        issue_token(user=ann, name="t", days=1, by=SYSTEM, now=now),
    )
    assert (ask(session=key)[0], ask(token=token)[0]) == (b"yes", b"yes")
    User.objects.filter(pk=ann.pk).update(**change)
    assert (ask(session=key)[0], ask(token=token)[0]) == (b"no", b"no")


def test_a_session_row_that_names_another_person_than_its_content_is_nobodys(
    ask: Ask, inside: Dashboard, ann: User, bob: User, now: datetime
) -> None:
    grant_permission(user=bob, permission="view_dashboard", obj=inside, by=SYSTEM, now=now)
    key = signed_in(ann).cookies["omni_session"].value
    assert ask(session=signed_in(bob).cookies["omni_session"].value)[0] == b"yes"
    Session.objects.filter(digest=session_digest(key)).update(user_id=bob.pk)
    assert ask(session=key)[0] == b"no"


def test_a_token_is_its_own_tenants_and_ends(ann: User, globex: TenantRef, now: datetime) -> None:
    digest = token_digest(issue_token(user=ann, name="t", days=1, by=SYSTEM, now=now))
    found = identity_of_token(digest, now=now)
    assert found is not None
    assert found.identity.person == ann
    with bound(globex.id):
        assert identity_of_token(digest, now=now) is None
    assert identity_of_token(digest, now=now + timedelta(days=2)) is None
    revoke_token(ApiToken.objects.get(), by=SYSTEM, now=now)
    assert identity_of_token(digest, now=now) is None


def test_a_connection_that_the_server_has_closed_is_replaced_before_it_is_used(ann: User) -> None:
    assert connection.is_usable()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    with psycopg.connect(admin_url(f"omni_test_{WORKER}"), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    assert not connection.is_usable()
    connection.close()
    assert User.objects.count() == 1


def test_a_prepared_statement_carries_no_tenant_over(acme: TenantRef, globex: TenantRef, ann: User) -> None:
    def seen() -> int:
        with connection.prepared_cursor() as cursor:
            cursor.execute("SELECT count(*) FROM accounts_user WHERE is_active = %(yes)s", {"yes": True})
            return int(cursor.fetchone()[0])

    for _ in range(8):  # by then the server keeps one plan for all values
        assert seen() == 1
        with bound(globex.id):
            assert seen() == 0
        with unbound():
            assert seen() == 0
        with transaction.atomic():
            assert seen() == 1
            with bound(globex.id):
                assert seen() == 0
            assert seen() == 1
    with connection.cursor() as cursor, unbound():
        cursor.execute("SELECT current_setting('omni.tenant_id', true)")
        assert not cursor.fetchone()[0]
