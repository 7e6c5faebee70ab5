"""Host name → tenant, before anything else reads the database."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.template.loader import render_to_string

from apps.tenants.binding import bound
from apps.tenants.errors import UnknownTenantError
from apps.tenants.selectors import tenant_by_host


class TenantMiddleware:
    """Bind ``request.tenant`` from the host name alone; an unknown host gets 404 and nothing else.

    So does a NUL in the address: no text in the database holds one, and the driver refuses to look for it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        host, _port = split_domain_port(request._get_raw_host())  # type: ignore[attr-defined]
        if request.path == "/healthz":
            return HttpResponse("ok\n", content_type="text/plain")
        try:
            tenant = None if "%00" in request.META.get("QUERY_STRING", "") else tenant_by_host(host)
        except UnknownTenantError:
            tenant = None
        if tenant is None:
            return HttpResponse(render_to_string("404.html"), status=404)
        request.tenant = tenant  # type: ignore[attr-defined]
        request.urlconf = settings.PLATFORM_URLCONF if tenant.is_platform else settings.TENANT_URLCONF
        with bound(tenant.id):
            return self.get_response(request)
