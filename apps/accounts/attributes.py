"""Which value of an attribute holds: each source keeps its own, the strongest that has one wins.

An administrator's value wins over SCIM's, SCIM's over a claim's, a claim's over that of the invitation, and every one of
a person's own over that of their groups (ADR 11). When the winner goes, the next one holds.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from apps.accounts.models import AttributeDefinition, GroupAttribute, UserAttribute

Value = str | int | float | bool
GROUP = "group"
PRECEDENCE = (
    UserAttribute.Source.ADMINISTRATOR.value,
    UserAttribute.Source.SCIM.value,
    UserAttribute.Source.CLAIM.value,
    UserAttribute.Source.INVITATION.value,
    GROUP,
)
SYSTEM_PREFIX = "omni_"
"""names that begin with this are the system's own"""
SYSTEM_ATTRIBUTES = {
    "omni_user_id": "the person's id in Omni",
    "omni_user_name": "the person's name",
    "omni_user_email": "the person's e-mail address",
    "omni_user_groups": "the names of the person's groups; unset for whoever is in none",
    "omni_user_embed_entity": "the entity of an embedded session; unset for everybody who has signed in",
    "omni_is_org_admin": "“true” for administrators, “false” for everybody else",
    "omni_user_timezone": "the person's time zone",
}


@dataclass(frozen=True, slots=True)
class Held:
    """What one source says of one attribute; ``group`` is the name of the group when that is the source."""

    name: str
    type: str
    is_list: bool
    values: tuple[Value, ...]
    source: str
    group: str = ""


def held_of(definition: AttributeDefinition, values: Iterable[Value], source: str, group: str = "") -> Held:
    """Return what a source says, from rows."""
    return Held(definition.name, definition.type, definition.is_list, tuple(values), source, group)


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds of one attribute. ``values`` is empty when groups contradict each other: then it is unset."""

    name: str
    type: str
    values: tuple[Value, ...]
    source: str
    groups: tuple[str, ...] = ()


def standing(rows: Iterable[Held]) -> dict[str, Standing]:
    """Return what holds of each attribute of one person, by name."""
    by_name: dict[str, list[Held]] = defaultdict(list)
    for row in rows:
        by_name[row.name].append(row)
    return {name: _strongest(found) for name, found in by_name.items()}


def _strongest(rows: list[Held]) -> Standing:
    own = [row for row in rows if row.source != GROUP]
    if not own:
        return _of_groups(sorted(rows, key=lambda row: row.group))
    best = min(own, key=_rank)
    return Standing(best.name, best.type, best.values, best.source)


def _rank(row: Held) -> int:
    """Return how strong a source is, 0 the strongest; one that nobody knows any more is the weakest."""
    return PRECEDENCE.index(row.source) if row.source in PRECEDENCE else len(PRECEDENCE)


def _of_groups(rows: list[Held]) -> Standing:
    """Add up what groups give to a list; a single value holds only when all groups that give one agree."""
    first = rows[0]
    # 1, 1.0 and true are equal in Python and three things here
    found = {(type(value).__name__, value): value for row in rows for value in row.values}
    agrees = first.is_list or len(found) == 1
    return Standing(
        first.name, first.type, tuple(found.values()) if agrees else (), GROUP, tuple(row.group for row in rows)
    )


def standing_by_person(names: Iterable[str]) -> dict[UUID, dict[str, Standing]]:
    """Return what holds of the named attributes for everybody of the bound tenant who has a value: two statements."""
    wanted = list(names)
    own = UserAttribute.objects.filter(definition__name__in=wanted).values_list(
        "user_id", "definition__name", "definition__type", "definition__is_list", "values", "source"
    )
    rows: dict[UUID, set[Held]] = defaultdict(set)
    for user, name, kind, is_list, values, source in own:
        rows[user].add(Held(name, kind, is_list, tuple(values), source))
    given = GroupAttribute.objects.filter(definition__name__in=wanted, group__memberships__isnull=False).values_list(
        "group__memberships__user_id", "definition__name", "definition__type", "definition__is_list", "values", "group__name"
    )  # fmt: skip
    for user, name, kind, is_list, values, group in given:
        rows[user].add(Held(name, kind, is_list, tuple(values), GROUP, group))
    return {user: standing(found) for user, found in rows.items()}


def sources_of(user_id: UUID) -> list[tuple[Held, str]]:
    """Return everything that any source says of a person, each with its origin in words; by name, strongest first."""
    own = UserAttribute.objects.filter(user=user_id).select_related("definition")
    found = [(held_of(row.definition, row.values, row.source), row.origin) for row in own]
    given = GroupAttribute.objects.filter(group__memberships__user=user_id).select_related("definition", "group")
    for item in given.distinct():
        found.append((held_of(item.definition, item.values, GROUP, item.group.name), item.group.name))
    return sorted(found, key=lambda item: (item[0].name, _rank(item[0]), item[0].group))


@dataclass(frozen=True, slots=True)
class Line:
    """One source's word on one attribute, and what becomes of it."""

    name: str
    values: tuple[Value, ...]
    source: str
    origin: str
    holds: bool
    note: str


SOURCE_TEXTS = {**dict(UserAttribute.Source.choices), GROUP: "group"}


def lines_of(user_id: UUID) -> list[Line]:
    """Return every source's word on every attribute of a person, the one that holds first."""
    said = sources_of(user_id)
    held = standing(row for row, _ in said)
    return [_line(row, origin, held[row.name]) for row, origin in said]


def _line(row: Held, origin: str, now: Standing) -> Line:
    is_strongest = row.source == now.source
    note = "" if is_strongest and now.values else f"{SOURCE_TEXTS.get(now.source, now.source)} comes first"
    if is_strongest and not now.values:
        note = "groups contradict each other: unset"
    return Line(row.name, row.values, str(SOURCE_TEXTS.get(row.source, row.source)), origin, not note, note)
