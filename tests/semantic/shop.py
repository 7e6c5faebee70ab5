"""A small shop: its model built by hand, its rows in DuckDB, and the scopes of people who may see parts of it."""

from dataclasses import replace
from datetime import date

import duckdb
import sqlglot
from sqlglot import exp

from apps.semantic.compile import CompiledQuery, compile_query
from apps.semantic.errors import FanOutError
from apps.semantic.model.types import (
    Condition,
    Dimension,
    FieldFilter,
    Measure,
    Relationship,
    SemanticModel,
    Source,
    Topic,
    TopicJoin,
    View,
)
from apps.semantic.query.types import SemanticQuery, Sort
from apps.semantic.scope import AccessScope, RowPolicy
from apps.semantic.verify import verify

__all__ = ["FanOutError", "replace"]

HERE = Source("shop.view.yaml", 1)
FRAMES = (
    "raw", "date", "week", "month", "quarter", "year", "hour", "hour_of_day",
    "day_of_week_num", "day_of_week_name", "month_num", "month_name", "quarter_of_year",
)  # fmt: skip
TODAY = date(2026, 3, 15)
MASK_KEY = "0123456789abcdef0123456789abcdef"

ROWS = """
CREATE SCHEMA shop;
CREATE TABLE shop.countries (code VARCHAR, continent VARCHAR);
INSERT INTO shop.countries VALUES ('NO', 'EUROPE'), ('US', 'AMERICA'), ('JP', 'ASIA');
CREATE TABLE shop.customers (id INT, email VARCHAR, country VARCHAR, region VARCHAR, fee INT);
INSERT INTO shop.customers VALUES
  (1, 'ola@x.no', 'NO', 'EU', 5), (2, 'kari@x.no', 'NO', 'EU', 7), (3, 'joe@x.us', 'US', 'US', 9),
  (4, NULL, 'JP', 'ASIA', 1);
CREATE TABLE shop.orders (id INT, customer_id INT, status VARCHAR, amount INT, is_test BOOLEAN, created_at TIMESTAMP,
  paid_on DATE, "100% s" VARCHAR);
INSERT INTO shop.orders VALUES
  (1, 1, 'paid', 100, FALSE, '2026-01-31 23:30:00', '2026-02-01', 'a'),
  (2, 1, 'open', 50, FALSE, '2026-02-10 08:00:00', NULL, 'b'),
  (3, 2, 'paid', 30, FALSE, '2026-02-28 23:59:00', '2026-03-02', 'a'),
  (4, 3, 'paid', 500, FALSE, '2026-03-01 00:30:00', '2026-03-03', 'c'),
  (5, 3, NULL, 20, FALSE, '2026-03-02 12:00:00', NULL, NULL),
  (6, 4, '50%_off!', 70, FALSE, '2025-12-31 12:00:00', NULL, 'a'),
  (7, NULL, 'paid', 11, FALSE, '2026-03-14 12:00:00', NULL, 'a'),
  (8, 1, 'paid', 9999, TRUE, '2026-03-14 12:00:00', NULL, 'a');
CREATE TABLE shop.items (id INT, order_id INT, sku VARCHAR, price INT);
INSERT INTO shop.items VALUES (1, 1, 'x', 60), (2, 1, 'y', 40), (3, 2, 'x', 50), (4, 4, 'z', 500);
"""


def sql(text: str, dialect: str = "duckdb") -> exp.Expression:
    """Return model text as the reader gives it: ``${a.b}`` a placeholder, other names columns."""
    names: list[str] = []

    def remember(name: str) -> str:
        names.append(name)
        return f"__{len(names) - 1}"

    parts = text.split("${")
    marked = parts[0] + "".join(remember(part.split("}", 1)[0]) + part.split("}", 1)[1] for part in parts[1:])
    holder = exp.Paren(this=sqlglot.parse_one(marked, dialect=dialect))
    for node in list(holder.find_all(exp.Column)):
        if node.name.startswith("__"):
            node.replace(exp.Placeholder(this=names[int(node.name[2:])]))
    return holder.this


def dimension(view: str, name: str, text: str | None = None, type_: str = "string", **rest: object) -> Dimension:
    return Dimension(name, view, name.replace("_", " ").capitalize(), sql(text or f'"{name}"'), type_, HERE, **rest)


def measure(view: str, name: str, aggregate: str, text: str | None = None, **rest: object) -> Measure:
    label = name.replace("_", " ").capitalize()
    return Measure(name, view, label, aggregate, sql(text) if text else None, HERE, **rest)


def view(name: str, *fields: Dimension | Measure) -> View:
    dimensions = {field.name: field for field in fields if isinstance(field, Dimension)}
    measures = {field.name: field for field in fields if isinstance(field, Measure)}
    return View(name, "shop", name, HERE, dimensions=dimensions, measures=measures)


def join(parent: str, to: str, on: str, type_: str = "many_to_one", join_type: str = "always_left") -> TopicJoin:
    return TopicJoin(to, parent, Relationship(parent, to, join_type, type_, sql(on), HERE))


