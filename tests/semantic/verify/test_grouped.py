"""Whether masks would make other groups is worked out by the proof itself, whatever the reader and the compiler have let through."""

import re
from dataclasses import replace

import pytest
import sqlglot

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.verify import verify
from apps.semantic.verify.ruled import COMPARED
from tests.semantic.features.store import FILES, MASK_KEY, model
from tests.semantic.features.store import everything as all_of
from tests.semantic.features.test_chosen_rows import CUSTOMERS, FROM, LIFTED, MASKED
from tests.semantic.verify.hand import statement

ONLY = "mask_unless_access_grants: [sees_mail]"
PEOPLE = CUSTOMERS.replace("dimensions:\n", f"""dimensions:
  tail: {{sql: "RIGHT(${{mail}}, 2)"}}
  again: {{sql: "${{dept}}"}}
  shout: {{sql: "UPPER(email)"}}
  state: {{sql: "${{orders.status}}", mask: redact, {ONLY}}}
  deep: {{sql: "UPPER(${{customers.state}})", mask: redact, {ONLY}}}
  first: {{sql: "${{name}}", dynamic_top_n: {{n: 1, by: count, else: rest}}}}
  best: {{sql: "${{region}}", dynamic_top_n: {{n: 1, by: most, else: rest}}}}
  detail: {{sql: "${{id}}", level_of_detail: {{aggregate_type: sum, fixed: [customers.dept]}}}}
  since: {{duration: {{sql_start: "${{born}}", sql_end: "${{orders.ordered_at}}", intervals: [days]}}}}
""", 1).replace("measures:\n", "measures:\n  most: {aggregate_type: max, sql: '${dept}'}\n  mails: {aggregate_type: count, sql: '${mail}'}\n", 1)  # fmt: skip
FIELDS = "dimensions: {x: {}}\nmeasures: {count: {aggregate_type: count}}\n"
QUERY = "query: {topic: %s, fields: {%s: x}%s}\n" + LIFTED + FIELDS
WHO = f"SELECT c.email AS x {FROM}"


def hidden(scope, masked):
    """Return a scope whose topics beneath have some dimensions masked."""
    found = {name: hidden(inner, masked) for name, inner in scope.nested.items()}
    return replace(scope, masked=frozenset(masked), mask_key=MASK_KEY, nested=found)


def viewed(asked, masked, dialect="duckdb", topic="People", more="", **files):
    """Return a model with a query view, and the scopes of whoever sees values and of whoever sees masks."""
    files = {"customers.view": PEOPLE, "w.query.view": QUERY % (topic, asked, more), "W.topic": "base_view: w"} | files
    of = model(dialect, **files)
    whole = all_of(of, "W")
    beneath = {name: replace(inner, nested=whole.nested) for name, inner in whole.nested.items()}
    clear = replace(whole, nested=beneath)
    return of, clear, replace(clear, nested={name: hidden(inner, masked) for name, inner in beneath.items()})


def proves(asked, masked, *rest, **files):
    of, clear, seen = viewed(asked, masked, *rest, **files)
    for scope in (clear, seen):
        statement({"dataset": "W", "fields": ["w.count"]}, of, scope)


def refuses(asked, masked, *rest, **files):
    """Fail unless it is proven for whoever sees values, and for nobody who sees masks."""
    of, clear, seen = viewed(asked, masked, *rest, **files)
    found = statement({"dataset": "W", "fields": ["w.count"]}, of, clear)
    with pytest.raises(UnprovenSqlError, match=COMPARED):
        verify(found.compiled, model=of, scope=seen)


