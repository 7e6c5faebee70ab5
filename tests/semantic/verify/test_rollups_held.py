"""What a rollup's columns may stand for is worked out by the proof from the model alone, whatever is said to be in them."""

from dataclasses import replace

import pytest

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import AccessFilter
from apps.semantic.verify import verify
from tests.semantic.features.store import FILES, ask, everything, model, policy
from tests.semantic.features.test_rollups import ROLLED
from tests.semantic.verify.hand import Statement, statement
from tests.semantic.verify.test_rollups import LEAVES

ELSEWHERE = "A rule is on what a rollup does not hold as it is."
TELLS = "A rollup tells of what is masked."
OTHERS = "A rollup is another for the topic than for all."
FIELDS = 'flat.region, "flat.ordered_at[month]", flat.revenue'
QUESTION = ask("Flat", "flat.region", "flat.revenue")
VIEW = FILES["flat.view"].replace("dimensions: {", """dimensions: {
  loud: {sql: "UPPER(${status})"}, louder: {sql: "UPPER(${loud})"}, zone: {sql: "UPPER(${region})"}, since: {sql: "${ordered_at[month]}"},
  ranked: {sql: "${status}", dynamic_top_n: {n: 1, by: revenue, else: rest}}, of_ranked: {sql: "UPPER(${ranked})"},
  detail: {sql: "${amount}", level_of_detail: {aggregate_type: sum, fixed: [flat.region]}}, of_detail: {sql: "${detail} + 1"},
  by_region: {sql: status, order_by_field: region}, by_status: {sql: region, order_by_field: status},
  mine: {sql: "${status} = '{{omni_attributes.region}}'"}, theirs: {sql: "${customers.region}"}, next: {sql: CAST(amount AS INT)}, """, 1).replace("measures: {", """measures: {
  paid: {aggregate_type: sum, sql: "${amount}", filters: {status: {is: paid}}}, loudest: {aggregate_type: max, sql: "${loud}"}, large: {aggregate_type: sum, sql: "${amount}", filters: {next: {is: 5}}},
  since_june: {aggregate_type: sum, sql: "${amount}", filters: {ordered_at: {on_or_after: '2025-06-01'}}}, of_2026: {aggregate_type: sum, sql: "${amount}", filters: {ordered_at: {is: '2026'}}},
  of_gaps: {aggregate_type: sum, sql: "${amount}", filters: {ordered_at: {is: null}}}, of_summer: {aggregate_type: sum, sql: "${amount}", filters: {"ordered_at[quarter]": {is: '2026-01-01'}}},
  a_year: {aggregate_type: sum, sql: "${amount}", filters: {ordered_at: {time_for_duration: ['2025-01-01', 1 year]}}}, word: {aggregate_type: sum, sql: "${amount}", filters: {status: {is: today}}},
  late: {aggregate_type: sum, sql: "${amount}", filters: {ordered_at: {on_or_after: 90 days ago}}}, this_year: {aggregate_type: sum, sql: "${amount}", filters: {ordered_at: {is: this year}}},
  not_now: {aggregate_type: sum, sql: "${amount}", filters: {ordered_at: {not: ['2025', last month]}}}, then: {aggregate_type: sum, sql: "${amount}", filters: {ordered_at: {time_for_duration: [2 years ago, 1 year]}}},
  this_month: {aggregate_type: sum, sql: "${amount}", filters: {"ordered_at[month]": {is: this month}}}, of_days: {aggregate_type: sum, sql: "${amount}", filters: {since: {is: this month}}},
  moved: {aggregate_type: sum, sql: "${amount}", filters: {ordered_at: {date_offset_from_query: 1 month}}}, all: {aggregate_type: sum, sql: "${amount}", filters: {status: {cancel_query_filter: true}}},
  once: {aggregate_type: sum_distinct_on, sql: "${amount}", custom_primary_key_sql: "${status}"}, most_detail: {aggregate_type: max, sql: "${detail}"}, odd: {aggregate_type: average, sql: "${amount}"},
  of_mine: {aggregate_type: sum, sql: "${amount}", filters: {mine: {is: true}}}, of_theirs: {aggregate_type: sum, sql: "${amount}", filters: {theirs: {is: EU}}},
  per: {aggregate_type: average, sql: "${amount}", level_of_detail: {aggregate_type: sum, fixed: [flat.region]}},
  ratio: {sql: "${revenue} * 1.0 / ${count}"}, odd_ratio: {sql: "${revenue} * 1.0 / ${odd}"}, half_raw: {sql: "${revenue} / SUM(amount)"}, twice: {sql: "${revenue} * 2"}, one: {sql: "1"}, """, 1)  # fmt: skip
