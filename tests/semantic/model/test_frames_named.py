"""Timeframes that a field's parameters name are looked up like those in its SQL."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model
from tests.semantic.model.files import ORDERS, SHOP

PARAMETERS = (
    "late: {sql: status, order_by_field: 'orders.placed[FRAME]'}",
    "biggest: {sql: '${amount}', level_of_detail: {aggregate_type: max, fixed: ['orders.placed[FRAME]']}}",
)


@pytest.mark.parametrize("parameter", PARAMETERS)
@pytest.mark.parametrize(("frame", "is_known"), [("month", True), ("week", False), ("zz", False)])
def test_a_timeframe_that_a_dimension_does_not_have_is_a_fault(parameter: str, frame: str, is_known: bool) -> None:
    line = f"  {parameter.replace('FRAME', frame)}\nmeasures:"
    files = SHOP | {"shop/orders.view.yaml": ORDERS.replace("measures:", line, 1)}
    if is_known:
        assert read_model(files, dialect="duckdb").dimension(f"orders.{parameter.partition(':')[0]}") is not None
        return
    with pytest.raises(ModelError) as error:
        read_model(files, dialect="duckdb")
    assert [item.message for item in error.value.problems] == [f"“orders.placed” has no timeframe “{frame}”"]
