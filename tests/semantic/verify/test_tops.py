"""Statements with a rest beyond a ranking, by hand: no form is proven in which it could be taken for a value."""

from dataclasses import replace

import pytest

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.verify import verify
from apps.semantic.verify.tops import MERGED
from tests.semantic.features.store import ask, everything, model
from tests.semantic.verify.hand import statement

KEPT = '"top customers.name"."kept" = 1'
VALUE = 'CAST("customers"."name" AS TEXT)'


def asked(**rest):
    of = model("duckdb")
    top = {"field": "customers.name", "n": 1, "by": "customers.credits", "others": "Other"}
    return statement(ask("People", "customers.name", "customers.credits", top=top | rest), of, everything(of, "People"))


def test_only_the_form_that_keeps_the_rest_apart_is_proven():
    found = asked()
    first = f"WHEN {KEPT} AND {VALUE} = CAST(:0: AS TEXT) THEN CAST(:1: AS TEXT) "
    second = f"WHEN {KEPT} AND SUBSTRING({VALUE}, 1, 13) = CAST(:2: AS TEXT) THEN {VALUE} || ' (value)' "
    third = f"WHEN {KEPT} THEN {VALUE} ELSE CAST(:3: AS TEXT) END"
    assert f"CASE {first}{second}{third}" in found.text
    whole = f"CASE {first}{second}{third}"
    for changed in (
        f"CASE {third}", f"CASE {first}{third}", f"CASE {second}{third}", f"CASE {second}{first}{third}",
        whole.replace(f"{KEPT} AND {VALUE} =", f"{KEPT} AND UPPER({VALUE}) ="), whole.replace("' (value)'", "''"),
        whole.replace("1, 13)", "2, 13)"), whole.replace("1, 13)", "1, 12)"), whole.replace(":1:", ":'Other':"),
        whole.replace("ELSE CAST(:3: AS TEXT)", "ELSE CAST(:'Ola': AS TEXT)"), whole.replace(":2:", ":'Else (value)':"),
        whole.replace(f"{KEPT} AND {VALUE} =", f"{KEPT} OR {VALUE} ="), whole.replace("ELSE CAST(:3: AS TEXT)", f"ELSE {VALUE}"),
        "COALESCE(\"top customers.name\".\"value\", :'Other':)",
    ):  # fmt: skip
        assert changed != whole
        found.refuses(found.changed((whole, changed)), MERGED)


def test_each_label_is_compared_though_the_text_is_known():
    found = asked()
    other = asked(others="Resto")
    assert other.compiled.sql == found.compiled.sql
    for place, value in ((0, "Ola"), (1, "Resto"), (2, "Other (valu2)"), (3, "Ola")):
        parameters = list(other.compiled.parameters)
        parameters[place] = value
        with pytest.raises(UnprovenSqlError, match=MERGED):
            verify(replace(other.compiled, parameters=tuple(parameters)), model=other.model, scope=other.rights)


def test_a_ranking_without_a_rest_is_read_by_its_join_only():
    found = asked(others=None)
    found.refuses(
        found.changed(('"customers"."name" AS "customers.name"', '"top customers.name"."value" AS "customers.name"')),
        MERGED,
    )


def test_a_ranking_within_another_answer_is_one_too():
    found = asked(others=None)
    start = found.text.index("JOIN (SELECT") + len("JOIN (")
    end = found.text.index(') AS "top customers.name"')
    wrapped = f'SELECT "a b"."value" AS "value", "a b"."kept" AS "kept" FROM ({found.text[start:end]}) AS "a b"'
    inner = found.text[:start] + wrapped + found.text[end:]
    found.proves(inner)
    found.refuses(
        inner.replace('"customers"."name" AS "customers.name"', '"top customers.name"."value" AS "customers.name"', 1),
        MERGED,
    )
