"""How many cases are tried, and pages in a form that can be compared."""

import os
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, settings

from tests.reference.conditions import Moment
from tests.reference.evaluator import Page

CASES = int(os.environ.get("OMNI_FUZZ_CASES", "100"))
SHRINKS = os.environ.get("OMNI_FUZZ_SHRINK", "1") == "1"
CHECKED = settings(
    max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, *((Phase.shrink,) if SHRINKS else ())),
)  # fmt: skip
HALF = settings(CHECKED, max_examples=max(CASES // 2, 1))
RELATED = settings(CHECKED, max_examples=max(CASES // 4, 1))


def rounded(rows: Sequence[tuple[Any, ...]]) -> list[str]:
    return [repr(tuple(_rounded(value) for value in row)) for row in rows]


def shown(page: Page) -> dict[str, Any]:
    """Return a page with numbers rounded; rows of totals in any order."""
    found: dict[str, Any] = {"rows": rounded(page.rows), "is_cut": page.is_cut, "is_cross_cut": page.is_cross_cut}
    for name, rows in (("totals", page.totals), ("subtotals", page.subtotals)):
        found[name] = None if rows is None else sorted(rounded(rows))
    if page.cross is not None:
        columns, rows = page.cross
        found["cross"] = [(name, rounded([values])) for name, values in columns], rounded(rows)
    return found


def _rounded(value: Any) -> Any:
    if isinstance(value, Moment):
        return value.at
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    # MySQL divides to four places more than its operands have.
    return round(float(value), 3) + 0.0
