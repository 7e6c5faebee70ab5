"""A governed subquery: its table by its full name, exactly its row policies, and masks as the model has them."""

from dataclasses import replace

import pytest

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.verify import verify
from tests.semantic.features.store import FILES, MASK_KEY, everything, model, policy
from tests.semantic.verify.hand import TICKED, Statement, statement
from tests.semantic.verify.test_labels import unsorted

DIALECTS = ("duckdb", "postgres", "mysql", "spark")
TABLE = 'FROM "omni_store"."customers"'
PLAIN = "A subquery reads no plain table."
OTHER = "A table is not its view's."
FILTERED = "A table is filtered by something else than its row policies."
MISSING = "A row policy is missing."
NO_MASK = "Something leaves a table that is neither column nor mask."


def people(dialect: str = "duckdb", *values: object, masked: bool = False, **files: str) -> Statement:
    of = model(dialect, **{"People.topic": "base_view: customers"} | files)
    rights = replace(
        everything(of, "People"), masked=frozenset(("customers.mail",)) if masked else frozenset(), mask_key=MASK_KEY,
        row_policies={"customers": (policy("customers.region", *values), policy("customers.id", 1, 2))},
    )  # fmt: skip
    fields = ["customers.mail" if masked else "customers.name", "customers.count"]
    return statement({"dataset": "People", "fields": fields}, of, rights)


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ('FROM "omni_store"."secrets"', OTHER), ('FROM "other"."customers"', OTHER), ('FROM "customers"', OTHER),
        ('FROM "x"."omni_store"."customers"', OTHER), ('FROM "omni_store"."Customers"', OTHER),
        ("FROM omni_store.customers", "A table's name is not quoted."),
        ('FROM "omni_store".customers', "A table's name is not quoted."),
        ('FROM omni_store."customers"', "A table's name is not quoted."),
        ('FROM "omni_store"."customers" AS "c"', "A table goes by a name that a column may have."),
        ('FROM "omni_store"."customers" AS "any name"("id", "region")', "A table renames its columns."),
        ('FROM ("omni_store"."customers")', PLAIN), ("FROM RANGE(5)", "which governed SQL never does"),
        ('FROM (SELECT "name" FROM "omni_store"."customers") AS "customers"', PLAIN), ("", PLAIN),
        ('FROM "omni_store"."customers" FOR SYSTEM_TIME AS OF TIMESTAMP \'2020-01-01\'', "which governed SQL never does"),
    ],
)  # fmt: skip
def test_a_table_is_read_by_its_full_name(table, why):
    found = people("duckdb", "EU")
    found.refuses(found.changed((TABLE, table)), why)


def test_a_table_may_go_by_a_name_that_no_column_has():
    found = people("duckdb", "EU")
    found.proves(found.changed((TABLE, f'{TABLE} AS "any name"')))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_table_does_not_go_by_the_name_of_a_column(dialect):
    # Were the column gone, the name would mean the whole row to PostgreSQL and DuckDB.
    view = FILES["customers.view"].replace("  name: {}\n", "  name: {sql: '\"full name\"'}\n")
    if dialect in TICKED:
        view = view.replace("'\"full name\"'", '"`full name`"')
    found = people(dialect, "EU", **{"customers.view": view})
    for name in ("full name", "Full Name"):
        found.refuses(found.changed((TABLE, f'{TABLE} AS "{name}"')), "A column has the name of its table.")
    found.proves(found.changed((TABLE, f'{TABLE} AS "full names"')))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_tables_where_is_its_policies(dialect):
    found = people(dialect, "EU", "US")
    region = found.text[found.text.index(" WHERE") + 7 : found.text.index(" AND ")]
    assert ":1:" in region
    for old, new, why in (
        (f"{region} AND ", "", FILTERED),
        (f"{region} AND ", f"{region} OR ", FILTERED),
        (f"{region} AND ", f"{region} AND NOT ", MISSING),
        (f"{region} AND ", f"{region} AND {region} AND ", FILTERED),
        (f"{region} AND ", f"{region} AND TRUE AND ", FILTERED),
        (f"{region} AND ", "TRUE AND ", MISSING),
        (f"{region} AND ", "FALSE AND ", MISSING),
        (":0:, :1:", ":0:, :1:, :'ASIA':", MISSING),
        (":0:, :1:", ":0:", MISSING),
        (":0:, :1:", ":0:, 'US'", MISSING),
        (":0:, :1:", ":0:, \"region\"", MISSING),
        ("\"region\"", "\"name\"", MISSING),
        (f"{region} AND ", f"{region.replace(' IN (', ' = (').replace(', :1:', '')} AND ", MISSING),
    ):  # fmt: skip
        found.refuses(found.changed((old, new)), why)
    found.refuses(found.changed((":0:", ":1:"), ("(:1:, :1:)", "(:1:, :0:)")), "A row policy is bound to another value")
    whole = found.text[found.text.index(region) : found.text.index(') AS "customers"')]
    found.proves(found.changed((whole, f"(({whole}))")))
    for other in (f"NOT ({whole})", f"(NOT ({whole}))", f"(({whole}) IS NULL)", f"({whole}) = FALSE"):
        found.refuses(found.changed((whole, other)), FILTERED)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_without_values_nothing_passes(dialect):
    found = people(dialect)
    assert "WHERE FALSE AND" in found.text
    for other in ("TRUE", "NULL", "0", "NOT TRUE", "1 = 0", "\"region\" IN (:'EU':)", "NOT FALSE"):
        found.refuses(found.changed(("WHERE FALSE", f"WHERE {other}")), MISSING)
    found.refuses(found.changed(("WHERE FALSE AND ", "WHERE ")), FILTERED)


