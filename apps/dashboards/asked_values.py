"""What the texts of an address mean to the field of a filter: numbers, yes and no, or texts."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from apps.access.types import Actor
from apps.dashboards.types import Choice, Condition
from apps.datamodels.models import Dataset
from apps.governance.offering import dataset_fields
from apps.governance.selectors import governed
from apps.semantic.compile.names import split_field
from apps.semantic.compile.plan import DimensionUse
from apps.semantic.model.types import SemanticModel

TRUTHS = {"true": True, "1": True, "false": False, "0": False}
Scalar = str | int | float | bool


def typed_condition(actor: Actor, dataset: Dataset, model: SemanticModel, choice: Choice) -> Condition | None:
    """Return a choice's condition with values of the field's type; one that does not spell such a value stays a text.

    Raises:
        QueryError: the reader may not use the data set.
    """
    if choice.condition is None or not choice.values:
        return choice.condition
    kind = _kind(actor, dataset, model, choice.filter.field)
    return {"is": _typed(choice.values, kind)}


def _typed(values: Sequence[str], kind: str) -> list[Scalar]:
    if kind == "boolean":
        return [TRUTHS.get(value.lower(), value) for value in values]
    return [_number(value) if kind == "number" else value for value in values]


def _number(text: str) -> Scalar:
    """Return a number as exact as the query language has them."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        return text
    if not found.is_finite() or abs(found.adjusted()) > 300:
        return text
    return int(found) if found == found.to_integral_value() and abs(found.adjusted()) < 38 else float(found)


def _kind(actor: Actor, dataset: Dataset, model: SemanticModel, name: str) -> str:
    """Return the type of a field as the reader has it: what is masked may be a text."""
    field_id, timeframe = split_field(name)
    dimension = model.of_topic(dataset.name).dimension(field_id)
    kind = DimensionUse(name, dimension, timeframe).type if dimension is not None else "number"
    if kind not in ("number", "boolean"):
        return kind
    info = next((item for item in dataset_fields(governed(actor, dataset)) if item.name == field_id), None)
    if info is None:
        return "string"
    if dimension is None:
        return "string" if info.is_masked else info.type
    return DimensionUse(name, dimension, timeframe, is_masked=info.is_masked).type
