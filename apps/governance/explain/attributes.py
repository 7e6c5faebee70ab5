"""Where the value of somebody's attribute came from."""

from uuid import UUID

from apps.access.types import Actor
from apps.accounts.models import AttributeDefinition, ClaimMapping, GroupAttribute, GroupMembership, UserAttribute
from apps.audit.selectors import events
from apps.governance.explain.types import AttributeUsed

GROUPS = "omni_user_groups"
UNSET = "not set"
TEXTS = {
    "claim": "from the identity provider, at the last sign-in",
    "scim": "from the identity provider, over SCIM",
    "invitation": "set with the invitation, until the identity provider says otherwise",
    "group": "given by a group",
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
        if source == "group" and self.is_complete:
            return _given_by(name, self.actor.subject_id)
        if source in ("claim", "scim") and self.is_complete:
            return _of_provider(name, source, self.actor.subject_id)
        if source in ("administrator", "invitation") and self.is_complete:
            return _with_author(TEXTS[source], source, name, self.actor.subject_id)
        return TEXTS.get(source, UNSET)


def _of_groups(person_id: UUID) -> str:
    texts = {
        GroupMembership.Source.CLAIM.value: "from the identity provider",
        GroupMembership.Source.SCIM.value: "from the identity provider, over SCIM",
        GroupMembership.Source.ADMINISTRATOR.value: "put in by an administrator",
    }
    found: dict[str, list[str]] = {}
    rows = GroupMembership.objects.filter(user_id=person_id).order_by("group__name", "source")
    for name, source in rows.values_list("group__name", "source"):
        found.setdefault(name, []).append(texts[source])
    return "; ".join(f"{name}: {', '.join(sources)}" for name, sources in found.items())


def _of_provider(name: str, source: str, person_id: UUID | None) -> str:
    """Say which claim of which provider, or which SCIM token, brought the value, and when."""
    held = UserAttribute.objects.filter(user=person_id, definition__name=name, source=source).first()
    if held is None or not held.origin:
        return (_of_claim(name) if source == "claim" else "") or TEXTS[source]
    return f"{held.origin}, {'at the last sign-in' if source == 'claim' else 'over SCIM'}, {held.updated_at:%Y-%m-%d}"


def _of_claim(name: str) -> str:
    """Name the claims that may have brought a value that does not remember which one did."""
    mappings = ClaimMapping.objects.filter(definition__name=name).select_related("provider")
    claims = [f"claim “{mapping.claim}” of {mapping.provider.name}" for mapping in mappings]
    return f"{' or '.join(claims)}, at the last sign-in" if claims else ""


def _given_by(name: str, person_id: UUID | None) -> str:
    """Name the groups that give the value."""
    rows = GroupAttribute.objects.filter(definition__name=name, group__memberships__user=person_id)
    groups = sorted(set(rows.values_list("group__name", flat=True)))
    return f"given by group {', '.join(groups)}" if groups else TEXTS["group"]


def _with_author(text: str, source: str, name: str, person_id: UUID | None) -> str:
    """Say who set it and when, as the log has it."""
    verb = "accounts.attribute_set" if source == "administrator" else "accounts.user_invited"
    found = events(verb=verb).filter(object_id=str(person_id))
    event = (found.filter(facts__attribute=name) if source == "administrator" else found).first()
    return f"{text}: {event.actor_label}, {event.happened_at:%Y-%m-%d}" if event else text
