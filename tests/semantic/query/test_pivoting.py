"""A cross table has no more rows and columns than it may, and says when some are left out."""

import pytest

from apps.semantic.query.pivoting import MAX_PIVOT_COLUMNS, pivot

NAMES = ("o.region", "o.month", "o.count")
ROWS = [("EU", 1, 10), ("EU", 2, 20), ("US", 1, 30), ("US", 2, 40)]


@pytest.mark.parametrize(("limit", "regions", "is_cut"), [(2, ["EU", "US"], False), (1, ["EU"], True)])
def test_rows_beyond_the_limit_are_left_out_and_those_that_began_are_whole(
    limit: int, regions: list[str], is_cut: bool
) -> None:
    table = pivot(NAMES, ROWS, pivots=["o.month"], measures=["o.count"], limit=limit)
    assert [row[0] for row in table.rows] == regions
    assert table.rows[0] == ("EU", 10, 20)
    assert table.is_truncated is is_cut


@pytest.mark.parametrize("more", [0, 1])
def test_columns_beyond_the_most_are_left_out(more: int) -> None:
    rows = [("EU", month, month) for month in range(MAX_PIVOT_COLUMNS + more)] + [("US", 0, 7)]
    table = pivot(NAMES, rows, pivots=["o.month"], measures=["o.count"], limit=10)
    assert len(table.columns) == 1 + MAX_PIVOT_COLUMNS
    assert table.is_truncated is bool(more)
    assert table.rows[1][:2] == ("US", 7)