ALIKE: dict[str, tuple[str, object]] = {
    "no mask": ("customers.region", MASKED),
    "a hash": ("customers.email", MASKED),
    "a hash of the key": ("customers.id", {"customers.id"}),
    "a month of what is no mask": ('"customers.born[month]"', MASKED),
    "a measure of masks": ("customers.region: y, customers.mails", MASKED),
    "beside the key": ("customers.id: id, customers.dept", MASKED),
    "made of a column, beside the key": ("customers.id: id, customers.tail", MASKED),
    "the best by what is no mask": ("customers.first", MASKED),
}  # fmt: skip
OTHER = {
    "a range": ("customers.dept", MASKED),
    "what is gone": ("customers.boss", MASKED),
    "another's key": ("orders.id: id, customers.dept", MASKED),
    "the key itself": ("customers.id", {"customers.id"}, "mysql"),
    "a month of a mask": ('"customers.born[month]"', {"customers.born"}),
    "named once more": ("customers.again", {"customers.dept"}),
    "made of a hash": ("customers.tail", {"customers.mail"}),
    "a hash made of a hash": ("customers.tail", {"customers.mail", "customers.tail"}),
    "ranked": ("customers.first", {"customers.name"}),
    "ranked by masks": ("customers.best", MASKED),
    "per mask": ("customers.detail", MASKED),
    "since a mask": ("customers.since", {"customers.born"}),
    "since a mask, in days": ('"customers.since[days]"', {"customers.born"}),
    "of another table, beside the key": ("customers.id: id, customers.state", {"customers.state"}),
    "made of another table, beside the key": ("customers.id: id, customers.deep", {"customers.deep"}),
    "ranked, beside the key": ("customers.id: id, customers.first", {"customers.name"}),
    "per mask, beside the key": ("customers.id: id, customers.detail", MASKED),
}


@pytest.mark.parametrize("name", ALIKE)
def test_groups_that_are_the_same_for_all_are_proven(name):
    proves(*ALIKE[name])


@pytest.mark.parametrize("name", OTHER)
def test_groups_by_masks_are_proven_for_nobody_who_sees_masks(name):
    refuses(*OTHER[name])


def test_a_view_without_a_key_has_nothing_told_apart():
    flat = FILES["flat.view"].replace("status: {}", f"status: {{mask: redact, {ONLY}}}")
    proves("flat.region", {"flat.status"}, topic="Flat", **{"flat.view": flat})
    refuses("flat.status", {"flat.status"}, topic="Flat", **{"flat.view": flat})


