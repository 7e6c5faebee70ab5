"""A blast radius as a page shows it."""

from dataclasses import dataclass

from apps.governance.blast_radius.telling import sentence, summary
from apps.governance.blast_radius.types import BlastRadius, Effect, PersonRef

MAX_PEOPLE = 200


@dataclass(frozen=True, slots=True)
class ShownEffect:
    """One sentence and the first people whom it meets; ``more`` counts the others."""

    text: str
    people: tuple[PersonRef, ...]
    more: int


@dataclass(frozen=True, slots=True)
class ShownRadius:
    summary: str
    widening: tuple[ShownEffect, ...]
    narrowing: tuple[ShownEffect, ...]


def radius_page(found: BlastRadius) -> ShownRadius:
    """Return what the page shows: widening first."""
    return ShownRadius(summary(found), tuple(map(_shown, found.widening)), tuple(map(_shown, found.narrowing)))


def _shown(effect: Effect) -> ShownEffect:
    text = sentence(effect)
    return ShownEffect(f"{text}.", effect.people[:MAX_PEOPLE], max(0, len(effect.people) - MAX_PEOPLE))
