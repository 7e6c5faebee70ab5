"""Which rows a derived view has is no other for whoever sees masks: the model is refused, else the answer, and the proof."""

from dataclasses import replace

import pytest

from apps.semantic.compile import compile_query
from apps.semantic.errors import ModelError, QueryError, UnprovenSqlError
from apps.semantic.query.reading import parse_query
from apps.semantic.verify import verify
from apps.semantic.verify.followed import CHOSEN
from apps.semantic.verify.ruled import COMPARED
from tests.semantic.features.store import FILES, TODAY, ask, everything, model

CUSTOMERS = FILES["customers.view"].replace(
    "dimensions:\n", "dimensions:\n  dept: {sql: limit_, mask: {bucket: 100}, mask_unless_access_grants: [sees_mail]}\n"
    "  boss: {sql: manager_id, mask: null, mask_unless_access_grants: [sees_mail]}\n", 1
).replace("  manager_id: {}\n", "")  # fmt: skip
FROM = "FROM omni_store.customers AS c"
CHOSEN_BY_MASKS = {
    "where": f"SELECT c.id AS id {FROM} WHERE c.email LIKE 'ola%'",
    "beneath": f"SELECT x.id AS id FROM (SELECT c.id AS id, UPPER(c.email) AS e {FROM}) AS x WHERE x.e LIKE 'OLA%'",
    "on": f"SELECT c.id AS id {FROM} JOIN omni_store.orders AS o ON o.customer_id = c.id AND c.email <> 'ola@x.no'",
    "group": f"SELECT MAX(c.id) AS id {FROM} GROUP BY c.limit_",
    "place": f"SELECT MAX(c.id) AS id, c.limit_ AS d {FROM} GROUP BY 2",
    "alias": f"SELECT MAX(c.id) AS id, UPPER(c.email) AS d {FROM} GROUP BY d",
    "letters": f"SELECT MAX(x.id) AS id FROM (SELECT c.id AS id, LEFT(c.email, 1) AS e {FROM}) AS x GROUP BY x.e",
    "having": f"SELECT c.region AS id {FROM} GROUP BY c.region HAVING MAX(c.email) > 'k'",
    "own": f"SELECT c.region AS id, MAX(c.email) AS e {FROM} GROUP BY c.region HAVING MAX(c.limit_) > 75",
    "order": f"SELECT c.id AS id {FROM} ORDER BY c.email LIMIT 1",
    "number": f"SELECT c.id AS id, c.limit_ AS d {FROM} ORDER BY 2 LIMIT 1",
    "distinct": f"SELECT DISTINCT c.limit_ AS id {FROM}",
    "union": f"SELECT c.limit_ AS id {FROM} UNION SELECT o.id FROM omni_store.orders AS o",
    "in": f"SELECT c.id AS id {FROM} WHERE c.id IN (SELECT x.id FROM omni_store.customers AS x WHERE x.limit_ > 75)",
    "count": f"SELECT c.id AS id, (SELECT COUNT(*) FROM omni_store.customers AS x WHERE x.limit_ > c.id) AS n {FROM}",
    "outer": f"SELECT c.id AS id, (SELECT COUNT(*) FROM omni_store.orders AS o WHERE o.id > c.limit_) AS n {FROM}",
    "given": f"SELECT c.id AS id {FROM} WHERE c.manager_id IS NULL",
    "given made": f"SELECT x.id AS id FROM (SELECT c.id AS id, UPPER(c.email) AS e {FROM}) AS x WHERE NOT x.e IS NULL",
    "given case": f"SELECT x.id AS id FROM (SELECT c.id AS id, CASE WHEN c.email = 'ola@x.no' THEN 1 END AS e {FROM}) AS x WHERE x.e IS NULL",
    "given most": f"SELECT x.e AS id FROM (SELECT MAX(c.email) AS e {FROM}) AS x WHERE NOT x.e IS NULL",
    "given twice": f"SELECT x.id AS id FROM (SELECT c.id AS id, c.manager_id IS NULL AS e {FROM}) AS x WHERE x.e",
    "union of two": f"SELECT c.email AS id {FROM} UNION SELECT x.name FROM omni_store.customers AS x",
    "exists": f"SELECT c.id AS id {FROM} WHERE EXISTS (SELECT 1 FROM omni_store.customers AS x WHERE x.email > 'k' AND x.id = c.id)",
    "exists outer": f"SELECT c.id AS id {FROM} WHERE NOT EXISTS (SELECT 1 FROM omni_store.orders AS o WHERE o.id > c.limit_)",
    "named": f"WITH x AS (SELECT c.id AS id, UPPER(c.email) AS e {FROM}) SELECT x.id AS id FROM x WHERE x.e LIKE 'OLA%'",
    "window order": f"SELECT x.id AS id FROM (SELECT c.id AS id, ROW_NUMBER() OVER (ORDER BY c.email) AS n {FROM}) AS x WHERE x.n < 3",
    "window part": f"SELECT c.id AS id, RANK() OVER (PARTITION BY c.limit_ ORDER BY c.id) AS n {FROM}",
    "window made": f"SELECT c.id AS id, COUNT(*) OVER (PARTITION BY LEFT(c.email, 1)) AS n {FROM}",
    "window value": f"SELECT x.id AS id FROM (SELECT c.id AS id, LAG(c.email) OVER (ORDER BY c.id) AS e {FROM}) AS x WHERE x.e > 'k'",
    "window sum": f"WITH x AS (SELECT c.id AS id, SUM(c.limit_) OVER (ORDER BY c.id) AS s {FROM}) SELECT x.id AS id FROM x WHERE x.s > 99",
    "place in brackets": f"SELECT MAX(c.id) AS id, c.limit_ AS d {FROM} GROUP BY (2)",
    "alias in brackets": f"SELECT MAX(c.id) AS id, UPPER(c.email) AS d {FROM} GROUP BY (d)",
    "number in brackets": f"SELECT c.id AS id, c.limit_ AS d {FROM} ORDER BY (2) LIMIT 1",
    "nearest": f"SELECT c.id AS id {FROM} WHERE c.id IN (SELECT customer_id FROM omni_store.orders WHERE email = 'ola@x.no')",
}
BY_HASH = {
    "hash": f"SELECT MAX(c.id) AS id, c.email AS e {FROM} GROUP BY c.email",
    "hashes": f"SELECT DISTINCT x.e AS id FROM (SELECT c.email AS e {FROM}) AS x",
    "union": f"SELECT c.email AS id {FROM} UNION SELECT x.email FROM omni_store.customers AS x",
    "window": f"SELECT x.id AS id FROM (SELECT c.id AS id, ROW_NUMBER() OVER (PARTITION BY c.email ORDER BY c.id) AS n {FROM}) AS x WHERE x.n = 1",
}
CHOSEN_ALIKE = {
    "shown": f"SELECT c.id AS id, c.email AS e {FROM} WHERE c.region = 'EU'",
    "given": f"SELECT c.id AS id {FROM} WHERE NOT c.email IS NULL",
    "brackets": f"SELECT c.id AS id {FROM} WHERE (c.email) IS NULL",
    "gaps": f"SELECT MAX(c.id) AS id, CASE WHEN c.email IS NULL THEN 'no' ELSE 'yes' END AS e {FROM} GROUP BY 2",
    "same name": f"SELECT c.id AS id {FROM} WHERE c.id IN (SELECT customer_id FROM "
    "(SELECT customer_id, status AS email FROM omni_store.orders) AS q WHERE email = 'paid')",
    "ordered": f"SELECT c.id AS id, c.limit_ AS d {FROM} ORDER BY c.limit_",
    "aggregated": f"SELECT c.region AS id, MAX(c.limit_) AS d {FROM} GROUP BY c.region",
    "windows": f"SELECT c.id AS id, LAG(c.email) OVER (PARTITION BY c.region ORDER BY c.id) AS e, MAX(c.limit_) OVER () AS d {FROM}",
    "exists": f"SELECT c.id AS id, c.email AS e {FROM} WHERE EXISTS (SELECT 1 FROM omni_store.orders AS o WHERE o.customer_id = c.id)",
}
MASKED = frozenset(("customers.email", "customers.mail", "customers.dept", "customers.boss"))
VIEW = "%sdimensions: {id: {}}\nmeasures: {count: {aggregate_type: count}}\n"


