"""Decide who asks before any view runs; turn away whoever has not signed in."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import UUID

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from apps.access.identity import Identity, identity_of_session
from apps.access.selectors import (
    actor_for_recovery,
    actor_for_scim,
    actor_for_token,
    actor_for_view,
    actor_of_identity,
    anonymous,
    usable_view,
)
from apps.access.services import end_view
from apps.access.types import Actor
from apps.accounts.entering import safe_next
from apps.accounts.sessions import RECOVERY_KEY
from apps.tenants.addresses import admits, client_address
from apps.tenants.types import TenantRef

GetResponse = Callable[[HttpRequest], HttpResponse]
PUBLIC = (
    "/accounts/sign-in/", "/accounts/sign-out/", "/accounts/oidc/", "/accounts/saml/", "/accounts/recover/", "/static/",
    "/support/enter/",
)  # fmt: skip
SCIM = "/scim/"
VIEW_KEY = "view_session_id"
"""in the browser's session: the view as another person that goes on in it"""
VIEW_HEADER = "Omni-View"
"""what a page's own requests carry: the view that the page was made in, empty for none"""
VIEW_END, SIGN_OUT = "/view-as/end/", "/accounts/sign-out/"
READING = ("GET", "HEAD", "OPTIONS")
READING_POSTS = ("/api/v1/query", "/api/v1/explain", VIEW_END, SIGN_OUT)
READ_ONLY = "You see this as somebody else. Nothing can be changed until you end that."
VIEW_OVER = "The time to see as somebody else is over. Load a page to go on as yourself."


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
        if request.path.startswith(("/api/", SCIM)) and bearer(request):
            request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]  # Django's own name, which its stubs leave out
        return self.get_response(request)


class ActorMiddleware:
    """Bind ``request.actor``, read in one statement. A bearer token is the only identity of the request that carries one.

    Under /scim/ a SCIM token is the only identity there is: neither a session nor a person's token counts, and a SCIM
    token counts nowhere else.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.actor = self.actor(request)  # type: ignore[attr-defined]  # bound by the middleware
        return self.get_response(request)

    def actor(self, request: HttpRequest) -> Actor:
        tenant: TenantRef = request.tenant  # type: ignore[attr-defined]  # bound by the middleware
        token = bearer(request)
        if request.path.startswith(SCIM):
            is_inside = admits(tenant.limits.networks_scim, client_address(request))
            is_asked = token is not None and not tenant.is_platform
            found = actor_for_scim(token or "", now=datetime.now(UTC), is_inside=is_inside) if is_asked else None
            return found or anonymous(tenant.id)
        if token is not None:
            found = None
            if request.path.startswith("/api/"):
                is_inside = admits(tenant.limits.networks_tokens, client_address(request))
                found = actor_for_token(
                    token, now=datetime.now(UTC), is_platform=tenant.is_platform, is_inside=is_inside
                )
            return found or anonymous(tenant.id)
        identity = restored_identity(request)
        if identity is None:
            return anonymous(tenant.id)
        if request.session.get(RECOVERY_KEY):
            return actor_for_recovery(identity)
        return actor_of_identity(identity, is_platform=tenant.is_platform)


def restored_identity(request: HttpRequest) -> Identity | None:
    """Restore the request's session and its person together; None when nobody has signed in.

    What Django's own middleware would read for ``request.user``, and checked as it does: the session is within its
    limits, its content is signed, and it must name this person, our backend, and the person's session version.
    """
    session: Any = request.session
    key = session.session_key
    now = timezone.now()
    found = identity_of_session(key, now=now) if key and key.isalnum() else None
    goes_on = session.restore(found.row if found is not None else None, now=now)
    identity = found.identity if found is not None and goes_on else None
    if identity is not None and session.get(SESSION_KEY) == str(identity.person.pk):
        if constant_time_compare(session.get(HASH_SESSION_KEY, ""), identity.person.get_session_auth_hash()):
            if session.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS:
                request.user = identity.person
                return identity
        else:
            session.flush()
    request.user = AnonymousUser()
    return None


class SignInRequiredMiddleware:
    """Let anonymous requests reach sign-in and static files, nothing else."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        actor: Actor = request.actor  # type: ignore[attr-defined]  # bound by the middleware
        if actor.is_authenticated or request.path.startswith(PUBLIC):
            return self.get_response(request)
        if request.path.startswith("/api/"):
            return unauthorized()
        if request.path.startswith(SCIM):
            return scim_unauthorized()
        back = way_back(request)
        target = f"{settings.LOGIN_URL}?{urlencode({'next': back})}" if back else settings.LOGIN_URL
        if getattr(request, "htmx", False):
            return HttpResponse(status=401, headers={"HX-Redirect": target})
        return HttpResponseRedirect(target)