def test_a_list_of_a_policy_is_no_query():
    found = people("duckdb", "EU")
    for other in ('(SELECT "name" FROM "omni_store"."customers")', "(SELECT 'EU')"):
        text = found.changed(('"region" IN (:0:)', f'"region" IN {other}'))
        found.refuses(text, MISSING)


KEYED = 'CAST(:0: AS TEXT) || CAST("email" AS TEXT)'


@pytest.mark.parametrize(
    "other",
    ['"email"', 'CAST("email" AS TEXT)', f"LEFT(SHA256({KEYED}), 64)", f"SHA256({KEYED})",
     'LEFT(SHA256(CAST("email" AS TEXT)), 16)', f"LEFT(SHA256({KEYED.replace('email', 'name')}), 16)",
     f"COALESCE(LEFT(SHA256({KEYED}), 16), \"email\")", "NULL", "LEFT(:0:, 16)"],
)  # fmt: skip
def test_a_masked_column_leaves_as_its_mask(other):
    found = people("duckdb", "EU", masked=True)
    mask = f"LEFT(SHA256({KEYED}), 16)"
    assert f'{mask} AS "masked mail"' in found.text
    found.refuses(found.changed((mask, other)), NO_MASK)
    found.proves(found.changed((mask, f"(LEFT((SHA256({KEYED})), 16))")))


def test_a_masks_key_is_the_tenants_and_stands_nowhere_else():
    found = people("duckdb", "EU", masked=True)
    other_key = "A mask is bound to another key than the scope's."
    found.refuses(found.changed((":0:", ":'x':")), other_key)
    found.refuses(found.changed((":0:", ":1:")), other_key)
    for key in ("", "f" * 32):
        other = replace(found, rights=replace(found.rights, mask_key=key))
        with pytest.raises(UnprovenSqlError, match=other_key):
            other.proves(found.text)
    keyless = replace(found, rights=replace(found.rights, mask_key=""))
    with pytest.raises(UnprovenSqlError, match=other_key):
        keyless.proves(found.changed((":0:", ":'':")))
    limit = " LIMIT 1001"
    found.refuses(found.changed((limit, f" HAVING COUNT(*) > LENGTH(:0:){limit}"), (" ORDER BY 2 DESC, 1 ASC", "")),
                  "The key of masks stands elsewhere than in a mask.")  # fmt: skip
    found.proves(found.changed((limit, f" HAVING COUNT(*) > LENGTH(:'x':){limit}"), (" ORDER BY 2 DESC, 1 ASC", "")))


