"""What people may do besides seeing data: capabilities, and the roles that hold them. Pure.

A role never opens data: data sets, dashboards and folders have permissions of their own, on single objects.
Whoever has several roles has everything that any of them holds (the tenant's base role, those of groups, one's own).
Tenant administrators are made on a person's own page, one by one, never through a group; theirs is every capability.
"""

from enum import StrEnum


class Capability(StrEnum):
    """One thing that somebody may do."""

    QUERY = "query"
    MANAGE_MODELS = "manage_models"
    MANAGE_DASHBOARDS = "manage_dashboards"
    MANAGE_CONNECTIONS = "manage_connections"
    MANAGE_PEOPLE = "manage_people"
    MANAGE_IDENTITY = "manage_identity"
    READ_AUDIT = "read_audit"
    REVIEW_ACCESS = "review_access"
    DECIDE_SUPPORT = "decide_support"
    VIEW_AS = "view_as"


LABELS = {
    Capability.QUERY: "ask questions of their own (API, commands), beyond what dashboards show",
    Capability.MANAGE_MODELS: "read, draft and publish data models",
    Capability.MANAGE_DASHBOARDS: "edit dashboards and folders",
    Capability.MANAGE_CONNECTIONS: "write and check connections; nobody reads a credential",
    Capability.MANAGE_PEOPLE: "invite and shut out people, groups, attributes, and who holds which object",
    Capability.MANAGE_IDENTITY: "limits of sign-in; identity providers are tenant administrators'",
    Capability.READ_AUDIT: "read the audit log",
    Capability.REVIEW_ACCESS: "see who can see what, export it and sign it off",
    Capability.DECIDE_SUPPORT: "approve, watch and end support visits",
    Capability.VIEW_AS: "see as somebody else, within their own rights",
}
NONE: frozenset[Capability] = frozenset()
ALL = frozenset(Capability)
VIEWER, QUERIER, MODELER = "viewer", "querier", "modeler"
CONNECTION_ADMINISTRATOR = "connection_administrator"
BASE = QUERIER
"""the base role of a tenant that has chosen none"""

_MODELER = frozenset((Capability.QUERY, Capability.MANAGE_MODELS, Capability.MANAGE_DASHBOARDS))
BUILT_IN: dict[str, frozenset[Capability]] = {
    VIEWER: NONE,
    QUERIER: frozenset((Capability.QUERY,)),
    MODELER: _MODELER,
    CONNECTION_ADMINISTRATOR: _MODELER | {Capability.MANAGE_CONNECTIONS},
}
NAMES = {
    VIEWER: "Viewer", QUERIER: "Querier", MODELER: "Modeler", CONNECTION_ADMINISTRATOR: "Connection administrator",
}  # fmt: skip
ADMINISTRATIVE = ALL - {Capability.QUERY, Capability.VIEW_AS}
"""any of these opens the administration, for what it is about"""

OF_RECOVERY = frozenset((Capability.MANAGE_IDENTITY, Capability.MANAGE_PEOPLE))
"""what a recovery link is for: to set up sign-in and to let people in"""


def capabilities_of(names: list[str]) -> frozenset[Capability]:
    """Return the capabilities of these names; a name that nobody knows any more holds nothing."""
    return frozenset(capability for capability in Capability if capability.value in names)
