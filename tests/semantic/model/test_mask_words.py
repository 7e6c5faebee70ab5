"""Masks as they are written: each word with its argument, and nothing that only looks like one."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import Mask

VIEW = "dimensions:\n  email: {mask_unless_access_grants: [g], mask: %s, sql: %s}\n"
FILES = {"model": "access_grants: {g: {user_attribute: a, allowed_values: [x]}}", "A.topic": "base_view: a"}


def read(mask: str, sql: str = "email") -> Mask:
    found = read_model(FILES | {"s/a.view": VIEW % (mask, sql)}, dialect="duckdb").dimension("a.email")
    assert found is not None
    return found.mask


@pytest.mark.parametrize(
    ("written", "sql", "meant"),
    [
        ("hash", "email", Mask("hash")), ("redact", "email", Mask("redact")), ("'null'", "email", Mask("null")),
        ("null", "email", Mask("null")), ("{keep_last: 4}", "email", Mask("keep_last", 4)),
        ("{truncate_date: month}", "CAST(d AS DATE)", Mask("truncate_date", "month")),
        ("{bucket: 10}", "CAST(n AS INT)", Mask("bucket", 10)), ("{bucket: 0.5}", "CAST(n AS DOUBLE)", Mask("bucket", 0.5)),
    ],
)  # fmt: skip
def test_a_mask_is_what_it_says(written: str, sql: str, meant: Mask) -> None:
    assert read(written, sql) == meant


@pytest.mark.parametrize(
    "written",
    [
        "hide", "''", "[]", "{}", "[hash]", "true", "4", "{keep_last: 4, bucket: 10}", "{keep_first: 4}", "{hash: 4}", "{keep_last: '4'}",
        "{keep_last: true}", "{keep_last: 0}", "{keep_last: -1}", "{keep_last: 1.5}", "{keep_last: 10000000000}", "{keep_last: null}",
        "{truncate_date: day}", "{truncate_date: 1}", "{bucket: 0}", "{bucket: false}", "{bucket: ten}", "{bucket: [10]}",
    ],
)  # fmt: skip
def test_anything_else_is_a_fault(written: str) -> None:
    with pytest.raises(ModelError, match="a mask is hash, redact, null"):
        read(written)
