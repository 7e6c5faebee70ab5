"""Model policies + attributes + permissions → what one actor may get."""

import hashlib
import json
from dataclasses import replace
from typing import Any

from django.db.models import QuerySet

from apps.access.selectors import permitted
from apps.access.types import Actor
from apps.datamodels.models import Dataset
from apps.datamodels.selectors import current_version, semantic_model
from apps.governance.fields import fields_for, holds
from apps.governance.types import FieldInfo, Governed
from apps.semantic.errors import MissingAttributeError, UnknownDatasetError
from apps.semantic.model.types import AccessFilter, Dimension, SemanticModel, Topic
from apps.semantic.scope import AccessScope, RowPolicy
from apps.tenants.binding import bound_tenant_id
from apps.vault.services import mask_key

QUERY = "query_dataset"
MAX_ROWS = 50_000


def visible_datasets(actor: Actor) -> QuerySet[Dataset]:
    """Return the published data sets that the actor may query, before grants of their topics."""
    return permitted(actor, Dataset, QUERY).filter(is_published=True)


def permitted_dataset(actor: Actor, name: str) -> Dataset:
    """Return the data set of this name.

    Raises:
        UnknownDatasetError: there is none, or none that the actor may query.
    """
    found = visible_datasets(actor).select_related("data_model__connection").filter(name=name).first()
    if found is None:
        raise unknown_dataset(name)
    return found


def unknown_dataset(name: str) -> UnknownDatasetError:
    """Return the one answer for missing and forbidden."""
    return UnknownDatasetError(f"There is no data set “{name[:120]}”.", "dataset")


def scope_for(actor: Actor, dataset: Dataset) -> AccessScope:
    """Return the actor's scope on a data set; see :func:`governed`."""
    return governed(actor, dataset).scope


def governed(actor: Actor, dataset: Dataset) -> Governed:
    """Return a data set as the actor may have it: permission, grants, masks and row policies, read now.

    Raises:
        UnknownDatasetError: no permission, a grant of the topic is missing, or there is no such data set any more.
        MissingAttributeError: a row policy needs an attribute that the actor does not have.
    """
    if not permitted(actor, Dataset, QUERY).filter(pk=dataset.pk, is_published=True).exists():
        raise unknown_dataset(dataset.name)
    return _governed(actor, dataset)


def governed_by_name(actor: Actor, name: str) -> Governed:
    """As :func:`governed`, by name, with the permission read in the same statement."""
    return _governed(actor, permitted_dataset(actor, name))


def _governed(actor: Actor, dataset: Dataset) -> Governed:
    version = current_version(dataset.data_model)
    if version is None:
        raise unknown_dataset(dataset.name)
    model = semantic_model(version)
    topic = model.topics.get(dataset.name)
    passed = passed_grants(actor, model)
    if topic is None or not holds(topic.required_access_grants, passed):
        raise unknown_dataset(dataset.name)
    fields, masked = fields_for(bound_tenant_id(), version.pk, model, topic.name, passed)
    by_view, of_topic = row_policies(actor, model, topic)
    scope = AccessScope(
        topic=topic.name,
        fields=fields,
        masked=masked,
        row_policies=by_view,
        topic_policies=of_topic,
        max_rows=min(version.data_model.connection.max_rows, MAX_ROWS),
        mask_key=mask_key() if masked else "",
    )
    hides = actor.support is not None and not actor.support.sees_values
    scope = replace(scope, fingerprint=fingerprint(scope, dataset, str(version.pk), hides_values=hides))
    return Governed(dataset, version, model, scope, limits_of(actor, model, topic, scope, hides_values=hides), hides)


def passed_grants(actor: Actor, model: SemanticModel) -> frozenset[str]:
    """Return the names of the grants that the actor's attributes pass. A support session passes none."""
    if actor.kind == "support":
        return frozenset()
    return frozenset(
        grant.name
        for grant in model.access_grants.values()
        if (held := actor.attributes.get(grant.user_attribute))
        and any(_as_text(value) in grant.allowed_values for value in held.values)
    )


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def row_policies(
    actor: Actor, model: SemanticModel, topic: Topic
) -> tuple[dict[str, tuple[RowPolicy, ...]], tuple[RowPolicy, ...]]:
    """Return policies by view, and the topic's own.

    A support session has no attributes: the customer's approval of the data set, with values, stands in their
    place, and is audited as such; masks and field grants stay closed to it.

    Raises:
        MissingAttributeError: the actor lacks an attribute that a policy asks for.
    """
    if actor.kind == "support":
        return {}, ()
    by_view = {view: _policies(actor, model.views[view].access_filters) for view in topic.views}
    return {view: found for view, found in by_view.items() if found}, _policies(actor, topic.access_filters)


