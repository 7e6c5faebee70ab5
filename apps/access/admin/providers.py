"""Identity providers: the client secret can be written, never read."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.access.admin.base import ConfirmedAdmin, TenantInline, TenantModelForm, actor_of
from apps.access.roles import Capability
from apps.access.sites import tenant_admin_site
from apps.accounts.models import ClaimMapping, IdentityProvider
from apps.accounts.services import delete_provider, save_provider


class IdentityProviderForm(TenantModelForm):
    """A new provider needs its secret; an existing one keeps it unless another is written."""

    client_secret = forms.CharField(
        required=False, widget=forms.PasswordInput(render_value=False), help_text="sealed when saved, never shown again"
    )
    replaces_secret = forms.BooleanField(required=False, label="replace the client secret")

    class Meta:
        model = IdentityProvider
        fields = (
            "name", "slug", "protocol", "issuer", "client_id", "scopes", "is_enabled", "admits_uninvited", "required_amr",
        )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        is_new = self.instance._state.adding
        if (is_new or cleaned.get("replaces_secret")) and not cleaned.get("client_secret"):
            self.add_error("client_secret", "Write the client secret here.")
        if not is_new and "issuer" in self.changed_data and not cleaned.get("client_secret"):
            self.add_error("client_secret", "Another issuer needs the secret to be written again.")
        return cleaned

    def secret(self) -> str | None:
        """Return the secret to seal, or None to keep the sealed one."""
        is_wanted = (
            self.instance._state.adding or self.cleaned_data.get("replaces_secret") or "issuer" in self.changed_data
        )
        return self.cleaned_data["client_secret"] if is_wanted else None


class ClaimMappingInline(TenantInline):
    model = ClaimMapping
    fields = ("claim", "definition")
    verbose_name_plural = "claims that become attributes or groups"


@admin.register(IdentityProvider, site=tenant_admin_site)
class IdentityProviderAdmin(ConfirmedAdmin):
    """Where people sign in. Whoever came through a provider that becomes another one has to come again."""

    capability = Capability.MANAGE_IDENTITY

    form = IdentityProviderForm
    list_display = ("name", "protocol", "issuer", "client_id", "is_enabled", "admits_uninvited")
    inlines = (ClaimMappingInline,)
    fieldsets = (
        (None, {"fields": ("name", "slug", "protocol", "issuer", "client_id", "client_secret", "replaces_secret")}),
        ("Who may enter", {"fields": ("is_enabled", "admits_uninvited", "required_amr", "scopes")}),
    )

    def save_model(self, request: HttpRequest, obj: IdentityProvider, form: Any, change: bool) -> None:
        save_provider(obj, client_secret=form.secret(), by=actor_of(request), now=datetime.now(UTC))

    def delete_model(self, request: HttpRequest, obj: IdentityProvider) -> None:
        delete_provider(obj, by=actor_of(request), now=datetime.now(UTC))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[IdentityProvider]) -> None:
        for provider in queryset:
            delete_provider(provider, by=actor_of(request), now=datetime.now(UTC))
