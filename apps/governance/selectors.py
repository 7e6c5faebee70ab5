"""Model policies + attributes + permissions → what one actor may get."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from threading import Lock
from typing import Any

from django.db.models import QuerySet

from apps.access.deciding import decide as decide_permission
from apps.access.deciding import permitted
from apps.access.rules import rule_of
from apps.access.types import Actor
from apps.datamodels.models import Dataset, ModelVersion
from apps.datamodels.rules import QUERY
from apps.governance.deciding import Decision, decide, decide_in
from apps.governance.fields import shown_masked
from apps.governance.reading import Asked, read_permitted
from apps.governance.scopes import ScopeBuilder
from apps.governance.types import Governed
from apps.governance.view_as import combined
from apps.semantic.errors import UnknownDatasetError
from apps.semantic.model.types import Dimension, SemanticModel
from apps.semantic.scope import AccessScope, RowPolicy, rights_key
from apps.tenants.binding import bound_tenant_id
from apps.vault.services import mask_key

MAX_ROWS = 50_000
KEPT_RIGHTS = 2_048


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


def permission_facts(actor: Actor, name: str) -> dict[str, Any]:
    """Return what the audit log keeps of the permission on a data set of this name; nothing where there is none."""
    found = Dataset.objects.filter(name=name, is_published=True).first()
    return decide_permission(actor, QUERY, found).facts() if found is not None else {}


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


def governed_by_name(actor: Actor, name: str, *, asked: Asked | None = None) -> Governed:
    """As :func:`governed`, by name, with the permission read in the same statement; it may have been ``asked`` just before."""
    if "\x00" in name:  # no text in the database holds it, and the driver refuses to ask for it
        raise unknown_dataset(name)
    if actor.viewing is not None or not rule_of(Dataset, QUERY).admits(actor):
        return _governed(actor, permitted_dataset(actor, name))
    found = asked.read() if asked is not None and asked.is_of(actor, name) else read_permitted(actor, name)
    if found is None:
        raise unknown_dataset(name)
    dataset, version = found
    return _governed_in(actor, dataset, decide_in(version, actor, dataset))


def _governed(actor: Actor, dataset: Dataset) -> Governed:
    found = governed_version(actor, dataset)
    limits = actor.viewing.limits if actor.viewing else None
    return found if limits is None else _limited(actor, found, governed(limits, dataset))


def _limited(actor: Actor, found: Governed, own: Governed) -> Governed:
    """Return what both may have of a data set; nothing when its model has changed in between."""
    if found.version.pk != own.version.pk:
        raise unknown_dataset(found.dataset.name)
    scope = combined(found.scope, own.scope)
    scope = replace(scope, fingerprint=fingerprint(scope, found.dataset, str(found.version.pk), hides_values=False))
    return replace(found, scope=scope, limits=limits_of(found.model, scope, hides_values=False))


def governed_version(actor: Actor, dataset: Dataset) -> Governed:
    """Return the data set as its published model gives it to the actor; the permission is not looked at.

    Raises:
        UnknownDatasetError, MissingAttributeError: as :func:`governed`.
    """
    return _governed_in(actor, dataset, decide(actor, dataset))


def _governed_in(actor: Actor, dataset: Dataset, decision: Decision) -> Governed:
    version, model = decision.version, decision.model
    if version is None or model is None or not decision.is_open:
        raise unknown_dataset(dataset.name)
    rows = min(version.data_model.connection.max_rows, MAX_ROWS)
    builder = ScopeBuilder(actor, model, decision.passed, bound_tenant_id(), version.pk, rows, mask_key)
    scope = builder.of(dataset.name)
    if scope is None:
        raise unknown_dataset(dataset.name)
    hides = actor.support is not None and not actor.support.sees_values
    named, limits = _remembered(scope, dataset, version, model, hides_values=hides)
    return Governed(dataset, version, model, replace(scope, fingerprint=named), limits, hides)


_held: OrderedDict[object, tuple[AccessScope, str, tuple[str, ...]]] = OrderedDict()
_lock = Lock()


def _remembered(
    scope: AccessScope, dataset: Dataset, version: ModelVersion, model: SemanticModel, *, hides_values: bool
) -> tuple[str, tuple[str, ...]]:
    """Return a scope's fingerprint and its limits in words, worked out once for equal rights; bounded."""
    key = (
        bound_tenant_id(), dataset.pk, version.pk, version.digest, hides_values, rights_key(scope), tuple(_attributes(scope))
    )  # fmt: skip
    found = _held.get(key)
    if found is None:
        named = fingerprint(scope, dataset, str(version.pk), hides_values=hides_values)
        found = scope, named, limits_of(model, scope, hides_values=hides_values)
        with _lock:
            _held[key] = found  # the scope too: the key knows its sets of fields by identity
            while len(_held) > KEPT_RIGHTS:
                _held.popitem(last=False)
    return found[1], found[2]


