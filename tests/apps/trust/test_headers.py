"""What every response tells the browser."""

import re

from django.test import Client

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


def test_only_the_administrations_styles_are_looser_and_still_without_foreign_origins(
    acme: TenantRef, ada: User
) -> None:
    policy = headers(acme, "/admin/", ada)["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "style-src 'self' 'unsafe-inline';" in policy
    assert not re.search(r"https?:|\*", policy)
    assert "unsafe" not in headers(acme, "/administration/", ada)["Content-Security-Policy"]
