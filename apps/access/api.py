"""What a token of scope ``admin`` opens: to find and end tokens and sessions, for a tenant's own alarm systems."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from apps.access.problems import problem
from apps.access.types import Actor
from apps.accounts import ending, services
from apps.accounts.browsers import browser_words
from apps.accounts.models import ApiToken, UserSession
from apps.accounts.selectors import came_by, running_sessions, token_state

PAGE = 100
View = Callable[..., HttpResponse]


def administers(method: str) -> Callable[[View], View]:
    """Let pass a token of scope admin, with one method."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            actor: Actor = request.actor  # type: ignore[attr-defined]  # bound by the middleware
            if actor.kind != "token" or actor.token_scope != ApiToken.Scope.ADMIN:
                return problem(403, "Forbidden", "This needs a token of scope admin.", code="scope")
            if request.method != method:
                return problem(405, "Method not allowed", f"Use {method}.")
            return view(request, *args, **kwargs)

        return checked

    return decorate


def _listed(
    request: HttpRequest, name: str, rows: QuerySet[Any], body: Callable[[Any], dict[str, Any]]
) -> HttpResponse:
    """Answer with one page of rows; ``next_page`` is null on the last one. ``?page=2`` asks for the second."""
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    following = page.next_page_number() if page.has_next() else None
    return JsonResponse({name: [body(row) for row in page], "next_page": following})


@administers("GET")
def tokens(request: HttpRequest) -> HttpResponse:
    """List the tenant's tokens, newest first, without the tokens themselves."""
    now = timezone.now()

    def body(token: ApiToken) -> dict[str, Any]:
        return {
            "id": token.pk, "name": token.name, "holder": token.user.email, "scope": token.scope,
            "state": token_state(token, now=now), "created_at": token.created_at, "expires_at": token.expires_at,
            "last_used_at": token.last_used_at,
        }  # fmt: skip

    return _listed(
        request, "tokens", ApiToken.objects.select_related("user__owner").order_by("-created_at", "pk"), body
    )


@administers("DELETE")
def token(request: HttpRequest, token_id: UUID) -> HttpResponse:
    """Revoke a token."""
    found = ApiToken.objects.filter(pk=token_id).first()
    if found is None:
        return problem(404, "Not found", "There is no such token.")
    services.revoke_token(found, by=request.actor, now=timezone.now())  # type: ignore[attr-defined]  # bound by the middleware
    return HttpResponse(status=204)


@administers("GET")
def sessions(request: HttpRequest) -> HttpResponse:
    """List who is signed in, without the browsers' keys."""
    limits = request.tenant.limits  # type: ignore[attr-defined]  # bound by the middleware

    def body(session: UserSession) -> dict[str, Any]:
        return {
            "id": session.pk, "person": session.user.email if session.user else "", "came_by": came_by(session),
            "browser": browser_words(session.browser), "address": session.address,
            "started_at": session.started_at, "last_seen_at": session.last_seen_at,
        }  # fmt: skip

    rows = running_sessions(limits, now=timezone.now()).select_related("user").order_by("-last_seen_at", "pk")
    return _listed(request, "sessions", rows, body)


@administers("DELETE")
def session(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """End a session."""
    found = UserSession.objects.filter(pk=session_id, user__isnull=False).first()
    if found is None:
        return problem(404, "Not found", "There is no such session.")
    ending.end_session(found, by=request.actor, now=timezone.now())  # type: ignore[attr-defined]  # bound by the middleware
    return HttpResponse(status=204)
