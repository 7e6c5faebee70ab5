"""Addresses on the platform's host: staff only, no customer data."""

from django.urls import include, path
from django.views.generic import RedirectView

from apps.access.sites import platform_admin_site

urlpatterns = [
    path("accounts/", include("apps.accounts.urls")),
    path("accounts/", include("apps.access.urls")),
    path("admin/", platform_admin_site.urls),
    path("support/", include("apps.support.staff_urls")),
    path("", RedirectView.as_view(url="/support/")),
]
handler500 = "apps.access.unavailable.server_error"
