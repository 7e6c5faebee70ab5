"""Which fields someone's grants open: closed over references to any depth. Pure, so that it can be remembered."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from sqlglot import exp

from apps.semantic.compile.facts import facts_of
from apps.semantic.compile.inner_masks import standing_in
from apps.semantic.compile.masks import standing_of
from apps.semantic.compile.ruled import Spared, closed_views
from apps.semantic.model.grants import grant_holds
from apps.semantic.model.types import Dimension, FilterField, GrantRule, Measure, SemanticModel, View
from apps.semantic.scope import AccessScope

Field = Dimension | Measure | FilterField
UNCLASSIFIED = "unclassified"
MAX_MODELS = 256
MAX_DEPTH = 16
Key = tuple[UUID, UUID, str, str]
"""tenant, version, topic, and the topic that was asked: one with views of its own sees what lies beneath with them"""
_models: dict[Key, SemanticModel] = {}


def holds(rule: GrantRule | None, passed: frozenset[str]) -> bool:
    """Say whether a rule lets through; no rule does."""
    return rule is None or grant_holds(rule, passed)


@dataclass(frozen=True, slots=True)
class FieldVerdict:
    """Whether a field may be used. A closed one names the rule that closed it, and the fields that lead to that rule.

    ``via`` begins with the field itself and ends with the one whose own rule, or whose view's rule, does not hold;
    ``owner`` says whose rule it is, e.g. "View orders"; ``rule`` is None where a field is missing or refers to itself.
    """

    is_open: bool
    rule: GrantRule | None = None
    owner: str = ""
    via: tuple[str, ...] = ()


OPEN = FieldVerdict(is_open=True)


def open_fields(model: SemanticModel, topic_name: str, passed: frozenset[str]) -> frozenset[str]:
    """Return the ids of the topic's fields that may be used in any clause."""
    verdicts: dict[str, FieldVerdict] = {}
    topic = model.topics[topic_name]
    return frozenset(field for field in topic.fields if _verdict(field, model, passed, verdicts, ()).is_open)


def field_verdict(model: SemanticModel, field_id: str, passed: frozenset[str]) -> FieldVerdict:
    """Return the verdict on one field and what it rests on; whether the data set offers it is another question."""
    return _verdict(field_id, model, passed, {}, ())


def _verdict(
    field_id: str,
    model: SemanticModel,
    passed: frozenset[str],
    verdicts: dict[str, FieldVerdict],
    path: tuple[str, ...],
) -> FieldVerdict:
    name = field_id.partition("[")[0]
    if name in verdicts:
        return verdicts[name]
    field: Field | None = model.dimension(name) or model.measure(name) or model.filter_field(name)
    if field is None or name in path:
        # a cycle: the reader refuses such models; nothing is opened by one
        return FieldVerdict(is_open=False, via=(name,))
    verdict = _own_verdict(field, model, passed) or _inner_verdict(field, model, passed, verdicts, (*path, name))
    if not any(
        _is_of_query(part, model) for part in path
    ):  # else what its query view asks was left to the one that asks
        verdicts[name] = verdict
    return verdict


def _is_of_query(field_id: str, model: SemanticModel) -> bool:
    view = model.views.get(field_id.partition(".")[0])
    return view is not None and view.query_source is not None


def _own_verdict(field: Field, model: SemanticModel, passed: frozenset[str]) -> FieldVerdict | None:
    """Return the refusal by the field's view or by the field itself, if there is one."""
    if not isinstance(field, FilterField) and field.classification == UNCLASSIFIED:
        return FieldVerdict(is_open=False, owner=f"Field {field.id}, not classified yet", via=(field.id,))
    for rule, owner in rules_of(field, model):
        if not holds(rule, passed):
            return FieldVerdict(is_open=False, rule=rule, owner=owner, via=(field.id,))
    return None


