"""One actor's scope on a topic or a composite, with those of everything that it rests on."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

from sqlglot import exp

from apps.access.types import Actor
from apps.governance.deciding import row_policies, spared_by
from apps.governance.fields import fields_for, holds
from apps.semantic.compile.masks import standing_of
from apps.semantic.compile.ruled import Spared
from apps.semantic.errors import MissingAttributeError
from apps.semantic.model.types import CompositeTopic, SemanticModel, Topic
from apps.semantic.scope import AccessScope

ATTRIBUTE = "omni_attributes."
SHARED = "@_shared_dimensions_."
MAX_DEPTH = 16


@dataclass(frozen=True, slots=True)
class ScopeBuilder:
    """Builds scopes over one version of a model for one actor, whose grants are ``passed``."""

    actor: Actor
    model: SemanticModel
    passed: frozenset[str]
    tenant_id: UUID
    version_id: UUID
    max_rows: int
    mask_key: Callable[[], str] = field(repr=False)
    """reads the tenant's key of masks; asked only when something is masked"""

    def of(self, name: str) -> AccessScope | None:
        """Return the scope on a data set; None where a grant that it needs is missing.

        Raises:
            MissingAttributeError: a row policy needs an attribute that the actor does not have.
        """
        composite = self.model.composites.get(name)
        return self._composite(composite) if composite is not None else self._topic(name, 0)

    def _topic(self, name: str, depth: int) -> AccessScope | None:
        model = self.model.of_topic(name)
        topic = model.topics.get(name)
        if topic is None or not holds(topic.required_access_grants, self.passed) or depth > MAX_DEPTH:
            return None
        fields, masked = fields_for(
            self.tenant_id, self.version_id, model, name, self.passed, spared_by(self.actor, model)
        )
        by_view, of_topic = row_policies(self.actor, model, topic)
        nested = {inner: self._topic(inner, depth + 1) for inner in _inner_topics(topic, model)}
        return AccessScope(
            topic=name,
            fields=fields,
            masked=masked,
            row_policies=by_view,
            topic_policies=of_topic,
            attributes=self._attributes(topic, model),
            nested={inner: scope for inner, scope in nested.items() if scope is not None},
            max_rows=self.max_rows,
            mask_key=self.mask_key() if masked or any(scope and scope.mask_key for scope in nested.values()) else "",
        )

    def _parts(self, composite: CompositeTopic) -> dict[str, AccessScope] | None:
        """Return the scopes of all parts, None where one is closed: that comes before what another one asks for.

        Raises:
            MissingAttributeError: none is closed, and one asks for an attribute that the actor lacks.
        """
        found: dict[str, AccessScope | None] = {}
        missing: MissingAttributeError | None = None
        for name in composite.topics:
            try:
                found[name] = self._topic(name, 1)
            except MissingAttributeError as error:
                missing = missing or error
        if None in found.values():
            return None
        if missing is not None:
            raise missing
        return {name: scope for name, scope in found.items() if scope is not None}

    def _composite(self, composite: CompositeTopic) -> AccessScope | None:
        nested = self._parts(composite) if holds(composite.required_access_grants, self.passed) else None
        if nested is None:
            return None
        open_ = {f"@{name}.{field_id}" for name, scope in nested.items() for field_id in scope.fields}
        open_ |= {
            SHARED + shared.name
            for shared in composite.shared_dimensions.values()
            if all(_is_open(mapping, nested[name], self.model) for name, mapping in shared.mappings.items())
        }
        keys = {scope.mask_key for scope in nested.values()} - {""}
        return AccessScope(
            topic=composite.name,
            fields=composite.fields & frozenset(open_),
            nested=nested,
            max_rows=self.max_rows,
            mask_key=keys.pop() if keys else "",
        )

    def _attributes(self, topic: Topic, model: SemanticModel) -> Mapping[str, tuple[str | int | float | bool, ...]]:
        if self.actor.kind == "support":
            return {}
        named = attributes_named(TopicKey(self.version_id, topic.name, model.seen_by, model))
        held = {name: self.actor.attributes.get(name) for name in sorted(named)}
        return {name: value.values for name, value in held.items() if value is not None and value.values}


def _is_open(mapping: str, scope: AccessScope, model: SemanticModel) -> bool:
    is_answered = standing_of(mapping, model.of_topic(scope.topic), scope.masked) != "refused"
    return is_answered and mapping.partition("[")[0] in scope.fields


def given_by_grants(
    tenant_id: UUID,
    version_id: UUID,
    model: SemanticModel,
    topic: Topic,
    passed: frozenset[str],
    spared: Spared,
    depth: int = 0,
) -> AccessScope:
    """Return what grants alone give of a topic and of those beneath its query views: fields and masks, without rows.

    Row policies count as far as they would compare masks; the ``spared`` do not.
    """
    fields, masked = fields_for(tenant_id, version_id, model, topic.name, passed, spared)
    inner = [(model.of_topic(name), name) for name in _inner_topics(topic, model)]
    nested = {
        name: given_by_grants(tenant_id, version_id, own, own.topics[name], passed, spared, depth + 1)
        for own, name in inner
        if name in own.topics and depth < MAX_DEPTH
    }
    return AccessScope(topic=topic.name, fields=fields, masked=masked, nested=nested)


def _inner_topics(topic: Topic, model: SemanticModel) -> tuple[str, ...]:
    sources = (model.views[view].query_source for view in topic.views)
    return tuple(dict.fromkeys(source.topic for source in sources if source is not None))


@dataclass(frozen=True, slots=True)
class TopicKey:
    """A topic of a model, as the topic that was asked sees it; the model itself does not take part in comparisons."""

    version_id: UUID
    topic: str
    seen_by: str
    model: SemanticModel = field(compare=False, hash=False)


@lru_cache(maxsize=512)
def attributes_named(key: TopicKey) -> frozenset[str]:
    """Return the user attributes that the expressions of a topic name: its views', its joins', its rules'."""
    model, topic = key.model, key.model.topics[key.topic]
    found = {attribute for name in topic.views if (attribute := model.views[name].schema_attribute)}
    trees: list[exp.Expr] = [*topic.always_where, *topic.always_having]
    for join in topic.joins:
        trees += [tree for tree in (join.relationship.on_sql, join.relationship.where_sql) if tree is not None]
    for name in topic.views:
        trees += _trees(name, model)
        found |= {
            attribute for table in model.governed_tables(name) if (attribute := model.views[table].schema_attribute)
        }
    return frozenset(found) | _named(trees)


def _trees(name: str, model: SemanticModel) -> list[exp.Expr]:
    view = model.views[name]
    trees: list[exp.Expr] = [item.sql for item in view.dimensions.values()]
    trees += [item.sql for item in view.measures.values() if item.sql is not None]
    trees += [tree for item in view.measures.values() for tree in item.distinct_on]
    trees += [
        end for item in view.dimensions.values() if item.duration for end in (item.duration.start, item.duration.end)
    ]
    if view.sql_source is not None:
        trees.append(view.sql_source.tree)
        for table in model.governed_tables(name):
            trees += [item.sql for item in model.views[table].dimensions.values()]
    return trees


def _named(trees: Iterable[exp.Expr]) -> frozenset[str]:
    names = (node.name for tree in trees for node in tree.find_all(exp.Placeholder))
    return frozenset(name.removeprefix(ATTRIBUTE) for name in names if name.startswith(ATTRIBUTE))
