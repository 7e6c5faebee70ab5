"""Every address, taken from the URL map: nothing but sign-in answers somebody who has not signed in."""

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from apps.tenants.types import TenantRef
from tests.apps.conftest import acme, database, make_tenant, now, platform

__all__ = ["acme", "database", "make_tenant", "now", "platform"]
SPECIMENS = {
    "uuid": "00000000-0000-0000-0000-000000000001", "slug": "some-slug", "str": "some-text", "path": "some/path", "int": "1",
}  # fmt: skip
OPEN_TO_ALL = {"/accounts/sign-in/", "/support/enter/some-text/"}


def paths(urlconf: str) -> list[str]:
    """Return one address per route."""
    return sorted({_filled(route) for route in _routes(get_resolver(urlconf).url_patterns, "/")})


def _routes(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, route)
        else:
            yield route


def _filled(route: str) -> str:
    route = re.sub(r"<(?:(\w+):)?\w+>", lambda match: SPECIMENS[match.group(1) or "str"], route)
    route = re.sub(r"\(\?P?(?:some-text)?.*?\)", "some-text", route)
    return "/" + re.sub(r"[\^$\\]", "", route).lstrip("/")


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_tenants_addresses(acme: TenantRef, method: str) -> None:
    answers = {path: getattr(Client(HTTP_HOST="acme.localhost"), method)(path) for path in paths("omni.urls.tenant")}
    assert [path for path, answer in answers.items() if answer.status_code == 500] == []
    assert {path for path, answer in answers.items() if answer.status_code == 200} <= OPEN_TO_ALL
    for path, answer in answers.items():
        if path.startswith(("/api/", "/scim/")):
            assert answer.status_code == 401, path
        if answer.status_code == 302 and not path.startswith("/accounts/"):
            assert answer["Location"].startswith("/accounts/sign-in/"), path


@pytest.mark.parametrize("path", paths("omni.urls.platform"))
def test_the_platforms_addresses(platform: TenantRef, path: str) -> None:
    answer = Client(HTTP_HOST="localhost").get(path)
    assert answer.status_code in (302, 404, 405) or path in OPEN_TO_ALL


def test_the_map_is_not_empty() -> None:
    assert len(paths("omni.urls.tenant")) > 60
    assert {"/api/v1/query", "/scim/v2/Users"} <= set(paths("omni.urls.tenant"))
