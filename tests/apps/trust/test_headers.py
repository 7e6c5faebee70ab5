"""What every response tells the browser."""

import re

import pytest
from django.test import Client, override_settings
from pytest_django import Settings

from apps.accounts.models import User
from apps.tenants.types import TenantRef

DIRECTIVES = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
)


def headers(tenant: TenantRef, path: str, user: User | None = None) -> dict[str, str]:
    client = Client(headers={"host": tenant.host})
    if user is not None:
        client.force_login(user, backend="apps.accounts.backends.IdentityBackend")
    return dict(client.get(path).headers)


def test_pages_load_nothing_from_elsewhere_and_nothing_inline(acme: TenantRef, ann: User) -> None:
    for path in ("/", "/accounts/sign-in/", "/trust/", "/nowhere/"):
        policy = headers(acme, path, ann)["Content-Security-Policy"].split("; ")
        assert set(DIRECTIVES) <= set(policy), path
        assert not any("unsafe" in directive for directive in policy), path
        assert "form-action 'self'" in policy


def test_nothing_dynamic_is_kept_by_browsers_or_proxies(acme: TenantRef, ann: User) -> None:
    for path in ("/", "/accounts/sign-in/", "/nowhere/"):
        found = headers(acme, path, ann)
        assert "no-store" in found["Cache-Control"], path
        assert found["X-Content-Type-Options"] == "nosniff"
        assert found["Cross-Origin-Opener-Policy"] == found["Cross-Origin-Resource-Policy"] == "same-origin"
        assert found["Referrer-Policy"] == "same-origin"
        assert found["X-Frame-Options"] == "DENY"
        assert "camera=()" in found["Permissions-Policy"]


def test_an_unknown_host_gets_the_same_headers(acme: TenantRef) -> None:
    found = Client(headers={"host": "evil.localhost"}).get("/")
    assert found.status_code == 404
    assert "default-src 'none'" in found["Content-Security-Policy"]


@override_settings(SECURE_SSL_REDIRECT=True)
@pytest.mark.parametrize(("host", "status"), [("evil.example", 400), ("evil.localhost", 301), ("acme.localhost", 301)])
def test_so_does_what_is_answered_before_anybody_looks_whose_host_it_is(
    acme: TenantRef, host: str, status: int
) -> None:
    found = Client(headers={"host": host}).get("/accounts/sign-in/")
    assert found.status_code == status
    assert "default-src 'none'" in found["Content-Security-Policy"]
    assert found["Cache-Control"] == "no-store"
    assert found["X-Frame-Options"] == "DENY"


def test_a_static_file_may_be_kept_and_does_nothing_by_itself(acme: TenantRef, settings: Settings) -> None:
    settings.STATIC_ROOT = settings.BASE_DIR / "static"
    found = Client(headers={"host": "acme.localhost"}).get("/static/img/mark.svg")
    assert found.status_code == 200
    assert "public" in found["Cache-Control"]
    assert "script-src 'self'" in found["Content-Security-Policy"]
    assert found["Cross-Origin-Resource-Policy"] == "same-origin"


def test_only_the_administrations_styles_are_looser_and_still_without_foreign_origins(
    acme: TenantRef, ada: User
) -> None:
    policy = headers(acme, "/admin/", ada)["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "style-src 'self' 'unsafe-inline';" in policy
    assert not re.search(r"https?:|\*", policy)
    assert "unsafe" not in headers(acme, "/administration/", ada)["Content-Security-Policy"]
