"""Identity providers: an administrator writes one, sees what to enter at the other side, and tries it."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_GET, require_http_methods
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from apps.access.admin.base import ConfirmedAdmin, TenantInline, TenantModelForm, actor_of
from apps.access.roles import Capability
from apps.access.sites import tenant_admin_site
from apps.accounts.checking import DISCOVERY, check_provider
from apps.accounts.errors import ProviderError
from apps.accounts.models import ClaimMapping, EmailDomain, IdentityProvider
from apps.accounts.saml.library import acs_url, entity_id
from apps.accounts.saml.metadata import (
    ProviderMetadata,
    fetch_metadata,
    plain_certificate,
    read_metadata,
    service_provider_metadata,
)
from apps.accounts.selectors import valid_tokens_of
from apps.accounts.services import delete_provider, save_provider
from apps.accounts.withdrawing import withdraw_mapping

TOKENS_STAY = (
    "API tokens of its people that are still valid: {count}. Programs go on with {them} until they expire; revoke {them} in "
    "the list of API tokens, or shut these people out, if they shall not."
)
IS_OIDC, IS_SAML = "protocol == 'oidc'", "protocol == 'saml'"
OIDC_FIELDS = ("client_id", "client_secret", "replaces_secret", "scopes")
SAML_FIELDS = (
    "metadata_file", "metadata_text", "metadata_url", "sso_url", "certificates", "name_id_format", "email_attribute",
    "allows_unsolicited",
)  # fmt: skip


class IdentityProviderForm(TenantModelForm):
    """Takes what the administrator has: an issuer with a client, or a provider's metadata, or its parts.

    A new OpenID Connect provider needs its secret; an existing one keeps it unless another is written.
    """

    client_secret = forms.CharField(
        required=False,
        widget=UnfoldAdminPasswordWidget,
        help_text="sealed when saved, never shown again",
    )
    replaces_secret = forms.BooleanField(
        required=False, widget=UnfoldBooleanSwitchWidget, label="Replace the client secret"
    )
    metadata_file = forms.FileField(
        required=False,
        widget=UnfoldAdminFileFieldWidget,
        label="Metadata, as a file",
        help_text="fills in the fields below",
    )
    metadata_text = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        label="Or pasted",
        help_text="the provider's XML",
    )
    metadata_url = forms.CharField(
        required=False, widget=UnfoldAdminTextInputWidget, label="Or from its address",
        help_text="read now, once. Come back when the provider changes its keys",
    )  # fmt: skip
    certificates = forms.CharField(
        required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text="one or more, as PEM. The provider may sign with any of them",
    )  # fmt: skip

    class Meta:
        model = IdentityProvider
        fields = (
            "name", "slug", "protocol", "issuer", "client_id", "scopes", "sso_url", "name_id_format", "email_attribute",
            "allows_unsolicited", "is_enabled", "admits_uninvited", "required_amr",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["certificates"] = "\n".join(as_pem(text) for text in self.instance.certificates)
        if self.instance._state.adding:
            self.fields["replaces_secret"].widget = forms.HiddenInput()
        else:
            self.fields["protocol"].disabled = True

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        cleaned["issuer"] = cleaned.get("issuer", "").strip().removesuffix(DISCOVERY)
        if cleaned.get("protocol") == IdentityProvider.Protocol.SAML:
            self._clean_saml(cleaned)
        else:
            cleaned["certificates"] = []
            self._clean_secret(cleaned)
        return cleaned

    def _clean_secret(self, cleaned: dict[str, Any]) -> None:
        is_new = self.instance._state.adding
        if (is_new or cleaned.get("replaces_secret")) and not cleaned.get("client_secret"):
            self.add_error("client_secret", "Write the client secret here.")
        if not is_new and cleaned["issuer"] != self.initial.get("issuer") and not cleaned.get("client_secret"):
            self.add_error("client_secret", "Another issuer needs the secret to be written again.")

    def _clean_saml(self, cleaned: dict[str, Any]) -> None:
        try:
            found = self._metadata(cleaned)
        except ProviderError as error:
            self.add_error("metadata_file" if cleaned.get("metadata_file") else "metadata_text", str(error))
            cleaned["certificates"] = []
            return
        if found is not None:
            cleaned |= {"issuer": found.entity_id, "sso_url": found.sso_url, "certificates": list(found.certificates)}
            return
        try:
            cleaned["certificates"] = certificates_in(cleaned.get("certificates", ""))
        except ProviderError as error:
            self.add_error("certificates", str(error))

    def _metadata(self, cleaned: dict[str, Any]) -> ProviderMetadata | None:
        now = datetime.now(UTC)
        if upload := cleaned.get("metadata_file"):
            return read_metadata(upload.read(), now=now)
        if text := cleaned.get("metadata_text", "").strip():
            return read_metadata(text.encode(), now=now)
        if address := cleaned.get("metadata_url", "").strip():
            return fetch_metadata(address, now=now)
        return None

    def _post_clean(self) -> None:
        self.instance.certificates = self.cleaned_data.get("certificates") or []
        super()._post_clean()  # type: ignore[misc]  # Django's own name, which its stubs leave out

    def secret(self) -> str | None:
        """Return the secret to seal, or None to keep the sealed one."""
        if self.cleaned_data["protocol"] == IdentityProvider.Protocol.SAML:
            return None
        is_wanted = (
            self.instance._state.adding
            or self.cleaned_data.get("replaces_secret")
            or self.cleaned_data["issuer"] != self.initial.get("issuer")
        )
        return self.cleaned_data["client_secret"] if is_wanted else None


def as_pem(text: str) -> str:
    """Return a stored certificate as people paste it."""
    lines = "\n".join(text[start : start + 64] for start in range(0, len(text), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----"


def certificates_in(text: str) -> list[str]:
    """Return every certificate of a text, each in one line.

    Raises:
        ProviderError: one of them is none.
    """
    end = "-----END CERTIFICATE-----"
    return list(dict.fromkeys(plain_certificate(part) for part in text.split(end) if part.strip()))


class ClaimMappingInline(TenantInline):
    model = ClaimMapping
    fields = ("claim", "definition")
    verbose_name_plural = "claims"


class EmailDomainInline(TenantInline):
    model = EmailDomain
    fields = ("domain",)
    verbose_name_plural = "e-mail domains"


@admin.register(IdentityProvider, site=tenant_admin_site)
class IdentityProviderAdmin(ConfirmedAdmin):
    """Where people sign in. Whoever came through a provider that becomes another one has to come again."""

    nothing_yet = "Nobody can sign in yet: add the identity provider that your people have."
    search_help_text = "name, short name, issuer or e-mail domain"

    capability = Capability.MANAGE_IDENTITY

    form = IdentityProviderForm
    ordering = ("name",)
    list_display = ("name", "protocol", "issuer", "domain_names", "is_enabled", "admits_uninvited")
    list_filter = ("protocol", "is_enabled")
    search_fields = ("name", "slug", "issuer", "domains__domain")
    prepopulated_fields = {"slug": ("name",)}  # noqa: RUF012  (as Django has it)
    inlines = (EmailDomainInline, ClaimMappingInline)
    change_form_before_template = "admin/accounts/provider_addresses.html"
    conditional_fields = dict.fromkeys(OIDC_FIELDS, IS_OIDC) | dict.fromkeys(SAML_FIELDS, IS_SAML)
    fieldsets = (
        (None, {"fields": ("name", "slug", "protocol", *SAML_FIELDS[:3], "issuer", *OIDC_FIELDS, *SAML_FIELDS[3:])}),
        ("Who may enter", {"fields": ("is_enabled", "admits_uninvited", "required_amr")}),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("domains")

    def _may(self, request: HttpRequest) -> bool:
        """Leave providers to tenant administrators and recovery: who changes one can come in as each of its people."""
        actor = actor_of(request)
        return super()._may(request) and (actor.is_tenant_admin or actor.kind == "recovery")

    @admin.display(description="e-mail domains")
    def domain_names(self, row: IdentityProvider) -> str:
        return ", ".join(item.domain for item in row.domains.all())

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:key>/test/", wrap(self.test_page), name="accounts_provider_test"),
            path("<uuid:key>/metadata.xml", wrap(self.metadata_file), name="accounts_provider_metadata"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context = {"provider": row, "addresses": addresses_of(request, row)} if row is not None else {}
        found: HttpResponse = super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})
        return found

    def save_model(self, request: HttpRequest, obj: IdentityProvider, form: Any, change: bool) -> None:
        save_provider(obj, client_secret=form.secret(), by=actor_of(request), now=datetime.now(UTC))
        if not obj.is_enabled and change:
            messages.warning(request, f"{obj.name} is switched off: whoever signed in by it is out at the next click.")
            if count := valid_tokens_of(obj, now=datetime.now(UTC)).count():
                messages.warning(request, TOKENS_STAY.format(count=count, them="it" if count == 1 else "them"))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Take what was read through a claim that is read no more, or as something else."""
        former = [one.instance.pk for one in formset.initial_forms if one.has_changed()] if change else []
        gone = list(ClaimMapping.objects.filter(pk__in=former)) if formset.model is ClaimMapping else []
        super().save_formset(request, form, formset, change)
        for mapping in gone:
            withdraw_mapping(mapping, by=actor_of(request), now=datetime.now(UTC))

    def delete_model(self, request: HttpRequest, obj: IdentityProvider) -> None:
        delete_provider(obj, by=actor_of(request), now=datetime.now(UTC))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[IdentityProvider]) -> None:
        for provider in queryset:
            delete_provider(provider, by=actor_of(request), now=datetime.now(UTC))

    def _row(self, request: HttpRequest, key: UUID) -> IdentityProvider:
        row = IdentityProvider.objects.filter(pk=key).first() if self.has_change_permission(request) else None
        if row is None:
            raise Http404
        return row

    def test_page(self, request: HttpRequest, key: UUID) -> HttpResponse:
        """Say what a test does; do it on POST and show what the provider answered."""
        return _test_page(request, self._row(request, key))

    def metadata_file(self, request: HttpRequest, key: UUID) -> HttpResponse:
        """Give our own metadata as a file, to be uploaded at the provider."""
        return _metadata_file(request, self._row(request, key))