def over(dialect, sql, rule=""):
    view = f"sql: |\n  {sql}\n{rule}dimensions: {{id: {{}}}}\nmeasures: {{count: {{aggregate_type: count}}}}\n"
    return model(dialect, **{"customers.view": CUSTOMERS, "v.view": view, "V.topic": "base_view: v"})


def without_check(of, masked):
    """Return the statement that a model without masks would have, with the masks that somebody sees."""
    bare = replace(of, views={**of.views, "customers": replace(of.views["customers"], dimensions={
        key: replace(item, mask_unless_access_grants=None) for key, item in of.views["customers"].dimensions.items()
    })})  # fmt: skip
    return compile_query(parse_query(ask("V", "v.count")), model=bare, scope=masked, today=TODAY)


def masked_within(clear, topic):
    """Return a scope that sees masks in the question of a query view over a topic."""
    inner = replace(clear.nested[topic], masked=MASKED, nested={}, mask_key=clear.mask_key)
    return replace(clear, nested={**clear.nested, topic: inner})


LIFTED = "required_access_grants: [sees_mail]\n"


@pytest.mark.parametrize("name", CHOSEN_BY_MASKS)
def test_an_sql_view_that_chooses_rows_by_what_is_masked_is_a_fault(name):
    with pytest.raises(ModelError) as error:
        over("duckdb", CHOSEN_BY_MASKS[name])
    assert all(str(item).startswith("v.view:1:6: “customers.") for item in error.value.problems)
    assert "decides here which rows “v” has" in str(error.value.problems[0])


