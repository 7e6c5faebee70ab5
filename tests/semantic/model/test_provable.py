"""What no question could have once it is written for its database is a fault with its place."""

import pytest

from apps.semantic.errors import ModelError
from tests.semantic.features.store import FILES, model

REFUSED = [
    ("mysql", "DATE_TRUNC('month', ordered_at)"),
    ("mysql", "CAST(ordered_at AS TIMESTAMP)"),
    ("mysql", "TIMESTAMP '2026-01-01 00:00:00'"),
    ("duckdb", "INITCAP(status)"),
]
ANSWERED = [
    ("mysql", "CAST(ordered_at AS DATETIME)"),
    ("mysql", "CASE WHEN {{# orders.status.filter }} status {{/ orders.status.filter }} THEN 1 END"),
    ("duckdb", "DATE_TRUNC('month', ordered_at)"),
    ("duckdb", "UPPER(${status})"),
    ("postgres", "INITCAP(status)"),
    ("postgres", "DATE_TRUNC('month', ordered_at)"),
    ("postgres", "CAST(ordered_at AS TIMESTAMP)"),
    ("postgres", "status IN ({{omni_attributes.region}})"),
]


def with_field(dialect, sql):
    orders = FILES["orders.view"].replace("dimensions:\n", f'dimensions:\n  made: {{sql: "{sql}"}}\n', 1)
    return model(dialect, **{"orders.view": orders})


@pytest.mark.parametrize(("dialect", "sql"), REFUSED)
def test_what_is_never_proven_is_a_fault(dialect, sql):
    says = "in the SQL of this database, which no question can have"
    with pytest.raises(ModelError, match=says):
        with_field(dialect, sql)
    view = f'sql: "SELECT {sql} AS a FROM omni_store.orders"\ndimensions: {{a: {{}}}}\n'
    with pytest.raises(ModelError, match=says):
        model(dialect, **{"made.view": view})


@pytest.mark.parametrize(("dialect", "sql"), ANSWERED)
def test_what_is_proven_is_none(dialect, sql):
    assert with_field(dialect, sql).dimension("orders.made") is not None