def _attributes(scope: AccessScope) -> Iterator[str]:
    """Yield which attribute each row policy asked for: rights are equal whichever it was, the words for them are not."""
    for policy in chain(*scope.row_policies.values(), scope.topic_policies):
        yield policy.attribute
    for inner in scope.nested.values():
        yield from _attributes(inner)


def fingerprint(scope: AccessScope, dataset: Dataset, version: str, *, hides_values: bool) -> str:
    """Return a hash of the rights: equal rights, equal fingerprint."""
    content = {
        "dataset": str(dataset.pk), "version": version, "rights": _rights(scope), "hides_values": hides_values
    }  # fmt: skip
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _rights(scope: AccessScope) -> dict[str, Any]:
    return {
        "fields": sorted(scope.fields),
        "masked": sorted(scope.masked),
        "rows": {view: _plain(policies) for view, policies in sorted(scope.row_policies.items())},
        "topic": _plain(scope.topic_policies),
        "attributes": {
            name: [[type(value).__name__, value] for value in scope.attributes[name]]
            for name in sorted(scope.attributes)
        },
        "nested": {name: _rights(inner) for name, inner in sorted(scope.nested.items())},
        "max_rows": scope.max_rows,
    }


def _plain(policies: tuple[RowPolicy, ...]) -> list[list[Any]]:
    return [[policy.field, [[type(value).__name__, value] for value in policy.values]] for policy in policies]


def limits_of(model: SemanticModel, scope: AccessScope, *, hides_values: bool) -> tuple[str, ...]:
    """Say in plain words which limits apply; fields that are refused are not spoken of."""
    texts = list(dict.fromkeys(_scope_limits(model, scope)))
    if hides_values:
        texts.append("Values are hidden from this support session")
    return tuple(texts)


def _scope_limits(model: SemanticModel, scope: AccessScope) -> Iterator[str]:
    policies = [policy for found in scope.row_policies.values() for policy in found] + list(scope.topic_policies)
    for name, values, attribute in dict.fromkeys((rule.field, rule.values, rule.attribute) for rule in policies):
        dimension = model.dimension(name)
        shown = ", ".join(str(value) for value in values[:5]) + (" …" if len(values) > 5 else "")
        # a field that is closed to the actor is not named, although their rows depend on it
        is_named = dimension is not None and name in scope.fields
        where = f"where {_label(dimension)} is {shown}" if dimension and is_named else f"for your {attribute}: {shown}"
        yield f"Only rows {where}"
    masked = [item for name in sorted(shown_masked(model, scope)) if (item := model.dimension(name))]
    if masked:
        yield "Masked: " + ", ".join(dict.fromkeys(_label(dimension) for dimension in masked))
    for name, inner in scope.nested.items():
        yield from _scope_limits(model.of_topic(name), inner)


def _label(dimension: Dimension) -> str:
    return dimension.label or dimension.name


def limits_text(actor: Actor, dataset: Dataset) -> tuple[str, ...]:
    """Return the limits that apply to the actor on a data set."""
    return governed(actor, dataset).limits
