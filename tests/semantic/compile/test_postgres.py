"""The same question gives the same rows on PostgreSQL as on DuckDB. The tables live in a transaction that is rolled back."""

import os
from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pytest

from apps.semantic.model.types import Condition
from tests.semantic import shop
from tests.semantic.shop import EUROPEANS, EVERYTHING, FRAMES, MASKED, policy, query, replace

POSTGRES = shop.model("postgres")
TOPIC_POLICY = replace(EVERYTHING, topic_policies=(policy("countries.continent", "EUROPE"),))
QUESTIONS = [
    (query("customers.region", "orders.revenue", "orders.count", "orders.average_amount"), EVERYTHING),
    (query("customers.region", "orders.count"), EUROPEANS),
    (query("orders.count"), TOPIC_POLICY),
    (query("orders.count"), replace(EVERYTHING, row_policies={"orders": (policy("orders.status"),)})),
    (query("customers.email", "orders.buyers", "customers.mail_domain"), MASKED),
    (query("customers.id", "orders.count"), replace(MASKED, masked=frozenset(("customers.id",)))),
    (query("orders.odd", "orders.bonus", filters={"orders.odd": Condition("contains", ("a",))}), EVERYTHING),
    (query("orders.status", filters={"orders.status": Condition("not", ("paid",))}), EVERYTHING),
    (query("orders.status", filters={"orders.status": Condition("contains", ("%_",))}), EVERYTHING),
    (
        query("orders.id", filters={"orders.created_at": Condition("is", ("2026-02",))}, timezone="Europe/Oslo"),
        EVERYTHING,
    ),
    (query("orders.id", filters={"orders.paid_on": Condition("before", ("2026-03-02",))}), EVERYTHING),
    (query("orders.id", filters={"orders.amount": Condition("between", (20, 70.5))}), EVERYTHING),
    (query("customers.region", filters={"orders.revenue": Condition("greater_than", (100,))}), EVERYTHING),
    (query("orders.paid_share", "orders.european_share", "orders.mean"), EVERYTHING),
    (query("orders.status", "items.sold", "items.count"), EVERYTHING),
    *((query(f"orders.created_at[{frame}]", "orders.count", timezone="Europe/Oslo"), EVERYTHING) for frame in FRAMES),
    *((query(f"orders.paid_on[{frame}]", "orders.count", timezone="Europe/Oslo"), EVERYTHING) for frame in FRAMES[:6]),
]


@pytest.fixture(scope="module")
def postgres() -> Iterator[psycopg.Connection]:
    with psycopg.connect(os.environ["OMNI_DATABASE_ADMIN_URL"]) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        connection.execute(shop.ROWS)
        yield connection
        connection.rollback()


@pytest.mark.parametrize("number", range(len(QUESTIONS)))
@pytest.mark.parametrize("week_start", [0, 6])
def test_postgres_answers_like_duckdb(ask, postgres, number, week_start):
    asked, scope = QUESTIONS[number]
    compiled = shop.compiled(asked, scope, replace(POSTGRES, week_start=week_start))
    found = postgres.execute(compiled.sql, compiled.parameters).fetchall()
    expected = ask(asked, scope, shop.model(week_start=week_start))
    assert len(found) == len(expected)
    assert sorted(map(_plain, found), key=repr) == sorted(map(_plain, expected), key=repr)


def _plain(row: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(round(float(value), 6) if isinstance(value, int | float | Decimal) else value for value in row)
