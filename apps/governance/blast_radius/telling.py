"""A blast radius in sentences, and in plain values that become JSON. Pure."""

from typing import Any

from apps.governance.blast_radius.types import BlastRadius, Effect

SHOWN = 8
TEXTS = {
    "dataset_gained": "{gain} the data set {dataset}: {why}{values_only}",
    "dataset_lost": "{lose} the data set {dataset}: {why}",
    "field_gained": "{gain} {subjects} in {dataset}",
    "field_gained_masked": "{gain} {subjects} in {dataset}, masked ({values})",
    "field_lost": "{lose} {subjects} in {dataset}",
    "field_unmasked": "{gain} {subjects} in {dataset} in clear, masked until now",
    "field_masked": "{lose} {subjects} in {dataset} in clear: masked from then on ({values})",
    "mask_changed": "{see} {subjects} in {dataset} through another mask ({values})",
    "count_unmasked": "{see} {subjects} in {dataset} counted over values in clear, masked until now",
    "count_masked": "{see} {subjects} in {dataset} counted over masked values from then on ({values})",
    "field_redefined": "{see} {subjects} in {dataset} from another definition",
    "rows_lifted": "{gain} all rows of {dataset} as far as {subjects} goes, until now only {values} ({why})",
    "rows_added": "{gain} rows of {dataset} where {subjects} is {values} ({why})",
    "rows_removed": "{lose} rows of {dataset} where {subjects} is {values} ({why})",
    "rows_limited": "{lose} rows of {dataset}: only those where {subjects} is {values} remain ({why})",
    "rows_narrowed": "{lose} rows of {dataset}: {subjects} leaves fewer{why}",
    "rows_redefined": "{see} rows of {dataset} that are chosen in another way: {subjects}{why}",
    "test_removed": "the policy test {subjects} of {dataset} is removed",
    "test_changed": "the policy test {subjects} of {dataset} is changed",
}
PLAIN = ("rows_narrowed", "rows_redefined")
"""their subjects are in words, their reason may be missing"""


def sentence(effect: Effect) -> str:
    """Say one effect: how many people, and what they gain or lose."""
    count = len(effect.people)
    who = f"{count} {'person' if count == 1 else 'people'}"
    is_one = count == 1
    values = _listed(effect.values)
    return TEXTS[effect.kind].format(
        gain=f"{who} {'gains' if is_one else 'gain'}",
        lose=f"{who} {'loses' if is_one else 'lose'}",
        see=f"{who} {'sees' if is_one else 'see'}",
        dataset=effect.dataset,
        subjects=_listed(effect.subjects, quote="" if effect.kind in PLAIN else "`"),
        values=values,
        why=f" ({effect.why})" if effect.why and effect.kind in PLAIN else effect.why,
        values_only=f", rows where {' and '.join(effect.values)}" if effect.values else ", all rows",
    )


def names(effect: Effect) -> str:
    """Name the first people whom an effect meets."""
    found = [
        f"{person.name} ({person.email})" if person.name != person.email else person.email for person in effect.people
    ]
    return _listed(tuple(found))


def summary(found: BlastRadius) -> str:
    """Say in one sentence what it comes to."""
    before = f"v{found.base}" if found.base is not None else "nothing published"
    looked = f"{found.people} people in {found.groups} groups of equal rights, {found.target} against {before}"
    if not found.effects:
        return f"Nobody gains or loses anything: {looked}."
    gain = len({person for effect in found.widening for person in effect.people})
    lose = len({person for effect in found.narrowing for person in effect.people})
    tests = sum(effect.kind.startswith("test") for effect in found.effects)
    more = f", {tests} policy test{'s' if tests > 1 else ''} removed or changed" if tests else ""
    return f"{gain} may see more, {lose} may see less{more}: {looked}."


def public(found: BlastRadius) -> dict[str, Any]:
    """Return everything, people too."""
    return {
        "model": found.model,
        "base_version": found.base,
        "target": found.target,
        "people": found.people,
        "groups_of_equal_rights": found.groups,
        "is_widening": bool(found.widening),
        "summary": summary(found),
        "effects": [_effect(effect) for effect in found.effects],
    }


def _effect(effect: Effect) -> dict[str, Any]:
    return {
        "kind": effect.kind,
        "is_widening": effect.is_widening,
        "dataset": effect.dataset,
        "subjects": list(effect.subjects),
        "values": list(effect.values),
        "why": effect.why,
        "text": sentence(effect),
        "people": [{"id": str(person.id), "name": person.name, "email": person.email} for person in effect.people],
    }


def _listed(items: tuple[str, ...], quote: str = "") -> str:
    shown = ", ".join(f"{quote}{item}{quote}" for item in items[:SHOWN])
    return shown + (f" and {len(items) - SHOWN} more" if len(items) > SHOWN else "")
