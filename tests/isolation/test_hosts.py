"""A host name binds its tenant; nothing else does. Cookies, redirects and forms keep to their host."""

import json
import re
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from django.test import Client, override_settings
from django.urls import URLPattern, URLResolver, get_resolver

from apps.tenants.binding import bound, unbound
from apps.tenants.errors import UnknownTenantError
from apps.tenants.models import Tenant
from apps.tenants.selectors import tenant_by_host
from apps.tenants.services import ValidationError, create_tenant
from tests.isolation.houses import BACKEND, CANARY, World
from tests.isolation.specimens import Specimen, filled, specimens, values

SECURE = {
    "SESSION_COOKIE_SECURE": True, "CSRF_COOKIE_SECURE": True, "SESSION_COOKIE_NAME": "__Host-omni_session",
    "CSRF_COOKIE_NAME": "__Host-omni_csrf", "SECURE_SSL_REDIRECT": True, "SECURE_HSTS_SECONDS": 31536000,
    "SECURE_HSTS_INCLUDE_SUBDOMAINS": True,
}  # fmt: skip


def names(house: Any, host: str, **headers: str) -> tuple[int, str]:
    """Ask for the start page with the cookies of Acme's Ann."""
    client = Client(headers={"host": host, **headers})
    client.cookies.load({name: morsel.value for name, morsel in house.browsers["ann"].cookies.items()})
    answer = client.get("/")
    return answer.status_code, answer.content.decode()


@pytest.mark.parametrize(
    "host", ["acme.localhost", "acme.localhost:8000", "acme.localhost:1", "ACME.LocalHost", "acme.localhost."]
)
def test_every_spelling_of_a_host_is_that_tenants(houses: World, host: str) -> None:
    code, text = names(houses.acme, host)
    assert code == 200
    assert CANARY in text


@pytest.mark.parametrize(
    "host",
    [
        "globex.localhost", "globex.localhost:8000", "localhost", "evil.localhost", "acme.localhost.evil.example", "acme", "acme.",
        "acme.localhost..", ".acme.localhost", "acme.localhost, globex.localhost", "globex.localhost,acme.localhost", "acme.localhost globex.localhost",
        "acme.localhost:8000:8000", "acme.localhost@globex.localhost", "globex.localhost#acme.localhost", "globex.localhost/acme.localhost",
        "globex.localhost\\acme.localhost", "acme.localhost%00", "acme%2elocalhost", "аcme.localhost", "xn--cme-8cd.localhost", "ａcme.localhost",
        "acme.localhost:80@globex.localhost", "[::1]", "127.0.0.1", "", " ", "*", "acme_localhost", "-acme.localhost",
    ],
)  # fmt: skip
def test_no_other_spelling_shows_anything_of_acmes(houses: World, host: str) -> None:
    code, text = names(houses.acme, host)
    assert code in (302, 400, 404), code
    assert CANARY not in text


@pytest.mark.parametrize(
    "header", ["X-Forwarded-Host", "X-Host", "Forwarded", "X-Original-Host", "X-Forwarded-Server", "X-HTTP-Host-Override", "X-Tenant", "X-Original-URL", "X-Rewrite-URL"]
)  # fmt: skip
def test_no_header_but_the_host_chooses_a_tenant(houses: World, header: str) -> None:
    sent = {header: "host=acme.localhost" if header == "Forwarded" else "acme.localhost"}
    code, text = names(houses.acme, "globex.localhost", **sent)
    assert (code, CANARY in text) == (302, False)
    code, text = names(houses.acme, "acme.localhost", **{header: "globex.localhost"})
    assert (code, CANARY in text) == (200, True)


def test_no_parameter_chooses_a_tenant(houses: World) -> None:
    client = houses.globex.browser("ada")
    for name in ("tenant", "tenant_id", "tenant__id", "host", "_tenant", "org", "tenant__slug"):
        for wanted in (str(houses.acme.tenant.id), "acme", "acme.localhost"):
            for path in ("/", "/admin/accounts/user/", "/api/v1/datasets", "/admin/datamodels/dataset/"):
                answer = client.get(path, query_params={name: wanted})
                assert answer.status_code in (200, 302, 400), path
                assert CANARY not in answer.content.decode()


