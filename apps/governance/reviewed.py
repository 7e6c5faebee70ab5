"""What a data model adds to the review of who can query a data set: its own grants, and its row policies."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from apps.access.reviewing import register_condition
from apps.access.types import Actor
from apps.datamodels.models import Dataset, ModelVersion
from apps.datamodels.selectors import current_version
from apps.governance.deciding import Decision, as_text, decide_in, row_verdicts
from apps.governance.fields import holds
from apps.semantic.errors import UnreadableModelError
from apps.semantic.model.grants import grant_names


def conditions(pairs: Sequence[tuple[Actor, Any]]) -> list[str]:
    """Return, for each person and data set, what the published model says in words; a statement per model."""
    versions: dict[UUID, ModelVersion | None] = {}
    found = []
    for actor, dataset in pairs:
        if dataset.data_model_id not in versions:
            versions[dataset.data_model_id] = current_version(dataset.data_model)
        try:
            decision = decide_in(versions[dataset.data_model_id], actor, dataset)
        except UnreadableModelError:
            found.append("closed: the published model has faults by today's rules")
            continue
        found.append("; ".join(_words(actor, dataset, decision)))
    return found


def _words(actor: Actor, dataset: Dataset, decision: Decision) -> Iterator[str]:
    if decision.model is None or dataset.name not in decision.model.datasets:
        yield "closed: the published model has no such data set"
        return
    rule = decision.model.datasets[dataset.name].required_access_grants
    if rule is not None:
        passed = holds(rule, decision.passed)
        missing = sorted(grant_names(rule) - decision.passed)
        yield "open by its grants" if passed else f"closed: the model asks for {', '.join(missing)}"
    if decision.topic is None:
        return
    for verdict in row_verdicts(actor, decision.model, decision.topic):
        field = verdict.rule.field
        if verdict.outcome == "missing":
            yield f"no rows: {verdict.rule.user_attribute} is not set"
        elif verdict.outcome == "unfiltered":
            yield f"all rows of {field}"
        elif verdict.policy is not None:
            yield f"rows where {field} is {', '.join(map(as_text, verdict.policy.values))}"


register_condition("dataset", conditions)
