"""Addresses on a tenant's host."""

from django.urls import include, path

from apps.access.sites import tenant_admin_site

urlpatterns = [
    path("accounts/", include("apps.accounts.urls")),
    path("accounts/", include("apps.access.urls")),
    path("admin/", tenant_admin_site.urls),
    path("api/v1/admin/", include("apps.access.api_urls")),
    path("api/v1/", include("apps.queries.urls")),
    path("scim/", include("apps.accounts.scim.urls")),
    path("support/", include("apps.support.urls")),
    path("trust/", include("apps.trust.urls")),
    path("", include("apps.dashboards.urls")),
]
handler500 = "apps.access.unavailable.server_error"
