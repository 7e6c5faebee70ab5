"""How each source writes what the contract suite asks. A source that lacks a kind of value says None."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Dialect:
    """``values`` are expressions by the name of their case in ``test_types.py``."""

    placeholder: str
    numbers: str
    """rows ``i`` from 1 to ``{n}``, after FROM"""
    wide: str
    """an expression of 1,000 letters"""
    endless: str
    """a statement that never ends"""
    values: dict[str, str | None] = field(default_factory=dict)


COMMON = {
    "integer": "7", "boolean": "true", "text": "'grün 🜂'", "date": "CAST('2026-02-28' AS date)",
    "negative decimal": "CAST(-12.50 AS decimal(15, 2))", "decimal": "CAST(12.50 AS decimal(15, 2))",
    "wide decimal": "CAST('12345678901234567890123456789012345.678' AS decimal(38, 3))",
    "no decimal": "CAST(NULL AS decimal(15, 2))", "no date": "CAST(NULL AS date)",
}  # fmt: skip
POSTGRES = COMMON | {
    "big integer": "9223372036854775807::int8", "float": "1.5::float8", "not a number": "'NaN'::float8",
    "infinity": "'-Infinity'::float8", "timestamp": "timestamp '2026-02-28 23:59:01.5'",
    "moment": "timestamptz '2026-02-28 23:59:00+02'", "time": "time '12:30:00.25'",
    "interval": "interval '1 year 2 months 3 days 04:05:06.5'", "negative interval": "interval '-1 month -90 minutes'",
    "array": "array['a', NULL]", "json": """'{"a": [1, 0.12345678901234567890]}'::json""",
    "uuid": "'6F9619FF-8B86-D011-B42D-00CF4FC964FF'::uuid", "bytes": r"'\xff00'::bytea",
    "huge integer": "170141183460469231731687303715884105727000::numeric", "no text": "CAST(NULL AS text)",
    "no number": "CAST(NULL AS int8)", "no moment": "CAST(NULL AS timestamptz)",
}  # fmt: skip
DUCKDB = COMMON | {
    "big integer": "9223372036854775807::int8", "float": "1.5::float8", "not a number": "'NaN'::float8",
    "infinity": "'-Infinity'::float8", "timestamp": "timestamp '2026-02-28 23:59:01.5'",
    "moment": "timestamptz '2026-02-28 23:59:00+02'", "time": "time '12:30:00.25'",
    "interval": "interval '1 year 2 months 3 days 4 hours 5 minutes 6.5 seconds'",
    "negative interval": "interval '-1 months' - interval '90 minutes'",
    "array": "['a', NULL]", "json": """'{"a": [1, 0.12345678901234567890]}'::json""",
    "uuid": "'6F9619FF-8B86-D011-B42D-00CF4FC964FF'::uuid", "bytes": r"'\xFF\x00'::blob",
    "huge integer": "340282366920938463463374607431768211455::uhugeint", "no text": "CAST(NULL AS varchar)",
    "no number": "CAST(NULL AS int8)", "no moment": "CAST(NULL AS timestamptz)",
}  # fmt: skip
MARIADB = COMMON | {
    "big integer": "CAST(9223372036854775807 AS signed)", "boolean": None, "float": "CAST(1.5 AS double)",
    "not a number": None, "infinity": None, "timestamp": "CAST('2026-02-28 23:59:01.5' AS datetime(6))", "moment": None,
    "time": "CAST('12:30:00.25' AS time(6))", "interval": None, "negative interval": None,
    "array": "JSON_ARRAY('a', NULL)", "json": """CAST('{"a": [1, 0.12345678901234567890]}' AS char)""",
    "uuid": "CAST('6F9619FF-8B86-D011-B42D-00CF4FC964FF' AS uuid)", "bytes": "X'ff00'",
    "huge integer": "CAST(18446744073709551615 AS unsigned)", "no text": "CAST(NULL AS char)",
    "no number": "CAST(NULL AS signed)", "no moment": None,
}  # fmt: skip
SPARK = COMMON | {
    "text": "'grün 🜂'", "big integer": "9223372036854775807L", "float": "1.5D", "not a number": "CAST('NaN' AS double)",
    "infinity": "CAST('-Infinity' AS double)", "timestamp": "timestamp_ntz '2026-02-28 23:59:01.5'",
    "moment": "timestamp '2026-02-28 23:59:00+02:00'", "time": None, "interval": "make_interval(1, 2, 0, 3, 4, 5, 6.5)",
    "negative interval": "make_interval(0, -1, 0, 0, 0, -90)", "array": "array('a', NULL)",
    "json": """'{"a": [1, 0.12345678901234567890]}'""", "uuid": "lower('6F9619FF-8B86-D011-B42D-00CF4FC964FF')",
    "bytes": "X'ff00'", "huge integer": "12345678901234567890123456789012345678",
    "no text": "CAST(NULL AS string)", "no number": "CAST(NULL AS bigint)", "no moment": "CAST(NULL AS timestamp)",
}  # fmt: skip

DIALECTS = {
    "postgres": Dialect(
        "%s", "generate_series(1, {n}) t(i)", "repeat('x', 1000)",
        "SELECT count(*) FROM generate_series(1, 30000000) a(i), generate_series(1, 30000000) b(j) WHERE i + j < 0",
        POSTGRES,
    ),
    "duckdb": Dialect(
        "?", "range(1, {n} + 1) t(i)", "repeat('x', 1000)",
        "SELECT count(*) FROM range(30000000) a(i), range(30000000) b(j) WHERE i + j < 0", DUCKDB,
    ),
    "mysql": Dialect(
        "%s", "(SELECT seq AS i FROM seq_1_to_{n}) t", "repeat('x', 1000)",
        "SELECT count(*) FROM seq_1_to_30000000 a, seq_1_to_30000000 b WHERE a.seq + b.seq < 0", MARIADB,
    ),
    "spark": Dialect(
        "?", "range(1, {n} + 1) t(i)", "repeat('x', 1000)",
        "SELECT count(*) FROM range(30000000) a(i) JOIN range(30000000) b(j) ON i + j < 0", SPARK,
    ),
}  # fmt: skip


def of(source: object) -> Dialect:
    """Return the dialect of an adapter: the name of its file."""
    return DIALECTS[type(source).__module__.rpartition(".")[2]]
