"""Addresses under /accounts/ for people who have signed in."""

from django.urls import path

from apps.access import views

app_name = "access"
urlpatterns = [
    path("sessions/", views.session_list, name="session_list"),
    path("sessions/ending/", views.session_ending, name="session_ending"),
    path("sessions/end/", views.session_end_all, name="session_end_all"),
    path("sessions/<uuid:session_id>/end/", views.session_end, name="session_end"),
    path("tokens/", views.token_list, name="token_list"),
    path("tokens/<uuid:token_id>/revoke/", views.token_revoke, name="token_revoke"),
    path("recovery/", views.recovery_home, name="recovery_home"),
]