def test_a_masked_column_leaves_in_no_other_way():
    found = people("duckdb", "EU", masked=True)
    alias = ' AS "masked mail" FROM'
    for more, why in (
        (', "email"', "A column leaves its table that may not."),
        (', "EMAIL"', "A column leaves its table that may not."),
        (', "customers"."name"', "A column's name is not plain."),
        (", name", "A column's name is not plain."),
        (", LENGTH(\"email\")", "Something else than a column leaves a table."),
        (", 1", "Something else than a column leaves a table."),
        (", LENGTH(\"email\") AS \"any mail\"", NO_MASK),
        (", COUNT(*) AS \"any mail\"", NO_MASK),
        (", \"email\" AS \"any mail\"", NO_MASK),
        (", LENGTH(\"email\") AS \"length\"", "What is no column has the name of one."),
    ):  # fmt: skip
        found.refuses(unsorted(found.changed((alias, f' AS "masked mail"{more} FROM'))), why)


@pytest.mark.parametrize(
    ("subquery", "why"),
    [("SELECT DISTINCT ", "The SELECT has an unexpected part."), ("SELECT ", "")],
)  # fmt: skip
def test_a_subquery_has_no_other_parts(subquery, why):
    found = people("duckdb", "EU")
    start = found.text.index("(SELECT") + 1
    text = f"{found.text[:start]}{subquery}{found.text[start + 7 :]}"
    if why:
        found.refuses(text, why)
    else:
        found.proves(text)
    end = ') AS "customers"'
    for more in (" GROUP BY 1", " ORDER BY 1", " LIMIT 5", " HAVING TRUE"):
        found.refuses(found.changed((end, f"{more}{end}")), "The SELECT has an unexpected part.")
    found.refuses(found.changed((end, f'{end}("name")')), "A subquery renames its columns.")
    found.refuses(found.changed((end, ') AS "people"')), "A table is read outside its subquery.")
    whole = found.text[found.text.index("(SELECT") : found.text.index(end)]
    found.refuses(found.changed((whole, f"{whole} UNION ALL {whole[1:]}")), "A subquery is not a SELECT.")
    text = found.changed((f"{whole}{end}", f'({whole})) AS "customers"'))
    found.refuses(text, "A subquery is not a SELECT.")
    found.refuses(
        found.changed((f"{whole}{end}", '"omni_store"."customers" AS "customers"')), "A table is read outside"
    )


def test_a_proof_is_of_one_shape_and_any_values():
    found = people("duckdb", "EU")
    with pytest.raises(UnprovenSqlError, match="not as many values as placeholders"):
        verify(replace(found.compiled, parameters=()), model=found.model, scope=found.rights)


def test_a_table_has_no_options():
    found = people("postgres", "EU")
    for other in (f"FROM ONLY {TABLE.removeprefix('FROM ')}", f"{TABLE} WITH ORDINALITY"):
        found.refuses(found.changed((TABLE, other)), "A table has options.")


def test_a_policy_is_a_list_and_nothing_like_it():
    found = people("duckdb", "EU")
    for other in ('COALESCE("region", :0:)', 'CONCAT("region", :0:)', '"region" = :0:', '"region" LIKE :0:'):
        found.refuses(found.changed(('"region" IN (:0:)', other)), MISSING)


def test_a_table_is_read_from_the_catalogue_that_the_model_names():
    found = people("duckdb", "EU", **{"customers.view": f"catalog: store\n{FILES['customers.view']}"})
    assert 'FROM "store"."omni_store"."customers"' in found.text
    found.refuses(found.changed(('"store"."omni_store"', '"omni_store"')), OTHER)
    found.refuses(found.changed(('"store"."omni_store"', '"other"."omni_store"')), OTHER)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_policy_on_a_day_is_compared_as_one(dialect):
    of = model(dialect, **{"People.topic": "base_view: customers"})
    rights = everything(of, "People", row_policies={"customers": (policy("customers.born", "1990-05-17"),)})
    found = statement({"dataset": "People", "fields": ["customers.count"]}, of, rights)
    assert "BINARY" not in found.text
    born = found.text[found.text.index("WHERE ") + 6 : found.text.index(" IN (")]
    found.refuses(found.changed((f"{born} IN", f"CAST({born} AS CHAR) IN")), MISSING)
