"""Statements with a rest beyond a ranking, by hand: no form is proven in which it could be taken for a value."""

from dataclasses import replace

import pytest

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.verify import verify
from apps.semantic.verify.rankings import MISSING, OTHER
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
        "COALESCE(\"top customers.name\".\"value\", :'Other':)", whole.replace("CASE", "CASE 1 = 1", 1), whole.replace(" ELSE CAST(:3: AS TEXT)", ""),
        whole.replace(VALUE, 'CAST("top customers.name"."value" AS TEXT)'), whole.replace(f"SUBSTRING({VALUE}, 1, 13)", f"SUBSTRING(UPPER({VALUE}), 1, 13)"),
        whole.replace(f"SUBSTRING({VALUE}, 1, 13)", f"LEFT({VALUE}, 13)"), whole.replace("1, 13)", "1, :=13:)"), whole.replace("1, 13)", "1, 13.0)"), whole.replace("1, 13)", "1)"),
        *(whole.replace(f"{VALUE} || ' (value)'", other) for other in (
            f"{VALUE} || ' (value)' || 'x'", f"CONCAT({VALUE}, ' (value)', 'x')", f"CONCAT(UPPER({VALUE}), ' (value)')", f"CONCAT_WS({VALUE}, ' (value)')", f"UPPER({VALUE}) || ' (value)'",
            f"{VALUE} || UPPER(' (value)')", f"{VALUE} || ' (other)'", f"{VALUE} || :' (value)':", VALUE, f"' (value)' || {VALUE}", f"COALESCE({VALUE}, ' (value)')",
        )),
        *(whole.replace(f"{KEPT} AND {VALUE} =", f"{KEPT} AND {VALUE} {sign}") for sign in ("<>", ">=", "LIKE")), whole.replace("1, 13) =", "1, 13) <>"),
        *(whole.replace(KEPT, other) for other in (
            KEPT.replace("=", ">="), KEPT.replace("=", "<>"), '1 = "top customers.name"."kept"', KEPT.replace("= 1", "= 2"), KEPT.replace("= 1", "= :=1:"), KEPT.replace("= 1", "= CAST(1 AS INT)"), KEPT.replace("= 1", "IS NOT NULL"),
            KEPT.replace("kept", "value").replace("= 1", "= 'x'"), f"NOT {KEPT}", f"ABS({KEPT.replace(' = 1', '')}) = 1",
        )),
        whole.replace("CAST(:0: AS TEXT)", "'Other'"), whole.replace("CAST(:0: AS TEXT)", "CAST(:=5: AS INT)"), whole.replace("CAST(:0: AS TEXT)", "UPPER(:'other':)"),
        whole.replace("CAST(:1: AS TEXT)", "'Other (value)'"), whole.replace("CAST(:2: AS TEXT)", VALUE), whole.replace("CAST(:3: AS TEXT)", "'Other'"), whole.replace("CAST(:0: AS TEXT)", ":=5:"),
        whole.replace("CAST(:0: AS TEXT)", "CAST(:0: AS INT)"), whole.replace(":0:", ":=5:").replace(":3:", ":=5:"),
    ):  # fmt: skip
        assert changed != whole
        found.refuses(found.changed((whole, changed)), MERGED)
    for changed in (
        whole.replace(f"{VALUE} || ' (value)'", f"CONCAT({VALUE}, ' (value)')"),
        whole.replace("CAST(:0: AS TEXT)", ":0:"),
        whole.replace(KEPT, f"({KEPT})"),
    ):
        found.proves(found.changed((whole, changed)))


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


def test_a_ranking_within_another_answer_is_no_ranking_that_was_asked_for():
    found = asked(others=None)
    start = found.text.index("JOIN (SELECT") + len("JOIN (")
    end = found.text.index(') AS "top customers.name"')
    wrapped = (
        f'SELECT "a b"."value" AS "value", "a b"."by" AS "by", 1 AS "kept" FROM ({found.text[start:end]}) AS "a b"'
    )
    found.refuses(found.text[:start] + wrapped + found.text[end:], OTHER)
    join = found.text[start - len(" INNER JOIN (") : found.text.index('."value"', end) + len('."value"')]
    whole = wrapped.replace(" LIMIT 1", "")
    around = f'{wrapped[: wrapped.index(" FROM")]} FROM ({wrapped}) AS "a b"'
    for deep in (f"{wrapped} UNION ALL {whole}", f"{whole} UNION ALL {wrapped}", around):
        other = join.replace(found.text[start:end], deep).replace('"top customers.name"', '"more of it"')
        found.refuses(found.changed((join, join + other)), OTHER)


