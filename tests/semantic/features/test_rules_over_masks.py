"""Rules on what comes out of a derived view: refused for whoever has it masked there, as they would compare masks."""

from dataclasses import replace

import pytest

from apps.semantic.errors import QueryError
from tests.semantic.features.store import FILES, ask, everything, model, policy

REFUSED = "rests on a value that is masked for you"
DERIVED = {
    "v.view": "sql: SELECT c.id AS id, c.email AS email, c.limit_ AS dept, (SELECT COUNT(x.email) FROM omni_store.customers AS x"
    " WHERE x.id = c.id) AS n FROM omni_store.customers AS c\n",
    "v.query.view": "query: {topic: People, fields: {customers.id: id, customers.email: email, customers.dept: dept,"
    " customers.people: n}, calculations: {twice: {sql: dept * 2}}}\n",
}
COLUMNS = "dimensions: {id: {primary_key: true}, email: {}, dept: {}, n: {}%s}\nmeasures: {most: {aggregate_type: max, sql: '${email}'}, top: {aggregate_type: max, sql: '${dept}'}}\n"
CUSTOMERS = FILES["customers.view"].replace(
    "dimensions:\n", "dimensions:\n  dept: {sql: limit_, mask: {bucket: 100}, mask_unless_access_grants: [sees_mail]}\n", 1
).replace("measures:\n", "measures:\n  people: {aggregate_type: count, sql: '${email}'}\n", 1)  # fmt: skip
MASKED = frozenset(("customers.email", "customers.mail", "customers.dept"))
EVERYBODY = [(1,), (2,), (3,), (4,)]


def over(dialect, kind, topic="", more="", **changes):
    view = DERIVED[kind] + COLUMNS % (", twice: {}" if kind == "v.query.view" else "") + more
    files = {"customers.view": CUSTOMERS, kind: view, "V.topic": f"base_view: v\n{topic}"}
    return model(dialect, **files | changes)


def rights(of, masked=MASKED, name="V", **rest):
    scope = everything(of, name, masked=masked, **rest)
    nested = {key: replace(inner, masked=masked, mask_key=scope.mask_key) for key, inner in scope.nested.items()}
    nested = {key: replace(inner, nested=nested) for key, inner in nested.items()}
    return replace(scope, nested=nested)


@pytest.mark.parametrize("kind", DERIVED)
@pytest.mark.parametrize(
    ("rule", "rows"),
    [
        ("always_where_sql: \"${v.email} NOT LIKE '%kari%'\"", [(1,), (3,)]),
        ("always_where_filters: {v.email: {not_contains: kari}}", [(1,), (3,), (4,)]),
        ("always_where_sql: '${v.dept} = 100'", [(1,)]),
        ("always_where_sql: '${v.n} > 0'", [(1,), (2,), (3,)]),
        ("always_having_sql: \"${v.most} > 'k'\"", [(1,), (2,)]),
        ("always_having_filters: {v.top: {greater_than: 100}}", [(2,)]),
    ],
)
def test_a_rule_of_a_data_set_is_refused_where_it_would_compare_masks(store, kind, rule, rows):
    of, question = over(store.engine.dialect, kind, rule), ask("V", "v.id", sorts=[{"field": "v.id"}])
    assert store.ask(question, rights(of, frozenset()), of) == rows
    with pytest.raises(QueryError, match=REFUSED) as refused:
        store.ask(question, rights(of), of)
    assert "v." not in refused.value.message
    assert store.ask(question, rights(over(store.engine.dialect, kind)), over(store.engine.dialect, kind)) == EVERYBODY


@pytest.mark.parametrize("kind", DERIVED)
@pytest.mark.parametrize("of_topic", [False, True])
@pytest.mark.parametrize(("field", "value"), [("v.dept", 100), ("v.email", "ola@x.no")])
def test_a_row_policy_is_refused_where_it_would_compare_masks(store, kind, of_topic, field, value):
    of, question, rule = over(store.engine.dialect, kind), ask("V", "v.id"), (policy(field, value),)
    rules = {"topic_policies": rule} if of_topic else {"row_policies": {"v": rule}}
    assert store.ask(question, rights(of, frozenset(), **rules), of) == [(1,)]
    with pytest.raises(QueryError, match=REFUSED):
        store.ask(question, rights(of, **rules), of)


