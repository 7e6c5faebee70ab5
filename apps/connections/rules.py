"""The permission on one connection."""

from apps.access.reviewing import ReviewedKind, register_reviewed
from apps.access.roles import Capability
from apps.access.rules import PermissionRule, register_rule
from apps.connections.models import Connection

MANAGE = "manage_connection"

register_rule(PermissionRule(Connection, MANAGE, "change and check", capability=Capability.MANAGE_CONNECTIONS))
register_reviewed(ReviewedKind("connection", "Connection", lambda: Connection.objects.order_by("name")))
