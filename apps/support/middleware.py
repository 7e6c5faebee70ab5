"""A support session is read again on every request, and every request in it is written down."""

import logging
import re
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.core.handlers.exception import response_for_exception
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from apps.access.middleware import PUBLIC, bearer, unauthorized
from apps.access.selectors import anonymous
from apps.audit.services import record
from apps.support import selectors, services
from apps.support.models import SupportSession
from apps.tenants.binding import bound_tenant_id

logger = logging.getLogger(__name__)
SESSION_KEY = "support_session_id"
LEAVE, SIGN_OUT, ENTER = "/support/leave/", "/accounts/sign-out/", "/support/enter/"
READING = ("GET", "HEAD")
POSTS = re.compile(rf"({LEAVE}|{SIGN_OUT}|{ENTER}[^/]+/|/runs/[0-9a-f-]{{36}}/cancel/)\Z")
UNRECORDED = "This page cannot be shown, because the visit cannot be recorded at the moment.\n"


class SupportSessionMiddleware:
    """Make the actor a support actor, in place of anybody else, while the visit may go on.

    A request with a bearer token is that token's and nobody else's, as everywhere.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        held = None if bearer(request) else request.session.get(SESSION_KEY)
        if held is None:
            return self.get_response(request)
        now, session = timezone.now(), None
        with transaction.atomic():
            session = selectors.usable_session(UUID(held), now=now)
            if session is None:
                services.end_lapsed_session(UUID(held), now=now)
            else:
                request.actor = selectors.actor_of(session)  # type: ignore[attr-defined]  # bound by the middleware
        return self.refuse(request) if session is None else self.visit(request, session, now)

    def visit(self, request: HttpRequest, session: SupportSession, now: datetime) -> HttpResponse:
        """Answer within the visit; the answer leaves only when it is recorded and the visit has not ended meanwhile."""
        request.support_ends_at = session.expires_at  # type: ignore[attr-defined]  # for the banner
        is_allowed = request.method in READING or (request.method == "POST" and POSTS.match(request.path))
        response = self.get_response(request) if is_allowed else response_for_exception(request, Http404())
        if request.path == SIGN_OUT and request.method == "POST":
            services.end_session(session.pk, by=selectors.actor_of(session), now=now)
        try:
            is_over = self.record(request, session, response.status_code, now)
        except Exception:  # whatever keeps the event from being written: without it nothing may be shown
            logger.exception("a support session's request could not be recorded")
            return HttpResponse(UNRECORDED, status=503, content_type="text/plain")
        return self.refuse(request) if is_over else response

    @transaction.atomic
    def record(self, request: HttpRequest, session: SupportSession, status: int, now: datetime) -> bool:
        """Write the request down; say whether the visit has ended while it was answered."""
        locked = SupportSession.objects.select_for_update().get(pk=session.pk)
        is_over = locked.ended_at is not None and not request.path.startswith((LEAVE, SIGN_OUT, ENTER))
        facts = {"path": request.path, "method": request.method, "status": 403 if is_over else status}
        record("support.page_viewed", session, by=selectors.actor_of(session), now=now, facts=facts)
        return is_over

    def refuse(self, request: HttpRequest) -> HttpResponse:
        """Say that the visit is over; only what everybody may reach goes on."""
        request.actor = anonymous(bound_tenant_id())  # type: ignore[attr-defined]  # bound by the middleware
        request.user = AnonymousUser()
        if request.headers.get("HX-Request"):
            # the page around it loads again, is refused itself, and ends the browser's session then
            return HttpResponse(status=403, headers={"HX-Refresh": "true"})
        request.session.flush()
        if request.path.startswith(PUBLIC):
            return self.get_response(request)
        if request.path.startswith("/api/"):
            return unauthorized()
        return render(request, "support/access_ended.html", status=403)