JOIN = '\n- {join_from_view: flat, join_to_view: customers, relationship_type: many_to_one, join_type: %s, on_sql: "%s = ${customers.region}"}\n'
JOINED = {"relationships": FILES["relationships"].rstrip() + JOIN % ("always_left", "${flat.region}"), "Flat.topic": "base_view: flat\njoins: {customers: {managers: {}}}"}  # fmt: skip


def said(of, *names, base="Flat"):
    """Return a model whose rollup is said to hold more fields, in a column each."""
    holder = of.views["monthly"]
    more = tuple(zip(names, ("count", "more", "most"), strict=False))
    held = replace(holder, rollup=replace(holder.rollup, columns=(*holder.rollup.columns, *more)))
    return replace(of, views={**of.views, "monthly": held})


def flat(*names, question=QUESTION, view=VIEW, files=JOINED, **rights) -> Statement:
    of = said(model(**{"flat.view": view, "monthly.view": ROLLED % FIELDS, **files}), *names)
    found = statement(question, of, everything(of, "Flat", attributes={"region": ("EU",)}, **rights))
    assert found.compiled.rollup == "monthly"
    return found


def showing(found: Statement, value: str) -> str:
    return found.changed(
        ('"revenue" FROM', '"revenue", "count" FROM'),
        ('SUM("flat"."revenue") AS "flat.revenue"', f'{value} AS "flat.revenue"'),
    )


HELD = {
    "a column": ("flat.status", '"flat"."count"'),
    "made of a column": ("flat.loud", '"flat"."count"'),
    "in the order of what is held": ("flat.by_region", '"flat"."count"'),
    "a sum of some": ("flat.paid", 'SUM("flat"."count")'),
    "a sum of some by a number": ("flat.large", 'SUM("flat"."count")'),
    "the greatest": ("flat.loudest", 'MAX("flat"."count")'),
    "since a day": ("flat.since_june", 'SUM("flat"."count")'),
    "of a year": ("flat.of_2026", 'SUM("flat"."count")'),
    "of a quarter": ("flat.of_summer", 'SUM("flat"."count")'),
    "of no time": ("flat.of_gaps", 'SUM("flat"."count")'),
    "of so long": ("flat.a_year", 'SUM("flat"."count")'),
    "of a word that is a day elsewhere": ("flat.word", 'SUM("flat"."count")'),
}
NOT_HELD = (
    "ranked", "of_ranked", "detail", "of_detail", "by_status", "mine", "theirs", "late", "this_year", "not_now", "then", "this_month", "of_days", "moved", "all", "once",
    "most_detail", "odd", "of_mine", "of_theirs", "per", "nothing", "ordered_at[month]", "ordered_at[week]", "ordered_at[hour]", "twice",
)  # fmt: skip


@pytest.mark.parametrize("name", HELD)
def test_what_the_base_views_own_rows_say_on_every_day_is_held(name):
    field, value = HELD[name]
    found = flat(field)
    found.proves(showing(found, value))


@pytest.mark.parametrize("name", NOT_HELD)
def test_what_other_rows_or_another_day_or_whoever_asks_decide_is_not_held(name):
    found = flat(f"flat.{name}")
    for value in ('"flat"."count"', 'SUM("flat"."count")', 'MAX("flat"."count")', 'AVG("flat"."count")'):
        found.refuses(showing(found, value), LEAVES)


def with_all(found: Statement, of_all) -> Statement:
    return replace(found, model=replace(found.model, of_all=of_all))


def changed_view(of, name, **changes):
    return replace(of, views={**of.views, name: replace(of.views[name], **changes)})


