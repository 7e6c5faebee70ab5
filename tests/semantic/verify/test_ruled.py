"""No statement is proven whose rules would compare masks, whoever wrote it and however right the rest of it is."""

from dataclasses import replace

import pytest

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.verify.ruled import COMPARED
from tests.semantic.features.store import FILES, ask, everything, model, policy
from tests.semantic.features.test_rules_over_masks import DERIVED, GROUPED, IN_CLEAR, MASKED, MASKS, over, rights
from tests.semantic.verify.hand import Statement, statement

CLEAR = frozenset[str]()


def decided(found: Statement, changed: Statement, text: str, *, is_clear: bool) -> None:
    """Fail unless a statement is proven as it is, and with the rule in it only where nothing is masked."""
    found.proves(found.text)
    if is_clear:
        changed.proves(text)
        return
    with pytest.raises(UnprovenSqlError, match=COMPARED):
        changed.proves(text)


@pytest.mark.parametrize("kind", DERIVED)
@pytest.mark.parametrize("masked", [CLEAR, MASKED])
def test_a_condition_of_the_data_set(kind, masked):
    of = over("duckdb", kind)
    found = statement(ask("V", "v.id"), of, rights(of, masked))
    column = '"email", "id"' if '"email", "id"' in found.text else '"id"'
    for rule, name, condition in (
        ("always_where_sql: \"${v.email} NOT LIKE '%kari%'\"", "email", """"v"."email" NOT LIKE '%kari%' """),
        ("always_where_sql: '${v.n} > 0'", "n", '"v"."n" > 0'),
        ("always_where_filters: {v.dept: {greater_than: 100}}", "dept", '"v"."dept" > :=100:'),
    ):
        end = found.text.rindex(' AS "v"') + len(' AS "v"')
        fenced = found.text[:end].removesuffix(') AS "v"') + ' OFFSET 0) AS "v"'  # its columns are worked out
        text = f"{fenced} WHERE {condition}{found.text[end:]}"
        text = text.replace(f"(SELECT {column} FROM (", f'(SELECT {column}, "{name}" FROM (', 1)
        ruled = over("duckdb", kind, rule)
        decided(found, replace(found, model=ruled, rights=rights(ruled, masked)), text, is_clear=not masked)


@pytest.mark.parametrize("kind", DERIVED)
@pytest.mark.parametrize("masked", [CLEAR, MASKED])
@pytest.mark.parametrize("of_topic", [False, True])
def test_a_row_policy(kind, masked, of_topic):
    of, rule = over("duckdb", kind), (policy("v.dept", 100),)
    ruled = {"topic_policies": rule} if of_topic else {"row_policies": {"v": rule}}
    found = statement(ask("V", "v.id", "v.dept"), of, rights(of, masked))
    end = found.text.rindex(' AS "v"') + len(' AS "v"')
    inner = found.text.rindex(' AS "view query"') + len(' AS "view query"')
    place, column = (end, '"v"."dept"') if of_topic else (inner, '"dept"')
    text = f"{found.text[:place]} WHERE CAST({column} AS TEXT) IN (:='100':){found.text[place:]}"
    decided(found, replace(found, rights=rights(of, masked, **ruled)), text, is_clear=not masked)


@pytest.mark.parametrize("kind", DERIVED)
@pytest.mark.parametrize("masked", [CLEAR, MASKED])
def test_a_condition_of_a_join(kind, masked):
    def joined(condition):
        on = f"${{tickets.customer_id}} = ${{v.id}}{condition}"
        join = f"- {{join_from_view: tickets, join_to_view: v, relationship_type: many_to_one, on_sql: '{on}'}}\n"
        changes = {"relationships": FILES["relationships"] + join, "T.topic": "base_view: tickets\njoins: {v: {}}"}
        return over("duckdb", kind, **changes)

    of, ruled = joined(""), joined(" AND ${v.dept} = 100")
    found = statement(ask("T", "tickets.count", "v.id", "v.dept"), of, rights(of, masked, "T"))
    on = '"tickets"."customer_id" = "v"."id"'
    text = found.changed((on, f'{on} AND "v"."dept" = 100'))
    decided(found, replace(found, model=ruled, rights=rights(ruled, masked, "T")), text, is_clear=not masked)


@pytest.mark.parametrize("name", ["mails", "of_ola", "last", "per_mail"])
def test_a_condition_on_groups_of_what_is_masked_in_its_table(name):
    rule = f"always_having_sql: '${{customers.{name}}} IS NULL'"
    of = model("duckdb", **{"customers.view": GROUPED, "P.topic": f"base_view: customers\n{rule}\n"})
    found = statement(ask("P", "customers.region"), of, everything(of, "P", masked=IN_CLEAR))
    with pytest.raises(UnprovenSqlError, match=COMPARED):
        replace(found, rights=everything(of, "P", masked=MASKS)).proves(found.text)
