"""Service accounts: for tenant administrators only, since a token of one sees what the account may see."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count, Max, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_POST

from apps.access.admin.asking import Effect, after_page
from apps.access.admin.base import TenantModelAdmin, TenantModelForm, actor_of
from apps.access.admin.people import MembershipInline, TokenInline, UserAttributeInline, end_sessions_of_members
from apps.access.forms import TokenForm
from apps.access.sites import tenant_admin_site
from apps.accounts import confirming, services
from apps.accounts.models import ServiceAccount, User


def tell_disabled(page: Any, request: HttpRequest, chosen: Sequence[ServiceAccount]) -> Effect:
    """Say what disabling service accounts does."""
    return Effect.on(
        chosen, "Their tokens are revoked: what uses them is refused at once, and stays so when they are enabled again.",
        named=lambda account: f"{account}, {_tokens(account)}",
        stays=lambda account: "" if account.is_active else "disabled already",
    )  # fmt: skip


def tell_enabled(page: Any, request: HttpRequest, chosen: Sequence[ServiceAccount]) -> Effect:
    """Say what enabling service accounts does."""
    return Effect.on(
        chosen, "They may have tokens again; the old ones stay revoked.",
        named=str, stays=lambda account: "enabled already" if account.is_active else "",
    )  # fmt: skip


def _tokens(account: Any) -> str:
    return "1 valid token" if account.valid == 1 else f"{account.valid} valid tokens"


class ServiceAccountForm(TenantModelForm):
    class Meta:
        model = ServiceAccount
        fields = ("name", "owner")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].required = self.fields["owner"].required = True
        self.fields["name"].help_text = "what it is for, e.g. Nightly export"

    def clean_owner(self) -> User:
        owner: User = self.cleaned_data["owner"]
        if owner.kind != User.Kind.PERSON or not owner.is_active:
            raise forms.ValidationError("An active person must answer for it.")
        return owner

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        address = services.service_address(cleaned.get("name", ""))
        if User.objects.filter(email__iexact=address).exclude(pk=self.instance.pk).exists():
            self.add_error("name", "There is a service account of this name.")
        return cleaned


@admin.register(ServiceAccount, site=tenant_admin_site)
class ServiceAccountAdmin(TenantModelAdmin):
    """A user that no person is, for programs: it cannot sign in, and does what its groups and permissions allow."""

    nothing_yet = "Programs that ask without a person have a service account, with an owner who answers for it."

    form = ServiceAccountForm
    ordering = ("name",)
    list_display = ("name", "owner", "state", "valid_tokens", "last_used")
    list_filter = ("is_active", "owner__is_active", "groups")
    list_select_related = ("owner",)
    search_fields = ("name", "owner__email", "owner__name")
    search_help_text = "name of the account, or name or e-mail of who answers for it"
    autocomplete_fields = ("owner",)
    inlines = (UserAttributeInline, MembershipInline, TokenInline)
    actions = ("disable", "enable")
    change_form_outer_before_template = "admin/access/service_account_panel.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ServiceAccount]:
        valid = Q(tokens__revoked_at=None, tokens__expires_at__gt=datetime.now(UTC), owner__is_active=True)
        found: QuerySet[ServiceAccount] = super().get_queryset(request).filter(kind=User.Kind.SERVICE)
        return found.annotate(valid=Count("tokens", filter=valid, distinct=True), used=Max("tokens__last_used_at"))

    def get_inlines(self, request: HttpRequest, obj: Any) -> tuple[Any, ...]:
        return self.inlines if obj is not None else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """They are disabled, not deleted: the audit log speaks of them."""
        return False

    def needs_fresh(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> bool:
        """Ask also before another person answers for it; a new one does nothing before it has a token."""
        is_handed_on = change and "owner" in form.changed_data
        return is_handed_on or super().needs_fresh(request, form, formsets, change)

    def save_model(self, request: HttpRequest, obj: ServiceAccount, form: Any, change: bool) -> None:
        by, now = actor_of(request), datetime.now(UTC)
        if change:
            super().save_model(request, obj, form, change)
            return
        made = services.create_service_account(name=obj.name, owner=obj.owner, by=by, now=now)  # type: ignore[arg-type]  # the form demands an owner
        obj.pk, obj.kind, obj.email = made.pk, made.kind, made.email
        obj._state.adding = False

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        end_sessions_of_members(request, formset)

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:key>/switch/", wrap(require_POST(self.switch)), name="accounts_serviceaccount_switch"),
            path("<uuid:key>/token/", wrap(self.token), name="accounts_serviceaccount_token"),
            *super().get_urls(),
        ]

    def switch(self, request: HttpRequest, key: UUID) -> HttpResponse:
        """Disable or enable it with one click."""
        account = self._account_or_404(request, key)
        self._set_active(request, [account], is_active=request.POST.get("to") == "enabled")
        return HttpResponseRedirect(reverse("admin:accounts_serviceaccount_change", args=(account.pk,)))

    def token(self, request: HttpRequest, key: UUID) -> HttpResponse:
        """Make a token for it and show it, this once; after a fresh sign-in, since it acts without its owner."""
        account = self._account_or_404(request, key)
        away = confirming.required(request)
        if away is not None:
            return away
        longest = request.tenant.limits.token_max_days  # type: ignore[attr-defined]  # bound by the middleware
        form, shown = TokenForm(account, longest, request.POST or None), ""
        if request.method == "POST" and account.is_active and form.is_valid():
            wanted = form.cleaned_data
            try:
                shown = services.issue_token(
                    user=account, name=wanted["name"], days=wanted["days"], scope=wanted["scope"],
                    by=actor_of(request), now=datetime.now(UTC),
                )  # fmt: skip
            except ValidationError as error:
                form.add_error(None, error)
        context = {
            **self.admin_site.each_context(request), "opts": self.model._meta, "title": f"Token for {account}",
            "account": account, "form": form, "shown": shown,
        }  # fmt: skip
        return TemplateResponse(request, "admin/access/service_token.html", context)

    def _account_or_404(self, request: HttpRequest, key: UUID) -> ServiceAccount:
        account = self.get_queryset(request).filter(pk=key).first() if self._may(request) else None
        if account is None:
            raise Http404
        return account

    @admin.action(description="Disable the selected accounts and revoke their tokens")
    @after_page(tell_disabled)
    def disable(self, request: HttpRequest, accounts: list[ServiceAccount]) -> None:
        self._set_active(request, accounts, is_active=False)

    @admin.action(description="Enable the selected accounts; they need new tokens")
    @after_page(tell_enabled)
    def enable(self, request: HttpRequest, accounts: list[ServiceAccount]) -> None:
        self._set_active(request, accounts, is_active=True)

    def _set_active(self, request: HttpRequest, accounts: Any, *, is_active: bool) -> None:
        for account in accounts:
            services.set_active(account, is_active=is_active, by=actor_of(request), now=datetime.now(UTC))
        done = (
            "Enabled. Make new tokens: the old ones stay revoked." if is_active else "Disabled. Its tokens are revoked."
        )
        messages.success(request, done)

    @admin.display(description="state", ordering="is_active")
    def state(self, account: ServiceAccount) -> str:
        if not account.is_active:
            return "disabled"
        is_waiting = account.owner is not None and not account.owner.is_active
        return f"waits: {account.owner} has been shut out" if is_waiting else "in use"

    @admin.display(description="valid tokens", ordering="valid")
    def valid_tokens(self, account: Any) -> int:
        return int(account.valid)

    @admin.display(description="last used", ordering="used")
    def last_used(self, account: Any) -> Any:
        return account.used or "never"
