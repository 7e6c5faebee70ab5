"""What the proof expects to stand in the SQL, written out from the model alone."""

from dataclasses import replace

import pytest
from sqlglot.dialects.dialect import Dialect

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import Mask
from apps.semantic.scope import AccessScope
from apps.semantic.verify.trees import Expected, columns_of, schema_of
from tests.semantic import shop
from tests.semantic.features.store import FILES, MASK_KEY, everything, model, policy
from tests.semantic.shop import dimension, sql
from tests.semantic.verify.hand import Statement, statement

DIALECTS = ("duckdb", "postgres", "mysql", "spark")
NO_ATTRIBUTE = "A rule needs a user attribute that the scope does not have."
BOUND = "A row policy is bound to another value than the scope's."
MISSING = "A filter of the data set is missing."


def expected(dialect: str = "duckdb", **attributes: tuple[object, ...]) -> Expected:
    of = model(dialect)
    scope = AccessScope("Sales", frozenset(), attributes=attributes)  # type: ignore[arg-type]  # test values
    return Expected(of, dialect, lambda text: Dialect.get_or_raise(dialect).parse(text)[0], scope)  # type: ignore[arg-type,return-value]  # looser than the type on purpose


def guarded(condition: str, dialect: str = "duckdb") -> Statement:
    topic = f"base_view: orders\njoins: {{customers: {{}}}}\nalways_where_filters: {condition}"
    of = model(dialect, **{"Guarded.topic": topic})
    rights = everything(of, "Guarded")
    rights = replace(rights, fields=frozenset(("customers.region", "orders.count")))
    return statement({"dataset": "Guarded", "fields": ["customers.region", "orders.count"]}, of, rights)