BEST = {"dataset": "Sales", "fields": ["orders.best_customers", "orders.revenue"]}


def ranked(dialect, question=BEST, **files):
    of = model(dialect, **files)
    return statement(question, of, everything(of, question["dataset"]))


@pytest.mark.parametrize("of_model", [True, False])
@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "mysql", "spark"])
def test_a_ranking_keeps_as_many_values_as_asked_for_and_in_that_order(dialect, of_model):
    top = {"field": "customers.name", "n": 1, "by": "orders.revenue", "others": "Other"}
    question = BEST if of_model else ask("Sales", "customers.name", "orders.revenue", top=top)
    found = ranked(dialect, question)
    end = found.text.index(" LIMIT 1)")
    order = found.text[found.text.rindex(" ORDER BY", 0, end) : end]
    for limit in (" LIMIT 2)", " LIMIT 1000)", " LIMIT 0)"):
        found.refuses(found.changed((" LIMIT 1)", limit)), OTHER)
    found.refuses(found.changed((f"{order} LIMIT 1)", f"{order})")), MISSING)
    for other in (
        "",
        order.replace(" DESC", " ASC", 1),
        order.partition(",")[0],
        " ORDER BY 2 DESC, 1 DESC",
        " ORDER BY 1",
    ):
        assert other != order
        found.refuses(found.changed((f"{order} LIMIT 1)", f"{other} LIMIT 1)")), OTHER)


def test_a_ranking_is_by_the_measure_asked_for_and_of_the_dimension():
    for question in (
        BEST,
        ask(
            "Sales", "customers.name", "orders.revenue", top={"field": "customers.name", "n": 1, "by": "orders.revenue"}
        ),
    ):
        found = ranked("duckdb", question)
        start = found.text.index('JOIN (SELECT "customers"."name" AS')
        head, ranking = found.text[:start], found.text[start:]
        for old, new in (
            ('SUM(CAST("orders"."amount" AS INT)) AS "by"', 'COUNT("orders"."customer_id") AS "by"'),
            ('SUM(CAST("orders"."amount" AS INT)) AS "by"', 'AVG(CAST("orders"."amount" AS INT)) AS "by"'), ('1 AS "kept"', '2 AS "kept"'),
            ('"customers"."name" AS "value"', '"customers"."id" AS "value"'), ('1 AS "kept"', '1 AS "kept", 1 AS "more"'),
            (" GROUP BY 1 ORDER", " ORDER"), (" ON \"customers\".\"name\" IS NOT DISTINCT FROM", ' ON "customers"."id" IS NOT DISTINCT FROM'),
            ('"customers"."name" IS NOT DISTINCT FROM', "'Ola' IS NOT DISTINCT FROM"), (".\"value\" GROUP", '."by" GROUP'),
        ):  # fmt: skip
            assert old in ranking
            found.refuses(head + ranking.replace(old, new, 1), OTHER)


def test_the_values_at_the_top_are_those_that_the_ranking_says():
    found = ranked("duckdb")
    kept = '"top orders.best_customers"."kept" = 1'
    found.refuses(found.changed((kept, '"top orders.best_customers"."by" = 1')), MERGED)
    start, end = found.text.index("CASE WHEN"), found.text.index(' AS "orders.best_customers"')
    for shown in (
        '"customers"."name"',
        f"COALESCE({found.text[start:end]}, '')",
        'CASE WHEN 1 = 1 THEN "customers"."name" ELSE \'x\' END',
    ):
        found.refuses(found.text[:start] + shown + found.text[end:], MISSING)


def test_a_ranking_without_its_rest_leaves_the_others_out():
    top = {"field": "customers.name", "n": 1, "by": "orders.revenue", "others": None}
    for fields in (("customers.name", "orders.revenue"), ("orders.revenue",)):
        found = ranked("duckdb", ask("Sales", *fields, top=top))
        join = found.text.index(" INNER JOIN (SELECT")
        end = found.text.index('."value"', join) + len('."value"')
        found.refuses(found.text[:join] + found.text[end:], MISSING)
        found.refuses(found.text[:join] + found.text[join:].replace(" INNER JOIN", " LEFT JOIN", 1), MISSING)
        assert verify(found.compiled, model=found.model, scope=found.rights) is None
        for other in (None, replace(found.compiled.top, n=2), replace(found.compiled.top, is_descending=False)):
            with pytest.raises(UnprovenSqlError, match=OTHER):
                verify(replace(found.compiled, top=other), model=found.model, scope=found.rights)


