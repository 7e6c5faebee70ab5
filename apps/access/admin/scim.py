"""SCIM tokens: made here, shown once, revoked here. For tenant administrators only."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from apps.access.admin.asking import Effect, after_page
from apps.access.admin.base import TenantModelAdmin, TenantModelForm, actor_of
from apps.access.sites import tenant_admin_site
from apps.accounts import confirming
from apps.accounts.models import ScimToken
from apps.accounts.scim.tokens import MAX_DAYS, issue_scim_token, revoke_scim_token


def tell_revoked(page: Any, request: HttpRequest, chosen: Sequence[ScimToken]) -> Effect:
    """Say what revoking SCIM tokens does."""
    return Effect.on(
        chosen, "The next request with one of them is refused: the provider no longer keeps people and groups up to date.",
        "The people and groups stay as they are.",
        named=lambda token: str(token.name), stays=lambda token: "revoked already" if token.revoked_at else "",
    )  # fmt: skip


class ScimTokenForm(TenantModelForm):
    """What a new token is called and how long it lives."""

    days = forms.IntegerField(
        min_value=1, max_value=MAX_DAYS, initial=180, label="Days until it expires",
        help_text="Make the next one before that: two tokens may be valid at once.",
    )  # fmt: skip

    class Meta:
        model = ScimToken
        fields = ("name",)
        help_texts = {"name": "the audit log names it, e.g. Okta"}  # noqa: RUF012  (Django reads it as it is)


@admin.register(ScimToken, site=tenant_admin_site)
class ScimTokenAdmin(TenantModelAdmin):
    """Who holds one can make, change and shut out people and fill SCIM's groups; it can make no administrators."""

    nothing_yet = "No directory keeps your people yet. Issue a token and enter it at your identity provider."
    search_help_text = "name of the token, or who made it"

    form = ScimTokenForm
    list_display = ("name", "created_at", "created_by", "expires_at", "last_used_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("name", "created_by")
    fields = ("name", "days")
    actions = ("revoke",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: ScimToken | None = None) -> Any:
        if obj is None:
            return ("name", "days")
        return ("name", "created_at", "created_by", "expires_at", "last_used_at", "revoked_at")

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask for a fresh sign-in: the token outlives the session that made it. Revoking one asks for nothing."""
        away = confirming.required(request) if self._may(request) else None
        found: HttpResponse = away or super().add_view(request, *args, **kwargs)
        return found

    def save_model(self, request: HttpRequest, obj: ScimToken, form: Any, change: bool) -> None:
        """Issue the token; the page that follows is the only one that shows it."""
        request.scim_token = issue_scim_token(  # type: ignore[attr-defined]  # read by response_add
            name=obj.name, days=form.cleaned_data["days"], by=actor_of(request), now=datetime.now(UTC)
        )

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> None:
        """Nothing more to record: issuing has been."""

    def response_add(self, request: HttpRequest, obj: ScimToken, post_url_continue: str | None = None) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request), "opts": ScimToken._meta, "title": f"SCIM token {obj.name}",
            "token": request.scim_token, "address": request.build_absolute_uri("/scim/v2"),  # type: ignore[attr-defined]  # set a moment ago, by save_model
        }  # fmt: skip
        return TemplateResponse(request, "admin/accounts/scim_token_issued.html", context)

    @admin.action(description="Revoke the selected tokens: the next request with one is refused", permissions=["view"])
    @after_page(tell_revoked)
    def revoke(self, request: HttpRequest, tokens: list[ScimToken]) -> None:
        for token in tokens:
            revoke_scim_token(token, by=actor_of(request), now=datetime.now(UTC))
        messages.success(request, "Revoked. The people and groups stay as they are.")
