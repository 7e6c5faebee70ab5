"""Masks over questions of every shape: what comes out is the mask, or nothing."""

from dataclasses import replace

import pytest

from apps.semantic.errors import (
    UnknownFieldError,
    UnprovenSqlError,
)
from tests.semantic.features.store import FILES, ask, everything, model


def test_a_masked_ranking_shows_masks_and_ranks_nothing(store):
    plain = 'email: {sql: "${customers.mail}", '
    ranked = 'email: {sql: "${customers.name}", dynamic_top_n: {n: 1, by: credits}, '
    of = model(store.engine.dialect, **{"customers.view": FILES["customers.view"].replace(plain, ranked)})
    fields = ("customers.email", "customers.credits")
    assert of.dimension("customers.email").top_n is not None
    whole = store.ask(ask("People", *fields), everything(of, "People"), of)
    assert dict(whole) == {"Kari": 250, "Other": 175}
    masked = everything(of, "People", masked=frozenset({"customers.email"}))
    values = {value for value, _ in store.ask(ask("People", *fields), masked, of)}
    assert len(values) == 4
    assert not values & {"Kari", "Other", "Ola"}


@pytest.mark.parametrize("key", ["", "short"])
def test_nothing_is_masked_without_a_key_of_the_tenant(store, key):
    masked = replace(everything(store.model, "People", masked=frozenset({"customers.mail"})), mask_key=key)
    with pytest.raises(UnprovenSqlError):
        store.ask(ask("People", "customers.mail"), masked)


MASKABLE = {
    "latest_mail": '{sql: "${mail}", level_of_detail: {aggregate_type: max, fixed: [customers.region]}}',
    "loud_mail": '{sql: "UPPER(${mail})"}',
    "age": '{sql: "EXTRACT(YEAR FROM ${birthday})"}',
    "birthday": "{sql: born, mask_unless_access_grants: [sees_mail], timeframes: [raw, month]}",
    "born_in": '{sql: "${birthday[month]}"}',
    "same_age": '{sql: "${age}"}',
    "age_in_words": "{sql: \"CONCAT('aged ', ${age})\"}",
    "loud_latest": '{sql: "UPPER(${latest_mail})"}',
    "first_seen": "{sql: born}",
    "lifetime_so_far": '{duration: {sql_start: "${first_seen}", sql_end: "${first_seen}", intervals: [days]}}',
}


COUNTED = {
    "mails": '{aggregate_type: count_distinct, sql: "${mail}"}',
    "eu_mails": '{aggregate_type: count_distinct, sql: "${mail}", filters: {region: {is: EU}}}',
    "birthdays": '{aggregate_type: count, sql: "${birthday}"}',
    "known": "{aggregate_type: count, filters: {mail: {not: null}}}",
    "last_birthday": '{aggregate_type: max, sql: "${birthday}"}',
    "years": '{aggregate_type: count_distinct, sql: "EXTRACT(YEAR FROM ${birthday})"}',
    "ages": '{aggregate_type: count_distinct, sql: "${age}"}',
    "first_mail": '{sql: "MIN(${mail})"}',
    "last_birthday_again": '{sql: "${last_birthday}"}',
    "loud_mails": '{aggregate_type: count_distinct, sql: "UPPER(${mail})"}',
    "mails_per_credit": '{sql: "${mails} * 100.0 / SUM(${credit})"}',
    "mails_of_regions": '{aggregate_type: count, sql: "${mail}", level_of_detail: {aggregate_type: max, fixed: [customers.region]}}',
    "one_mail_each": '{aggregate_type: sum_distinct_on, sql: "${limit_}", custom_primary_key_sql: "${mail}"}',
}


def maskable(store):
    view = FILES["customers.view"]
    view = view.replace("dimensions:\n", "dimensions:\n" + "".join(f"  {k}: {v}\n" for k, v in MASKABLE.items()), 1)
    view = view.replace("measures:\n", "measures:\n" + "".join(f"  {k}: {v}\n" for k, v in COUNTED.items()), 1)
    month = '  mail_and_month: {sql: "CONCAT(${customers.mail}, CAST(${ordered_at[month]} AS CHAR(10)))"}\n'
    orders = FILES["orders.view"].replace("dimensions:\n", "dimensions:\n" + month, 1)
    return model(store.engine.dialect, **{"customers.view": view, "orders.view": orders})


