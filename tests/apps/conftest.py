"""People and things with names. Every test here may use the database; commits are real, rows go afterwards."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from celery import current_app
from django.conf import settings
from django.db import connections
from django.http import HttpResponse
from django.test import Client

from apps.accounts.models import User
from apps.accounts.sessions import CONFIRMED_KEY
from apps.tenants.binding import bound, unbound
from apps.tenants.models import Tenant
from apps.tenants.postgresql.base import SETTING
from apps.tenants.selectors import tenant_by_slug
from apps.tenants.services import create_tenant
from apps.tenants.types import TenantRef
from apps.vault.services import create_tenant_keys, ensure_worker_keys
from tests import databases
from tests.environment import WORKER


@pytest.fixture(autouse=True)
def database(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """Real commits; afterwards every row is removed and Redis emptied."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]  # a fixture of pytest-django without a type
        yield
        for connection in connections.all(initialized_only=True):
            if not connection.is_usable() or connection.connection.info.transaction_status:
                connection.close()  # a test left something open
                continue
            [(tenant,)] = connection.connection.execute(f"SELECT current_setting('{SETTING}', true)").fetchall()
            assert not tenant, "a connection carries a tenant out of its transaction"
        databases.remove_rows(WORKER)
        with redis.Redis.from_url(settings.OMNI_REDIS_URL) as client:
            client.flushdb()


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


MakeTenant = Callable[..., TenantRef]
MakePerson = Callable[..., User]


@pytest.fixture
def make_tenant(now: datetime) -> MakeTenant:
    """Create a tenant with its keys; nothing is bound by it."""

    def make(slug: str, *, kind: Tenant.Kind = Tenant.Kind.CUSTOMER, host: str = "") -> TenantRef:
        ensure_worker_keys()
        tenant = create_tenant(slug=slug, name=slug.capitalize(), kind=kind, host=host)
        with bound(tenant.id):
            create_tenant_keys(now=now)
        return tenant_by_slug(slug)

    return make


@pytest.fixture
def make_person() -> MakePerson:
    """Create a person of the bound tenant who has signed in before."""

    def make(email: str, **fields: object) -> User:
        values = {
            "issuer": "https://idp.example",
            "subject": email,
            "name": email.split("@", maxsplit=1)[0].capitalize(),
        } | fields
        return User.objects.create(email=email, **values)

    return make


@pytest.fixture
def acme(make_tenant: MakeTenant) -> Iterator[TenantRef]:
    """A customer, bound for the length of the test."""
    tenant = make_tenant("acme")
    with bound(tenant.id):
        yield tenant


@pytest.fixture
def globex(make_tenant: MakeTenant) -> TenantRef:
    """Another customer, not bound."""
    return make_tenant("globex")


@pytest.fixture
def platform(make_tenant: MakeTenant) -> TenantRef:
    """The platform's own tenant, at the bare base domain; not bound."""
    return make_tenant("platform", kind=Tenant.Kind.PLATFORM, host="localhost")


@pytest.fixture
def ada(acme: TenantRef, make_person: MakePerson) -> User:
    """Administrator of Acme."""
    return make_person("ada@acme.example", is_tenant_admin=True)


@pytest.fixture
def ann(acme: TenantRef, make_person: MakePerson) -> User:
    """A person of Acme."""
    return make_person("ann@acme.example")


@pytest.fixture
def bob(acme: TenantRef, make_person: MakePerson) -> User:
    """Another person of Acme."""
    return make_person("bob@acme.example")


SignedIn = Callable[..., Client]


def without_csrf(page: bytes) -> bytes:
    """Return a page without the tokens that differ from one answer to the next."""
    return re.sub(rb'(csrfmiddlewaretoken" value=|X-CSRFToken": )"[^"]*"', b"", page)


def asked(client: Client, path: str, data: Mapping[str, Any] | None = None, **headers: str) -> dict[str, Any]:
    """Open a page that asks for confirmation, by POST when there is something to post; return what its button sends."""
    with unbound():
        page = client.get(path, **headers) if data is None else client.post(path, data, **headers)
    found = re.search(rb'name="shown" value="([0-9a-f]{64})"', page.content)
    assert found, page.content.decode()
    return {**(data or {}), "post": "yes", "step": "apply", "shown": found[1].decode()}


def confirmed(client: Client, path: str, data: Mapping[str, Any] | None = None, **headers: str) -> HttpResponse:
    """Open a page that asks for confirmation, and press its button."""
    sent = asked(client, path, data, **headers)
    with unbound():
        answer: HttpResponse = client.post(path, sent, **headers)
    return answer


def press(client: Client, path: str, sent: Mapping[str, Any]) -> str:
    """Press a button; return what the next page says."""
    with unbound():
        return client.post(path, sent, follow=True).content.decode()


@pytest.fixture
def signed_in() -> SignedIn:
    """A browser of somebody who has signed in at the bound tenant, freshly unless said otherwise."""

    def browser(user: User, *, is_fresh: bool = True, host: str = "acme.localhost", **held: object) -> Client:
        client = Client(HTTP_HOST=host)
        client.force_login(user, backend="apps.accounts.backends.IdentityBackend")
        session = client.session
        session[CONFIRMED_KEY] = int(datetime.now(UTC).timestamp()) if is_fresh else 0
        session.update(held)
        session.save()
        return client

    return browser


@pytest.fixture
def nobody_works() -> Iterator[None]:
    """Messages go to the broker, and no worker is there."""
    current_app.conf.task_always_eager = False
    yield
    current_app.conf.task_always_eager = True