def test_a_rule_on_a_calculation_over_masked_values_is_refused(store):
    of = over(store.engine.dialect, "v.query.view", "always_where_sql: '${v.twice} = 200'")
    assert store.ask(ask("V", "v.id"), rights(of, frozenset()), of) == [(1,)]
    with pytest.raises(QueryError, match=REFUSED):
        store.ask(ask("V", "v.id"), rights(of), of)


@pytest.mark.parametrize("kind", DERIVED)
@pytest.mark.parametrize("condition", ["where_sql: \"${v.email} NOT LIKE '%kari%'\"", ""])
def test_a_join_is_refused_where_its_condition_would_compare_masks(store, kind, condition):
    on = "${tickets.customer_id} = ${v.id}" + (" AND ${v.dept} = 100" if not condition else "")
    join = (
        "- {join_from_view: tickets, join_to_view: v, relationship_type: many_to_one, "
        f"on_sql: '{on}'{', ' + condition if condition else ''}}}\n"
    )
    changes = {"relationships": FILES["relationships"] + join, "T.topic": "base_view: tickets\njoins: {v: {}}"}
    of = over(store.engine.dialect, kind, **changes)
    assert len(store.ask(ask("T", "tickets.count", "v.id"), rights(of, frozenset(), "T"), of)) > 0
    with pytest.raises(QueryError, match=REFUSED):
        store.ask(ask("T", "tickets.count", "v.id"), rights(of, name="T"), of)
    assert store.ask(ask("T", "tickets.count"), rights(of, name="T"), of) == [(3,)]


def test_a_rule_on_a_query_view_over_an_sql_view_is_refused(store):
    files = {
        "w.query.view": "query: {topic: V, fields: {v.id: id, v.email: who}}\ndimensions: {id: {}, who: {}}\n",
        "W.topic": "base_view: w\nalways_where_sql: \"${w.who} NOT LIKE '%kari%'\"\n",
    }
    for kind in DERIVED:
        of = over(store.engine.dialect, kind, **files)
        assert len(store.ask(ask("W", "w.id"), rights(of, frozenset(), "W"), of)) == 2
        with pytest.raises(QueryError, match=REFUSED):
            store.ask(ask("W", "w.id"), rights(of, name="W"), of)


def test_a_value_from_a_query_within_an_sql_views_select_is_followed_too(store):
    text = "sql: SELECT o.id AS id, (SELECT MAX(c.email) FROM omni_store.customers AS c) AS who FROM omni_store.orders AS o\n"
    files = {
        "x.view": text + "dimensions: {id: {}, who: {}}",
        "X.topic": "base_view: x\nalways_where_sql: \"${x.who} > 'o'\"",
    }
    of = model(store.engine.dialect, **files)
    assert len(store.ask(ask("X", "x.id"), everything(of, "X"), of)) == 6
    with pytest.raises(QueryError, match=REFUSED):
        store.ask(ask("X", "x.id"), everything(of, "X", masked=frozenset(("customers.email", "customers.mail"))), of)


def test_a_rule_over_a_table_reads_its_values_whoever_asks(store):
    topic = "base_view: customers\nalways_where_sql: \"${customers.email} NOT LIKE '%kari%'\"\n"
    of = over(store.engine.dialect, "v.view", **{"T.topic": topic})
    question = ask("T", "customers.id", sorts=[{"field": "customers.id"}])
    assert store.ask(question, rights(of, name="T"), of) == [(1,), (3,)]


GROUPED = FILES["customers.view"].replace("mail: {sql: email, ", "mail: {sql: email, mask: redact, ").replace(
    "measures:\n",
    'measures:\n  mails: {aggregate_type: count_distinct, sql: "${email}"}\n  last: {aggregate_type: max, sql: "${mail}"}\n'
    "  of_ola: {aggregate_type: count, filters: {mail: {contains: ola}}}\n  per_mail: {sql: \"${mails} * 1.0 / ${count}\"}\n", 1,
)  # fmt: skip
IN_CLEAR, MASKS = frozenset(), frozenset(("customers.mail", "customers.email"))


