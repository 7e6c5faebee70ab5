"""Compare a version with the one that answers now, for everybody who is here."""

from collections import defaultdict
from collections.abc import Iterator

from apps.access.selectors import permitted
from apps.access.types import Actor
from apps.datamodels.models import DataModel, Dataset, ModelVersion
from apps.datamodels.rules import QUERY
from apps.datamodels.selectors import current_version
from apps.governance.blast_radius.candidates import Candidate, attributes_of, published, stored
from apps.governance.blast_radius.comparing import changes
from apps.governance.blast_radius.people import peers
from apps.governance.blast_radius.promises import promise_changes
from apps.governance.blast_radius.rights import Closed, rights_on
from apps.governance.blast_radius.types import BlastRadius, Change, Effect, PersonRef

UNPUBLISHED = Closed("it is not published")


def blast_radius(data_model: DataModel, new: Candidate, *, target: str) -> BlastRadius:
    """Say what publishing ``new`` would change. ``target`` is what to call it.

    The rights of each group of equals are worked out once before and once after, by the functions that decide on
    questions. Support sessions are not looked at: a customer approves each of them by itself.
    """
    current = current_version(data_model)
    old = published(current) if current is not None else None
    attributes = attributes_of(new) | (attributes_of(old) if old is not None else frozenset())
    groups = peers(data_model, attributes)
    met: dict[Change, list[PersonRef]] = defaultdict(list)
    for group in groups:
        for change in _changes(group.actor, data_model, old, new):
            met[change] += group.people
    for change in promise_changes(old.files, new.files) if old is not None else ():
        met[change] = []
    return BlastRadius(
        model=data_model.name,
        base=current.number if current is not None else None,
        target=target,
        people=sum(len(group.people) for group in groups),
        groups=len(groups),
        effects=_effects(met),
    )


def version_radius(version: ModelVersion) -> BlastRadius:
    """Say what publishing a stored version would change.

    Raises:
        ModelError: its files do not make a model with today's connection.
    """
    return blast_radius(version.data_model, stored(version), target=str(version))


def _changes(actor: Actor, data_model: DataModel, old: Candidate | None, new: Candidate) -> Iterator[Change]:
    """Yield what changes for one actor, on the data sets on which they hold the permission."""
    held = permitted(actor, Dataset, QUERY).filter(data_model=data_model).order_by("name")
    for name, is_published in held.values_list("name", "is_published"):
        before = rights_on(actor, old, name) if old is not None and is_published else UNPUBLISHED
        yield from changes(name, before, rights_on(actor, new, name))


def _effects(met: dict[Change, list[PersonRef]]) -> tuple[Effect, ...]:
    """Join what is alike: fields of one data set whose change is the same for the same people."""
    joined: dict[tuple[object, ...], list[str]] = defaultdict(list)
    firsts: dict[tuple[object, ...], tuple[Change, tuple[PersonRef, ...]]] = {}
    for change, people in met.items():
        who = tuple(sorted(people, key=lambda person: (person.email, str(person.id))))
        is_field = change.kind.startswith(("field", "mask"))
        key = (change.kind, change.dataset, change.values, change.why, who, "" if is_field else change.subject)
        joined[key].append(change.subject)
        firsts.setdefault(key, (change, who))
    effects = [
        Effect(change.kind, change.dataset, tuple(sorted(joined[key])), change.values, change.why, who)
        for key, (change, who) in firsts.items()
    ]
    return tuple(sorted(effects, key=lambda one: (not one.is_widening, one.dataset, one.kind, one.subjects)))
