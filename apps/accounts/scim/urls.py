"""Addresses under /scim/."""

from django.urls import path

from apps.accounts.scim import views

app_name = "scim"
urlpatterns = [
    path("v2/ServiceProviderConfig", views.configuration),
    path("v2/ResourceTypes", views.discovery, {"kind": "ResourceTypes"}),
    path("v2/ResourceTypes/<str:key>", views.discovery, {"kind": "ResourceTypes"}),
    path("v2/Schemas", views.discovery, {"kind": "Schemas"}),
    path("v2/Schemas/<str:key>", views.discovery, {"kind": "Schemas"}),
    path("v2/Users", views.collection, {"kind": "Users"}),
    path("v2/Users/.search", views.search, {"kind": "Users"}),
    path("v2/Users/<str:key>", views.single, {"kind": "Users"}),
    path("v2/Groups", views.collection, {"kind": "Groups"}),
    path("v2/Groups/.search", views.search, {"kind": "Groups"}),
    path("v2/Groups/<str:key>", views.single, {"kind": "Groups"}),
    path("v2/.search", views.not_offered),
    path("v2/Bulk", views.not_offered),
    path("v2/Me", views.not_offered),
    path("<path:rest>", views.nothing),
    path("", views.nothing),
]
