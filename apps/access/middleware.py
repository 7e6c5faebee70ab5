"""Decide who asks before any view runs; turn away whoever has not signed in."""

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse

from apps.access.selectors import actor_for_token, actor_for_user, anonymous
from apps.access.types import Actor
from apps.tenants.types import TenantRef

GetResponse = Callable[[HttpRequest], HttpResponse]
PUBLIC = ("/accounts/", "/static/", "/support/enter/")


class ActorRequest(HttpRequest):
    """A request after the middleware: tenant and actor are bound."""

    tenant: TenantRef
    actor: Actor


def bearer(request: HttpRequest) -> str | None:
    """Return the bearer token that the request carries, if any."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


class BearerCsrfMiddleware:
    """A request with a token of its own needs no CSRF token: browsers do not add such headers by themselves."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/api/") and bearer(request):
            request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
        return self.get_response(request)


class ActorMiddleware:
    """Bind ``request.actor``. A bearer token is the only identity of the request that carries one."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with transaction.atomic():
            request.actor = self.actor(request)  # type: ignore[attr-defined]
        return self.get_response(request)

    def actor(self, request: HttpRequest) -> Actor:
        tenant: TenantRef = request.tenant  # type: ignore[attr-defined]
        token = bearer(request)
        if token is not None:
            found = None
            if request.path.startswith("/api/"):
                found = actor_for_token(token, now=datetime.now(UTC), is_platform=tenant.is_platform)
            return found or anonymous(tenant.id)
        if request.user.is_authenticated:
            return actor_for_user(request.user, is_platform=tenant.is_platform)
        return anonymous(tenant.id)


class SignInRequiredMiddleware:
    """Let anonymous requests reach sign-in and static files, nothing else."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        actor: Actor = request.actor  # type: ignore[attr-defined]
        if actor.is_authenticated or request.path.startswith(PUBLIC):
            return self.get_response(request)
        if request.path.startswith("/api/"):
            return unauthorized()
        target = f"{settings.LOGIN_URL}?{urlencode({'next': request.get_full_path()})}"
        if getattr(request, "htmx", False):
            return HttpResponse(status=401, headers={"HX-Redirect": settings.LOGIN_URL})
        return HttpResponseRedirect(target if request.method == "GET" else settings.LOGIN_URL)


def unauthorized() -> HttpResponse:
    """Return the one answer to API requests without a valid identity (RFC 9457)."""
    body = {"type": "about:blank", "title": "Unauthorized", "status": 401, "detail": "Sign in or send a valid token."}
    return JsonResponse(
        body, status=401, content_type="application/problem+json", headers={"WWW-Authenticate": 'Bearer realm="omni"'}
    )