@pytest.mark.parametrize("name", CHOSEN_BY_MASKS)
def test_a_view_for_those_only_who_see_values_is_read_and_answers_nobody_else(store, name):
    """Whoever gives the view's fields to others all the same gets no answer, and no proof."""
    of = over(store.engine.dialect, CHOSEN_BY_MASKS[name], LIFTED)
    clear = everything(of, "V")
    masked = replace(clear, masked=MASKED)
    question = ask("V", "v.count")
    by_hand = store.engine.rows(f"SELECT COUNT(*) FROM ({CHOSEN_BY_MASKS[name]}) AS x")
    assert store.ask(question, clear, of) == by_hand
    with pytest.raises(QueryError, match="chooses its rows by a value that is masked for you") as refused:
        store.ask(question, masked, of)
    assert "customers" not in refused.value.message
    with pytest.raises(UnprovenSqlError, match=CHOSEN):
        verify(without_check(of, masked), model=of, scope=masked)


@pytest.mark.parametrize("name", BY_HASH)
def test_groups_of_hashes_are_those_of_the_texts_but_where_texts_in_other_letters_are_the_same(store, name):
    """To MySQL and MariaDB “kari@x.no” is “kari@X.NO”, and no hash tells."""
    if store.engine.dialect == "mysql":
        with pytest.raises(ModelError, match=r"“customers\.e?mail” is masked for whoever lacks a grant, and decides"):
            over("mysql", BY_HASH[name])
        of = over("mysql", BY_HASH[name], LIFTED)
        masked = replace(everything(of, "V"), masked=MASKED)
        with pytest.raises(QueryError, match="chooses its rows by a value that is masked for you"):
            store.ask(ask("V", "v.count"), masked, of)
        with pytest.raises(UnprovenSqlError, match=CHOSEN):
            verify(without_check(of, masked), model=of, scope=masked)
        return
    of = over(store.engine.dialect, BY_HASH[name])
    clear = everything(of, "V")
    by_hand = store.engine.rows(f"SELECT COUNT(*) FROM ({BY_HASH[name]}) AS x")
    for scope in (clear, replace(clear, masked=MASKED)):
        assert store.ask(ask("V", "v.count"), scope, of) == by_hand


@pytest.mark.parametrize("name", CHOSEN_ALIKE)
def test_an_sql_view_whose_rows_are_the_same_for_all_is_answered(store, name):
    of = over(store.engine.dialect, CHOSEN_ALIKE[name])
    clear = everything(of, "V")
    by_hand = store.engine.rows(f"SELECT COUNT(*) FROM ({CHOSEN_ALIKE[name]}) AS x")
    for scope in (clear, replace(clear, masked=MASKED)):
        assert store.ask(ask("V", "v.count"), scope, of) == by_hand


QUERY = "query: {topic: People, fields: {customers.region: region, customers.%s: x}%s}\n%sdimensions: {region: {}, x: {}}\nmeasures: {count: {aggregate_type: count}}\n"
OWN = {
    "filters": ("count", ", filters: {customers.email: {contains: ola}}"),
    "limit": ("email", ", limit: 2"),
    "most": ("most", ", limit: 2"),
    "sorts": ("dept", ", sorts: [{field: customers.region}], limit: 2"),
    "measure": ("most", ", filters: {customers.most: {greater_than: 1}}"),
    "gaps of nothing": ("count", ", filters: {customers.boss: {is: null}}"),
    "gaps of letters": ("count", ", filters: {customers.tail: {not: null}}"),
    "one of two": ("count", ", filters: {customers.mail: {is: [null, x]}}"),
    "ranges": ("dept", ""),
    "gone": ("boss", ""),
    "letters": ("tail", ""),
    "classes": ("land", ""),
    "ranked": ("first", ""),
    "by a rank": ("best", ""),
    "detail": ("detail", ""),
    "last of hashes": ("last", ""),
    "another's key": ("count: c, customers.dept", ", sorts: [{field: customers.count}]"),
}
MORE = """  tail: {sql: "RIGHT(${mail}, 2)"}
  land: {sql: "${mail}", groups: [{filter: {is: [ola@x.no, kari@x.no]}, name: Norway}], else: Other}
  first: {sql: "${mail}", dynamic_top_n: {n: 1, by: count, else: rest}}
  best: {sql: "${region}", dynamic_top_n: {n: 1, by: most, else: rest}}
  last: {sql: "${mail}", level_of_detail: {aggregate_type: max, fixed: [customers.region]}}
  detail: {sql: "${credit}", level_of_detail: {aggregate_type: sum, fixed: [customers.dept]}}
measures:
  most: {aggregate_type: max, sql: "${dept}"}
"""


