"""Rules that no attribute of a type can meet, and the same with one that can."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model
from apps.semantic.model.security import check_attributes
from apps.semantic.model.types import SemanticModel

FILES = {"A.topic": "base_view: a\n", "model": "access_grants: {mail: {user_attribute: own, allowed_values: [x]}}\n"}
VIEW = "schema: s\ndimensions:\n  f: {sql: %s}\n  mail: {mask_unless_access_grants: [mail], mask: %s}\n"
ROWS = "access_filters: [{field: %s, user_attribute: level, values_for_unfiltered: [%s]}]\n"


def model(
    sql: str = "f", value: str = "x", field: str = "f", mask: str = "hash", dialect: str = "duckdb"
) -> SemanticModel:
    return read_model(FILES | {"s/a.view": VIEW % (sql, mask) + ROWS % (field, value)}, dialect=dialect)


def faults(found: SemanticModel, **known: str) -> list[str]:
    return [item.message for item in check_attributes(found, {"own": "string"} | known)]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("number", "'-12.5'", "'12,5'"), ("boolean", "'true'", "'yes'"), ("date", "'2026-01-31'", "'31.01.2026'"),
        ("string", "'-'", ""),
    ],
)  # fmt: skip
def test_a_value_is_written_as_its_attributes_type_writes_it(kind: str, good: str, bad: str) -> None:
    assert faults(model(value=good), level=kind) == []
    if bad:
        assert faults(model(value=bad), level=kind) == [f"“level” is a {kind}, so it is never “{bad[1:-1]}”"]


def test_an_attribute_that_there_is_not_is_told_of_once() -> None:
    (found,) = faults(model("CAST(f AS INT)"))
    assert "there is no user attribute “level”" in found


@pytest.mark.parametrize(
    ("sql", "kind", "dialect", "is_fault"),
    [
        ("f", "boolean", "mysql", True), ("f", "boolean", "duckdb", False), ("f", "string", "mysql", False),
        ("CAST(f AS BOOLEAN)", "boolean", "mysql", False),
    ],
)  # fmt: skip
def test_mysql_compares_yes_and_no_with_a_field_of_that_type_alone(
    sql: str, kind: str, dialect: str, is_fault: bool
) -> None:
    says = ["“a.f” has no type, so it is not compared with yes and no: give it one"]
    assert faults(model(sql, "true", dialect=dialect), level=kind) == (says if is_fault else [])


@pytest.mark.parametrize(("mask", "is_told"), [("hash", False), ("redact", True), ("'null'", True)])
def test_rows_chosen_by_the_value_beneath_a_mask_are_warned_about(mask: str, is_told: bool) -> None:
    says = "“a.mail” is masked; its rows are chosen by the value beneath"
    assert [says in str(item) for item in model(field="mail", mask=mask).warnings] == [True] * is_told
    assert model(field="f", mask=mask).warnings == ()


@pytest.mark.parametrize(
    "field",
    [
        "x: {sql: '${f}', level_of_detail: {aggregate_type: sum, fixed: [a.mail]}}",
        "x: {duration: {sql_start: '${f}', sql_end: '${f}'}}",
    ],
)
def test_rows_are_not_chosen_by_what_is_no_column_of_a_row(field: str) -> None:
    view = VIEW % ("f", "hash") + f"  {field}\n"
    files = {"s/a.view": view + ROWS % ("x", "1")}
    with pytest.raises(ModelError, match=r"rows cannot be chosen by “a\.x”"):
        read_model(FILES | files, dialect="duckdb")
    assert read_model(FILES | {"s/a.view": view + ROWS % ("f", "1")}, dialect="duckdb").dimension("a.x")