def test_a_rollup_is_the_one_of_all():
    found = flat()
    of = found.model
    holder = of.views["monthly"]
    with_all(found, of).proves(found.text)
    for other, why in (
        (replace(of, views={name: view for name, view in of.views.items() if name != "monthly"}), OTHERS),
        (changed_view(of, "monthly", rollup=None), OTHERS),
        (changed_view(of, "monthly", rollup=replace(holder.rollup, columns=holder.rollup.columns[:2])), OTHERS),
        (changed_view(of, "monthly", rollup=replace(holder.rollup, base_view="orders")), OTHERS),
        (changed_view(of, "monthly", table_name="flat"), "A rollup is of another table"),
        (changed_view(of, "flat", schema="elsewhere"), "A rollup is of another table"),
        (
            changed_view(of, "flat", query_source=of.views["customer_facts"].query_source),
            "A rollup is of another table",
        ),
        (changed_view(of, "flat", sql_source=of.views["big_orders"].sql_source), "A rollup is of another table"),
        (
            replace(of, views={name: view for name, view in of.views.items() if name != "flat"}),
            "A rollup is of another table",
        ),
    ):
        with pytest.raises(UnprovenSqlError, match=why):
            with_all(found, other).proves(found.text)


def of_flat(of, *, dimensions=None, measures=None):
    view = of.views["flat"]
    return changed_view(
        of, "flat", dimensions={**view.dimensions, **(dimensions or {})}, measures={**view.measures, **(measures or {})}
    )


def test_what_all_have_otherwise_is_not_held_for_a_topic():
    found = flat("flat.loud")
    of, dimensions, measures = found.model, found.model.views["flat"].dimensions, found.model.views["flat"].measures
    shown = showing(found, '"flat"."count"')
    with_all(found, of_flat(of, dimensions={"loud": replace(dimensions["loud"], label="Else")})).proves(shown)
    without = {name: item for name, item in dimensions.items() if name != "loud"}
    for other in (
        of_flat(of, dimensions={"loud": replace(dimensions["loud"], sql=dimensions["zone"].sql)}),
        of_flat(of, dimensions={"status": replace(dimensions["status"], sql=dimensions["region"].sql)}),
        of_flat(of, dimensions={"loud": replace(dimensions["loud"], converts_timezone=False)}), changed_view(of, "flat", dimensions=without),
    ):  # fmt: skip
        with pytest.raises(UnprovenSqlError, match=LEAVES):
            with_all(found, other).proves(shown)
    found = flat("flat.paid")
    of, shown = found.model, showing(found, 'SUM("flat"."count")')
    with_all(found, of).proves(shown)
    for other in (
        of_flat(of, measures={"paid": replace(measures["paid"], filters=())}), of_flat(of, dimensions={"status": replace(dimensions["status"], sql=dimensions["region"].sql)}),
        changed_view(of, "flat", measures={name: item for name, item in measures.items() if name != "paid"}),
    ):  # fmt: skip
        with pytest.raises(UnprovenSqlError, match=LEAVES):
            with_all(found, other).proves(shown)


@pytest.mark.parametrize("name", ["zone", "louder", "loudest", "paid"])
def test_nothing_is_read_of_a_rollup_that_tells_of_masks(name):
    masked = "region" if name == "zone" else "status"
    found = flat(f"flat.{name}", question=ask("Flat", "flat.revenue"))
    verify(found.compiled, model=found.model, scope=found.rights)
    for hidden in (masked, "loud") if name in ("louder", "loudest") else (masked,):
        with pytest.raises(UnprovenSqlError, match=TELLS):
            verify(
                found.compiled,
                model=found.model,
                scope=replace(found.rights, masked=frozenset((f"flat.{hidden}",)), mask_key="k" * 32),
            )


def test_nothing_is_read_of_a_rollup_that_tells_of_masks_by_what_all_have():
    found = flat("flat.loud", question=ask("Flat", "flat.revenue"))
    dimensions, measures = found.model.views["flat"].dimensions, found.model.views["flat"].measures
    rights = replace(found.rights, masked=frozenset(("flat.region",)), mask_key="k" * 32)
    verify(found.compiled, model=found.model, scope=rights)
    other = of_flat(found.model, dimensions={"loud": replace(dimensions["loud"], sql=dimensions["zone"].sql)})
    with pytest.raises(UnprovenSqlError, match=TELLS):
        verify(found.compiled, model=replace(found.model, of_all=other), scope=rights)
    found = flat("flat.paid", question=ask("Flat", "flat.revenue"))
    verify(found.compiled, model=found.model, scope=rights)
    rule = replace(measures["paid"].filters[0], field="flat.region")
    other = of_flat(found.model, measures={"paid": replace(measures["paid"], filters=(rule,))})
    with pytest.raises(UnprovenSqlError, match=TELLS):
        verify(found.compiled, model=replace(found.model, of_all=other), scope=rights)