@pytest.mark.parametrize(
    "rule",
    [
        'always_having_sql: "${customers.mails} > 1"',
        "always_having_filters: {customers.mails: {greater_than: 1}}",
        "always_having_sql: \"${customers.last} > 'k'\"",
        "always_having_filters: {customers.of_ola: {greater_than: 0}}",
        'always_having_sql: "${customers.per_mail} > 0 AND ${customers.count} > 1"',
    ],
)
def test_groups_are_not_chosen_by_a_measure_of_what_is_masked_in_its_table(store, rule):
    """A mask makes values alike: of them there would be other groups than everybody else has."""
    of = model(store.engine.dialect, **{"customers.view": GROUPED, "P.topic": f"base_view: customers\n{rule}\n"})
    question = ask("P", "customers.region")
    assert store.ask(question, everything(of, "P", masked=IN_CLEAR), of) == [("EU",)]
    with pytest.raises(QueryError, match=REFUSED) as refused:
        store.ask(question, everything(of, "P", masked=MASKS), of)
    assert "customers." not in refused.value.message


def test_groups_are_chosen_by_a_measure_of_other_values_whoever_asks(store):
    rule = "always_having_filters: {customers.count: {greater_than: 1}}"
    of = model(store.engine.dialect, **{"customers.view": GROUPED, "P.topic": f"base_view: customers\n{rule}\n"})
    for masked in (IN_CLEAR, MASKS):
        assert store.ask(ask("P", "customers.region"), everything(of, "P", masked=masked), of) == [("EU",)]


@pytest.mark.parametrize(
    "rule", ["sql: \"${customers.mail} LIKE 'ola%'\"", "filters: {customers.email: {starts_with: ola}}"]
)
def test_rows_are_chosen_by_a_tables_values_and_a_readers_filters_by_what_the_reader_sees(store, rule):
    """The rule is the model's and lets the same rows through for all; what somebody asks compares what they are shown."""
    of = model(store.engine.dialect, **{
        "customers.view": GROUPED, "P.topic": f"base_view: customers\nalways_where_{rule}\n",
        "D.topic": "base_view: customers\ndefault_filters: {customers.mail: {is: ola@x.no}}\n",
    })  # fmt: skip
    clear, masked = (everything(of, "P", masked=some) for some in (IN_CLEAR, MASKS))
    ids = ask("P", "customers.id")
    assert store.ask(ids, clear, of) == store.ask(ids, masked, of) == [(1,)]
    for condition, seen, unseen in (
        ({"is": "ola@x.no"}, [(1,)], []), ({"is": "OLA@X.NO", "case_insensitive": True}, [(1,)], []),
        ({"not": "ola@x.no"}, [], [(1,)]), ({"contains": "ola"}, [(1,)], []),
    ):  # fmt: skip
        for field in ("customers.mail", "customers.email"):
            for filters in ({field: condition}, {"or": [{field: condition}, {"customers.id": {"is": 9}}]}):
                question = ids | {"filters": filters}
                assert store.ask(question, clear, of) == seen
                assert store.ask(question, masked, of) == unseen
    by_mask = ids | {"filters": {"customers.mail": {"is": "•••"}}}
    assert (store.ask(by_mask, clear, of), store.ask(by_mask, masked, of)) == ([], [(1,)])
    suggested = ask("D", "customers.id", default_filters=True)
    assert store.ask(suggested, everything(of, "D", masked=IN_CLEAR), of) == [(1,)]
    assert store.ask(suggested, everything(of, "D", masked=MASKS), of) == []


def test_a_filter_on_what_is_masked_outside_is_not_taken_inside_where_it_would_compare_values(store):
    """Within, the field is not masked: whoever is shown masks would learn who is there by asking who is not."""
    view = (
        "query: {topic: People, fields: {customers.id: id, customers.name: name}, bind: {customers.name: v.name}}\n"
        "dimensions: {id: {}, name: {mask_unless_access_grants: [sees_mail]}}\n"
    )
    of = model(store.engine.dialect, **{"v.query.view": view, "V.topic": "base_view: v"})
    masked = everything(of, "V", masked=frozenset(("v.name",)))
    filters = {"v.name": {"not": "Ola"}}
    assert sorted(store.ask(ask("V", "v.id", filters=filters), everything(of, "V"), of)) == [(2,), (3,), (4,)]
    with pytest.raises(QueryError, match="its values are masked for you"):
        store.ask(ask("V", "v.id", filters=filters), masked, of)
    assert len(store.ask(ask("V", "v.id", filters={"v.id": {"is": 1}}), masked, of)) == 1