FILTERS = {
    "is": ("{status: {is: [paid, open]}}", '"orders"."status" IN (:0:, :1:)', '"orders"."status" IN (:0:)', "lost"),
    "is or missing": (
        "{status: {is: [paid, null]}}", '"orders"."status" IN (:0:) OR "orders"."status" IS NULL', '"orders"."status" IN (:0:)',
        "lost",
    ),
    "missing": ("{status: {is: null}}", '"orders"."status" IS NULL', 'NOT "orders"."status" IS NULL', None),
    "not missing": (
        "{status: {not: null}}", 'NOT COALESCE("orders"."status" IS NULL, FALSE)', 'COALESCE("orders"."status" IS NULL, FALSE)',
        None,
    ),
    "not": (
        "{status: {not: [lost]}}", 'NOT COALESCE("orders"."status" IN (:0:), FALSE)', '"orders"."status" IN (:0:)', "paid",
    ),
    "contains": ("{status: {contains: a%i}}", '"orders"."status" LIKE :0: ESCAPE \'!\'', "TRUE", "%a%i%"),
    "starts with": ("{status: {starts_with: p}}", '"orders"."status" LIKE :0: ESCAPE \'!\'', "TRUE", "%p%"),
    "ends with": ("{status: {ends_with: p}}", '"orders"."status" LIKE :0: ESCAPE \'!\'', "TRUE", "%p%"),
    "more": ("{customer_id: {greater_than: 5}}", '"orders"."customer_id" > :0:', '"orders"."customer_id" >= :0:', 4),
    "at least": (
        "{customer_id: {greater_than_or_equal_to: 5}}", '"orders"."customer_id" >= :0:', '"orders"."customer_id" > :0:', 4,
    ),
    "less": ("{customer_id: {less_than: 5}}", '"orders"."customer_id" < :0:', '"orders"."customer_id" <= :0:', 6),
    "not between": (
        "{customer_id: {not_between: [1, 5]}}",
        'NOT COALESCE(("orders"."customer_id" >= :0: AND "orders"."customer_id" <= :1:), FALSE)',
        '"orders"."customer_id" >= :0: AND "orders"."customer_id" <= :1:', 4,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FILTERS)
def test_a_topics_own_filter_stands_as_the_model_says(case):
    condition, written, other, value = FILTERS[case]
    found = guarded(condition)
    assert written in found.text, found.text
    found.refuses(found.changed((written, other)), MISSING)
    found.refuses(found.changed((written, f"({written} OR TRUE)")), MISSING)
    if value is not None:
        found.refuses(found.changed((":0:", f":={value!r}:" if not isinstance(value, str) else f":'{value}':")), BOUND)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_letters_that_stand_for_others_are_taken_as_they_are(dialect):
    found = guarded('{status: {contains: "5%_!"}}', dialect)
    assert found.compiled.parameters == ("%5!%!_!!%",)
    found.refuses(found.changed((":0:", ":'%5%_!%':")), BOUND)


MASKS = {
    "null": Mask("null"), "redact": Mask("redact"), "month": Mask("truncate_date", "month"), "week": Mask("truncate_date", "week"),
    "bucket": Mask("bucket", 50), "half": Mask("bucket", 2.5), "last": Mask("keep_last", 2), "no last": Mask("keep_last", 0), "hash": Mask(),
}  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", MASKS)
def test_every_kind_of_mask_is_expected_as_it_is_written(dialect, name):
    of = model(dialect, **{"People.topic": "base_view: customers"})
    column = {"week": "born", "month": "born", "bucket": "credit", "half": "credit"}.get(name, "name")
    view = of.views["customers"]
    masked = replace(view.dimensions[column], mask=MASKS[name])
    of = replace(of, views={**of.views, "customers": replace(view, dimensions={**view.dimensions, column: masked})})
    rights = replace(everything(of, "People"), masked=frozenset((masked.id,)), mask_key=MASK_KEY)
    found = statement({"dataset": "People", "fields": [masked.id, "customers.count"]}, of, rights)
    raw = {"born": '"born"', "credit": '"limit_"'}.get(column, '"name"')
    start = found.text.index("(SELECT") + 8
    text = found.text[:start] + raw + found.text[found.text.index(f' AS "masked {column}"') :]
    found.refuses(text, "Something leaves a table that is neither column nor mask.")


@pytest.mark.parametrize(
    ("mask", "why"),
    [(Mask("truncate_date", "day"), "cuts a date to no known period"), (Mask("truncate_date"), "cuts a date to no known"),
     (Mask("bucket", 0), "no known kind"), (Mask("bucket", -5), "no known kind"), (Mask("bucket", "5"), "no known kind"),
     (Mask("bucket"), "no known kind"), (Mask("keep_last", -1), "no known kind"), (Mask("keep_last", 1.5), "no known kind"),
     (Mask("keep_last", "2"), "no known kind"), (Mask("other"), "no known kind")],  # type: ignore[arg-type]  # looser than the type on purpose
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_mask_that_hides_nothing_for_sure_is_none(dialect, mask, why):
    field = dimension("customers", "born", type_="date")
    assert expected(dialect).mask(replace(field, mask=Mask("truncate_date", "month")))
    with pytest.raises(UnprovenSqlError, match=why):
        expected(dialect).mask(replace(field, mask=mask))


def test_ranges_of_whole_numbers_are_made_in_postgres_as_ranges_of_others():
    def bucket(text: str) -> str:
        field = dimension("customers", "credit", text, type_="number")
        return expected("postgres").mask(replace(field, mask=Mask("bucket", 50))).sql("postgres")

    assert bucket('"limit_"') == 'FLOOR(CAST("limit_" AS DOUBLE PRECISION) / 50) * 50'
    assert bucket('CAST("limit_" AS DOUBLE PRECISION)') == 'FLOOR(CAST("limit_" AS DOUBLE PRECISION) / 50) * 50'


def test_attributes_are_written_as_often_as_there_are_values():
    def written(text: str, **attributes: tuple[object, ...]) -> tuple[str, tuple[object, ...]]:
        rule = expected(**attributes).rule(sql(text))
        return rule.tree.sql("duckdb"), rule.values

    assert written("${customers.region} = ${omni_attributes.r}", r=("EU",)) == ('"customers"."region" = ?', ("EU",))
    assert written("${customers.region} IN (${omni_attributes.r})", r=("EU", "US")) == (
        '"customers"."region" IN (?, ?)', ("EU", "US"),
    )  # fmt: skip
    assert written("${customers.region} IN (${omni_attributes.r})", r=("EU",))[1] == ("EU",)
    for text, attributes in (
        ("${customers.region} = ${omni_attributes.r}", {}),
        ("${customers.region} = ${omni_attributes.r}", {"r": ()}),
        ("${customers.region} = ${omni_attributes.r}", {"r": ("EU", "US")}),
        ("${customers.region} IN (${omni_attributes.r})", {"r": ()}),
        ("${omni_attributes.r} IN ('EU', 'US')", {"r": ("EU", "NO")}),
        ("COALESCE(${customers.region}, ${omni_attributes.r}) = 'EU'", {"r": ("EU", "NO")}),
    ):
        with pytest.raises(UnprovenSqlError, match=NO_ATTRIBUTE):
            written(text, **attributes)  # type: ignore[arg-type]  # tuples of plain values


def test_a_rule_rests_on_plain_dimensions():
    of = expected()
    assert of.rule(sql("${orders.amount} > 5")).tree.sql("duckdb") == 'CAST("orders"."amount" AS INT) > 5'
    for name in ("orders.nothing", "orders.revenue", "customers.lifetime", "orders.delivery"):
        with pytest.raises(UnprovenSqlError, match=f"A rule rests on {name}"):
            of.rule(sql(f"${{{name}}} > 5"))


def test_a_policy_inside_a_table_reads_that_table_only():
    of = expected()
    near, far = (dimension("orders", "x", text) for text in ("${orders.status}", "${customers.region}"))
    assert of.dimension(near, is_qualified=False).sql("duckdb") == '"status"'
    assert of.dimension(far, is_qualified=True).sql("duckdb") == '"customers"."region"'
    with pytest.raises(UnprovenSqlError, match="which cannot be proven"):
        of.dimension(far, is_qualified=False)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_texts_are_compared_as_bytes_where_a_database_would_not(dialect):
    of, region = expected(dialect), dimension("customers", "region")
    found = of.ruled(region, is_qualified=False, is_text=True).sql(dialect)
    assert ("BINARY" in found) == (dialect == "mysql")
    assert "BINARY" not in of.ruled(region, is_qualified=False, is_text=False).sql(dialect)


@pytest.mark.parametrize(
    "values", [(), ("a", "b"), (7,), ("a b",), ('a"b',), ("1a",), ("",), ("a" * 64,), ("a;",), ("é",)], ids=repr
)  # fmt: skip
def test_a_schema_that_a_person_names_is_one_plain_name(values):
    of = model()
    view = replace(of.views["orders"], schema_attribute="place")
    of = replace(of, views={**of.views, "orders": view})
    scope = AccessScope("Sales", frozenset(), attributes={"place": ("a_1",)})
    assert schema_of(of, scope, "orders") == "a_1"
    assert schema_of(of, scope, "customers") == "omni_store"
    bare = replace(of, views={**of.views, "customers": replace(of.views["customers"], schema=None)})
    assert schema_of(bare, scope, "customers") == ""
    with pytest.raises(UnprovenSqlError, match="The schema of a view is not known"):
        schema_of(of, replace(scope, attributes={"place": values}), "orders")
    with pytest.raises(UnprovenSqlError, match="The schema of a view is not known"):
        schema_of(of, replace(scope, attributes={}), "orders")


def test_a_field_opens_the_columns_that_it_rests_on_and_none_beyond_a_mask():
    of = model()

    def opened(name: str, *masked: str) -> set[tuple[str, str]]:
        found = of.dimension(name) or of.measure(name)
        assert found is not None
        return set(columns_of(found, of, frozenset(masked), "duckdb"))

    assert opened("customers.email") == {("customers", "email")}
    assert opened("customers.email", "customers.mail") == set()
    assert opened("customers.email", "customers.email") == set()
    assert opened("orders.delivery") >= {("orders", "ordered_at"), ("orders", "shipped_at")}
    assert opened("orders.per_status") == {("orders", "amount"), ("orders", "status")}
    paid = shop.MODEL.measure("orders.paid_revenue")
    assert paid is not None
    found = set(columns_of(paid, shop.MODEL, frozenset(), "duckdb"))
    assert found == {("orders", "amount"), ("orders", "status")}
    assert opened("orders.mine") == {("customers", "region")}
    assert opened("orders.wanted_orders") == {("orders", "status")}
    assert opened("orders.count") == set()
    assert opened("flat.mean") == {("flat", "amount")}


def test_a_policy_on_a_column_without_quotes_is_one_on_the_column_as_it_is_read():
    view = FILES["customers.view"].replace("  region: {}\n", "  region: {sql: REGION}\n")
    of = model("postgres", **{"customers.view": view, "People.topic": "base_view: customers"})
    rights = replace(everything(of, "People"), row_policies={"customers": (policy("customers.region", "EU"),)})
    found = statement({"dataset": "People", "fields": ["customers.count"]}, of, rights)
    found.refuses(found.changed(('"region" IN', '"REGION" IN')), "A row policy is missing.")
