"""Whether rows are others where a mask stands in for values: by its kind, and by what the question does with them."""

from typing import get_args

import pytest

from apps.semantic.model.deciding import How, decides
from apps.semantic.model.reading import read_model

FILES = {"model": "access_grants: {g: {user_attribute: a, allowed_values: [x]}}", "A.topic": "base_view: a"}
VIEW = "dimensions:\n  f: {mask_unless_access_grants: [g], mask: %s, sql: %s}\n"


@pytest.mark.parametrize(
    ("mask", "sql", "dialect", "meant"),
    [
        ("hash", "f", "duckdb", {"compared"}),
        (
            "hash",
            "f",
            "mysql",
            {"compared", "grouped"},
        ),  # texts in other letters are one there, and their hashes are not
        ("hash", "CAST(f AS SIGNED)", "mysql", {"compared"}),
        ("redact", "f", "duckdb", {"compared", "grouped"}),
        ("redact", "f", "mysql", {"compared", "grouped"}),
        ("'null'", "f", "duckdb", {"compared", "grouped", "given"}),
        ("'null'", "f", "mysql", {"compared", "grouped", "given"}),
        ("{keep_last: 4}", "f", "mysql", {"compared", "grouped"}),
    ],
)
def test_a_mask_decides_by_what_it_leaves_of_values(mask: str, sql: str, dialect: str, meant: set[How]) -> None:
    found = read_model(FILES | {"s/a.view": VIEW % (mask, sql)}, dialect=dialect).dimension("a.f")
    assert found is not None
    assert {how for how in get_args(How) if decides(found, how, dialect=dialect)} == meant