def rules_of(field: Field, model: SemanticModel) -> tuple[tuple[GrantRule, str], ...]:
    """Return the rules on the field itself, its view and its classification, each with whose it is."""
    rules = (
        *(
            (model.views[view].required_access_grants, f"View {view}")
            for view in (field.view, *model.governed_tables(field.view))
        ),
        (field.required_access_grants, f"Field {field.id}"),
        *_label_rules(field, model),
    )
    return tuple((rule, owner) for rule, owner in rules if rule is not None)


def _label_rules(field: Field, model: SemanticModel) -> Iterator[tuple[GrantRule | None, str]]:
    label = None if isinstance(field, FilterField) else model.classification_access.get(field.classification)
    if label is None:
        return
    yield label.required_access_grants, f"Classification {label.name} of {field.id}"
    if isinstance(field, Measure) and field.is_closed_by_label:
        yield (
            label.mask_unless_access_grants,
            f"Classification {label.name} of {field.id}, a measure, which has no mask,",
        )


def _inner_verdict(
    field: Field,
    model: SemanticModel,
    passed: frozenset[str],
    verdicts: dict[str, FieldVerdict],
    path: tuple[str, ...],
) -> FieldVerdict:
    """Return the refusal by something that the field rests on, else that it is open."""
    inner = set() if isinstance(field, FilterField) else set(field.references)
    if isinstance(field, Measure):
        inner |= {rule.field for rule in field.filters}
    inner |= set(table_fields(model.views[field.view], model))
    for reference in sorted(inner):
        found = _verdict(reference, model, passed, verdicts, path)
        if not found.is_open:
            return FieldVerdict(is_open=False, rule=found.rule, owner=found.owner, via=(field.id, *found.via))
    return _query_verdict(field, model, passed, path) or OPEN


def table_fields(view: View, model: SemanticModel) -> tuple[str, ...]:
    """Return the fields of other views whose columns an SQL view reads: its own are as closed as they are.

    A column that no file describes has a field that stands for it: what is made of that one is over the column.
    """
    if view.sql_source is None:
        return ()
    used = {node.name.lower() for node in view.sql_source.tree.find_all(exp.Column)}
    found: list[str] = []
    for governed in (model.views[name] for name in model.governed_tables(view.name)):
        read = [
            item
            for item in governed.dimensions.values()
            if used & {node.name.lower() for node in item.sql.find_all(exp.Column)}
        ]
        stand_ins = {item.id for item in read if item.decoration.get("is_implied")}
        found += [item.id for item in read]
        found += [item.id for item in governed.fields if item.references & stand_ins]
    return tuple(found)


def _query_verdict(
    field: Field, model: SemanticModel, passed: frozenset[str], path: tuple[str, ...]
) -> FieldVerdict | None:
    """Return the refusal by the topic that a query view asks, or by one of the fields that it asks for."""
    source = model.views[field.view].query_source
    if source is None:
        return None
    own = model.of_topic(source.topic)
    topic = own.topics.get(source.topic)
    if topic is None or field.view in {name.partition(".")[0] for name in path[:-1]}:
        return None if topic is not None else FieldVerdict(is_open=False, via=(field.id,))
    if not holds(topic.required_access_grants, passed):
        rule = topic.required_access_grants
        return FieldVerdict(is_open=False, rule=rule, owner=f"Data set {topic.name}", via=(field.id,))
    inner = [*(name for name, _ in source.columns), *(rule.field for rule in source.filters), *source.binds]
    for name in sorted({name.partition("[")[0] for name in inner}):
        found = _verdict(name, own, passed, {}, path)
        if not found.is_open:
            return FieldVerdict(is_open=False, rule=found.rule, owner=found.owner, via=(field.id, *found.via))
    return None


def masked_fields(model: SemanticModel, topic_name: str, passed: frozenset[str]) -> frozenset[str]:
    """Return the ids of the dimensions of the topic's views, and of the tables of its SQL views, that are masked."""
    views = model.topics[topic_name].views
    tables = [table for view in views for table in model.governed_tables(view)]
    return frozenset(
        dimension.id
        for view in dict.fromkeys((*views, *tables))
        for dimension in model.views[view].dimensions.values()
        if not holds(dimension.mask_unless_access_grants, passed)
    )


