"""Which area opens which door: every address, page of the administration, action, part of a page and autocompletion.

Areas are those of ``parts.py``. ``everybody``: all members. ``ann``: Ann's own things. ``nobody``: not reached like this.
``anybody's``: whoever has any page of the administration. Tenant administrators open every door but those of others in person.
A new page, action or address without a line fails ``test_parts.py``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

NOBODY, EVERYBODY, TENANT = "nobody", "everybody", "tenant"
CONNECTIONS, MODELS, BOARDS, FOLDERS = "connections holders", "models holders", "dashboards holders", "folders holders"


@dataclass(frozen=True)
class Pages:
    """The pages of a model: who looks, adds, changes, deletes; who runs which action; who changes which part of its page."""

    look: str
    add: str = NOBODY
    change: str = NOBODY
    delete: str = NOBODY
    actions: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
    read: Mapping[str, str] = field(default_factory=dict)
    """parts that are shown and never changed there"""


MODELS_PAGES: Mapping[str, Pages] = {
    "access.AccessReview": Pages("reviews"),
    "access.Role": Pages(TENANT, TENANT, TENANT, TENANT),
    "access.RoleAssignment": Pages(TENANT, TENANT, TENANT, TENANT),
    "accounts.ApiToken": Pages("people", actions={"revoke": "people"}),
    "accounts.AttributeDefinition": Pages("people", "people", "people", "people"),
    "accounts.GroupMembership": Pages("people"),
    "accounts.IdentityProvider": Pages(
        TENANT, TENANT, TENANT, TENANT, parts={"accounts.ClaimMapping": TENANT, "accounts.EmailDomain": TENANT}
    ),
    "accounts.ScimToken": Pages(TENANT, TENANT, actions={"revoke": TENANT}),
    "accounts.ServiceAccount": Pages(
        TENANT, TENANT, TENANT, actions={"disable": TENANT, "enable": TENANT},
        parts={"accounts.UserAttribute": TENANT, "accounts.GroupMembership": TENANT}, read={"accounts.ApiToken": TENANT},
    ),
    "accounts.User": Pages(
        "people", "people", "people", actions={"activate": "people", "deactivate": "people", "end_sessions": "people"},
        parts={"accounts.UserAttribute": "people", "accounts.GroupMembership": "people"}, read={"accounts.ApiToken": "people"},
    ),
    "accounts.UserGroup": Pages(
        "people", "people", "people", "people",
        parts={"accounts.GroupMembership": "people", "accounts.GroupAttribute": "people"},
    ),
    "accounts.UserSession": Pages("people", actions={"end": "people"}),
    "audit.AuditEvent": Pages("audit"),
    "connections.CatalogTable": Pages("all-connections", read={"connections.CatalogColumn": "all-connections"}),
    "connections.Connection": Pages(
        CONNECTIONS, "all-connections", CONNECTIONS, "all-connections", actions={"check_selected": "connections"},
        read={"connections.ConnectionCheck": "connections"},
    ),
    "dashboards.Dashboard": Pages(
        BOARDS, "all-dashboards", BOARDS, "all-dashboards",
        parts={"dashboards.DashboardFilter": "dashboards", "dashboards.Tile": "dashboards"},
    ),
    "dashboards.Folder": Pages(FOLDERS, "all-dashboards", FOLDERS, "all-dashboards"),
    "datamodels.DataModel": Pages(MODELS),
    "datamodels.Dataset": Pages("all-models holders", change="holders"),
    "governance.ApprovalRequest": Pages(TENANT),
    "governance.PublishingPolicy": Pages(TENANT),
    "queries.DownloadLimit": Pages("all-models", "all-models", "all-models", "all-models"),
    "queries.KeepingLimit": Pages(TENANT),
    "queries.QueryRun": Pages("all-connections", actions={"cancel_selected": "all-connections"}),
    "retention.ErasureOrder": Pages(TENANT),
    "support.SupportRequest": Pages("support"),
    "tenants.SignInSettings": Pages("sign-in"),
    "vault.TenantKey": Pages(TENANT),
}  # fmt: skip

ADMIN = "/admin/"
LINK = f"{ADMIN}connections/connection/<path:object_id>/"
MODEL = f"{ADMIN}datamodels/datamodel/<uuid:key>/"
VERSION = f"{MODEL}versions/<int:number>/"
REVIEW = f"{ADMIN}access/accessreview/"
REQUEST = "/support/requests/<uuid:request_id>/"
BOARD = "/dashboards/<slug:slug>/"
TILE = f"{BOARD}tiles/<uuid:tile_id>/"

ADDRESSES: Mapping[str, tuple[str, str]] = {
    # in the administration
    ADMIN: ("anybody's", "anybody's"),
    f"{ADMIN}search/": ("anybody's", "anybody's"),
    f"{ADMIN}jsi18n/": ("anybody's", NOBODY),
    f"{ADMIN}autocomplete/": ("people", NOBODY),
    f"{ADMIN}logout/": (NOBODY, "anybody's"),
    f"{ADMIN}login/": (NOBODY, NOBODY),
    f"{ADMIN}password_change/": (NOBODY, NOBODY),
    f"{ADMIN}password_change/done/": (NOBODY, NOBODY),
    f"{ADMIN}r/<path:content_type_id>/<path:object_id>/": (NOBODY, NOBODY),
    ADMIN + r"(?P<url>.*)$": (NOBODY, NOBODY),
    ADMIN
    + r"^(?P<app_label>accounts|audit|access|tenants|connections|datamodels|governance|queries|dashboards|support|vault|retention)/$": (
        "people",
        "people",
    ),
    f"{REVIEW}find/": ("reviews", NOBODY),
    f"{REVIEW}of/<slug:kind>/<uuid:key>/": ("reviews", NOBODY),
    f"{REVIEW}of/<slug:kind>/<uuid:key>/export/": ("reviews", NOBODY),
    f"{REVIEW}of/<slug:kind>/<uuid:key>/sign/": ("reviews", "reviews"),
    f"{ADMIN}accounts/serviceaccount/<uuid:key>/switch/": (NOBODY, TENANT),
    f"{ADMIN}accounts/serviceaccount/<uuid:key>/token/": (TENANT, TENANT),
    f"{ADMIN}accounts/user/<uuid:key>/claims/": ("people", NOBODY),
    f"{ADMIN}accounts/usergroup/<uuid:key>/keeper/": ("people", "people"),
    f"{ADMIN}accounts/identityprovider/<uuid:key>/test/": (TENANT, TENANT),
    f"{ADMIN}accounts/identityprovider/<uuid:key>/metadata.xml": (TENANT, NOBODY),
    f"{LINK}catalogue/": ("all-connections", "all-connections"),
    f"{LINK}check/": ("connections", "connections"),
    f"{LINK}rotate/": ("connections", "connections"),
    f"{MODEL}holders/": (MODELS, "holders"),
    f"{MODEL}change/": ("models", NOBODY),
    f"{MODEL}draft/": (NOBODY, "models"),
    f"{MODEL}refresh/": (NOBODY, "models"),
    VERSION: ("models", NOBODY),
    f"{VERSION}file/": ("models", "models"),
    f"{VERSION}diff/": ("models", NOBODY),
    f"{VERSION}classify/": ("models", "models"),
    f"{VERSION}publish/": ("models", "models"),
    f"{VERSION}rebase/": ("models", "models"),
    f"{VERSION}discard/": ("models", "models"),
    f"{ADMIN}governance/approvalrequest/blast-radius/<uuid:key>/": (TENANT, TENANT),
    f"{ADMIN}governance/approvalrequest/<uuid:key>/decide/": (TENANT, TENANT),
    f"{ADMIN}vault/tenantkey/rotate/": (TENANT, TENANT),
    # everybody's own
    "/": (EVERYBODY, EVERYBODY),
    "/trust/": (EVERYBODY, NOBODY),
    "/accounts/sessions/": (EVERYBODY, NOBODY),
    "/accounts/sessions/ending/": (EVERYBODY, NOBODY),
    "/accounts/sessions/end/": (NOBODY, EVERYBODY),
    "/accounts/sessions/<uuid:session_id>/end/": (NOBODY, "ann"),
    "/accounts/tokens/": (EVERYBODY, EVERYBODY),
    "/accounts/tokens/<uuid:token_id>/revoke/": (NOBODY, "ann"),
    "/accounts/recovery/": (NOBODY, NOBODY),
    # data
    BOARD: ("board", NOBODY),
    f"{BOARD}refresh/": (NOBODY, "board"),
    TILE: ("board", NOBODY),
    f"{TILE}chart.svg": ("board+data", NOBODY),
    f"{TILE}why/": ("board", NOBODY),
    f"{TILE}download/": (NOBODY, "board+data"),
    f"{BOARD}filters/<slug:key>/options/": ("board", NOBODY),
    "/downloads/<uuid:run_id>/": ("ann", NOBODY),
    "/runs/<uuid:run_id>/progress/": ("ann", NOBODY),
    "/runs/<uuid:run_id>/cancel/": (NOBODY, "ann"),
    "/api/v1/datasets": ("asking listing", NOBODY),
    "/api/v1/datasets/<str:name>": ("asking+data listing+data", NOBODY),
    "/api/v1/query": (NOBODY, "asking+data"),
    "/api/v1/explain": (NOBODY, "asking+data listing+data"),
    "/api/v1/downloads": (NOBODY, "asking+data"),
    "/api/v1/downloads/<uuid:run_id>": ("ann", "ann"),
    "/api/v1/runs/<uuid:run_id>": ("ann", "ann"),
    r"/api/v1/^(?P<rest>.*)$": (NOBODY, NOBODY),
    "/api/v1/admin/sessions": ("ending", NOBODY),
    "/api/v1/admin/sessions/<uuid:session_id>": (NOBODY, "ending"),
    "/api/v1/admin/tokens": ("ending", NOBODY),
    "/api/v1/admin/tokens/<uuid:token_id>": (NOBODY, "ending"),
    # support, and seeing as others
    "/support/": ("support", NOBODY),
    REQUEST: ("support", NOBODY),
    f"{REQUEST}log/": ("support", NOBODY),
    f"{REQUEST}approve/": (NOBODY, "support"),
    f"{REQUEST}deny/": (NOBODY, "support"),
    f"{REQUEST}end/": (NOBODY, "support"),
    "/support/leave/": (NOBODY, NOBODY),
    "/view-as/": ("view-as", NOBODY),
    "/view-as/start/": (NOBODY, "view-as"),
    "/view-as/end/": (NOBODY, NOBODY),
}
"""Address → who reads it (GET), who writes there (POST, and whatever else it takes). Addresses under /scim/ are ``scim``'s.
``a+b``: with both. Those that are open without signing in stand in ``specimens.py`` and are tried there."""


def opens(door: str, areas: set[str]) -> bool:
    """Say whether areas open a door: any that it names, or all of those that it joins with +."""
    return any(set(one.split("+")) <= areas for one in door.split())
