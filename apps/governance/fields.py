"""Which fields someone's grants open: closed over references to any depth. Pure, so that it can be remembered."""

from functools import lru_cache
from uuid import UUID

from apps.semantic.model.grants import grant_holds
from apps.semantic.model.types import Dimension, GrantRule, Measure, SemanticModel

_models: dict[tuple[UUID, UUID], SemanticModel] = {}


def holds(rule: GrantRule | None, passed: frozenset[str]) -> bool:
    """Say whether a rule lets through; no rule does."""
    return rule is None or grant_holds(rule, passed)


def open_fields(model: SemanticModel, topic_name: str, passed: frozenset[str]) -> frozenset[str]:
    """Return the ids of the topic's fields that may be used in any clause."""
    verdicts: dict[str, bool] = {}
    topic = model.topics[topic_name]
    return frozenset(field for field in topic.fields if _is_open(field, model, passed, verdicts, ()))


def _is_open(
    field_id: str, model: SemanticModel, passed: frozenset[str], verdicts: dict[str, bool], path: tuple[str, ...]
) -> bool:
    name = field_id.partition("[")[0]
    if name in verdicts:
        return verdicts[name]
    if name in path:
        return False  # a cycle: the reader refuses such models; nothing is opened by one
    field: Dimension | Measure | None = model.dimension(name) or model.measure(name)
    if field is None:
        return False
    inner = set(field.references)
    if isinstance(field, Measure):
        inner |= {rule.field for rule in field.filters}
    verdict = (
        holds(model.views[field.view].required_access_grants, passed)
        and holds(field.required_access_grants, passed)
        and all(_is_open(reference, model, passed, verdicts, (*path, name)) for reference in inner)
    )
    verdicts[name] = verdict
    return verdict


def masked_fields(model: SemanticModel, topic_name: str, passed: frozenset[str]) -> frozenset[str]:
    """Return the ids of the dimensions of the topic's views that are masked."""
    return frozenset(
        dimension.id
        for view in model.topics[topic_name].views
        for dimension in model.views[view].dimensions.values()
        if not holds(dimension.mask_unless_access_grants, passed)
    )


@lru_cache(maxsize=2048)
def _remembered(key: tuple[UUID, UUID], topic: str, passed: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    model = _models[key]
    return open_fields(model, topic, passed), masked_fields(model, topic, passed)


def fields_for(
    tenant_id: UUID, version_id: UUID, model: SemanticModel, topic: str, passed: frozenset[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """Return open and masked fields, worked out once per process, model version and set of grants."""
    key = (tenant_id, version_id)
    if key not in _models:
        if len(_models) >= 64:
            _models.clear()
            _remembered.cache_clear()
        _models[key] = model
    return _remembered(key, topic, passed)
