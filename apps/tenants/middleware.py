"""Whom to believe about a connection; and host name → tenant, before anything else reads the database."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.template.loader import render_to_string

from apps.tenants.addresses import is_from_proxy
from apps.tenants.binding import bound
from apps.tenants.errors import UnknownTenantError
from apps.tenants.selectors import tenant_by_host


class ForwardedMiddleware:
    """Where the operator has named proxies, only these say that a request came over TLS. Before whatever asks for it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.OMNI_TRUSTED_PROXIES and not is_from_proxy(request):
            request.META.pop("HTTP_X_FORWARDED_PROTO", None)
        return self.get_response(request)


class TenantMiddleware:
    """Bind ``request.tenant`` from the host name alone; an unknown host gets 404 and nothing else.

    So does a NUL in the address: no text in the database holds one, and the driver refuses to look for it. And so does
    an address that says two things, of which a proxy in front may have read the other.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        host, _port = split_domain_port(request._get_raw_host())  # type: ignore[attr-defined]  # Django's own name, which its stubs leave out
        if request.path == "/healthz":
            return HttpResponse("ok\n", content_type="text/plain")
        try:
            is_plain = "%00" not in request.META.get("QUERY_STRING", "") and says_one_thing(request)
            tenant = tenant_by_host(host) if is_plain else None
        except UnknownTenantError:
            tenant = None
        if tenant is None:
            return HttpResponse(render_to_string("404.html"), status=404)
        request.tenant = tenant  # type: ignore[attr-defined]  # bound by the middleware
        request.urlconf = settings.PLATFORM_URLCONF if tenant.is_platform else settings.TENANT_URLCONF
        with bound(tenant.id):
            return self.get_response(request)


def says_one_thing(request: HttpRequest) -> bool:
    """Say whether the address, as it was sent, names no other host than the header and no other path than was taken.

    The target may be a whole URL (RFC 9112, 3.2.2): gunicorn takes its path and the header's host. And gunicorn takes a
    header ``SCRIPT_NAME`` of peers that it trusts, the loopback unless told otherwise: what the path begins with would
    then be seen by what checks it and not by what finds the view.
    """
    if request.META.get("SCRIPT_NAME"):
        return False
    target = str(request.META.get("RAW_URI", ""))
    if not target or target.startswith("/") or target == "*":
        return True
    try:
        named = urlsplit(target).netloc
    except ValueError:
        return False
    host: str = request._get_raw_host()  # type: ignore[attr-defined]  # Django's own name, which its stubs leave out
    return named.lower() == host.lower()
