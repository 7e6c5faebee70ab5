"""Addresses under /support/ on our own host."""

from django.urls import path

from apps.support import staff_views

app_name = "support_staff"
urlpatterns = [
    path("", staff_views.request_list, name="request_list"),
    path("requests/<uuid:request_id>/enter/", staff_views.request_enter, name="request_enter"),
    path("requests/<uuid:request_id>/withdraw/", staff_views.request_withdraw, name="request_withdraw"),
]
