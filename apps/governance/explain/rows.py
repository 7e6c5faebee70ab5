"""What row policies do to somebody."""

from apps.access.types import Actor
from apps.governance.deciding import RowVerdict, row_verdicts
from apps.governance.explain.attributes import Attributes
from apps.governance.explain.rules import listed, place
from apps.governance.explain.types import RowsExplained
from apps.semantic.model.types import SemanticModel, Topic


def rows_explained(
    actor: Actor, model: SemanticModel, topic: Topic, attributes: Attributes, *, known: frozenset[str]
) -> tuple[RowsExplained, ...]:
    """Explain each row policy; only fields in ``known`` are named to whoever is no administrator."""
    found = [_explained(verdict, model, attributes, known) for verdict in row_verdicts(actor, model, topic)]
    return tuple(dict.fromkeys(found))  # two rules that say the same differ in their place, which not everybody reads


def _explained(
    verdict: RowVerdict, model: SemanticModel, attributes: Attributes, known: frozenset[str]
) -> RowsExplained:
    rule = verdict.rule
    used = attributes.used(rule.user_attribute)
    is_named = attributes.is_complete or rule.field in known
    dimension = model.dimension(rule.field)
    label = (dimension.label or dimension.name) if dimension and is_named else ""
    values = verdict.policy.values if verdict.policy else ()
    return RowsExplained(
        field=rule.field if is_named else "",
        label=label,
        state=verdict.outcome,
        text=_text(verdict, label, used.label),
        values=values,
        attribute=used,
        place=place(rule.source) if attributes.is_complete else "",
    )


def _text(verdict: RowVerdict, label: str, attribute: str) -> str:
    """Say it in one sentence; without a label the field stays unnamed."""
    if verdict.outcome == "missing":
        return f"No rows: {attribute} is not set, and decides which rows may be seen."
    if verdict.outcome == "unfiltered":
        return f"All rows, whatever their {label}: the attribute {attribute} lifts this limit." if label else (
            f"The attribute {attribute} lifts a limit on rows."
        )  # fmt: skip
    shown = listed(verdict.policy.values if verdict.policy else ())
    return f"Only rows where {label} is {shown}." if label else f"Only rows for {attribute}: {shown}."
