"""The tenant's addresses, and those of the soak."""

from django.urls import include, path

from tests.soak import views

urlpatterns = [
    path("soak/whose/", views.whose),
    path("soak/streamed/", views.streamed),
    path("soak/kept/", views.kept),
    path("soak/stuck/", views.stuck),
    path("", include("omni.urls.tenant")),
]
