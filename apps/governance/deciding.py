"""The decisions about one actor and one data set, each with what it rests on. Verdicts and reasons are the same values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from apps.access.types import Actor, AttributeValue
from apps.datamodels.models import Dataset, ModelVersion
from apps.datamodels.selectors import current_version, semantic_model
from apps.governance.fields import holds
from apps.semantic.compile.facts import facts_of
from apps.semantic.compile.ruled import Spared
from apps.semantic.errors import MissingAttributeError
from apps.semantic.model.types import AccessFilter, AccessGrant, SemanticModel, Topic
from apps.semantic.scope import RowPolicy

RowOutcome = Literal["limited", "unfiltered", "missing"]


@dataclass(frozen=True, slots=True)
class GrantVerdict:
    """Whether the actor passes a grant: ``matched`` are their values that it allows, ``held`` all their values."""

    grant: AccessGrant
    held: AttributeValue | None
    matched: tuple[str, ...]

    @property
    def has_passed(self) -> bool:
        return bool(self.matched)


@dataclass(frozen=True, slots=True)
class RowVerdict:
    """What a row policy does to the actor; ``view`` None means a policy of the data set itself."""

    rule: AccessFilter
    view: str | None
    held: AttributeValue | None
    outcome: RowOutcome
    policy: RowPolicy | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Everything that decides on a data set but the permission. ``topic`` is None for a composite topic."""

    version: ModelVersion | None = None
    model: SemanticModel | None = None
    topic: Topic | None = None
    grants: Mapping[str, GrantVerdict] | None = None
    is_open: bool = False

    @property
    def passed(self) -> frozenset[str]:
        """Names of the grants that the actor passes."""
        return frozenset(name for name, verdict in (self.grants or {}).items() if verdict.has_passed)


def decide(actor: Actor, dataset: Dataset) -> Decision:
    """Return what the published model says about the actor and a data set; the permission is not looked at."""
    return decide_in(current_version(dataset.data_model), actor, dataset)


def decide_in(version: ModelVersion | None, actor: Actor, dataset: Dataset) -> Decision:
    """As :func:`decide`, in a version that was read before."""
    if version is None:
        return Decision()
    model = semantic_model(version).of_topic(dataset.name)
    topic = model.topics.get(dataset.name)
    grants = grant_verdicts(actor, model)
    found = Decision(version, model, topic, grants)
    asked = model.datasets.get(dataset.name)
    is_open = asked is not None and holds(asked.required_access_grants, found.passed)
    return Decision(version, model, topic, grants, is_open)


def grant_verdicts(actor: Actor, model: SemanticModel) -> dict[str, GrantVerdict]:
    """Return a verdict on each grant of the model. A support session passes none."""
    return {grant.name: _grant_verdict(actor, grant) for grant in model.access_grants.values()}


def _grant_verdict(actor: Actor, grant: AccessGrant) -> GrantVerdict:
    held = None if actor.kind == "support" else actor.attributes.get(grant.user_attribute)
    texts = [as_text(value) for value in held.values] if held else []
    return GrantVerdict(grant, held, tuple(text for text in texts if text in grant.allowed_values))


def passed_grants(actor: Actor, model: SemanticModel) -> frozenset[str]:
    """Return the names of the grants that the actor's attributes pass. A support session passes none."""
    return frozenset(name for name, verdict in grant_verdicts(actor, model).items() if verdict.has_passed)


def as_text(value: Any) -> str:
    """Return a value of an attribute as model files write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def row_verdicts(actor: Actor, model: SemanticModel, topic: Topic) -> tuple[RowVerdict, ...]:
    """Return a verdict on each row policy of the data set and its views, in the order of the joins.

    A support session has no attributes: the customer's approval of the data set, with values, stands in their
    place, and is audited as such; masks and field grants stay closed to it.
    """
    return () if actor.kind == "support" else tuple(_row_verdicts(actor, model, topic))


def _row_verdicts(actor: Actor, model: SemanticModel, topic: Topic) -> Iterator[RowVerdict]:
    tables = [table for view in topic.views for table in model.governed_tables(view)]
    for view in dict.fromkeys((*topic.views, *tables)):
        for rule in model.views[view].access_filters:
            yield _row_verdict(actor, rule, view)
    for rule in topic.access_filters:
        yield _row_verdict(actor, rule, None)


def _row_verdict(actor: Actor, rule: AccessFilter, view: str | None) -> RowVerdict:
    held = actor.attributes.get(rule.user_attribute)
    if held is None or not held.values:
        return RowVerdict(rule, view, None, "missing")
    if any(as_text(value) in rule.values_for_unfiltered for value in held.values):
        return RowVerdict(rule, view, held, "unfiltered")
    origin = f"{rule.source.file}:{rule.source.line}"
    values = tuple(sorted(set(held.values), key=str))
    return RowVerdict(rule, view, held, "limited", RowPolicy(rule.field, values, rule.user_attribute, origin))


def spared_by(actor: Actor, model: SemanticModel) -> Spared:
    """Return the row policies of the model that do not hold for an actor, by what they ask: a support session meets none."""
    rules = facts_of(model).row_rules()
    if actor.kind == "support":
        return rules
    found = {name: actor.attributes.get(name) for name, _ in rules}
    held = {name: {as_text(value) for value in value.values} for name, value in found.items() if value is not None}
    return frozenset(rule for rule in rules if not held.get(rule[0], set()).isdisjoint(rule[1]))


def row_policies(
    actor: Actor, model: SemanticModel, topic: Topic
) -> tuple[dict[str, tuple[RowPolicy, ...]], tuple[RowPolicy, ...]]:
    """Return policies by view, and the topic's own.

    Raises:
        MissingAttributeError: the actor lacks an attribute that a policy asks for.
    """
    by_view: dict[str, tuple[RowPolicy, ...]] = {}
    of_topic: tuple[RowPolicy, ...] = ()
    for verdict in row_verdicts(actor, model, topic):
        if verdict.outcome == "missing":
            raise MissingAttributeError(verdict.rule.user_attribute)
        if verdict.policy is None:
            continue
        if verdict.view is None:
            of_topic = (*of_topic, verdict.policy)
        else:
            by_view[verdict.view] = (*by_view.get(verdict.view, ()), verdict.policy)
    return by_view, of_topic