CLOSED = frozenset({"customers.mail", "customers.birthday", "customers.first_seen"})
NEED_THE_VALUE = (
    "latest_mail", "age", "birthday[month]", "born_in", "same_age", "age_in_words", "loud_latest", "lifetime_so_far", "known",
    "last_birthday", "years", "ages", "first_mail", "last_birthday_again", "mails_of_regions", "one_mail_each",
)  # fmt: skip


@pytest.mark.parametrize("name", NEED_THE_VALUE)
def test_what_would_need_the_value_beneath_a_mask_is_unknown(store, name):
    of = maskable(store)
    if store.engine.dialect != "mysql" or name != "one_mail_each":
        assert store.ask(ask("People", f"customers.{name}"), everything(of, "People"), of)
    with pytest.raises(UnknownFieldError):
        store.ask(ask("People", f"customers.{name}"), everything(of, "People", masked=CLOSED), of)


def test_groups_are_not_chosen_by_a_measure_that_needs_the_value_beneath_a_mask(store):
    of = maskable(store)
    few = {"customers.known": {"greater_than": 1}}
    for filters in (few, {"or": [few, {"customers.count": {"greater_than": 9}}]}):
        chosen = ask("People", "customers.region", filters=filters)
        assert store.ask(chosen, everything(of, "People"), of) == [("EU",)]
        with pytest.raises(UnknownFieldError):
            store.ask(chosen, everything(of, "People", masked=CLOSED), of)


def test_what_is_made_of_a_mask_may_stand_beside_other_values_of_any_type(store):
    of = maskable(store)
    masked = everything(of, "People", masked=CLOSED)
    question = ask("People", "orders.mail_and_month", filters={"customers.region": {"is": "EU"}})
    plain, shown = ([value for (value,) in store.ask(question, who, of)] for who in (everything(of, "People"), masked))
    assert sorted(value[-10:] for value in shown) == ["2025-01-01", "2025-02-01", "2026-01-01"]
    assert all("@" in value for value in plain)
    assert not any("@" in value for value in shown)
    for name in ("loud_mails", "mails_per_credit"):
        question = ask("People", f"customers.{name}")
        assert store.ask(question, masked, of) == store.ask(question, everything(of, "People"), of)


def test_masked_values_can_be_counted_and_written_in_capitals(store):
    of = maskable(store)
    masked = everything(of, "People", masked=frozenset({"customers.mail", "customers.birthday"}))
    counts = ask("People", "customers.mails", "customers.eu_mails", "customers.birthdays")
    assert store.ask(counts, masked, of) == store.ask(counts, everything(of, "People"), of) == [(3, 2, 3)]
    loud = {value for (value,) in store.ask(ask("People", "customers.loud_mail"), masked, of) if value}
    assert len(loud) == 3
    assert not any("@" in value for value in loud)
    assert all(value == value.upper() for value in loud)


def test_another_field_over_a_masked_column_shows_no_more_than_the_masked_one(store):
    more = "  contact: {sql: email}\n  shout: {sql: UPPER(email)}\n  open: {sql: email, reads_in_clear: true}\n"
    view = FILES["customers.view"].replace("dimensions:\n", "dimensions:\n" + more, 1)
    counted = (
        "measures:\n  last: {aggregate_type: max, sql: email}\n  mails: {aggregate_type: count_distinct, sql: email}\n"
    )
    of = model(store.engine.dialect, **{"customers.view": view.replace("measures:\n", counted, 1)})
    closed = {item.id for item in of.views["customers"].dimensions.values() if item.mask_unless_access_grants}
    assert "customers.contact" in closed
    someone = everything(of, "People", masked=frozenset(closed))

    def seen(name, scope):
        return [value for (value,) in store.ask(ask("People", name), scope, of) if value is not None]

    for name in ("customers.contact", "customers.shout", "customers.mail"):
        assert all("@" in value for value in seen(name, everything(of, "People")))
        assert seen(name, someone)
        assert not any("@" in value for value in seen(name, someone))
    assert all("@" in value for value in seen("customers.open", someone))
    assert seen("customers.mails", someone) == seen("customers.mails", everything(of, "People"))
    assert "@" in seen("customers.last", everything(of, "People"))[0]
    with pytest.raises(UnknownFieldError):
        seen("customers.last", someone)


