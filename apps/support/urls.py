"""Addresses under /support/ on a tenant's host."""

from django.urls import path

from apps.support import views

app_name = "support"
urlpatterns = [
    path("", views.request_list, name="request_list"),
    path("requests/<uuid:request_id>/", views.request_detail, name="request_detail"),
    path("requests/<uuid:request_id>/log/", views.request_log, name="request_log"),
    path("requests/<uuid:request_id>/approve/", views.request_approve, name="request_approve"),
    path("requests/<uuid:request_id>/deny/", views.request_deny, name="request_deny"),
    path("requests/<uuid:request_id>/end/", views.request_end, name="request_end"),
    path("enter/<str:ticket>/", views.enter, name="enter"),
    path("leave/", views.leave, name="leave"),
]