ORDERS = view(
    "orders",
    dimension("orders", "id", type_="number", is_primary_key=True),
    dimension("orders", "customer_id", type_="number"),
    dimension("orders", "status"),
    dimension("orders", "amount", type_="number"),
    dimension("orders", "is_test", type_="boolean"),
    dimension("orders", "created_at", type_="timestamp", timeframes=FRAMES),
    dimension("orders", "paid_on", type_="date", timeframes=FRAMES),
    dimension("orders", "odd", '"100% s"'),
    dimension("orders", "bonus", "CASE WHEN amount % 100 = 0 THEN 'round %s' ELSE 'uneven 5%' END"),
    dimension("orders", "buyer", "${customers.email}"),
    measure("orders", "count", "count"),
    measure("orders", "revenue", "sum", "${orders.amount}"),
    measure("orders", "direct_revenue", "sum", "amount"),
    measure("orders", "average_amount", "average", "${orders.amount}"),
    measure("orders", "smallest", "min", "${orders.amount}"),
    measure("orders", "largest", "max", "${orders.amount}"),
    measure("orders", "buyers", "count_distinct", "${customers.email}"),
    measure(
        "orders", "paid_revenue", "sum", "${orders.amount}",
        filters=(FieldFilter("orders.status", Condition("is", ("paid",))),),
    ),
    measure("orders", "paid_share", "expression", "${orders.paid_revenue} * 1.0 / NULLIF(${orders.revenue}, 0)"),
    measure("orders", "mean", "expression", "SUM(${orders.amount}) / COUNT(*)"),
    measure(
        "orders", "european_share", "expression", "SUM(${orders.amount}) * 1.0 / NULLIF(${orders.revenue}, 0)",
        filters=(FieldFilter("customers.region", Condition("is", ("EU",))),),
    ),
)  # fmt: skip
CUSTOMERS = view(
    "customers",
    dimension("customers", "id", type_="number", is_primary_key=True),
    dimension("customers", "email"),
    dimension("customers", "mail_domain", "SPLIT_PART(${customers.email}, '@', 2)"),
    dimension("customers", "same_email", "${customers.email}"),
    dimension("customers", "country"),
    dimension("customers", "region"),
    dimension("customers", "fee", type_="number"),
    dimension("customers", "double_fee", "${customers.fee} * 2", type_="number"),
    measure("customers", "fees", "sum", "${customers.fee}"),
    measure("customers", "count", "count"),
    measure("customers", "emails", "count_distinct", "${customers.email}"),
    measure("customers", "last_email", "max", "${customers.email}"),
)
COUNTRIES = view("countries", dimension("countries", "code"), dimension("countries", "continent"))
ITEMS = view(
    "items",
    dimension("items", "id", type_="number", is_primary_key=True),
    dimension("items", "order_id", type_="number"),
    dimension("items", "sku"),
    dimension("items", "price", type_="number"),
    measure("items", "count", "count"),
    measure("items", "sold", "sum", "${items.price}"),
)
VIEWS = {item.name: item for item in (ORDERS, CUSTOMERS, COUNTRIES, ITEMS)}
TO_CUSTOMERS = join("orders", "customers", "${orders.customer_id} = ${customers.id}")
TO_COUNTRIES = join("customers", "countries", "${customers.country} = ${countries.code}")
TO_ITEMS = join("orders", "items", "${orders.id} = ${items.order_id}", "one_to_many")
ALL = frozenset(f"{item.name}.{name}" for item in VIEWS.values() for name in (*item.dimensions, *item.measures))
SALES = Topic(
    "Sales", "orders", HERE, joins=(TO_CUSTOMERS, TO_COUNTRIES, TO_ITEMS), fields=ALL,
    always_where_filters=(FieldFilter("orders.is_test", Condition("is", (False,))),),
)  # fmt: skip
INNER = Topic(
    "Inner", "orders", HERE, joins=(replace(TO_CUSTOMERS, relationship=replace(TO_CUSTOMERS.relationship, join_type="inner")),),
    fields=ALL,
)  # fmt: skip


def model(dialect: str = "duckdb", week_start: int = 0) -> SemanticModel:
    return SemanticModel(dialect, VIEWS, {"Sales": SALES, "Inner": INNER}, {}, week_start)


def without_keys(of: SemanticModel, name: str) -> SemanticModel:
    """Return the model with a view whose rows no key tells apart."""
    keyless = {key: replace(item, is_primary_key=False) for key, item in of.views[name].dimensions.items()}
    return replace(of, views={**of.views, name: replace(of.views[name], dimensions=keyless)})


MODEL = model()
EVERYTHING = AccessScope("Sales", ALL, fingerprint="everything")


def policy(field: str, *values: object) -> RowPolicy:
    return RowPolicy(field, values, field.partition(".")[2], "shop.view.yaml:1")  # type: ignore[arg-type]  # looser than the type on purpose


EUROPEANS = replace(
    EVERYTHING, row_policies={"customers": (policy("customers.region", "EU"),)}, fingerprint="europeans"
)
MASKED = replace(EVERYTHING, masked=frozenset(("customers.email",)), mask_key=MASK_KEY, fingerprint="masked")


def query(*fields: str, dataset: str = "Sales", **rest: object) -> SemanticQuery:
    filters = tuple(FieldFilter(name, item) for name, item in rest.pop("filters", {}).items())  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    sorts = tuple(Sort(name, is_descending) for name, is_descending in rest.pop("sorts", ()))  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    return SemanticQuery(dataset, fields, filters, sorts, **rest)  # type: ignore[arg-type]  # looser than the type on purpose


def compiled(asked: SemanticQuery, scope: AccessScope = EVERYTHING, of: SemanticModel = MODEL) -> CompiledQuery:
    """Compile and prove."""
    result = compile_query(asked, model=of, scope=scope, today=TODAY)
    verify(result, model=of, scope=scope)
    return result


def database() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(ROWS)
    return connection
