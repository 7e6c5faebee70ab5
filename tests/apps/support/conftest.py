"""Sam of our staff, Ada of Acme, two data sets, and the steps of a visit."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.test import Client

from apps.access.selectors import actor_for_user
from apps.access.types import Actor
from apps.accounts.models import User
from apps.connections.models import Connection
from apps.datamodels.models import DataModel, Dataset
from apps.support import services
from apps.support.models import SupportRequest
from apps.tenants.binding import bound
from apps.tenants.types import TenantRef
from tests.apps.conftest import SignedIn

Ask = Callable[..., SupportRequest]
Approve = Callable[..., SupportRequest]
Visit = Callable[..., Client]
START = "/"


def in_minutes(now: datetime, minutes: float) -> datetime:
    return now + timedelta(minutes=minutes)


def browser(tenant: TenantRef, user: User | None = None) -> Client:
    """Return a browser on the tenant's host, signed in as a person of that tenant."""
    client = Client(headers={"host": tenant.host})
    if user is not None:
        with bound(tenant.id):
            client.force_login(user, backend="apps.accounts.backends.IdentityBackend")
    return client


@pytest.fixture
def datasets(acme: TenantRef) -> tuple[Dataset, Dataset]:
    connection = Connection.objects.create(name="shop", dialect="duckdb", database="shop.duckdb")
    model = DataModel.objects.create(name="shop", connection=connection)
    return Dataset.objects.create(data_model=model, name="Sales"), Dataset.objects.create(
        data_model=model, name="Staff"
    )


@pytest.fixture
def sam(platform: TenantRef, make_person: Callable[..., User]) -> User:
    """Our staff."""
    with bound(platform.id):
        return make_person("sam@omni.example", is_tenant_admin=True)


@pytest.fixture
def sam_acts(platform: TenantRef, sam: User) -> Actor:
    with bound(platform.id):
        return actor_for_user(sam, is_platform=True)


@pytest.fixture
def ada_acts(ada: User) -> Actor:
    return actor_for_user(ada)


@pytest.fixture
def ask(acme: TenantRef, platform: TenantRef, sam_acts: Actor, now: datetime) -> Ask:
    """Sam asks Acme."""

    def act(*, at: datetime = now, by: Actor = sam_acts, **changes: object) -> SupportRequest:
        values: dict[str, object] = {
            "tenant_slug": "acme", "reason": "incident", "reason_text": "The totals look wrong", "minutes": 60,
        }  # fmt: skip
        with bound(platform.id):
            reference = services.request_access(**(values | changes), by=by, now=at)
        return SupportRequest.objects.get(pk=reference.request_id)

    return act


@pytest.fixture
def approve(ask: Ask, ada_acts: Actor, datasets: tuple[Dataset, Dataset], now: datetime) -> Approve:
    """Sam asks, Ada approves: sales only, unless said otherwise."""

    def act(
        *, at: datetime = now, minutes: int = 30, asks_values: bool = False, grants_values: bool = False
    ) -> SupportRequest:
        request = ask(at=at, asks_values=asks_values)
        return services.approve_request(
            request, minutes=minutes, dataset_ids=[datasets[0].pk], grants_values=grants_values, by=ada_acts, now=at
        )

    return act


@pytest.fixture
def sam_online(platform: TenantRef, sam: User) -> Client:
    return browser(platform, sam)


@pytest.fixture
def ada_online(signed_in: SignedIn, ada: User) -> Client:
    """Ada, who signed in a moment ago: showing values to somebody needs that."""
    return signed_in(ada)


@pytest.fixture
def visit(acme: TenantRef, sam_online: Client) -> Visit:
    """Sam enters through the pages; returns his browser on Acme's host."""

    def act(request: SupportRequest | UUID) -> Client:
        request_id = request if isinstance(request, UUID) else request.pk
        answer = sam_online.post(f"/support/requests/{request_id}/enter/")
        assert answer.status_code == 302, answer.content
        path = answer["Location"].removeprefix(f"http://{acme.host}")
        client = browser(acme)
        assert client.post(path).status_code == 302
        return client

    return act


@pytest.fixture
def inside(approve: Approve, visit: Visit) -> Client:
    """Sam's browser on Acme's host, within an approved visit."""
    return visit(approve())
