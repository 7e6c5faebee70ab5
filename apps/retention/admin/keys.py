"""The tenant's keys for its administrators: when each was made and destroyed, and a button that rotates."""

from datetime import UTC, datetime

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from unfold.decorators import action

from apps.access.admin import ReadOnlyAdmin, actor_of, shown
from apps.access.sites import tenant_admin_site
from apps.accounts import confirming
from apps.retention.rotating import rotate_tenant_key, rotation_state
from apps.vault.errors import VaultError
from apps.vault.models import TenantKey


@admin.register(TenantKey, site=tenant_admin_site)
class TenantKeyAdmin(ReadOnlyAdmin):
    """Versions of the key; what is in them nobody sees."""

    nothing_yet = "There is no key."

    list_display = ("version", "created_at", "destroyed_at")
    fields = ("version", "created_at", "destroyed_at")
    readonly_fields = fields
    ordering = ("-version",)
    actions_list = ("rotate_key",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[TenantKey]:
        found: QuerySet[TenantKey] = super().get_queryset(request).defer("wrapped")
        return found

    @action(description="Rotate the key", url_path="rotate", icon="key")  # type: ignore[untyped-decorator]  # the theme has no types
    def rotate_key(self, request: HttpRequest) -> HttpResponse:
        """Say what rotating will do; POST does it."""
        if not self.has_view_permission(request):
            raise Http404
        away = confirming.required(request)
        if away is not None:
            return away
        try:
            state = rotation_state()
            digest = shown.digest_of(state.began_at, TenantKey.objects.count())
            if request.method == "POST":
                if (away := shown.refusal(request, digest)) is not None:
                    return away
                rotate_tenant_key(by=actor_of(request), now=datetime.now(UTC))
                messages.success(request, "A new key seals from now on. The old one is destroyed in a few minutes.")
                return HttpResponseRedirect(request.path)
        except VaultError as error:
            raise Http404 from error
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "Rotate the key", "state": state,
            "shown": digest,
        }  # fmt: skip
        return TemplateResponse(request, "admin/retention/key_page.html", context)
