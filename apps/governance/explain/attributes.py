"""Where the value of somebody's attribute came from."""

from uuid import UUID

from apps.access.types import Actor
from apps.accounts.models import AttributeDefinition, ClaimMapping, GroupMembership
from apps.audit.selectors import events
from apps.governance.explain.types import AttributeUsed

GROUPS = "omni_user_groups"
UNSET = "not set"
TEXTS = {
    "claim": "from the identity provider, at the last sign-in",
    "invitation": "set with the invitation, until the identity provider says otherwise",
    "administrator": "set by an administrator",
    "system": "kept by Omni from the account",
    "default": "the attribute’s default",
}


class Attributes:
    """Somebody's attributes with their origins, each read once."""

    def __init__(self, actor: Actor, *, is_complete: bool) -> None:
        self.actor = actor
        self.is_complete = is_complete
        self._labels: dict[str, str] | None = None
        self._used: dict[str, AttributeUsed] = {}

    def used(self, name: str) -> AttributeUsed:
        """Return the values and their origin; no values and "not set" where there are none."""
        if name not in self._used:
            held = self.actor.attributes.get(name)
            values = held.values if held else ()
            source = held.source if held else "unset"
            self._used[name] = AttributeUsed(name, self.label(name), values, source, self._origin(name, source))
        return self._used[name]

    def label(self, name: str) -> str:
        """Return what people call the attribute."""
        if self._labels is None:
            self._labels = dict(AttributeDefinition.objects.values_list("name", "label"))
            self._labels |= {GROUPS: "Groups", "omni_user_email": "E-mail address", "omni_user_name": "Name"}
        return self._labels.get(name) or name

    def _origin(self, name: str, source: str) -> str:
        if name == GROUPS and source == "system":
            return _of_groups(self.actor.subject_id) if self.actor.subject_id else ""
        if source == "claim" and self.is_complete:
            return _of_claim(name) or TEXTS[source]
        if source in ("administrator", "invitation") and self.is_complete:
            return _with_author(TEXTS[source], source, name, self.actor.subject_id)
        return TEXTS.get(source, UNSET)


def _of_groups(person_id: UUID) -> str:
    texts = {
        GroupMembership.Source.CLAIM.value: "from the identity provider",
        GroupMembership.Source.ADMINISTRATOR.value: "put in by an administrator",
    }
    rows = (
        GroupMembership.objects.filter(user_id=person_id).order_by("group__name").values_list("group__name", "source")
    )
    return "; ".join(f"{name}: {texts[source]}" for name, source in rows)


def _of_claim(name: str) -> str:
    mappings = ClaimMapping.objects.filter(definition__name=name).select_related("provider")
    claims = [f"claim “{mapping.claim}” of {mapping.provider.name}" for mapping in mappings]
    return f"{' or '.join(claims)}, at the last sign-in" if claims else ""


def _with_author(text: str, source: str, name: str, person_id: UUID | None) -> str:
    """Say who set it and when, as the log has it."""
    verb = "accounts.attribute_set" if source == "administrator" else "accounts.user_invited"
    found = events(verb=verb).filter(object_id=str(person_id))
    event = (found.filter(facts__attribute=name) if source == "administrator" else found).first()
    return f"{text}: {event.actor_label}, {event.happened_at:%Y-%m-%d}" if event else text
