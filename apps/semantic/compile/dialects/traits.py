"""What differs between databases beyond the spelling that sqlglot knows."""

from dataclasses import dataclass
from typing import Literal

from apps.semantic.errors import UnprovenSqlError


@dataclass(frozen=True, slots=True)
class Traits:
    """One database.

    Attributes:
        dialect: sqlglot's name.
        placeholder: what its driver takes for a value.
        folding: what becomes of an unquoted name.
        has_filter_clause: aggregates may carry FILTER (WHERE …).
        escapes_percent: the driver reads ``%%`` as a percent sign.
        has_full_join: FULL OUTER JOIN exists.
        has_percentile: an aggregate for percentiles exists.
        sorts_chosen_groups: ORDER BY takes an aggregate also beside HAVING.
        groups_by_position: GROUP BY takes the position of a column.
        orders_nulls: ORDER BY takes NULLS LAST; elsewhere columns are ordered by name, with their emptiness first.
    """

    dialect: str
    placeholder: str
    folding: Literal["lower", "upper", "none"] = "none"
    has_filter_clause: bool = False
    escapes_percent: bool = False
    has_full_join: bool = True
    has_percentile: bool = True
    orders_nulls: bool = True
    groups_by_position: bool = True
    sorts_chosen_groups: bool = True


TRAITS: dict[str, Traits] = {
    item.dialect: item
    for item in (
        Traits("postgres", "%s", "lower", has_filter_clause=True, escapes_percent=True),
        Traits("duckdb", "?", has_filter_clause=True),
        Traits("mysql", "%s", escapes_percent=True, has_full_join=False, has_percentile=False, orders_nulls=False),
        Traits("redshift", "%s", "lower", escapes_percent=True),
        Traits("snowflake", "?", "upper"),
        Traits("bigquery", "?"),
        Traits("databricks", "?", has_filter_clause=True, sorts_chosen_groups=False),
        Traits("spark", "?", has_filter_clause=True, sorts_chosen_groups=False),
        Traits("trino", "?", "lower", has_filter_clause=True),
        Traits("clickhouse", "?"),
        Traits("tsql", "?", has_percentile=False, orders_nulls=False, groups_by_position=False),
    )
}


def traits_of(dialect: str) -> Traits:
    """Return the traits of a database.

    Raises:
        UnprovenSqlError: it is not among those whose SQL is written and proven here.
    """
    found = TRAITS.get(dialect)
    if found is None:
        raise UnprovenSqlError(f"There is no dialect “{dialect}”.")
    return found
