"""No password: in no column, form, route, template or setting. And nothing that writes goes without a CSRF token."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.apps import apps
from django.contrib.auth import authenticate
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

import apps as our_apps
from apps.accounts.models import User
from apps.tenants.binding import unbound
from apps.tenants.types import TenantRef
from tests.apps.conftest import SignedIn, acme, ada, database, make_person, make_tenant, now, signed_in
from tests.architecture.test_routes import paths

__all__ = ["acme", "ada", "database", "make_person", "make_tenant", "now", "signed_in"]
ROOT = Path(__file__).resolve().parent.parent.parent
WORD = re.compile(r"passw|passphrase", re.IGNORECASE)
SECRETS_OF_OTHERS = {
    ("IdentityProviderForm", "client_secret"): "Omni's own secret at the provider, written and never shown",
    ("PasswordForm", "password"): "the customer's database's, when it is rotated",
    ("ConnectionForm", "password"): "the customer's database's, sealed to the worker",
}
"""form fields that take a secret, none of which is a person's"""
EXEMPT = {"accounts/saml/<slug:slug>/acs/"}
"""views that take a POST without a CSRF token: the provider's signed answer, which another site's page sends and which
signs nobody in by itself; requests with a bearer token are let through by a middleware"""


def our_forms() -> Iterator[type[forms.BaseForm]]:
    for module in pkgutil.walk_packages(our_apps.__path__, "apps."):
        if module.name.startswith("apps.warehouses."):
            continue  # no Django there, so no form; and the driver of an adapter need not be installed
        if ".management" in module.name or ".migrations" in module.name or module.name.endswith("identity_provider"):
            continue
        for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(found, forms.BaseForm) and found.__module__.startswith("apps."):
                yield found


def patterns(found: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, Callable[..., object]]]:
    for pattern in (found or get_resolver("omni.urls.tenant")).url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield route, pattern.callback
        else:
            yield from patterns(pattern, route)


def test_no_column_could_hold_one() -> None:
    models = [model for model in apps.get_models(include_auto_created=True) if model._meta.app_label != "auth"]
    assert User in models
    named = [
        f"{model._meta.label}.{field.name}"
        for model in models
        for field in model._meta.get_fields()
        if WORD.search(field.name)
    ]
    assert [name for name in named if not name.startswith("connections.")] == []


def test_no_form_takes_one() -> None:
    found = set(our_forms())
    assert len(found) > 8
    taking = {
        (form.__name__, name) for form in found for name, field in getattr(form, "base_fields", {}).items()
        if WORD.search(name) or isinstance(field.widget, forms.PasswordInput)
    }  # fmt: skip
    assert taking <= SECRETS_OF_OTHERS.keys(), taking - SECRETS_OF_OTHERS.keys()
    assert ("IdentityProviderForm", "client_secret") in taking


def test_no_route_leads_to_one() -> None:
    routes = [route for route, _ in patterns()]
    assert len(routes) > 60
    left = [route for route in routes if WORD.search(route)]
    assert left == ["admin/password_change/", "admin/password_change/done/"]  # the library's, which answer 404


def test_those_routes_answer_nothing(acme: TenantRef, ada: User, signed_in: SignedIn) -> None:
    browser = signed_in(ada)
    with unbound():
        assert browser.get("/admin/").status_code == 200
        for path in ("/admin/password_change/", "/admin/password_change/done/", "/admin/login/"):
            assert browser.get(path).status_code == 404
            assert browser.post(path, {"username": "ada", "password": "x"}).status_code == 404


def test_no_template_asks_for_one() -> None:
    ours = list(ROOT.glob("templates/**/*.html"))
    assert len(ours) > 40
    asking = re.compile(r"type=.password|autocomplete=.(current|new)-password")
    found = {str(path.relative_to(ROOT / "templates")) for path in ours if asking.search(path.read_text())}
    assert found == {"admin/connections/rotate_page.html"}  # a customer's database's


def test_nothing_that_is_typed_signs_anybody_in(acme: TenantRef, ada: User) -> None:
    assert authenticate(None, username=ada.email, password="x") is None
    with pytest.raises(TypeError):
        ada.set_password("x")
    assert not ada.has_usable_password()


def test_no_view_is_exempt_from_csrf() -> None:
    found = list(patterns())
    assert {route for route, view in found if getattr(view, "csrf_exempt", False)} == EXEMPT
    assert any("accounts/sign-out/" in route for route, _ in found)


def test_nothing_is_written_without_a_csrf_token(acme: TenantRef, ada: User, signed_in: SignedIn) -> None:
    browser = signed_in(ada)
    browser.handler.enforce_csrf_checks = True
    found = [path for path in paths("omni.urls.tenant") if not path.endswith("/acs/")]
    over_scim = {path for path in found if path.startswith("/scim/")}  # a session is nobody there, token or not
    found = [path for path in found if path not in over_scim]
    with unbound():
        assert {browser.post(path).status_code for path in over_scim} <= {401, 403}
        assert {path: browser.post(path).status_code for path in found} == dict.fromkeys(found, 403)


def test_the_cookies_of_production_belong_to_one_host(acme: TenantRef, ada: User, settings: Any) -> None:
    settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME = "__Host-omni_session", "__Host-omni_csrf"
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    client = Client(HTTP_HOST="acme.localhost")
    client.force_login(ada, backend="apps.accounts.backends.IdentityBackend")
    with unbound():
        client.get("/accounts/sessions/", secure=True)
        client.post("/accounts/sessions/end/", {"which": "others"}, secure=True)
        client.get("/accounts/sessions/", secure=True)
    assert set(client.cookies) == {"__Host-omni_session", "__Host-omni_csrf"}
    for cookie in client.cookies.values():
        assert (cookie["secure"], cookie["path"], cookie["domain"], cookie["httponly"]) == (True, "/", "", True)
