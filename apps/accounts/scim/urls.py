"""Addresses under /scim/."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path

VIEWS = "apps.accounts.scim.views"


def _when_asked(name: str) -> Callable[..., HttpResponse]:
    """Return a view that is loaded when somebody asks for it: what speaks SCIM takes 14 MB, and most workers never do."""

    def view(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        found: HttpResponse = getattr(import_module(VIEWS), name)(request, **kwargs)
        return found

    view.__name__, view.__qualname__, view.__module__ = name, name, VIEWS
    return view


configuration, discovery, nothing = map(_when_asked, ("configuration", "discovery", "nothing"))
collection, single, search = map(_when_asked, ("collection", "single", "search"))
not_offered = _when_asked("not_offered")

app_name = "scim"
urlpatterns = [
    path("v2/ServiceProviderConfig", configuration),
    path("v2/ResourceTypes", discovery, {"kind": "ResourceTypes"}),
    path("v2/ResourceTypes/<str:key>", discovery, {"kind": "ResourceTypes"}),
    path("v2/Schemas", discovery, {"kind": "Schemas"}),
    path("v2/Schemas/<str:key>", discovery, {"kind": "Schemas"}),
    path("v2/Users", collection, {"kind": "Users"}),
    path("v2/Users/.search", search, {"kind": "Users"}),
    path("v2/Users/<str:key>", single, {"kind": "Users"}),
    path("v2/Groups", collection, {"kind": "Groups"}),
    path("v2/Groups/.search", search, {"kind": "Groups"}),
    path("v2/Groups/<str:key>", single, {"kind": "Groups"}),
    path("v2/.search", not_offered),
    path("v2/Bulk", not_offered),
    path("v2/Me", not_offered),
    path("<path:rest>", nothing),
    path("", nothing),
]
