"""Compare what two versions mean: views, fields, data sets, relationships, grants, policies. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from sqlglot import exp

from apps.datamodels.types import MeaningChange
from apps.semantic.model.types import CompositeTopic, SemanticModel, Topic, View

# Where something stands, and what follows from something else, is no change of meaning.
LEFT_OUT = frozenset({"source", "places", "references", "name", "view"})
PARTS = {
    View: LEFT_OUT | {"dimensions", "measures", "filters", "access_filters"},
    Topic: LEFT_OUT | {"joins", "fields", "access_filters"},
    CompositeTopic: LEFT_OUT | {"fields"},
}
WORDS = {
    "sql": "expression", "aggregate": "aggregate", "required_access_grants": "required grants",
    "mask_unless_access_grants": "grants that lift the mask", "is_hidden": "hidden", "is_primary_key": "primary key",
    "classification": "classification", "table_name": "table", "sql_source": "query", "query_source": "query",
    "allowed_values": "allowed values", "user_attribute": "user attribute", "base_view": "base view",
    "is_ignored": "ignored", "decoration": "decoration",
}  # fmt: skip
Things = Mapping[tuple[str, str], Any]


def compare_meaning(before: SemanticModel | None, after: SemanticModel) -> tuple[MeaningChange, ...]:
    """Return what is added, removed and changed, data sets first; None stands for a model without anything."""
    own = _own_views(after) | (_own_views(before) if before is not None else set())
    old = _things(before, own) if before is not None else {}
    new = _things(after, own)
    changes = [
        *(MeaningChange("added", *key) for key in new if key not in old),
        *(MeaningChange("removed", *key) for key in old if key not in new),
    ]
    for key in new:
        if key in old and (details := tuple(_details(old[key], new[key]))):
            changes.append(MeaningChange("changed", *key, details))
    changes = [change for change in changes if not _is_inherited(change, old, new)]
    return tuple(sorted(_without_parts(changes), key=lambda change: (ORDER.index(change.what), change.name)))


IN_TOPIC = " / "
"""between a data set and a view of its own"""
ORDER = ("data set", "row policy", "access grant", "access by classification", "view", "field", "join", "model")


def _without_parts(changes: list[MeaningChange]) -> Iterator[MeaningChange]:
    """Leave out the fields of a view that came or went as a whole; their number is in the view's line."""
    whole = {(change.kind, change.name) for change in changes if change.what == "view" and change.kind != "changed"}
    for change in changes:
        if change.what == "field" and (change.kind, change.name.rpartition(".")[0]) in whole:
            continue
        if change.what == "view" and change.kind != "changed":
            number = sum(
                other.what == "field" and other.kind == change.kind and other.name.startswith(f"{change.name}.")
                for other in changes
            )
            yield MeaningChange(change.kind, change.what, change.name, (f"{number} fields",))
        else:
            yield change


def _own_views(model: SemanticModel) -> set[tuple[str, str]]:
    """Return topic and name of each view that a topic changes or adds."""
    return {
        (topic, name)
        for topic, own in model.topic_models.items()
        for name, view in own.views.items()
        if model.views.get(name) is not view
    }


def _things(model: SemanticModel, own: set[tuple[str, str]]) -> Things:
    """Return everything that has a name, by kind and name; ``own`` names the views that stand in a topic, now or then."""
    found: dict[tuple[str, str], Any] = {("model", "settings"): _settings(model)}
    found |= {("access grant", grant.name): grant for grant in model.access_grants.values()}
    found |= {("access by classification", label.name): label for label in model.classification_access.values()}
    for view in model.views.values():
        _add_view(found, "", view)
    for topic_name, name in sorted(own):
        seen = model.of_topic(topic_name).views.get(name) if topic_name in model.topics else None
        if seen is not None:
            _add_view(found, f"{topic_name}{IN_TOPIC}", seen)
    for name, topic in model.datasets.items():
        found["data set", name] = topic
        if isinstance(topic, Topic):
            _add_policies(found, f"data set {name}", topic)
            found |= {("join", f"{name}: {join.parent} → {join.view}"): join.relationship for join in topic.joins}
    return found


def _add_view(found: dict[tuple[str, str], Any], prefix: str, view: View) -> None:
    found["view", f"{prefix}{view.name}"] = view
    found |= {("field", f"{prefix}{item.id}"): item for item in (*view.fields, *view.filters.values())}
    _add_policies(found, f"view {prefix}{view.name}", view)


def _is_inherited(change: MeaningChange, old: Things, new: Things) -> bool:
    """Say whether something of a topic's own view was and is what it is in the view of all: that is told there."""
    key, inherited = (change.what, change.name), (change.what, _without_topic(change.name))
    if change.what not in ("view", "field", "row policy") or key == inherited:
        return False
    return all(_plain(things.get(key)) == _plain(things.get(inherited)) for things in (old, new))


def _without_topic(name: str) -> str:
    """Return the name of the same thing in the view of all."""
    start = "view " if name.startswith("view ") else ""
    return start + name.removeprefix(start).rpartition(IN_TOPIC)[2]


def _add_policies(found: dict[tuple[str, str], Any], owner: str, holder: View | Topic) -> None:
    for policy in holder.access_filters:
        key = ("row policy", f"{owner}: {policy.field} by {policy.user_attribute}")
        while key in found:
            key = (key[0], f"{key[1]}, again")
        found[key] = policy


def _settings(model: SemanticModel) -> dict[str, object]:
    names = ("week_start", "fiscal_month_offset", "query_timezone", "default_cache_policy")
    kept = {name: getattr(model, name) for name in names}
    return kept | {"cache_policies": {name: item.max_age_s for name, item in model.cache_policies.items()}}


def _details(old: Any, new: Any) -> Iterator[str]:
    """Name what differs between two things of one kind."""
    if type(old) is not type(new):
        yield "kind"
        return
    if isinstance(old, dict):
        yield from (_word(name) for name in new if old.get(name) != new[name])
        return
    left_out = PARTS.get(type(old), LEFT_OUT)
    said: set[str] = set()
    for item in fields(old):
        if item.name in left_out or _plain(getattr(old, item.name)) == _plain(getattr(new, item.name)):
            continue
        said.add(_word(item.name))
    if isinstance(old, Topic | CompositeTopic) and isinstance(new, Topic | CompositeTopic):
        said |= _offered(old.fields, new.fields)
    yield from sorted(said)


def _offered(old: frozenset[str], new: frozenset[str]) -> set[str]:
    counts = ((len(new - old), "more"), (len(old - new), "fewer"))
    return {f"{number} {word} field{'s' if number > 1 else ''}" for number, word in counts if number}


def _word(name: str) -> str:
    return WORDS.get(name, name.removeprefix("is_").replace("_", " "))


def _plain(value: Any) -> Any:
    """Return a value without the places where it was written, to be compared."""
    if isinstance(value, exp.Expression):
        return value.sql()
    if is_dataclass(value) and not isinstance(value, type):
        return (
            type(value),
            *(_plain(getattr(value, item.name)) for item in fields(value) if item.name not in ("source", "places")),
        )
    return _plain_many(value, _plain)


def _plain_many(value: Any, plain: Callable[[Any], Any]) -> Any:
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value
