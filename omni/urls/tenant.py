"""Addresses on a tenant's host."""

from apps.access.sites import tenant_admin_site
from django.urls import include, path

urlpatterns = [
    path("accounts/", include("apps.accounts.urls")),
    path("admin/", tenant_admin_site.urls),
    path("api/v1/", include("apps.queries.urls")),
    path("support/", include("apps.support.urls")),
    path("trust/", include("apps.trust.urls")),
    path("", include("apps.dashboards.urls")),
]