def asking(dialect, name, rule=""):
    field, rest = OWN[name] if isinstance(name, str) else name
    customers = CUSTOMERS.replace("measures:\n", MORE, 1)
    view = QUERY % (field, rest, rule)
    return model(dialect, **{"customers.view": customers, "v.query.view": view, "V.topic": "base_view: v"})


@pytest.mark.parametrize("name", OWN)
def test_a_query_view_that_chooses_rows_by_what_is_masked_is_a_fault_or_answers_nobody_who_sees_masks(store, name):
    with pytest.raises(
        ModelError, match=r"v\.query\.view:1:\d+: “customers\.\w+” is masked for whoever lacks a grant, and decides"
    ):
        asking(store.engine.dialect, name)
    of = asking(store.engine.dialect, name, LIFTED)
    clear = everything(of, "V")
    masked = masked_within(clear, "People")
    question = ask("V", "v.count")
    assert store.ask(question, clear, of)
    with pytest.raises(QueryError, match="chooses its rows by a value that is masked for you"):
        store.ask(question, masked, of)
    compiled = compile_query(parse_query(question), model=of, scope=clear, today=TODAY)
    with pytest.raises(UnprovenSqlError, match=COMPARED):
        verify(compiled, model=of, scope=masked)


def test_what_a_key_has_told_apart_is_not_put_in_order_by_masks(store):
    """Of two rows with one name the key decides; what stands after it does not."""
    view = "query: {topic: People, fields: {customers.name: a, customers.id: id, customers.email: x}, limit: 2}\n"
    of = model(store.engine.dialect, **{"customers.view": CUSTOMERS, "v.query.view": view, "V.topic": "base_view: v"})
    clear = everything(of, "V")
    masked = masked_within(clear, "People")
    ids = ask("V", "v.id", sorts=[{"field": "v.id"}])
    assert store.ask(ids, clear, of) == store.ask(ids, masked, of) != []
    with pytest.raises(ModelError, match="decides here which rows"):
        changed = view.replace(
            "customers.name: a, customers.id: id, customers.email: x", "customers.email: x, customers.id: id"
        )
        model(store.engine.dialect, **{"customers.view": CUSTOMERS, "v.query.view": changed, "V.topic": "base_view: v"})


def test_what_a_joined_tables_key_has_told_apart_is_not_put_in_order_by_masks(store):
    """The most valuable customers, with what is masked of them: the limit keeps the same ones for all."""
    view = "query: {topic: Sales, fields: {customers.id: id, customers.email: x, orders.revenue: r}, sorts: [{field: orders.revenue, desc: true}], limit: 2}\n"
    of = model(store.engine.dialect, **{"customers.view": CUSTOMERS, "v.query.view": view, "V.topic": "base_view: v"})
    clear = everything(of, "V")
    masked = masked_within(clear, "Sales")
    rows = ask("V", "v.id", "v.r", sorts=[{"field": "v.id"}])
    assert store.ask(rows, clear, of) == store.ask(rows, masked, of) == [(1, 150), (3, 520)]
    for changed in (view.replace("customers.id: id, customers.email: x", "customers.email: x, customers.id: id"),
                    view.replace("customers.id: id", "orders.id: id")):  # fmt: skip
        with pytest.raises(ModelError, match="decides here which rows"):
            model(
                store.engine.dialect,
                **{"customers.view": CUSTOMERS, "v.query.view": changed, "V.topic": "base_view: v"},
            )


ALIKE = {
    "hash": ("email", ""),
    "other": ("count", ", filters: {customers.region: {is: EU}}, limit: 1"),
    "gaps": ("count", ", filters: {customers.mail: {is: null}}"),
    "no gaps": ("count", ", filters: {customers.mail: {not: null}, customers.dept: {not: null}}"),
    "told by the key": ("id: id, customers.dept", ", sorts: [{field: customers.dept}]"),
}


