"""People who hold one part of what there is to hold, and the areas that each part opens. Read it against ``docs/`` and roles.py.

``AREAS`` says what somebody may, in words that a person can check; ``doors.py`` says which area opens which address. Neither
asks the code under test. Whoever is not named for a door is refused there, as if there were none, and leaves no trace.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from apps.access.models import Role, RoleAssignment
from apps.access.services import grant_permission
from apps.accounts.models import ApiToken, AttributeDefinition, GroupMembership, User, UserGroup
from apps.accounts.services import issue_token
from apps.audit.types import SYSTEM
from apps.tenants.binding import bound
from tests.isolation.houses import House


@dataclass(frozen=True)
class Part:
    """What one person holds: a capability through a role of its own, a permission on one thing of the house, or nothing."""

    capability: str = ""
    permission: str = ""
    thing: str = ""


PARTS: Mapping[str, Part] = {
    "keeper of people": Part("manage_people"),
    "keeper of sign-in": Part("manage_identity"),
    "keeper of connections": Part("manage_connections"),
    "modeler": Part("manage_models"),
    "keeper of dashboards": Part("manage_dashboards"),
    "auditor": Part("read_audit"),
    "reviewer": Part("review_access"),
    "decider of support": Part("decide_support"),
    "viewer as others": Part("view_as"),
    "querier": Part("query", "query_dataset", "dataset"),
    "querier without data": Part("query"),
    "reader of data": Part("", "query_dataset", "dataset"),
    "viewer of a dashboard": Part("", "view_dashboard", "dashboard"),
    "viewer of a folder": Part("", "view_folder", "folder"),
    "editor of a dashboard": Part("", "edit_dashboard", "dashboard"),
    "editor of a folder": Part("", "edit_folder", "folder"),
    "manager of a connection": Part("", "manage_connection", "connection"),
    "manager of a model": Part("", "manage_datamodel", "data_model"),
}
"""Everybody's role here is viewer, which holds nothing: so each of these holds this and nothing else."""

AREAS: Mapping[str, str] = {
    "keeper of people": "people holders",
    "keeper of sign-in": "sign-in",
    "keeper of connections": "connections all-connections",
    "modeler": "models all-models",
    "keeper of dashboards": "dashboards folders all-dashboards",
    "auditor": "audit",
    "reviewer": "reviews",
    "decider of support": "support",
    "viewer as others": "view-as",
    "querier": "asking data",
    "querier without data": "asking",
    "reader of data": "data",
    "viewer of a dashboard": "board",
    "viewer of a folder": "board",
    "editor of a dashboard": "board dashboards",
    "editor of a folder": "board dashboards folders",
    "manager of a connection": "connections",
    "manager of a model": "models",
}
"""Who holds which part → the areas that it opens. ``all-…``: every object of the kind, and with it to make and delete them.
``holders``: who may use an object, of all that have such a list. Nobody but tenant administrators has the area ``tenant``
(roles, providers, service accounts, SCIM tokens, keys, kept answers, publishing with a second administrator)."""

TOKENS: Mapping[str, tuple[str, str]] = {
    "a token that reads": ("ann", "read"),
    "a token that queries": ("ann", "query"),
    "an administrator's token that queries": ("ada", "query"),
    "an administrator's token that administers": ("ada", "admin"),
    "the token of a keeper of people": ("keeper of people", "query"),
    "the token of a keeper of connections": ("keeper of connections", "query"),
    "the token of a modeler": ("modeler", "query"),
    "the token of an auditor": ("auditor", "query"),
    "the token of a decider of support": ("decider of support", "query"),
    "the token of a querier": ("querier", "query"),
}
TOKEN_AREAS: Mapping[str, str] = {
    "a token that reads": "listing data",
    "a token that queries": "asking data",
    "an administrator's token that queries": "asking",
    "an administrator's token that administers": "asking ending",
    "the token of a keeper of people": "",
    "the token of a keeper of connections": "",
    "the token of a modeler": "",
    "the token of an auditor": "",
    "the token of a decider of support": "",
    "the token of a querier": "asking data",
    "program": "ending",
    "scim": "scim",
}
"""What tokens open: what their holder may ask (``listing`` alone where they only read), to find and end tokens and sessions
(``ending``) where their scope says so and their holder may; never a page, nor anything else that their holder administers."""


def slug(name: str) -> str:
    return name.replace("'", "").replace(" ", "-")


def give_parts(house: House) -> None:
    """Let everybody in, each with one part; and make what those who keep things may change and delete."""
    with bound(house.tenant.id):
        RoleAssignment.objects.create(built_in="viewer")
        RoleAssignment.objects.create(user=house.people["ann"], role=_role("query"))
        for name, part in PARTS.items():
            email = f"{slug(name)}@{house.tenant.slug}.example"
            person = User.objects.create(email=email, issuer="https://idp.example", subject=email, name=f"the {name}")
            house.people[name] = person
            if part.capability:
                RoleAssignment.objects.create(user=person, role=_role(part.capability))
            if part.permission:
                thing = getattr(house, part.thing)
                grant_permission(user=person, permission=part.permission, obj=thing, by=SYSTEM, now=house.now)
        for name, (holder, scope) in TOKENS.items():
            house.tokens[name] = issue_token(
                user=house.people[holder],
                name=slug(name),
                days=1,
                scope=ApiToken.Scope(scope),
                by=SYSTEM,
                now=house.now,
            )
        house.things.plain_group = UserGroup.objects.create(name=f"{house.mark} plain")
        GroupMembership.objects.create(user=house.people["may"], group=house.things.plain_group)
        house.things.plain_attribute = AttributeDefinition.objects.create(name="plain", label=f"{house.mark} plain")


def _role(capability: str) -> Role:
    return Role.objects.get_or_create(name=capability, defaults={"capabilities": [capability]})[0]


ROWS: Mapping[type[Any] | str, Callable[[House], Any]] = {
    "accounts.User": lambda house: house.people["may"],
    "accounts.UserGroup": lambda house: house.plain_group,
    "accounts.AttributeDefinition": lambda house: house.plain_attribute,
    "accounts.IdentityProvider": lambda house: house.saml_provider,
    "accounts.ApiToken": lambda house: house.token,
    "access.Role": lambda house: house.role,
}
"""Where it matters which row a page is about: one that no rule but that of the area protects."""


def row_of(house: House, label: str) -> Any:
    """Return the row that the pages of a model are tried with."""
    return ROWS[label](house) if label in ROWS else house.row_of(label)
