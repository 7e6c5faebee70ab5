"""Host → tenant for requests, message → tenant for tasks."""

from uuid import uuid4

import pytest
from celery import shared_task
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from apps.tenants.binding import bound_tenant_id, unbound
from apps.tenants.errors import NoTenantBoundError, UnknownTenantError
from apps.tenants.middleware import TenantMiddleware
from apps.tenants.models import Tenant
from apps.tenants.tasks import TenantTask
from apps.tenants.types import TenantRef


@shared_task(base=TenantTask, name="tests.whose")
def whose() -> str:
    return str(bound_tenant_id())


def whose_request(host: str) -> HttpResponse:
    middleware = TenantMiddleware(lambda request: HttpResponse(str(bound_tenant_id())))
    with unbound():
        request: HttpRequest = RequestFactory().get("/", HTTP_HOST=host)
        return middleware(request)


def test_a_host_binds_its_tenant(acme: TenantRef, globex: TenantRef) -> None:
    assert whose_request("acme.localhost").content.decode() == str(acme.id)
    assert whose_request("globex.localhost:8000").content.decode() == str(globex.id)
    assert whose_request("ACME.localhost").content.decode() == str(acme.id)


@pytest.mark.parametrize(
    "host",
    ["evil.localhost", "acme.localhost.evil.example", "127.0.0.1", "acme", "acme.localhost@globex.localhost", ""],
)
def test_an_unknown_host_gets_404(acme: TenantRef, host: str) -> None:
    assert whose_request(host).status_code == 404


def test_a_stopped_tenant_is_like_an_unknown_one(acme: TenantRef) -> None:
    Tenant.objects.using("owner").filter(pk=acme.id).update(is_active=False)
    assert whose_request("acme.localhost").status_code == 404


def test_a_forwarded_host_header_chooses_nothing(acme: TenantRef, globex: TenantRef) -> None:
    client = Client(headers={"X-Forwarded-Host": "globex.localhost"})
    with unbound():
        assert client.get("/accounts/sign-in/", HTTP_HOST="evil.localhost").status_code == 404


def test_a_task_binds_the_tenant_of_its_message(acme: TenantRef, globex: TenantRef) -> None:
    with unbound():
        assert whose(tenant_id=str(globex.id)) == str(globex.id)


def test_a_task_without_a_tenant_is_refused(acme: TenantRef) -> None:
    with pytest.raises(NoTenantBoundError):
        whose()


def test_a_task_for_an_unknown_tenant_is_refused(acme: TenantRef) -> None:
    with pytest.raises(UnknownTenantError):
        whose(tenant_id=str(uuid4()))