SAME = {
    "duckdb": "IS NOT DISTINCT FROM",
    "postgres": "IS NOT DISTINCT FROM",
    "mysql": "<=>",
    "spark": "IS NOT DISTINCT FROM",
}


@pytest.mark.parametrize("field", ["customers.area", "customers.name"])
@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "mysql", "spark"])
def test_a_ranking_is_joined_where_both_values_are_the_same_or_missing(dialect, field):
    found = ranked(dialect, ask("Sales", field, "orders.revenue", top={"field": field, "n": 1, "by": "orders.revenue"}))
    kept = f'"top {field}"."value"'
    start = found.text.index(f'AS "top {field}" ON ') + len(f'AS "top {field}" ON ')
    on = found.text[start : found.text.index(" GROUP BY", start)]
    name = '"customers"."name"' if field == "customers.name" else '"customers"."region"'
    is_long = dialect == "postgres"
    assert on.count(" = ") == 2 if is_long else f" {SAME[dialect]} {kept}" in on
    own = on[: on.index(f" {SAME[dialect]} {kept}")] if not is_long else ""
    others = ["1 = 1", f"{on} OR 1 = 1", f"{on} AND 1 = 1", f"NOT {on}"]
    if is_long and field == "customers.name":
        missing, filled = on[: on.index(" AND ARRAY[")], on[on.index(" AND ARRAY[") + 5 :]
        others += [
            missing, filled, missing.replace(" IS NULL", " = NULL") + " AND " + filled, f"{missing} AND {missing}", f"{filled} AND {filled}", f"{filled} AND {missing}", f"{missing} OR {filled}",
            on.replace(") = (", ") <> ("), on.replace(f"ARRAY[{kept}]", f"ARRAY[UPPER({kept})]"), on.replace(name, '"customers"."id"'), on.replace(".\"value\"", ".\"by\""),
            on.replace(f"ARRAY[{kept}]", f"ARRAY(SELECT {kept})"), f"{missing} AND {name} = {kept}", on.replace(f"ARRAY[{kept}]", f"ARRAY[{name}]"),
        ]  # fmt: skip
        for less in (
            on.replace("] = ARRAY", "] >= ARRAY"), on.replace(f"ARRAY[{kept}]", f"ARRAY[{kept}, {kept}]"), on.replace(f"ARRAY[{kept}]", kept),
        ):  # fmt: skip
            assert less != on
            found.refuses(found.text[:start] + less + found.text[start + len(on) :], "The text holds Array")
    elif is_long:
        missing, filled = on[: on.index(" AND COALESCE(")], on[on.index(" AND COALESCE(") + 5 :]
        first, last = filled.split(f" = COALESCE({kept}")
        others += [
            missing, filled, missing.replace(" IS NULL", " = NULL") + " AND " + filled, f"{missing} AND {missing}", f"{filled} AND {filled}", f"{filled} AND {missing}", f"{missing} OR {filled}", missing.replace("NULL", "TRUE", 1) + " AND " + filled,
            on.replace(" = COALESCE(", " >= COALESCE("), on.replace(") = (", ") <> ("), f"{missing} AND {first} = COALESCE({kept}, CAST('x' AS TEXT))", f"{missing} AND {first} = {kept}",
            on.replace(f"({kept} IS NULL)", f"({name} IS NULL)"), on.replace(f"{kept} IS NULL", f"UPPER({kept}) IS NULL"), on.replace(f"COALESCE({kept}", f"COALESCE(UPPER({kept})"),
            f"{missing} AND CONCAT({first.removeprefix('COALESCE(')} = CONCAT({kept}{last}", on.replace(name, '"customers"."id"'), on.replace(f'"top {field}"."value"', f'"top {field}"."by"'),
        ]  # fmt: skip
    else:
        same = SAME[dialect]
        others += [
            f"{own} = {kept}", f"UPPER({own}) {same} UPPER({kept})", f"{own} {same} UPPER({kept})", f"{kept} {same} {kept}", f"{own} {same} {own}", f"{own} = {kept} AND {own} = {kept}",
            f'{own} {same} "top {field}"."by"', f'"customers"."id" {same} {kept}', f"COALESCE({own}, {kept}) {same} {kept}", f"{own} {same} {kept} AND {own} {same} {kept}",
        ]  # fmt: skip
        found.proves(found.changed((on, f"({own}) {same} ({kept})")))
    for other in others:
        assert other != on
        found.refuses(found.text[:start] + other + found.text[start + len(on) :], OTHER)