def test_a_rollup_has_no_rules_of_its_own_and_stands_for_a_table():
    found = flat()
    of, source = found.model, found.model.views["flat"].source
    for changes, why in (
        ({"access_filters": (AccessFilter("monthly.region", "region", (), source),)}, "rules of its own"),
        ({"required_access_grants": GRANTS}, "rules of its own"), ({"sql_source": of.views["big_orders"].sql_source}, "rows with rules of their own"),
        ({"query_source": of.views["customer_facts"].query_source}, "rows with rules of their own"),
    ):  # fmt: skip
        with pytest.raises(UnprovenSqlError, match=why):
            replace(found, model=changed_view(of, "monthly", **changes)).proves(found.text)
    with pytest.raises(UnprovenSqlError, match="rows with rules of their own"):
        replace(found, model=changed_view(of, "flat", sql_source=of.views["big_orders"].sql_source)).proves(found.text)


GRANTS = (
    model(**{"flat.view": VIEW.replace("region: {}", "region: {required_access_grants: [sees_mail]}", 1)})
    .dimension("flat.region")
    .required_access_grants
)
RULED = {
    "region": (policy("flat.region", "EU"), True),
    "made of it": (policy("flat.zone", "EU"), False),
    "status": (policy("flat.status", "paid"), False),
    "made of another": (policy("flat.loud", "PAID"), False),
    "days": (policy("flat.ordered_at", "2026-01-01"), False),
    "months": (policy("flat.since", "2026-01-01"), False),
}


@pytest.mark.parametrize("name", RULED)
def test_a_policy_is_on_what_is_held_as_it_is(name):
    rule, is_held = RULED[name]
    found = flat()
    for rules in ({"row_policies": {"flat": (rule,)}}, {"topic_policies": (rule,)}):
        why = ELSEWHERE if not is_held else r"A table is filtered|A row policy is missing"
        with pytest.raises(UnprovenSqlError, match=why):
            replace(found, rights=replace(found.rights, **rules)).proves(found.text)
    if name == "region":
        ruled = flat(row_policies={"flat": (rule,)})
        ruled.refuses(ruled.changed((' WHERE "region" IN (:0:)', "")), "A table is filtered")


TOPICS = {
    "always_where_sql: \"${flat.region} = 'EU'\"": True,
    "always_where_sql: \"${flat.status} = 'EU'\"": False,
    "always_where_sql: \"${flat.ordered_at} = '2026-01-01'\"": False,
    "always_where_filters: {flat.region: {is: EU}}": True,
    "always_where_filters: {flat.status: {is: EU}}": False,
    "always_where_filters: {flat.ordered_at: {before: '2026-01-01'}}": False,
    "always_where_filters: {'flat.ordered_at[month]': {before: '2026-01-01'}}": True,
    "always_where_filters: {'flat.ordered_at[year]': {before: '2026-01-01'}}": True,
    "always_where_filters: {'flat.ordered_at[date]': {before: '2026-01-01'}}": False,
    "always_where_filters: {'customers.born[month]': {before: '2026-01-01'}}": True,
    "always_where_sql: \"${customers.region} = 'EU'\"": True,
    "always_where_sql: \"${customers.of_flat} = 'EU'\"": False,
    "always_where_filters: {'customers.then[month]': {before: '2026-01-01'}}": False,
}


@pytest.mark.parametrize("rule", TOPICS)
def test_a_topics_rule_is_on_what_is_held_as_it_is(rule):
    customers = FILES["customers.view"].replace(
        "dimensions:\n",
        'dimensions:\n  of_flat: {sql: "${flat.status}"}\n  then: {sql: "${flat.ordered_at}", timeframes: [date, month]}\n',
        1,
    )
    files = JOINED | {"customers.view": customers}
    found = flat(files=files)
    ruled = flat_model(files | {"Flat.topic": files["Flat.topic"] + "\n" + rule + "\n"})
    if TOPICS[rule]:
        statement(QUESTION, ruled, everything(ruled, "Flat"))
    else:
        with pytest.raises(UnprovenSqlError, match=ELSEWHERE):
            verify(found.compiled, model=ruled, scope=everything(ruled, "Flat"))


def flat_model(files, *names):
    return said(model(**{"flat.view": VIEW, "monthly.view": ROLLED % FIELDS, **files}), *names)


HAVING = {
    "ratio": ("flat.count", True),
    "twice": ("flat.count", True),
    "odd_ratio": ("flat.odd", False),
    "half_raw": ("flat.count", False),
    "one": ("flat.count", False),
}