def way_back(request: HttpRequest) -> str:
    """Return the page to go on with after sign-in: the one asked for, or the one whose form was sent; nothing when unknown.

    It is only ever a path on this host, and the sign-in looks at it once more.
    """
    if request.method == "GET" and not request.headers.get("HX-Request"):
        return _on_this_host(request, request.get_full_path())
    page = request.headers.get("HX-Current-URL") or request.headers.get("Referer", "")
    try:
        parts = urlsplit(page)
    except ValueError:
        return ""
    if parts.netloc != request.get_host():
        return ""
    return _on_this_host(request, urlunsplit(("", "", parts.path, parts.query, "")))


def _on_this_host(request: HttpRequest, target: str) -> str:
    """Return a path, or nothing where a browser would take it for another host, as it does with two slashes."""
    return target if safe_next(request, target) == target else ""


def unauthorized() -> HttpResponse:
    """Return the one answer to API requests without a valid identity (RFC 9457)."""
    body = {"type": "about:blank", "title": "Unauthorized", "status": 401, "detail": "Sign in or send a valid token."}
    return JsonResponse(
        body, status=401, content_type="application/problem+json", headers={"WWW-Authenticate": 'Bearer realm="omni"'}
    )


def scim_unauthorized() -> HttpResponse:
    """Return the one answer to SCIM requests without a valid token (RFC 7644, 3.12)."""
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "401",
        "detail": "Send a valid SCIM token of this tenant.",
    }  # fmt: skip
    return JsonResponse(
        body, status=401, content_type="application/scim+json", headers={"WWW-Authenticate": 'Bearer realm="scim"'}
    )


class ViewAsMiddleware:
    """Put the person seen in the actor's place while a view goes on; it is read again on every request.

    Nothing can be changed meanwhile. When it is over, one page says so before anything is shown with the viewer's
    own rights again, and a page that was made in another view loads anew before it shows anything more.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        actor: Actor = request.actor  # type: ignore[attr-defined]  # bound by the middleware
        if actor.kind != "person" or bearer(request):
            return self.get_response(request)
        held = request.session.get(VIEW_KEY)
        if request.headers.get("HX-Request") and request.headers.get(VIEW_HEADER, held or "") != (held or ""):
            return HttpResponse(status=409, headers={"HX-Refresh": "true"})
        if held is None:
            return self.get_response(request)
        if self.begin(request, actor, UUID(held)):
            return self.view(request)
        return self.is_over(request)

    @transaction.atomic
    def begin(self, request: HttpRequest, viewer: Actor, view_id: UUID) -> bool:
        """Bind the actor of the view, or write down that it is over."""
        now = timezone.now()
        view = usable_view(view_id, viewer_id=viewer.user_id, now=now)
        if view is None:
            end_view(view_id, why="time is over, or no longer allowed", by=viewer, now=now)
            return False
        request.actor = actor_for_view(view)  # type: ignore[attr-defined]  # bound by the middleware
        if request.path == SIGN_OUT and request.method == "POST":
            end_view(view_id, why="signed out", by=request.actor, now=now)  # type: ignore[attr-defined]  # bound by the middleware
        return True

    def view(self, request: HttpRequest) -> HttpResponse:
        """Answer what only reads, and the wish to end it."""
        if request.method in READING or (request.method == "POST" and request.path in READING_POSTS):
            return self.get_response(request)
        if request.path.startswith("/api/"):
            return forbidden(READ_ONLY)
        return render(request, "access/view_reads_only.html", {"text": READ_ONLY}, status=403)

    def is_over(self, request: HttpRequest) -> HttpResponse:
        """Say that the view is over. Only a whole page ends it: it is the one thing that its reader surely sees."""
        if request.method == "POST" and request.path in (VIEW_END, SIGN_OUT):
            return self.get_response(request)
        if request.headers.get("HX-Request"):
            return HttpResponse(status=403, headers={"HX-Refresh": "true"})
        if request.path.startswith("/api/"):
            return forbidden(VIEW_OVER)
        if request.method in READING:
            del request.session[VIEW_KEY]
        return render(request, "access/view_over.html", status=403)


def forbidden(detail: str) -> HttpResponse:
    """Return a problem document for what a view as another person does not allow (RFC 9457)."""
    body = {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": detail}
    return JsonResponse(body, status=403, content_type="application/problem+json")
