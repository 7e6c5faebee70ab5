"""Addresses under /trust/."""

from django.urls import path

from apps.trust import views

app_name = "trust"
urlpatterns = [path("", views.trust_page, name="trust_page")]