MASKS = {
    "week": ("CAST(born AS DATE)", "{truncate_date: week}"), "month": ("CAST(born AS DATE)", "{truncate_date: month}"),
    "quarter": ("CAST(born AS DATE)", "{truncate_date: quarter}"), "year": ("born", "{truncate_date: year}"),
    "range": ("CAST(limit_ AS INT)", "{bucket: 100}"), "raw_range": ("limit_", "{bucket: 100}"),
    "ending": ("email", "{keep_last: 3}"), "there": ("email", "redact"), "nothing": ("email", '"null"'),
}  # fmt: skip


@pytest.mark.parametrize("name", MASKS)
def test_every_mask_is_proven_and_runs(store, name):
    sql, mask = MASKS[name]
    line = f"  m_{name}: {{sql: {sql}, mask_unless_access_grants: [sees_mail], mask: {mask}}}\n"
    view = FILES["customers.view"].replace("dimensions:\n", "dimensions:\n" + line, 1)
    for plain in ("born: {", "credit: {", "credit_band: {"):
        view = view.replace(f"  {plain}", f"  {plain}reads_in_clear: true, ")
    of = model(store.engine.dialect, **{"customers.view": view})
    question = ask("People", f"customers.m_{name}", "customers.count", filters={"customers.id": {"greater_than": 0}})
    plain = store.ask(question, everything(of, "People"), of)
    masked = store.ask(question, everything(of, "People", masked=frozenset({f"customers.m_{name}"})), of)
    assert sum(count for _, count in masked) == sum(count for _, count in plain) == 4
    assert {value for value, _ in masked} != {value for value, _ in plain}


def test_a_mask_that_is_written_through_a_reference_hides_the_column_everywhere(store):
    lines = [line for line in FILES["customers.view"].splitlines() if not line.strip().startswith(("email:", "mail:"))]
    lines[lines.index("dimensions:")] += """
  raw: {sql: email, hidden: true}
  email: {sql: "${raw}", mask_unless_access_grants: [sees_mail]}
  again: {sql: email}
  loud: {sql: UPPER(email)}"""
    big = {"big_orders.view": "sql: SELECT c.email AS mail FROM omni_store.customers AS c\ndimensions: {mail: {}}\n"}
    of = model(store.engine.dialect, **{"customers.view": "\n".join(lines), **big})
    masked = frozenset(item.id for item in of.views["customers"].dimensions.values() if item.mask_unless_access_grants)
    assert masked == {"customers.raw", "customers.email", "customers.again"}
    for dataset, field in [
        ("Big", "big_orders.mail"),
        *(("Sales", f"customers.{name}") for name in ("raw", "email", "again", "loud")),
    ]:
        for hidden, is_clear in ((masked, False), (frozenset(), True)):
            rows = store.ask(ask(dataset, field), everything(of, dataset, masked=hidden), of)
            assert any("@" in str(value) for (value,) in rows) is is_clear, field


def test_nothing_is_compared_along_a_masked_date(store):
    question = ask("Sales", "orders.count", compare={"field": "orders.ordered_at", "offset": "1 month"})
    question |= {"filters": {"orders.ordered_at": {"time_for_duration": ["2024-01-01", "1 month"]}}}
    assert store.ask(question, everything(store.model, "Sales"))
    with pytest.raises(UnknownFieldError, match="There is no field"):
        store.ask(question, everything(store.model, "Sales", masked=frozenset(("orders.ordered_at",))))