def test_a_slug_is_not_given_twice_and_old_cookies_tokens_and_links_mean_nothing(houses: World) -> None:
    """A stopped tenant keeps its name; whoever gets the host name one day gets nothing that was issued before."""
    with unbound():
        gone = create_tenant(slug="initech", name="Initech")
        Tenant.objects.using("owner").filter(pk=gone.pk).update(is_active=False)
        with pytest.raises(ValidationError):
            create_tenant(slug="initech", name="Initech again")
        with pytest.raises(ValidationError):
            create_tenant(slug="initech2", name="Initech again", host="INITECH.localhost")
        with pytest.raises(UnknownTenantError):
            tenant_by_host("initech.localhost")
        domain = houses.acme.tenant.host
        Tenant.objects.get(pk=houses.acme.tenant.id).domains.update(host="old.localhost")
        heir = create_tenant(slug="heir", name="Heir", host=domain)
    try:
        code, text = names(houses.acme, domain)
        assert (code, CANARY in text) == (302, False)
        token = {"Authorization": f"Bearer {houses.acme.tokens['ann']}"}
        assert Client(headers={"host": domain, **token}).get("/api/v1/datasets").status_code == 401
        assert names(houses.acme, "old.localhost")[0] == 200
    finally:
        with unbound():
            heir.domains.all().delete()
            Tenant.objects.get(pk=houses.acme.tenant.id).domains.update(host=domain)


@override_settings(**SECURE)
def test_over_tls_cookies_are_the_hosts_own(houses: World) -> None:
    client = Client(headers={"host": "acme.localhost"})
    assert client.get("/accounts/sign-in/").status_code == 301
    answer = client.get("/accounts/sign-in/", secure=True)
    assert "max-age=31536000; includeSubDomains" in answer["Strict-Transport-Security"]
    with bound(houses.acme.tenant.id):
        client.force_login(houses.acme.people["ada"], backend=BACKEND)
    told = client.post(f"/admin/datamodels/datamodel/{houses.acme.data_model.pk}/refresh/", secure=True)
    made = {**answer.cookies, **told.cookies}
    assert {"__Host-omni_session", "__Host-omni_csrf"} <= made.keys()
    for name, morsel in made.items():
        assert name.startswith("__Host-"), f"{name}: a neighbour's host could set it"
        assert morsel["secure"]
        assert not morsel["domain"]
        assert morsel["path"] == "/"
        assert morsel["httponly"]
        assert morsel["samesite"] in ("Lax", "Strict")


def test_what_is_said_to_a_person_is_kept_in_their_session_not_in_a_cookie(houses: World) -> None:
    client = houses.acme.browser("ada")
    answer = client.post(f"/admin/datamodels/datamodel/{houses.acme.data_model.pk}/refresh/")
    assert answer.status_code == 302
    assert set(client.cookies) <= {"omni_session", "omni_csrf"}


def test_signing_out_clears_what_the_browser_kept(houses: World) -> None:
    answer = houses.acme.browser("ann").post("/accounts/sign-out/")
    assert '"cache"' in answer["Clear-Site-Data"]
    assert '"storage"' in answer["Clear-Site-Data"]
    assert answer.cookies["omni_session"].value == ""


def test_no_answer_is_kept_and_every_one_has_its_policy(houses: World) -> None:
    client = houses.acme.browser("ada")
    for route, specimen in specimens("omni.urls.tenant").items():
        if specimen.ends_session:
            continue
        answer = client.get(
            filled(route, values(houses.acme, specimen.path)), query_params=values(houses.acme, specimen.query)
        )
        assert "no-store" in answer["Cache-Control"], route
        assert "default-src 'none'" in answer["Content-Security-Policy"], route
        assert "base-uri 'none'" in answer["Content-Security-Policy"], route
        if not route.startswith("/admin/"):
            assert "unsafe" not in answer["Content-Security-Policy"], route


FREE_OF_CSRF = {"/accounts/saml/<slug:slug>/acs/": "posted by the provider's page; believed by its signature alone"}


