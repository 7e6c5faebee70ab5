"""What is made of a masked value: texts and comparisons of texts; no number, no date, no nought for everybody."""

import hashlib
from dataclasses import replace

import pytest

from apps.semantic.compile.inner_masks import standing_in
from apps.semantic.errors import UnknownFieldError, UnprovenSqlError
from apps.semantic.verify import verify
from tests.semantic.features.store import FILES, ask, everything, model

TEXTS = {
    "loud": "UPPER(${lim})",
    "framed": "CONCAT('<', ${lim}, '>')",
    "spelt": "CAST(${lim} AS CHAR(10))",
    "short": "LEFT(${lim}, 2)",
    "filled": "COALESCE(${lim}, 'none')",
    "is_redacted": "CASE WHEN ${lim} = '100' THEN 'hundred' WHEN ${lim} IS NULL THEN 'none' ELSE 'other' END",
    "either": "CASE ${lim} WHEN '100' THEN 'hundred' ELSE ${lim} END",
    "listed": "CASE WHEN ${lim} IN ('100', '75') OR NOT ${lim} LIKE '2%' THEN 'some' END",
    "named": "CASE WHEN ${lim} = ${name} THEN 'same' ELSE 'other' END",
    "again": "CONCAT(${loud}, '!')",
    "priced": "CASE WHEN ${lim} = '100' THEN 1 ELSE 0 END",
}
NUMBERS = {
    "credit": "CAST(${lim} AS INT)",
    "low": "CASE WHEN ${lim} < 100 THEN 'low' END",
    "ten": "CASE WHEN ${lim} IN (10, 20) THEN 'ten' END",
    "more": "${lim} + 1",
    "wide": "CASE WHEN ${lim} BETWEEN 1 AND 200 THEN 'wide' END",
    "chosen": "CASE ${lim} WHEN 100 THEN 'hundred' END",
    "none": "COALESCE(${lim}, 0)",
    "is_owned": "CASE WHEN ${lim} = ${credited} THEN 'own' END",
    "mixed": "CASE WHEN ${region} = 'EU' THEN ${lim} ELSE 0 END",
    "beneath": "CONCAT('about ', ${credit})",
    "months": "EXTRACT(MONTH FROM CAST(${lim} AS DATE))",
    "cut": "LEFT(${name}, CAST(${lim} AS INT))",
}
MEASURES = {
    "credits": "{aggregate_type: sum, sql: '${credit}'}",
    "kinds": "{aggregate_type: count_distinct, sql: 'CAST(${lim} AS INT)'}",
    "limits": "{aggregate_type: count_distinct, sql: '${lim}'}",
    "spellings": "{aggregate_type: count_distinct, sql: 'UPPER(${lim})'}",
}
CLOSED = frozenset({"customers.lim"})


def limited(store, mask="redact"):
    """Return the store with limits masked, and fields made of them; a type is judged once it is known."""
    lines = [
        f"  lim: {{sql: limit_, mask: {mask}, mask_unless_access_grants: [sees_mail]}}",
        "  credited: {sql: CAST(id AS INT)}",
    ]
    lines += [f'  {name}: {{sql: "{sql}"}}' for name, sql in (TEXTS | NUMBERS).items()]
    lines += ["  banded: {sql: '${lim}', bin_boundaries: [100, 200]}"]
    view = FILES["customers.view"].replace(
        "  credit: {sql: CAST(limit_ AS INT)}\n  credit_band: {sql: limit_, bin_boundaries: [100, 200]}\n",
        "\n".join(lines) + "\n",
    )
    measures = "".join(f"  {name}: {text}\n" for name, text in MEASURES.items())
    view = view.replace('  credits: {aggregate_type: sum, sql: "${credit}"}\n', measures)
    return model(store.engine.dialect, **{"customers.view": view})


@pytest.fixture(scope="module")
def of(store):
    return limited(store)


def masked(of):
    return everything(of, "People", masked=CLOSED)


@pytest.mark.parametrize("name", TEXTS)
def test_texts_are_made_of_masks(store, of, name):
    assert standing_in(f"customers.{name}", of, masked(of)) == "masked"
    rows = store.ask(ask("People", "customers.name", f"customers.{name}"), masked(of), of)
    assert len(rows) == 4
    assert not any(str(limit) in str(rows) for limit in (75, 250))


@pytest.mark.parametrize("name", [*NUMBERS, "banded"])
def test_what_takes_a_mask_for_another_type_is_unknown(store, of, name):
    assert standing_in(f"customers.{name}", of, masked(of)) == "refused"
    for question in (
        ask("People", "customers.name", f"customers.{name}"),
        ask("People", "customers.name", filters={f"customers.{name}": {"is": None}}),
    ):
        with pytest.raises(UnknownFieldError):
            store.ask(question, masked(of), of)


@pytest.mark.parametrize("name", ["credit", "banded", "low"])
def test_whoever_sees_the_values_is_answered(store, of, name):
    if store.engine.dialect != "mysql" and name != "low":
        assert len(store.ask(ask("People", "customers.name", f"customers.{name}"), everything(of, "People"), of)) == 4
    assert standing_in(f"customers.{name}", of, everything(of, "People")) == "clear"


def test_masks_are_counted_and_not_added_up(store, of):
    for name in ("limits", "spellings"):
        assert store.ask(ask("People", f"customers.{name}"), masked(of), of) == [(1,)]
    for name in ("credits", "kinds"):
        with pytest.raises(UnknownFieldError):
            store.ask(ask("People", f"customers.{name}"), masked(of), of)


def test_a_text_is_not_made_of_a_mask_that_is_a_number(store):
    of = limited(store, "{bucket: 100}")
    assert standing_in("customers.lim", of, masked(of)) == "masked"
    for name in ("loud", "filled", "is_redacted"):
        assert standing_in(f"customers.{name}", of, masked(of)) == "refused"


@pytest.mark.parametrize(
    "spoilt",
    [
        "CAST({} AS INT)", "CAST(UPPER({}) AS INT)", "{} + 1", "CASE WHEN {} < 100 THEN 'low' END", "COALESCE(CAST({} AS TEXT), '') < 5",
        "CASE {} WHEN 100 THEN 'a' END", "CASE WHEN {} IN (1, 2) THEN 'a' END", "SUM({})", "ABS({})", "CASE WHEN {} = CAST('5' AS INT) THEN 'a' END",
    ],
)  # fmt: skip
def test_the_proof_refuses_by_itself_what_takes_a_mask_for_another_type(store, of, spoilt):
    if store.engine.dialect == "mysql":
        spoilt = spoilt.replace("AS INT", "AS SIGNED").replace("AS TEXT", "AS CHAR")
    scope = masked(of)
    compiled = store.compiled(ask("People", "customers.lim", "customers.count"), scope, of)
    quote = '"' if '"customers"' in compiled.sql else "`"
    column = f"{quote}customers{quote}.{quote}masked lim{quote}"

    def proven(text):
        sql = compiled.sql.replace(f"{column} AS", f"{text.format(column)} AS", 1)
        assert text == "{}" or sql != compiled.sql
        spoiled = replace(compiled, sql=sql, shape=hashlib.sha256(sql.encode()).hexdigest())
        verify(spoiled, model=of, scope=scope)

    for fair in ("{}", "UPPER({})", "CASE WHEN {} = '5' THEN 'a' END", "COALESCE({}, 'none')"):
        proven(fair)
    with pytest.raises(UnprovenSqlError, match="A masked text"):
        proven(spoilt)
