"""Addresses under /api/v1/admin/."""

from django.urls import path

from apps.access import api

app_name = "admin_api"
urlpatterns = [
    path("tokens", api.tokens, name="tokens"),
    path("tokens/<uuid:token_id>", api.token, name="token"),
    path("sessions", api.sessions, name="sessions"),
    path("sessions/<uuid:session_id>", api.session, name="session"),
]