def views(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        found += views(pattern.url_patterns, route) if isinstance(pattern, URLResolver) else [(route, pattern.callback)]
    return found


@pytest.mark.parametrize("urlconf", ["omni.urls.tenant", "omni.urls.platform"])
def test_no_address_is_free_of_csrf_without_a_reason(urlconf: str) -> None:
    found = views(get_resolver(urlconf).url_patterns)
    assert len(found) > 10
    assert [route for route, view in found if getattr(view, "csrf_exempt", False)] == list(FREE_OF_CSRF)


def test_every_write_without_a_token_from_the_page_is_refused(houses: World) -> None:
    """With a cookie alone, as a page of somebody else's would send it."""
    held = {name: morsel.value for name, morsel in houses.acme.browser("ada").cookies.items()}
    wrong = []
    for route, specimen in specimens("omni.urls.tenant").items():
        if route in FREE_OF_CSRF:
            continue
        for method in ("post", "put", "patch", "delete"):
            client = Client(
                enforce_csrf_checks=True, headers={"host": "acme.localhost", "origin": "https://evil.example"}
            )
            client.cookies.load(held)
            answer = getattr(client, method)(filled(route, values(houses.acme, specimen.path)))
            if answer.status_code != (401 if specimen.bearer == "scim" else 403):  # under /scim/ no session counts
                wrong.append(f"{method} {route}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)


def test_the_same_write_with_the_pages_token_goes_through(houses: World) -> None:
    client = Client(enforce_csrf_checks=True, headers={"host": "acme.localhost"})
    client.cookies.load({name: morsel.value for name, morsel in houses.acme.browser("ann").cookies.items()})
    page = client.get("/").content.decode()
    found = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', page) or re.search(r'"X-CSRFToken": "([^"]+)"', page)
    assert found, "the page carries a token"
    assert client.post("/accounts/sign-out/", {"csrfmiddlewaretoken": found.group(1)}).status_code == 302


ELSEWHERE = (
    "https://evil.example/", "//evil.example/", "///evil.example/", "/\\evil.example/", "\\\\evil.example", "http:evil.example", "https:/evil.example",
    "javascript:alert(1)", "/%2f/evil.example", "//acme.localhost@evil.example/", "http://globex.localhost/", "http://acme.localhost.evil.example/",
    "/\t/evil.example", "\n//evil.example", " //evil.example", "data:text/html,x", "//evil.example/accounts/sign-in/", "/dashboards/x/../../..//evil.example",
)  # fmt: skip


@pytest.mark.parametrize("target", ELSEWHERE)
def test_no_page_sends_a_browser_elsewhere(houses: World, target: str) -> None:
    client = houses.acme.browser("ada")
    for name in ("next", "url", "return_to", "redirect", "_popup", "to"):
        for path, specimen in (
            ("/accounts/sign-in/", Specimen()),
            ("/view-as/", Specimen()),
            ("/admin/login/", Specimen()),
            ("/admin/logout/", Specimen()),
        ):
            answer = client.get(path, query_params={name: target})
            assert is_here(answer), (path, answer.headers.get("Location"))
            assert (
                "evil.example" not in re.sub(r'(value|content)="[^"]*"', "", answer.content.decode())
                or specimen.get != 200
            )
    for path, body in (
        ("/view-as/start/", {"person": str(houses.acme.people["ann"].pk)}),
        ("/view-as/end/", {}),
        ("/accounts/sign-out/", {}),
    ):
        assert is_here(houses.acme.browser("ada").post(path, body | {"next": target})), path


def is_here(answer: Any) -> bool:
    """Say whether a redirect, if it is one, stays on the host."""
    where = answer.headers.get("Location", "/")
    goes_to = urlsplit(urljoin("http://acme.localhost/", where)).netloc
    return bool(re.match(r"/(?![/\\])[^\s]*\Z", where)) and goes_to == "acme.localhost"


def test_a_question_of_another_host_is_not_answered_across_origins(houses: World) -> None:
    client = houses.acme.browser("ann")
    answer = client.post(
        "/api/v1/query",
        json.dumps(houses.acme.question),
        content_type="application/json",
        headers={"origin": "http://globex.localhost"},
    )
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