@pytest.mark.parametrize("other", ["Other", None])
def test_no_other_join_reads_a_ranking(other):
    top = {"field": "customers.name", "n": 1, "by": "orders.revenue", "others": other}
    found = ranked("duckdb", ask("Sales", "customers.name", "customers.lifetime", "orders.revenue", top=top))
    on = '"customers"."id" IS NOT DISTINCT FROM "detail customers.lifetime"."g1"'
    for more in ('"top customers.name"."kept" = 1', '"customers"."name" = "top customers.name"."value"'):
        found.refuses(found.changed((on, f"{on} AND {more}")), MERGED)
    found.proves(found.changed((on, f'{on} AND "customers"."name" LIKE \'O%\'')))


def test_a_level_of_detail_that_tells_rows_apart_is_no_ranking():
    of = model()
    rights = everything(of, "People")
    found = statement(ask("People", "customers.lifetime", filters={"items.sku": {"contains": "x"}}), of, rights)
    assert 'AS "joined rows" GROUP BY 1) AS "detail customers.lifetime"' in found.text


def test_a_ranking_is_of_a_dimension_and_by_a_measure():
    top = {"field": "customers.name", "n": 1, "by": "orders.revenue", "others": None}
    found = ranked("duckdb", ask("Sales", "customers.name", "orders.revenue", top=top))
    for changes in (
        {"field": "customers.nothing"},
        {"field": "orders.revenue"},
        {"by": "orders.nothing"},
        {"by": "customers.name"},
    ):
        with pytest.raises(UnprovenSqlError):
            verify(
                replace(found.compiled, top=replace(found.compiled.top, **changes)),
                model=found.model,
                scope=found.rights,
            )


def test_the_question_ranks_in_the_place_of_the_model():
    top = {"field": "orders.best_customers", "n": 2, "by": "orders.average", "others": "Other"}
    found = ranked("duckdb", ask("Sales", "orders.best_customers", "orders.revenue", top=top))
    found.refuses(found.changed((" LIMIT 2)", " LIMIT 1)")), OTHER)
    both = ranked(
        "duckdb",
        ask(
            "Sales", "orders.best_customers", "customers.name", "orders.revenue", top=top | {"field": "customers.name"}
        ),
    )
    both.refuses(both.changed((" LIMIT 1)", " LIMIT 2)")), OTHER)
    both.refuses(both.changed((" LIMIT 2)", " LIMIT 1)")), OTHER)


def test_both_parts_of_a_comparison_are_of_the_same_top_values():
    compared = ask(
        "Sales", "orders.best_customers", "orders.revenue", compare={"field": "orders.ordered_at", "offset": "1 year"}
    )
    found = ranked("duckdb", compared)
    assert found.text.count(" LIMIT 1)") == 2
    shown = '"stitched parts"."d1" AS "orders.best_customers"'
    found.refuses(found.changed((shown, f"CAST({shown.replace(' AS', ' AS TEXT) AS')}")), MISSING)
    first = found.text.index(" LIMIT 1)") + 1
    found.refuses(found.text[:first] + found.text[first:].replace("LIMIT 1)", "LIMIT 2)", 1), OTHER)
    found.refuses(found.text.replace(" LIMIT 1)", " LIMIT 2)", 1), OTHER)


def test_a_query_view_shows_the_top_values_that_the_model_says():
    view = (
        "query: {topic: Sales, fields: {orders.best_customers: who, orders.revenue: r}}\ndimensions: {who: {}, r: {}}\n"
    )
    files = {"w.query.view": view, "W.topic": "base_view: w"}
    found = ranked("duckdb", {"dataset": "W", "fields": ["w.who"]}, **files)
    found.refuses(found.changed((" LIMIT 1)", " LIMIT 2)")), OTHER)
    start, end = found.text.index("CASE WHEN"), found.text.index(' AS "who"')
    found.refuses(found.text[:start] + '"customers"."name"' + found.text[end:], MISSING)