BENEATH = "query: {topic: People, fields: {customers.email: e, customers.id: id, customers.dept: d, customers.born: b}, calculations: {c: {sql: d * 2}}}\n"
COLUMNS = "dimensions: {e: {}, id: {}, d: {}, c: {}, half: {sql: d / 2}, b: {timeframes: [raw, month], sql: CAST(b AS DATE)}}\n"
UNKNOWN = re.sub(r"(, mask: (\{bucket: 100\}|null|redact))?,? ?mask_unless_access_grants: \[sees_mail\]", "", PEOPLE)
"""as PEOPLE, but that the reader knows of no masks: what a scope has masked is a hash"""
OF_QUERY = {"customers.view": UNKNOWN, "v.query.view": BENEATH + COLUMNS, "V.topic": "base_view: v"}
FOLLOWED = {"a hash": "v.e", "no mask": '"v.b[month]"'}
LOST = {
    "a hash of letters": ("v.e", "mysql"), "what is calculated": ("v.c", "duckdb"), "made of a hash": ("v.half", "duckdb"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_mask_that_comes_out_of_another_query_view_is_followed(name):
    proves(FOLLOWED[name], MASKED, topic="V", **OF_QUERY)


@pytest.mark.parametrize("name", LOST)
def test_another_mask_than_a_hash_that_comes_out_of_a_query_view_makes_no_groups(name):
    refuses(LOST[name][0], MASKED, LOST[name][1], "V", **OF_QUERY)


def test_a_month_of_a_masked_time_that_comes_out_of_a_query_view_makes_no_groups():
    refuses('"v.b[month]"', {"customers.born"}, topic="V", **OF_QUERY)


ORDERS = "FROM omni_store.orders AS o"
HASHES = {
    "as it is": f"SELECT c.email AS e {FROM}",
    "deep": f"SELECT q.y AS e FROM (SELECT c.email AS y, c.limit_ AS d {FROM}) AS q",
    "in other letters": f"SELECT C.EMAIL AS E {FROM}",
    "without its table": f"SELECT email AS e {FROM.removesuffix(' AS c')}",
    "joined": f"SELECT c.email AS e {ORDERS} JOIN omni_store.customers AS c ON c.id = o.customer_id",
    "beside a range": f"SELECT q.e AS e FROM (SELECT c.email AS e {FROM}) AS q CROSS JOIN (SELECT c.limit_ AS e {FROM}) AS p",
    "in both parts": f"SELECT c.email AS e {FROM} UNION ALL SELECT x.email FROM omni_store.customers AS x",
    "in brackets": f"SELECT q.e AS e FROM ((SELECT c.email AS e {FROM}) UNION ALL (SELECT c.email AS e {FROM})) AS q",
    "by its place": f"SELECT c.region AS r, c.email AS e {FROM} UNION ALL SELECT c.region, c.email {FROM}",
}
RANGES = {
    "as it is": f"SELECT c.limit_ AS e {FROM}",
    "beside a hash": f"SELECT q.e AS e FROM (SELECT c.limit_ AS e {FROM}) AS q CROSS JOIN (SELECT c.email AS e {FROM}) AS p",
    "made of a hash": f"SELECT UPPER(c.email) AS e {FROM}",
    "joined": f"SELECT c.limit_ AS e {ORDERS} JOIN omni_store.customers AS c ON c.id = o.customer_id",
    "in a second part": f"SELECT c.email AS e {FROM} UNION ALL SELECT x.limit_ FROM omni_store.customers AS x",
    "no mask in a second part": f"SELECT c.email AS e {FROM} UNION ALL SELECT x.name FROM omni_store.customers AS x",
    "no mask in a first part": f"SELECT c.name AS e {FROM} UNION ALL SELECT x.email FROM omni_store.customers AS x",
    "of a query": f"SELECT (SELECT MAX(x.email) FROM omni_store.customers AS x) AS e {FROM}",
}


def of_text(sql):
    return {"v.view": f"sql: {sql}\n{LIFTED}dimensions: {{e: {{}}}}\n", "V.topic": "base_view: v"}


@pytest.mark.parametrize("name", HASHES)
def test_a_hash_is_followed_out_of_an_sql_view(name):
    proves("v.e", MASKED, topic="V", **of_text(HASHES[name]))


@pytest.mark.parametrize("name", RANGES)
def test_what_is_no_hash_in_each_row_makes_no_groups_out_of_an_sql_view(name):
    refuses("v.e", MASKED, topic="V", **of_text(RANGES[name]))


def test_of_two_outputs_of_one_name_in_a_text_either_may_be_meant():
    """Whoever reads a model lets no such text through; to the proof it is made of what is masked."""
    of, clear, seen = viewed("v.e", MASKED, topic="V", **of_text(f"SELECT c.region AS e, c.region AS f {FROM}"))
    found = statement({"dataset": "W", "fields": ["w.count"]}, of, clear)
    verify(found.compiled, model=of, scope=seen)
    view = of.views["v"]
    tree = sqlglot.parse_one(f"SELECT c.region AS e, c.email AS e {FROM}", read="duckdb")
    changed = replace(view, sql_source=replace(view.sql_source, tree=tree))
    of = replace(of, views={**of.views, "v": changed}, topic_models={})
    with pytest.raises(UnprovenSqlError, match=COMPARED):
        verify(found.compiled, model=of, scope=seen)


@pytest.mark.parametrize("dialect", ["duckdb", "mysql"])
def test_what_is_gone_is_asked_for_by_nobody_who_sees_masks(dialect):
    gone = (", filters: {customers.boss: {is: null}}", ", filters: {customers.dept: {is: null}}")
    refuses("customers.region", {"customers.boss"}, dialect, "People", gone[0])
    proves("customers.region", {"customers.dept"}, dialect, "People", gone[1])
