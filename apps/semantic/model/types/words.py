"""The words of the format: types, aggregates, joins, masks, timeframes."""

import re
from typing import Literal

FieldType = Literal["string", "number", "boolean", "date", "timestamp", "interval", "array", "json", "unknown"]
Aggregate = Literal[
    "count", "count_distinct", "sum", "average", "min", "max", "median", "percentile", "list", "expression"
]
FALSEY = "falsey"
"""beside ``is``: false or no value, of what is boolean or may be"""
JoinType = Literal["always_left", "inner", "full", "right", "cross"]
RelationshipType = Literal["one_to_one", "many_to_one", "one_to_many", "many_to_many", "assumed_many_to_one"]
MaskKind = Literal["hash", "redact", "null", "keep_last", "truncate_date", "bucket"]
Classification = Literal["", "public", "internal", "confidential", "personal", "unclassified"]
LABELS: tuple[str, ...] = ("public", "internal", "confidential", "personal")
"""classifications that somebody has given"""
Scalar = str | int | float | bool | None

TEMPLATED = "omni_templated_filter"
ATTRIBUTE, FILTER = "omni_attributes.", "filters."
NO_FIELDS = (ATTRIBUTE, FILTER)
"""how names of placeholders begin that are no references to fields"""
OFFSET_TEXT = re.compile(r"(\d{1,4}) (day|week|month|quarter|year)s?( ago)?", re.ASCII)
"""by how much ``date_offset_from_query`` moves a filter"""
TIMEFRAMES: tuple[str, ...] = (
    "raw",
    "millisecond",
    "second",
    "minute",
    "date",
    "week",
    "month",
    "quarter",
    "year",
    "hour",
    "hour_of_day",
    "day_of_week_num",
    "day_of_week_name",
    "month_num",
    "month_name",
    "quarter_of_year",
    "day_of_month",
    "day_of_quarter",
    "day_of_year",
    "fiscal_quarter",
    "fiscal_year",
)
INTERVALS: tuple[str, ...] = ("seconds", "minutes", "hours", "days", "weeks", "months", "quarters", "years")
"""What a duration can be counted in: its timeframes."""