def answered_fields(
    model: SemanticModel, topic_name: str, passed: frozenset[str], spared: Spared = frozenset()
) -> frozenset[str]:
    """Return those of the open fields that a question can be answered about: no mask stands in their way.

    Whether one does is the compiler's decision. A query view whose own question is refused answers nothing, and neither
    does a data set over it; a field that rests on a view which the data set does not join is not answered either, nor is
    anything where a rule of the data set would compare masks; a row policy that is ``spared`` does not hold, so it compares none.
    """
    opened, masked = open_fields(model, topic_name, passed), masked_fields(model, topic_name, passed)
    topic = model.topics[topic_name]
    refused = frozenset(view for view in topic.views if not _is_asked(view, model, passed, spared, ()))
    refused |= closed_views(model, _masks(model, topic_name, passed), spared)
    if topic.base_view in refused:
        return frozenset()
    joined = frozenset(topic.views) - refused
    return frozenset(
        name
        for name in opened
        if standing_of(name, model, masked) != "refused" and _views_beneath(name, model) <= joined
    )


def _is_asked(view: str, model: SemanticModel, passed: frozenset[str], spared: Spared, path: tuple[str, ...]) -> bool:
    """Say whether the question of a query view can be asked; other views ask none."""
    source = model.views[view].query_source
    if source is None:
        return True
    own = model.of_topic(source.topic)
    if source.topic not in own.topics or view in path:
        return False
    masked = masked_fields(own, source.topic, passed)
    names = [name for name, _ in source.columns] + [rule.field for rule in source.filters]
    views = {own.topics[source.topic].base_view}.union(*(_views_beneath(name, own) for name in names))
    if views & closed_views(own, _masks(own, source.topic, passed), spared):
        return False
    return all(standing_of(name, own, masked) != "refused" for name in names) and all(
        _is_asked(inner, own, passed, spared, (*path, view)) for inner in views
    )


def _masks(model: SemanticModel, topic_name: str, passed: frozenset[str], depth: int = 0) -> AccessScope:
    """Return what is masked in a topic and beneath its query views, and nothing else."""
    sources = [model.views[view].query_source for view in model.topics[topic_name].views]
    inner = {source.topic: model.of_topic(source.topic) for source in sources if source is not None}
    nested = {
        name: _masks(own, name, passed, depth + 1)
        for name, own in inner.items()
        if name in own.topics and depth < MAX_DEPTH
    }
    return AccessScope(topic_name, frozenset(), masked_fields(model, topic_name, passed), nested=nested)


def _views_beneath(name: str, model: SemanticModel) -> frozenset[str]:
    field_id = name.partition("[")[0]
    field = model.dimension(field_id) or model.measure(field_id)
    return frozenset((name.partition(".")[0],)) if field is None else facts_of(model).views(field)


def shown_masked(model: SemanticModel, scope: AccessScope) -> frozenset[str]:
    """Return the ids of the scope's fields whose values are masked in answers: by a rule of their own, or of what they rest on.

    ``model`` is as the scope's topic sees it. Those of a composite are told in its parts.
    """
    if not scope.masked and not scope.nested:
        return frozenset()
    return frozenset(name for name in scope.fields if standing_in(name, model, scope) == "masked")


@lru_cache(maxsize=2048)
def _remembered(key: Key, topic: str, passed: frozenset[str], spared: Spared) -> tuple[frozenset[str], frozenset[str]]:
    model = _models[key]
    return answered_fields(model, topic, passed, spared), masked_fields(model, topic, passed)


def fields_for(
    tenant_id: UUID,
    version_id: UUID,
    model: SemanticModel,
    topic: str,
    passed: frozenset[str],
    spared: Spared = frozenset(),
) -> tuple[frozenset[str], frozenset[str]]:
    """Return answered and masked fields, worked out once per process, model version, set of grants and policies spared."""
    key = (tenant_id, version_id, topic, model.seen_by)
    if key not in _models:
        if len(_models) >= MAX_MODELS:
            _models.clear()
            _remembered.cache_clear()
        _models[key] = model
    return _remembered(key, topic, passed, spared)
