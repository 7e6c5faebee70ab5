"""SQL for databases that do not run here, or not always: readable, and the same after it is read back.

``OMNI_WRITE_GOLDEN=1`` writes the files anew; look at what changes.
"""

import os
from pathlib import Path

import pytest
import sqlglot

from apps.semantic.compile import compile_query
from apps.semantic.query.reading import parse_query
from tests.semantic.features.store import TODAY, everything, model, policy

HERE = Path(__file__).parent
VALUE = "omni_value"
MASKED = frozenset(("customers.mail", "customers.email"))
DIALECTS = ("bigquery", "snowflake", "databricks", "spark", "redshift", "trino", "clickhouse", "tsql")
QUESTIONS = {
    "rows of a person": {"dataset": "Sales", "fields": ["customers.region", "orders.revenue", "orders.count"],
                         "filters": {"orders.status": {"is": ["paid", "open"]}}},
    "time": {"dataset": "Sales", "fields": ["orders.ordered_at[week]", "orders.ordered_at[month_name]", "orders.revenue"],
             "filters": {"orders.ordered_at": {"between_dates": ["2025-01-01", "2026-01-01"]}}, "timezone": "Europe/Oslo"},
    "repeated rows": {"dataset": "Sales", "fields": ["items.sku", "orders.revenue", "items.sold"]},
    "a level of detail": {"dataset": "Sales", "fields": ["customers.region", "orders.per_customer"]},
    "the top and the rest": {"dataset": "Sales", "fields": ["customers.name", "orders.revenue"],
                             "top": {"field": "customers.name", "n": 3, "by": "orders.revenue"}},
    "a year before": {"dataset": "Sales", "fields": ["orders.ordered_at[month]", "orders.revenue"],
                      "compare": {"field": "orders.ordered_at", "offset": "1 year"}},
    "topics side by side": {"dataset": "Both", "fields": ["@_shared_dimensions_.region", "@Sales.orders.revenue",
                                                          "@Tickets.tickets.count"]},
    "masked values": {"dataset": "People", "fields": ["customers.mail", "customers.count"]},
    "an SQL view": {"dataset": "Big", "fields": ["big_orders.customer", "big_orders.total"]},
}  # fmt: skip


def written(dialect: str) -> str:
    """Return all questions of a dialect as one readable text."""
    found = model(dialect)
    parts = []
    for title, question in QUESTIONS.items():
        query = parse_query(question)
        rights = everything(
            found, query.dataset, row_policies={"customers": (policy("customers.region", "EU"),)}, masked=MASKED
        )
        compiled = compile_query(query, model=found, scope=rights, today=TODAY)
        # Not every dialect of the parser reads placeholders: a name stands for them.
        plain = compiled.sql.replace("%%", "%").replace("%s", VALUE).replace("?", VALUE)
        again = sqlglot.parse_one(plain, read=dialect)
        twice = sqlglot.parse_one(again.sql(dialect), read=dialect)
        # The parser wraps Spark's moments in one more cast each time that it reads them.
        assert again == twice or dialect in ("spark", "databricks"), title
        parts.append(f"-- {title}\n{again.sql(dialect, pretty=True)};\n".replace(VALUE, "?"))
    return "\n".join(parts)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_dialect_is_written_as_it_was(dialect: str) -> None:
    path = HERE / f"{dialect}.sql"
    text = written(dialect)
    if os.environ.get("OMNI_WRITE_GOLDEN"):
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")
