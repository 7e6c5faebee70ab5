"""Who may ask questions of their own. Tiles of dashboards are asked for whoever may open the dashboard."""

from apps.access.roles import Capability
from apps.access.types import Actor

DASHBOARDS_ONLY = "Your role shows you dashboards; it does not let you ask questions of your own."


def may_ask(actor: Actor) -> bool:
    """Say whether the actor may ask freely; a support visit is bound by what was approved for it."""
    return actor.kind == "support" or (actor.kind in ("person", "token") and actor.may(Capability.QUERY))
