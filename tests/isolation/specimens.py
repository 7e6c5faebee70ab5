"""A specimen for every address: which things of a house stand in its path, query string and body, and who may do it.

A new address is one line in ``TENANT`` or ``PLATFORM``, keyed by the address as the URL map spells it:

    "/scim/v2/Users/<uuid:user_id>": Specimen(path={"user_id": "person.pk"}, get=401),

* A value names a thing of the house (``houses.py``), by attributes: ``person.pk``, ``dashboard.slug``; a value that begins
  with ``=`` is that text. Whatever is named there is put into the path, the query string and the body.
* ``who`` is the person of the house itself who may do it, ``get`` and ``post`` what that person is answered: the positive
  control, which shows that the specimen names something real. ``post=None``: not posted by the owner (it needs more).
* ``json``, ``put`` and ``patch`` name the document of the house that is sent by POST and DELETE, by PUT and by PATCH.
* ``bearer``: not a person but a program, with the token of this name in ``House.tokens``. ``delete`` is what it or the person
  is answered to DELETE, where that is how the thing is reached.
* ``member`` is what a member without any permission is answered, if it is not a refusal (401, 403, 404 or 405).
* ``is_open``: reached without signing in. ``is_key``: so is it, by whoever holds the path, which is a secret: no stranger is
  given it on its own host. ``ends_session``: whoever calls it signs in again for the next address.

Pages of the administration that Django makes of a registered model need no line: their specimen is the tenant's own row.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.contrib.admin import AdminSite
from django.urls import URLPattern, URLResolver, get_resolver

from apps.access.sites import platform_admin_site, tenant_admin_site
from tests.isolation.houses import House, nothing

Values = Mapping[str, str]


@dataclass(frozen=True)
class Specimen:
    """See the head of this file."""

    path: Values = field(default_factory=dict)
    query: Values = field(default_factory=dict)
    body: Values = field(default_factory=dict)
    json: str = ""
    put: str = ""
    patch: str = ""
    who: str = "ada"
    bearer: str = ""
    get: int = 200
    post: int | None = 405
    member: int | None = None
    delete: int | None = None
    is_open: bool = False
    is_key: bool = False
    ends_session: bool = False

    def document(self, method: str) -> str:
        """Return the name of the document that is sent by a method, empty for none."""
        return {"put": self.put, "patch": self.patch}.get(method, self.json)


RUN, TILE = {"run_id": "run.pk"}, {"slug": "dashboard.slug", "tile_id": "tile.pk"}
VERSION = {"key": "data_model.pk", "number": "draft.number"}
REQUEST, WAITING = {"request_id": "support_request.pk"}, {"request_id": "waiting_request.pk"}
LINK = {"object_id": "connection.pk"}
MODEL, IDP, SAML = {"key": "data_model.pk"}, {"slug": "provider.slug"}, {"slug": "saml_provider.slug"}
REVIEWED = {"kind": "=dataset", "key": "dataset.pk"}
ADMIN = "/admin/"
ELSEWHERE = {"tenants.SignInSettings": 404, "retention.ErasureOrder": 404}
"""these have one page, which is not this"""
MODELS = f"{ADMIN}datamodels/datamodel/<uuid:key>/"
ONE_VERSION = f"{MODELS}versions/<int:number>/"

ACCOUNTS = {
    "/accounts/sign-in/": Specimen(query={"next": "=/"}, is_open=True, get=302, post=302, member=302),
    "/accounts/sign-out/": Specimen(get=405, post=302, member=302, is_open=True, ends_session=True),
    "/accounts/oidc/<slug:slug>/login/": Specimen(IDP, get=405, post=502, member=502, is_open=True),
    "/accounts/oidc/<slug:slug>/callback/": Specimen(
        IDP, query={"state": "provider.pk", "code": "=x"}, get=400, is_open=True, member=400
    ),
    "/accounts/saml/<slug:slug>/login/": Specimen(SAML, get=405, post=302, member=302, is_open=True),
    "/accounts/saml/<slug:slug>/acs/": Specimen(
        SAML, body={"SAMLResponse": "saml_provider.pk"}, get=405, post=400, member=400, is_open=True
    ),
    "/accounts/saml/<slug:slug>/finish/": Specimen(SAML, get=400, member=400, is_open=True),
}
SITE = {
    f"{ADMIN}search/": Specimen(query={"s": "person.email"}, post=200),
    ADMIN: Specimen(post=200),
    f"{ADMIN}login/": Specimen(get=404, post=404),
    f"{ADMIN}logout/": Specimen(get=405, post=302),
    f"{ADMIN}password_change/": Specimen(get=404, post=404),
    f"{ADMIN}password_change/done/": Specimen(get=404, post=404),
    f"{ADMIN}autocomplete/": Specimen(
        query={
            "app_label": "=accounts",
            "model_name": "=groupmembership",
            "field_name": "=user",
            "term": "person.email",
        },
        post=405,
    ),
    f"{ADMIN}jsi18n/": Specimen(),
    f"{ADMIN}r/<path:content_type_id>/<path:object_id>/": Specimen(
        {"content_type_id": "=1", "object_id": "person.pk"}, get=404, post=404
    ),
    ADMIN + r"(?P<url>.*)$": Specimen({"url": "=nowhere/"}, get=404, post=404),
}
OWN = {
    "/accounts/confirm/": Specimen(member=200, is_open=True),
    "/accounts/recover/<str:secret>/": Specimen(
        {"secret": "recovery"}, post=302, member=200, is_open=True, is_key=True, ends_session=True
    ),
    "/accounts/recovery/": Specimen(who="recovery"),
    "/accounts/sessions/": Specimen(who="ann", member=200),
    "/accounts/sessions/<uuid:session_id>/end/": Specimen({"session_id": "session.pk"}, who="ann", get=405, post=302),
    "/accounts/sessions/ending/": Specimen(who="ann", post=405, member=200),
    "/accounts/sessions/end/": Specimen(who="ann", get=405, post=302, member=302),
    "/accounts/tokens/": Specimen(who="ann", post=422, member=200),
    "/accounts/tokens/<uuid:token_id>/revoke/": Specimen({"token_id": "token.pk"}, who="ann", get=405, post=302),
}
USER_SCHEMA = "=urn:ietf:params:scim:schemas:core:2.0:User"
SCIM = {
    f"/scim/{rest}": replace(specimen, bearer="scim")
    for rest, specimen in {
        "": Specimen(get=404, post=404),
        "<path:rest>": Specimen({"rest": "=x"}, get=404, post=404),
        "v2/.search": Specimen(get=501, post=501),
        "v2/Bulk": Specimen(get=501, post=501),
        "v2/Me": Specimen(get=501, post=501),
        "v2/Groups": Specimen(json="new_group", post=201),
        "v2/Groups/.search": Specimen(json="everyone", get=405, post=200),
        "v2/Groups/<str:key>": Specimen({"key": "sellers.pk"}, put="sellers_anew", patch="renamed", delete=204),
        "v2/ResourceTypes": Specimen(),
        "v2/ResourceTypes/<str:key>": Specimen({"key": "=User"}),
        "v2/Schemas": Specimen(),
        "v2/Schemas/<str:key>": Specimen({"key": USER_SCHEMA}),
        "v2/ServiceProviderConfig": Specimen(),
        "v2/Users": Specimen(post=400),
        "v2/Users/.search": Specimen(json="everyone", get=405, post=200),
        "v2/Users/<str:key>": Specimen({"key": "joe.pk"}, put="joe_anew", patch="renamed", delete=204),
    }.items()
}
TENANT = {
    **ACCOUNTS,
    **OWN,
    **SCIM,
    **SITE,
    f"{ADMIN}accounts/serviceaccount/<uuid:key>/switch/": Specimen({"key": "account.pk"}, body={"to": "=enabled"}, get=405, post=302),
    f"{ADMIN}accounts/serviceaccount/<uuid:key>/token/": Specimen({"key": "account.pk"}, post=200),
    f"{ADMIN}accounts/user/<uuid:key>/claims/": Specimen({"key": "person.pk"}, query={"claim": "=region", "attribute": "region.pk"}),
    f"{ADMIN}accounts/usergroup/<uuid:key>/keeper/": Specimen({"key": "group.pk"}, post=302),
    f"{ADMIN}connections/connection/<path:object_id>/catalogue/": Specimen(LINK, get=302, post=302),
    f"{ADMIN}connections/connection/<path:object_id>/check/": Specimen(LINK, post=302),
    f"{ADMIN}connections/connection/<path:object_id>/rotate/": Specimen(LINK, body={"password": "=x"}, post=302),
    f"{ADMIN}vault/tenantkey/rotate/": Specimen(post=302),
    "/api/v1/admin/sessions": Specimen(bearer="program"),
    "/api/v1/admin/sessions/<uuid:session_id>": Specimen({"session_id": "running.pk"}, bearer="program", get=405, delete=204),
    "/api/v1/admin/tokens": Specimen(bearer="program"),
    "/api/v1/admin/tokens/<uuid:token_id>": Specimen({"token_id": "token.pk"}, bearer="program", get=405, delete=204),
    "/dashboards/<slug:slug>/refresh/": Specimen({"slug": "dashboard.slug"}, who="ann", get=405, post=302),
    ADMIN + r"^(?P<app_label>accounts|audit|access|tenants|connections|datamodels|governance|queries|dashboards|support|vault|retention)/$": Specimen({"app_label": "=accounts"}, post=200),
    f"{ADMIN}access/accessreview/find/": Specimen(),
    f"{ADMIN}access/accessreview/of/<slug:kind>/<uuid:key>/": Specimen(REVIEWED),
    f"{ADMIN}access/accessreview/of/<slug:kind>/<uuid:key>/export/": Specimen(REVIEWED),
    f"{ADMIN}access/accessreview/of/<slug:kind>/<uuid:key>/sign/": Specimen(REVIEWED, get=0, post=None),
    f"{MODELS}holders/": Specimen(MODEL, get=0, post=None),
    f"{ADMIN}accounts/identityprovider/<uuid:key>/test/": Specimen({"key": "saml_provider.pk"}, post=200),
    f"{ADMIN}accounts/identityprovider/<uuid:key>/metadata.xml": Specimen({"key": "saml_provider.pk"}),
    f"{MODELS}change/": Specimen(MODEL),
    f"{MODELS}draft/": Specimen(MODEL, get=405, post=302),
    f"{MODELS}refresh/": Specimen(MODEL, get=405, post=302),
    ONE_VERSION: Specimen(VERSION),
    f"{ONE_VERSION}file/": Specimen(VERSION, query={"path": "=orders.view.yaml"}, body={"path": "=orders.view.yaml", "content": "=x"}, post=None),
    f"{ONE_VERSION}diff/": Specimen(VERSION),
    f"{ONE_VERSION}classify/": Specimen(VERSION, post=302),
    f"{ONE_VERSION}publish/": Specimen(VERSION, post=302),
    f"{ONE_VERSION}rebase/": Specimen(VERSION, post=302),
    f"{ONE_VERSION}discard/": Specimen(VERSION, post=302),
    f"{ADMIN}governance/approvalrequest/blast-radius/<uuid:key>/": Specimen({"key": "version.pk"}, post=302),
    f"{ADMIN}governance/approvalrequest/<uuid:key>/decide/": Specimen({"key": "approval.pk"}, body={"decision": "=refuse"}, post=302),
    "/api/v1/datasets": Specimen(who="ann", member=200),
    "/api/v1/datasets/<str:name>": Specimen({"name": "dataset.name"}, who="ann"),
    "/api/v1/query": Specimen(json="question", who="ann", get=405, post=200),
    "/api/v1/runs/<uuid:run_id>": Specimen(RUN, who="ann"),
    "/api/v1/downloads": Specimen(json="question", who="ann", get=405, post=202),
    "/api/v1/downloads/<uuid:run_id>": Specimen({"run_id": "download_id"}, who="ann"),
    "/api/v1/explain": Specimen(json="question", who="ann", get=405, post=200),
    r"/api/v1/^(?P<rest>.*)$": Specimen({"rest": "=nowhere"}, get=404, post=404),
    "/support/": Specimen(),
    "/support/requests/<uuid:request_id>/": Specimen(REQUEST),
    "/support/requests/<uuid:request_id>/log/": Specimen(REQUEST),
    "/support/requests/<uuid:request_id>/approve/": Specimen(WAITING, body={"minutes": "=5", "datasets": "dataset.pk"}, get=405, post=302),
    "/support/requests/<uuid:request_id>/deny/": Specimen(WAITING, get=405, post=302),
    "/support/requests/<uuid:request_id>/end/": Specimen(REQUEST, get=405, post=302),
    "/support/enter/<str:ticket>/": Specimen({"ticket": "ticket"}, is_open=True, is_key=True, post=None, member=200, ends_session=True),
    "/support/leave/": Specimen(get=405, post=404, ends_session=True),
    "/trust/": Specimen(who="ann", member=200),
    "/": Specimen(who="ann", member=200),
    "/dashboards/<slug:slug>/": Specimen({"slug": "dashboard.slug"}, who="ann"),
    "/dashboards/<slug:slug>/tiles/<uuid:tile_id>/": Specimen(TILE, query={"run": "run.pk"}, who="ann"),
    "/dashboards/<slug:slug>/tiles/<uuid:tile_id>/chart.svg": Specimen(TILE, who="ann"),
    "/dashboards/<slug:slug>/tiles/<uuid:tile_id>/why/": Specimen(TILE, who="ann"),
    "/dashboards/<slug:slug>/tiles/<uuid:tile_id>/download/": Specimen(TILE, who="ann", get=405, post=302),
    "/downloads/<uuid:run_id>/": Specimen({"run_id": "download_id"}, who="ann"),
    "/dashboards/<slug:slug>/filters/<slug:key>/options/": Specimen({"slug": "dashboard.slug", "key": "=status"}, query={"run": "run.pk"}, who="ann"),
    "/runs/<uuid:run_id>/progress/": Specimen(RUN, who="ann", get=204),
    "/runs/<uuid:run_id>/cancel/": Specimen(RUN, who="ann", get=405, post=204),
    "/view-as/": Specimen(query={"q": "person.email"}),
    "/view-as/start/": Specimen(body={"person": "person.pk", "next": "=/"}, get=405, post=302, ends_session=True),
    "/view-as/end/": Specimen(get=405, post=404),
}  # fmt: skip
PLATFORM = {
    **ACCOUNTS,
    **OWN,
    "/accounts/recover/<str:secret>/": replace(OWN["/accounts/recover/<str:secret>/"], get=404, is_key=False),
    "/accounts/recovery/": Specimen(get=404),
    "/accounts/tokens/": Specimen(post=404, member=200),
    **SITE,
    f"{ADMIN}autocomplete/": Specimen(query=SITE[f"{ADMIN}autocomplete/"].query, get=403, post=403),
    ADMIN + r"^(?P<app_label>tenants)/$": Specimen({"app_label": "=tenants"}, post=200),
    "/support/": Specimen(body={"tenant": "tenant.slug"}, post=422),
    "/support/requests/<uuid:request_id>/enter/": Specimen(REQUEST, get=405, post=302),
    "/support/requests/<uuid:request_id>/withdraw/": Specimen(REQUEST, get=405, post=302),
    "/": Specimen(get=302, post=302),
}


def routes(urlconf: str) -> list[str]:
    """Return every address as the URL map spells it."""
    return sorted(set(_routes(get_resolver(urlconf).url_patterns, "/")))


def _routes(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, route)
        else:
            yield route


@cache
def of_models(site: AdminSite) -> Mapping[str, Specimen]:
    """Return the specimens of the pages that Django makes of registered models."""
    found: dict[str, Specimen] = {}
    for model in site._registry:
        base = f"{ADMIN}{model._meta.app_label}/{model._meta.model_name}/"
        thing = {"object_id": f"rows.{model._meta.label_lower}"}
        found |= {
            base: Specimen(
                post=None, body={"_selected_action": thing["object_id"], "action": "=delete_selected", "post": "=yes"}
            ),
            f"{base}add/": Specimen(get=0, post=None),
            f"{base}<path:object_id>/": Specimen(thing, get=302, post=302),
            f"{base}<path:object_id>/history/": Specimen(thing, get=302, post=None),
            f"{base}<path:object_id>/delete/": Specimen(thing, body={"post": "=yes"}, get=0, post=None),
            f"{base}<path:object_id>/change/": Specimen(thing, get=ELSEWHERE.get(model._meta.label, 200), post=None),
        }
    return found


@cache
def specimens(urlconf: str) -> Mapping[str, Specimen]:
    """Return the specimen of every address; a page of the house's own stands before Django's of the same address."""
    if urlconf.endswith("tenant"):
        return {**of_models(tenant_admin_site), **TENANT}
    own_history = {
        f"{ADMIN}tenants/tenant/<path:object_id>/history/": Specimen({"object_id": "tenant.id"}, get=200, post=None)
    }
    return {**of_models(platform_admin_site), **PLATFORM, **own_history}


def value(house: House, name: str, *, is_missing: bool = False) -> str:
    """Return what a specimen names in a house, or something of the same kind that exists nowhere."""
    if name.startswith("="):
        return name[1:]
    if name.startswith("rows."):
        found: Any = house.row_of(name.removeprefix("rows.")).pk
    else:
        found = attrgetter(name)(house)
    if is_missing:
        found = nothing() if isinstance(found, UUID) else 1 if isinstance(found, int) else f"missing-{found}"[:60]
    return str(found)


def values(house: House, named: Values, *, is_missing: bool = False) -> dict[str, str]:
    return {name: value(house, thing, is_missing=is_missing) for name, thing in named.items()}


def filled(route: str, found: Mapping[str, str]) -> str:
    """Return the address with these values in its places."""
    for name, text in found.items():
        for kind in ("uuid", "slug", "str", "int", "path"):
            route = route.replace(f"<{kind}:{name}>", text)
        if (start := route.find(f"(?P<{name}>")) >= 0:
            route = route[:start] + text + route[route.index(")", start) + 1 :]
    return route.replace("^", "").replace("$", "")