@pytest.mark.parametrize("name", ALIKE)
def test_a_query_view_whose_rows_are_chosen_by_other_values_is_the_same_for_all(store, name):
    if name == "hash" and store.engine.dialect == "mysql":
        with pytest.raises(ModelError, match=r"“customers\.e?mail” is masked for whoever lacks a grant, and decides"):
            asking("mysql", ALIKE[name])
        return
    of = asking(store.engine.dialect, ALIKE[name])
    clear = everything(of, "V")
    masked = masked_within(clear, "People")
    question = ask("V", "v.count")
    assert store.ask(question, masked, of) == store.ask(question, clear, of) != []


BENEATH = {
    "v.query.view": "query: {topic: People, fields: {customers.email: e, customers.count: n}, calculations: {loud: {sql: UPPER(e)}}}\n"
    "dimensions: {e: {}, n: {}, loud: {}, end: {sql: 'RIGHT(e, 2)'}, put: {sql: n, order_by_field: e}}\n",
    "v.view": f"sql: SELECT y.e AS e, y.f AS f, y.n AS n FROM (SELECT x.email AS e, UPPER(x.email) AS f, x.id AS n {FROM.replace(' c', ' x')}) AS y\n"
    "dimensions: {e: {}, n: {}, loud: {sql: f}, end: {sql: f}, put: {sql: n, order_by_field: e}}\n",
}


@pytest.mark.parametrize("kind", BENEATH)
def test_groups_by_what_another_derived_view_has_masked_are_followed_down_to_its_mask(store, kind):
    def grouped_by(field, rest=""):
        outer = f"query: {{topic: V, fields: {{v.{field}: x}}{rest}}}\ndimensions: {{x: {{}}}}\nmeasures: {{count: {{aggregate_type: count}}}}\n"
        files = {"customers.view": CUSTOMERS, kind: BENEATH[kind], "V.topic": "base_view: v"}
        return model(store.engine.dialect, **files, **{"w.query.view": outer, "W.topic": "base_view: w"})

    if store.engine.dialect == "mysql":
        with pytest.raises(ModelError, match="decides here which rows"):
            grouped_by("e")
        return
    assert grouped_by("n", ", limit: 2")
    for field, rest in (("end", ""), ("loud", ""), ("put", ", sorts: [{field: v.put}], limit: 2")):
        with pytest.raises(ModelError, match=rf"“v\.{field}” is masked for whoever lacks a grant, and decides"):
            grouped_by(field, rest)
    of = grouped_by("e")

    def seen(hidden):
        scope = everything(of, "W")
        people = replace(scope.nested["People"], masked=hidden, mask_key=scope.mask_key)
        on_table = hidden if kind == "v.view" else frozenset()
        v = replace(scope.nested["V"], masked=on_table, nested={"People": people}, mask_key=scope.mask_key)
        return replace(scope, nested={**scope.nested, "V": v})

    question = ask("W", "w.count")
    assert store.ask(question, seen(MASKED), of) == store.ask(question, seen(frozenset()), of) == [(4,)]


SORTED = "query: {topic: Sales, fields: {customers.email: x, customers.id: id, orders.revenue: r, customers.most: m}, calculations: {c: {sql: r * 2}}, sorts: [{field: %s}], limit: 2}\ndimensions: {id: {}, r: {}}\nmeasures: {count: {aggregate_type: count}}\n"


@pytest.mark.parametrize("by", ["customers.id", "id", "v.id"])
def test_a_query_view_is_sorted_by_a_field_or_by_the_column_that_it_is_here(store, by):
    """What stands before the key among its columns decides nothing either, nor does a measure that nothing is sorted by."""
    customers = CUSTOMERS.replace(
        "measures:\n", 'measures:\n  most: {aggregate_type: count_distinct, sql: "${mail}"}\n', 1
    )
    files = {"customers.view": customers, "V.topic": "base_view: v"}
    of = model(store.engine.dialect, **files, **{"v.query.view": SORTED % by})
    clear = everything(of, "V")
    masked = masked_within(clear, "Sales")
    rows = ask("V", "v.id", "v.r", sorts=[{"field": "v.id"}])
    assert store.ask(rows, clear, of) == store.ask(rows, masked, of) == [(1, 150), (2, 30)]


def test_a_query_view_is_not_sorted_by_what_is_calculated_of_its_rows():
    with pytest.raises(ModelError, match="“c” is calculated when the rows are chosen already"):
        customers = CUSTOMERS.replace(
            "measures:\n", 'measures:\n  most: {aggregate_type: count_distinct, sql: "${mail}"}\n', 1
        )
        model(**{"customers.view": customers, "v.query.view": SORTED % "c"})