def _policies(actor: Actor, filters: tuple[AccessFilter, ...]) -> tuple[RowPolicy, ...]:
    found = []
    for rule in filters:
        held = actor.attributes.get(rule.user_attribute)
        if held is None or not held.values:
            raise MissingAttributeError(rule.user_attribute)
        if any(_as_text(value) in rule.values_for_unfiltered for value in held.values):
            continue
        origin = f"{rule.source.file}:{rule.source.line}"
        found.append(RowPolicy(rule.field, tuple(sorted(set(held.values), key=str)), rule.user_attribute, origin))
    return tuple(found)


def fingerprint(scope: AccessScope, dataset: Dataset, version: str, *, hides_values: bool) -> str:
    """Return a hash of the rights: equal rights, equal fingerprint."""
    content = {
        "dataset": str(dataset.pk),
        "version": version,
        "fields": sorted(scope.fields),
        "masked": sorted(scope.masked),
        "rows": {view: _plain(policies) for view, policies in sorted(scope.row_policies.items())},
        "topic": _plain(scope.topic_policies),
        "max_rows": scope.max_rows,
        "hides_values": hides_values,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _plain(policies: tuple[RowPolicy, ...]) -> list[list[Any]]:
    return [[policy.field, [[type(value).__name__, value] for value in policy.values]] for policy in policies]


def limits_of(
    actor: Actor, model: SemanticModel, topic: Topic, scope: AccessScope, *, hides_values: bool
) -> tuple[str, ...]:
    """Say in plain words which limits apply; fields that are refused are not spoken of."""
    texts = []
    policies = [policy for found in scope.row_policies.values() for policy in found] + list(scope.topic_policies)
    for policy in dict.fromkeys((policy.field, policy.values) for policy in policies):
        dimension = model.dimension(policy[0])
        label = dimension.label if dimension else policy[0]
        shown = ", ".join(str(value) for value in policy[1][:5]) + (" …" if len(policy[1]) > 5 else "")
        texts.append(f"Only rows where {label} is {shown}")
    masked = [dimension for name in sorted(scope.masked & scope.fields) if (dimension := model.dimension(name))]
    if masked:
        texts.append("Masked: " + ", ".join(dict.fromkeys(_label(dimension) for dimension in masked)))
    if hides_values:
        texts.append("Values are hidden from this support session")
    return tuple(texts)


def _label(dimension: Dimension) -> str:
    return dimension.label or dimension.name


def limits_text(actor: Actor, dataset: Dataset) -> tuple[str, ...]:
    """Return the limits that apply to the actor on a data set."""
    return governed(actor, dataset).limits


def dataset_fields(found: Governed) -> list[FieldInfo]:
    """Return the fields that the actor may use, in the order of the model."""
    infos = []
    for view_name in found.model.topics[found.scope.topic].views:
        view = found.model.views[view_name]
        for dimension in view.dimensions.values():
            if dimension.id in found.scope.fields:
                infos.append(
                    FieldInfo(
                        dimension.id, dimension.label, dimension.type, "dimension", dimension.format,
                        dimension.timeframes, dimension.description, dimension.id in found.scope.masked,
                        dimension.is_hidden, dimension.group_label,
                    )
                )  # fmt: skip
        for measure in view.measures.values():
            if measure.id in found.scope.fields:
                infos.append(
                    FieldInfo(
                        measure.id, measure.label, measure.type, "measure", measure.format, (), measure.description,
                        is_masked=False, is_hidden=measure.is_hidden, group_label=measure.group_label,
                    )
                )  # fmt: skip
    return infos


def explain(actor: Actor, found: Governed) -> dict[str, Any]:
    """Return what applies to the actor, with the rule's place and each attribute's source."""
    policies = [policy for rules in found.scope.row_policies.values() for policy in rules]
    return {
        "dataset": found.dataset.name,
        "model_version": found.version.number,
        "policy_fingerprint": found.scope.fingerprint,
        "limits": list(found.limits),
        "row_policies": [
            {
                "field": policy.field,
                "values": list(policy.values),
                "attribute": policy.attribute,
                "source": actor.attributes[policy.attribute].source,
                "rule": policy.origin,
            }
            for policy in [*policies, *found.scope.topic_policies]
        ],
        "masked_fields": sorted(found.scope.masked & found.scope.fields),
        "max_rows": found.scope.max_rows,
    }