def addresses_of(request: HttpRequest, row: IdentityProvider) -> list[tuple[str, str]]:
    """Return what to enter at the other side: label and value."""
    if row.is_saml:
        return [
            ("Assertion consumer service (ACS, reply address)", acs_url(request, row)),
            ("Entity id (audience, identifier)", entity_id(request, row)),
            ("NameID format", row.name_id_format),
        ]
    return [("Redirect address (callback)", request.build_absolute_uri(reverse("accounts:callback", args=[row.slug])))]


@require_http_methods(["GET", "POST"])
def _test_page(request: HttpRequest, row: IdentityProvider) -> HttpResponse:
    findings = None
    if request.method == "POST":
        callback = addresses_of(request, row)[0][1]
        findings = check_provider(row, callback=callback, by=actor_of(request), now=datetime.now(UTC))
    context = {
        **tenant_admin_site.each_context(request), "opts": IdentityProvider._meta, "title": f"Test {row.name}",
        "provider": row, "findings": findings,
    }  # fmt: skip
    return TemplateResponse(request, "admin/accounts/provider_test.html", context)


@require_GET
def _metadata_file(request: HttpRequest, row: IdentityProvider) -> HttpResponse:
    if not row.is_saml:
        raise Http404
    text = service_provider_metadata(
        entity_id=entity_id(request, row), acs_url=acs_url(request, row), name_id_format=row.name_id_format
    )
    headers = {"Content-Disposition": f'attachment; filename="omni-{row.slug}.xml"'}
    return HttpResponse(text, content_type="application/samlmetadata+xml", headers=headers)