@pytest.mark.parametrize("name", HAVING)
def test_a_measure_made_of_held_measures_is_one_and_no_other(name):
    field, is_held = HAVING[name]
    found = flat(field)
    rule = f"always_having_filters: {{flat.{name}: {{greater_than: 1}}}}\n"
    ruled = flat_model(JOINED | {"Flat.topic": JOINED["Flat.topic"] + "\n" + rule}, field)
    why = "A condition of the data set on groups is missing" if is_held else "is on no measure"
    with pytest.raises(UnprovenSqlError, match=why):
        verify(found.compiled, model=ruled, scope=everything(ruled, "Flat"))
    if is_held:
        statement(QUESTION, ruled, everything(ruled, "Flat"))


JOINS = {
    "held": ("always_left", "${flat.region}", True),
    "made of what is held": ("always_left", "${flat.zone}", True),
    "inner": ("inner", "${flat.region}", True),
    "not held": ("always_left", "${flat.status}", True),
    "not held and inner": ("inner", "${flat.status}", False),
    "a time and inner": ("inner", "${flat.ordered_at}", False),
    "full": ("full", "${flat.region}", False),
    "right": ("right_left", "${flat.region}", False),
}


@pytest.mark.parametrize("name", JOINS)
def test_a_join_that_decides_about_rows_is_made_as_it_was(name):
    kind, column, is_made = JOINS[name]
    found = flat()
    files = JOINED | {"relationships": FILES["relationships"].rstrip() + JOIN % (kind, column)}
    of = flat_model(files)
    if is_made:
        statement(QUESTION, of, everything(of, "Flat"))
        return
    with pytest.raises(UnprovenSqlError, match=r"cannot be joined as its base view is|keeps rows that a rollup"):
        verify(found.compiled, model=of, scope=everything(of, "Flat"))


@pytest.mark.parametrize(("column", "is_there"), [("region", True), ("status", False)])
def test_what_cannot_be_joined_is_not_read_nor_what_is_joined_to_it(column, is_there):
    question = ask("Flat", "flat.revenue", "managers.name")
    files = JOINED | {"relationships": FILES["relationships"].rstrip() + JOIN % ("always_left", f"${{flat.{column}}}")}
    whole = flat(question=question, files=JOINED)
    of = flat_model(files)
    whole.proves(whole.text)
    if not is_there:
        with pytest.raises(UnprovenSqlError):
            replace(whole, model=of, rights=everything(of, "Flat")).proves(whole.text)
        start = (
            whole.text.index(" LEFT JOIN (SELECT"),
            whole.text.index(" LEFT JOIN (SELECT", whole.text.index(" LEFT JOIN (SELECT") + 5),
        )
        alone = whole.text[: start[0]] + whole.text[start[1] :].replace('"customers"."manager_id"', '"flat"."region"')
        with pytest.raises(UnprovenSqlError, match="A table is joined that the data set does not join"):
            replace(whole, model=of, rights=everything(of, "Flat")).proves(alone)


def test_a_derived_view_is_not_joined_to_a_rollup():
    files = JOINED | {
        "relationships": JOINED["relationships"].rstrip()
        + '\n- {join_from_view: flat, join_to_view: customer_facts, relationship_type: many_to_one, on_sql: "${flat.region} = ${customer_facts.customer_id}"}\n',
        "Flat.topic": "base_view: flat\njoins: {customers: {managers: {}}, customer_facts: {}}",
    }
    of = flat_model(files)
    rights = everything(of, "Flat")
    found = statement(QUESTION, of, rights)
    facts = statement(ask("Flat", "flat.revenue", "customer_facts.customer_id"), of, rights)
    assert (found.compiled.rollup, facts.compiled.rollup) == ("monthly", None)
    with pytest.raises(UnprovenSqlError):
        verify(replace(facts.compiled, rollup="monthly"), model=of, scope=rights)
    inner = flat_model(
        files
        | {
            "relationships": files["relationships"].replace(
                'many_to_one, on_sql: "${flat.region} = ${customer_facts',
                'many_to_one, join_type: inner, on_sql: "${flat.region} = ${customer_facts',
            )
        }
    )
    with pytest.raises(UnprovenSqlError, match="cannot be joined as its base view is"):
        verify(found.compiled, model=inner, scope=everything(inner, "Flat"))
