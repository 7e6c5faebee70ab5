"""Spark's own dialect: texts written in one way, names quoted in one way, rules without a column's collation."""

import hashlib
from dataclasses import replace

import pytest

from apps.semantic.compile import CompiledQuery, compile_query
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.expressions import ExpressionError, parse_expression
from apps.semantic.query.reading import parse_query
from apps.semantic.verify import verify
from tests.semantic.features.store import MASK_KEY, TODAY, everything, model, policy

MODEL = model("spark")
RIGHTS = replace(
    everything(MODEL, "Sales"), row_policies={"orders": (policy("orders.status", "paid"),)}, mask_key=MASK_KEY
)
UNUSUAL = "A text is written in an unusual way."


def compiled(question: dict[str, object]) -> CompiledQuery:
    return compile_query(parse_query(question), model=MODEL, scope=RIGHTS, today=TODAY)


def prove(old: str, new: str) -> None:
    found = compiled({"dataset": "Sales", "fields": ["orders.status", "orders.count"]})
    assert old in found.sql
    sql = found.sql.replace(old, new)
    changed = replace(found, sql=sql, shape=hashlib.sha256(sql.encode()).hexdigest())
    verify(changed, model=MODEL, scope=RIGHTS)


@pytest.mark.parametrize("text", [r"'it\'s ?'", r"'a\\'", r"'a\nb'", "'a\"b'", "'%s -- /* x */'"])
def test_a_text_is_read_as_spark_reads_it(text: str) -> None:
    prove(" GROUP BY", f" WHERE `orders`.`status` <> {text} GROUP BY")


@pytest.mark.parametrize(
    ("text", "why"),
    [(r"'a\u0041'", UNUSUAL), (r"'a\101'", UNUSUAL), (r"'a\0'", UNUSUAL), ('"a"', UNUSUAL), (r"'a\%'", UNUSUAL),
     (r"r'\'", "which governed SQL never does"), ("`a``b`", "A name holds the mark that quotes it."),
     ("reflect('java.lang.System', 'getenv', 'HOME')", "Anonymous"), ("java_method('a', 'b')", "Anonymous"),
     ("input_file_name()", "Anonymous"), ("current_catalog()", "never does"), ("current_user()", "never does"),
     ("raise_error('a')", "Anonymous"), ("ai_query('a', 'b')", "never does"), ("assert_true(FALSE)", "Anonymous"),
     ("from_json('{}', 'a int')", "never does"), ("PERCENTILE_APPROX(1, 0.5)", "never does")],
)  # fmt: skip
def test_what_spark_might_read_in_another_way_or_run_is_refused(text: str, why: str) -> None:
    with pytest.raises(UnprovenSqlError, match=why.replace(".", r"\.")):
        prove(" GROUP BY", f" WHERE `orders`.`status` <> {text} GROUP BY")


@pytest.mark.parametrize("source", ["text.`/etc/passwd`", "read_files('/etc/passwd')", "range(10)", "VALUES (1)"])
def test_nothing_but_the_table_is_read(source: str) -> None:
    with pytest.raises(UnprovenSqlError):
        prove("FROM `omni_store`.`orders`", f"FROM {source}")


def test_a_rule_on_texts_is_compared_without_a_collation() -> None:
    rule = "CAST(`status` AS STRING) IN (?)"
    prove(rule, rule)
    for other in ("`status` IN (?)", "LOWER(CAST(`status` AS STRING)) IN (?)", "CAST(`status` AS BINARY) IN (?)"):
        with pytest.raises(UnprovenSqlError):
            prove(rule, other)


@pytest.mark.parametrize(
    "text",
    ["reflect('java.lang.System', 'getenv', 'HOME')", "java_method('a', 'b')", "try_reflect('a', 'b')", "input_file_name()",
     "current_catalog()", "current_database()", "raise_error('a')", "ai_query('a', 'b')", "from_avro(a, 'b')", "secret('a', 'b')",
     "read_files('/etc/passwd')", "xpath(a, 'b')", "current_user()", "version()", "(SELECT 1)", "_metadata.file_path", "r'a'",
     r"'a\u0041'", r"'a\101'", "'a\\"],
)  # fmt: skip
def test_a_model_cannot_write_what_runs_code_reads_files_or_tells_of_the_server(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse_expression(text, view="orders", dialect="spark")


def test_medians_are_exact_and_weekdays_count_from_monday() -> None:
    asked = compiled({"dataset": "Sales", "fields": ["orders.ordered_at[day_of_week_name]", "orders.p90"]}).sql
    assert "PERCENTILE(" in asked
    assert "WEEKDAY(" in asked
