"""The data sets, and the fields of each, that pages and the API list for an actor."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from apps.access.types import Actor
from apps.datamodels.models import Dataset
from apps.governance.deciding import decide
from apps.governance.fields import holds
from apps.governance.selectors import governed, visible_datasets
from apps.governance.types import FieldInfo, Governed
from apps.semantic.compile.inner_masks import masked_within, standing_in
from apps.semantic.compile.masks import masks_beneath, standing_of
from apps.semantic.errors import QueryError
from apps.semantic.model.decorations import colours_of, links_of, suggested_values
from apps.semantic.model.types import CompositeTopic, Dimension, FilterField, Measure, SemanticModel, View
from apps.semantic.scope import AccessScope

SHARED = "@_shared_dimensions_."


def listed_datasets(actor: Actor) -> list[Dataset]:
    """Return the data sets that lists and pickers offer to the actor, by name.

    Hiding one is a matter of display: it is not in here, and answers by its name whoever may query it. One whose row
    policy asks for an attribute that the actor lacks is listed, so that they learn what to ask for.
    """
    found = []
    for dataset in visible_datasets(actor).select_related("data_model__connection").order_by("name"):
        try:
            governed(actor, dataset)
        except QueryError as error:
            if error.code != "missing_attribute":
                continue
        if not is_hidden(actor, dataset):
            found.append(dataset)
    return found


def context_of(found: Governed) -> str:
    """Return what the model tells assistants of a data set: of the whole model, then of its topic."""
    asked = found.model.datasets.get(found.dataset.name)
    texts = (_text(holder.decoration.get("ai_context")) for holder in (found.model, asked) if holder is not None)
    return "\n".join(text for text in texts if text)


def is_hidden(actor: Actor, dataset: Dataset) -> bool:
    """Say whether the model keeps a data set out of the actor's lists; rights are not looked at."""
    decision = decide(actor, dataset)
    asked = decision.model.datasets.get(dataset.name) if decision.model is not None else None
    if asked is None or asked.is_hidden:
        return True
    return not holds(asked.hidden_unless_access_grants, decision.passed)


def dataset_fields(found: Governed) -> list[FieldInfo]:
    """Return the fields that the actor may use, in the order of the model."""
    composite = found.model.composites.get(found.scope.topic)
    if composite is not None:
        return list(_of_composite(composite, found))
    return list(_of_topic(found.model, found.scope))


def _of_topic(model: SemanticModel, scope: AccessScope) -> Iterator[FieldInfo]:
    topic = model.topics[scope.topic]
    for name in topic.views:
        view = model.views[name]
        base = _text(topic.decoration.get("base_view_label")) if name == topic.base_view else ""
        for info in sorted(_of_view(view, model, scope), key=lambda info: _place(info, view)):
            label = _text(_decorations(info, view).get("view_label")) or base or view.label
            yield replace(info, is_hidden=info.is_hidden or view.is_hidden, view_label=label)


def _decorations(info: FieldInfo, view: View) -> Mapping[str, Any]:
    name = info.name.partition(".")[2]
    item = view.dimensions.get(name) or view.measures.get(name)
    return item.decoration if item is not None else {}


def _place(info: FieldInfo, view: View) -> float:
    """Return where a field stands: those with a ``display_order`` first, the others as the model has them."""
    order = _decorations(info, view).get("display_order")
    return order if isinstance(order, int | float) and not isinstance(order, bool) else math.inf


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _of_view(view: View, model: SemanticModel, scope: AccessScope) -> Iterator[FieldInfo]:
    yield from (_dimension(item, model, scope) for item in view.dimensions.values() if item.id in scope.fields)
    for item in view.filters.values():
        if item.id in scope.fields:
            yield FieldInfo(
                item.id, item.label, item.type, "filter", None, (), item.description, is_masked=False,
                is_hidden=item.is_hidden, group_label="", **_suggestions(item, scope),
            )  # fmt: skip
    yield from (_measure(item, model, scope) for item in view.measures.values() if item.id in scope.fields)


def _dimension(item: Dimension, model: SemanticModel, scope: AccessScope) -> FieldInfo:
    frames = item.timeframes
    if scope.masked:
        frames = tuple(name for name in frames if standing_of(f"{item.id}[{name}]", model, scope.masked) != "refused")
    return FieldInfo(
        item.id, item.label, item.type, "dimension", item.format, frames, item.description,
        is_masked=standing_in(item.id, model, scope) == "masked", is_hidden=item.is_hidden, group_label=item.group_label,
        classification=item.classification, tags=item.tags, **_decoration(item, model, scope),
    )  # fmt: skip


def _measure(item: Measure, model: SemanticModel, scope: AccessScope) -> FieldInfo:
    return FieldInfo(
        item.id, item.label, item.type, "measure", item.format, (), item.description, is_masked=False,
        is_hidden=item.is_hidden, group_label=item.group_label, classification=item.classification, tags=item.tags,
        **_decoration(item, model, scope),
    )  # fmt: skip


def _decoration(item: Dimension | Measure, model: SemanticModel, scope: AccessScope) -> dict[str, Any]:
    """Return what only decorates, without a word about fields that the actor may not use, nor values masked for them."""
    given, usable = item.decoration, scope.fields
    links = (link for link in links_of(item) if all(name.partition("[")[0] in usable for name in link.fields))
    drills = (name if "." in name else f"{item.view}.{name}" for name in _texts(given.get("drill_fields")))
    is_masked = bool(masks_beneath(item.id, model, scope.masked) or masked_within(item.id, model, scope))
    return {
        "synonyms": _texts(given.get("synonyms")),
        "ai_context": _text(given.get("ai_context")),
        "links": tuple(links),
        # colours by value would name what lies beneath a mask
        "colours": colours_of(item) if not is_masked else None,
        "drill_fields": tuple(name for name in drills if name.partition("[")[0] in usable),
        **(_suggestions(item, scope) if not is_masked else {}),
    }


def _suggestions(item: Dimension | Measure | FilterField, scope: AccessScope) -> dict[str, Any]:
    other = _text(item.decoration.get("suggest_from_field")).removeprefix("${").removesuffix("}").strip()
    other = other if not other or "." in other else f"{item.view}.{other}"
    return {"suggested": suggested_values(item), "suggests_from": other if other in scope.fields else ""}


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(text) for text in value) if isinstance(value, list) else ()


def _of_composite(composite: CompositeTopic, found: Governed) -> Iterator[FieldInfo]:
    """Yield shared dimensions first, then what each topic offers, under its name."""
    for shared in composite.shared_dimensions.values():
        topic, mapping = next(iter(shared.mappings.items()))
        own = found.model.of_topic(topic)
        dimension = own.dimension(mapping.partition("[")[0])
        if SHARED + shared.name in found.scope.fields and dimension is not None:
            info = _dimension(dimension, own, found.scope.nested[topic])
            frames = () if "[" in mapping else info.timeframes
            yield replace(info, name=SHARED + shared.name, label=shared.label, timeframes=frames)
    for topic in composite.topics:
        for info in _of_topic(found.model.of_topic(topic), found.scope.nested[topic]):
            name = f"@{topic}.{info.name}"
            if name in found.scope.fields and info.kind == "measure":
                yield replace(info, name=name, group_label=info.group_label or topic)
