"""API tokens and sessions of a tenant: to find, and to end."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.access.admin.asking import Effect, after_page
from apps.access.admin.base import ReadOnlyAdmin, actor_of
from apps.access.admin.people import stays_above
from apps.access.roles import Capability
from apps.access.sites import tenant_admin_site
from apps.accounts import services
from apps.accounts.browsers import browser_words
from apps.accounts.ending import end_session
from apps.accounts.models import ApiToken, UserSession
from apps.accounts.selectors import came_by, running_sessions, token_state, tokens_in


class StateFilter(admin.SimpleListFilter):
    """Tokens by whether they can be used."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state, state) for state in ("valid", "waiting", "expired", "revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> QuerySet[ApiToken]:
        return queryset.filter(tokens_in(self.value() or "", now=datetime.now(UTC)))


def tell_revoked(page: Any, request: HttpRequest, chosen: Sequence[ApiToken]) -> Effect:
    """Say what revoking API tokens does."""
    return Effect.on(
        chosen, "The next request with one of them is refused. A revoked token never becomes valid again; make a new one.",
        named=lambda token: f"{token.name} of {token.user} ({token.get_scope_display()})",
        stays=lambda token: "revoked already" if token.revoked_at else stays_above(token.user, request),
    )  # fmt: skip


def tell_ended(page: Any, request: HttpRequest, chosen: Sequence[UserSession]) -> Effect:
    """Say what ending sessions does."""
    own = request.session.row_id  # type: ignore[attr-defined]  # of our own kind of session

    def named(session: UserSession) -> str:
        whose = f"{session.user}, {browser_words(session.browser)} at {session.address}"
        return f"{whose}: your own, in this browser" if session.pk == own else whose

    return Effect.on(
        chosen, "These browsers are signed out at their next click; whoever used them may sign in again.",
        named=named, stays=lambda session: stays_above(session.user, request),
    )  # fmt: skip


class _Listed(ReadOnlyAdmin):
    """A list whose columns may be filtered, and nothing else: no query string asks for what is not shown."""

    capability = Capability.MANAGE_PEOPLE
    filters: tuple[str, ...] = ()

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup in self.filters


@admin.register(ApiToken, site=tenant_admin_site)
class ApiTokenAdmin(_Listed):
    """Everybody's tokens. People make their own on their page; a token is shown once, to whoever makes it."""

    nothing_yet = "Nobody has an API token. People make their own on their account's page."

    list_display = ("name", "user", "scope", "state", "created_at", "expires_at", "last_used_at")
    list_filter = (StateFilter, "scope", "user__kind")
    filters = ("state", "scope__exact", "user__kind__exact")
    list_select_related = ("user__owner",)
    search_fields = ("name", "user__email", "user__name")
    search_help_text = "name of the token, or name or e-mail of its holder"
    fields = ("name", "user", "scope", "created_at", "expires_at", "last_used_at", "revoked_at")
    actions = ("revoke",)

    @admin.display(description="state")
    def state(self, token: ApiToken) -> str:
        return token_state(token, now=datetime.now(UTC))

    @admin.action(description="Revoke the selected tokens: what uses them is refused at once", permissions=["view"])
    @after_page(tell_revoked)
    def revoke(self, request: HttpRequest, tokens: list[ApiToken]) -> None:
        for token in tokens:
            services.revoke_token(token, by=actor_of(request), now=datetime.now(UTC))
        messages.success(request, f"{len(tokens)} revoked.")


@admin.register(UserSession, site=tenant_admin_site)
class UserSessionAdmin(_Listed):
    """Who is signed in now, where and since when. Ending a session signs that browser out at its next click."""

    nothing_yet = "Nobody is signed in."

    list_display = ("user", "browser_text", "address", "through", "started_at", "last_seen_at")
    list_display_links = None
    list_filter = ("kind", "provider_name")
    filters = ("kind__exact", "provider_name", "provider_name__exact")
    list_select_related = ("user",)
    search_fields = ("user__email", "user__name", "address")
    search_help_text = "name or e-mail of the person, or an address"
    fields = ("user", "browser_text", "address", "through", "started_at", "last_seen_at")
    readonly_fields = fields
    actions = ("end",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[UserSession]:
        limits = request.tenant.limits  # type: ignore[attr-defined]  # bound by the middleware
        return running_sessions(limits, now=datetime.now(UTC)).select_related("user")

    @admin.display(description="browser")
    def browser_text(self, session: UserSession) -> str:
        return browser_words(session.browser)

    @admin.display(description="through")
    def through(self, session: UserSession) -> str:
        return came_by(session)

    @admin.action(description="End the selected sessions: those browsers are signed out at once", permissions=["view"])
    @after_page(tell_ended)
    def end(self, request: HttpRequest, sessions: list[UserSession]) -> None:
        for session in sessions:
            end_session(session, by=actor_of(request), now=datetime.now(UTC))
        messages.success(request, f"{len(sessions)} ended.")
