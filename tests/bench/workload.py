"""The common workload: twelve tiles as our queries, and the same questions as plain SQL written by hand rules."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REGION = "EUROPE"
LIGHT_FIELDS = {
    "nation": "sales_monthly.nation",
    "segment": "sales_monthly.segment",
    "shipmode": "sales_monthly.shipmode",
}
HEAVY_FIELDS = {
    "nation": "nation.n_name", "segment": "customer.c_mktsegment", "shipmode": "lineitem.l_shipmode",
    "customer": "customer.c_name",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BenchTile:
    """One tile: our query, and the plain SQL that gives the same rows in any order."""

    id: str
    is_light: bool
    query: dict[str, Any]
    sql: str

    def unseen(self, number: int) -> dict[str, Any]:
        """The same question with a filter value never used before that removes no row."""
        field = "sales_monthly.items_per_row" if self.is_light else "lineitem.l_quantity"
        filters = self.query.get("filters", {}) | {field: {"greater_than": -number - 1}}
        return self.query | {"filters": filters}


def tiles() -> list[BenchTile]:
    workload = json.loads((Path(__file__).parent / "workload.json").read_text())
    return [_tile(chart, workload["datasets"][chart["ds"]]) for chart in workload["charts"]]


def _tile(chart: dict[str, Any], dataset: dict[str, Any]) -> BenchTile:
    is_light = chart["ds"] == "light"
    names = LIGHT_FIELDS if is_light else HEAVY_FIELDS
    measures_view = "sales_monthly" if is_light else "lineitem"
    time = "sales_monthly.month" if is_light else "orders.o_orderdate"
    fields = [f"{time}[month]"] if "grain" in chart else []
    fields += [names[name] for name in chart["dims"]]
    fields += [f"{measures_view}.{name}" for name in chart["metrics"]]
    filters: dict[str, Any] = {}
    if "range" in chart:
        filters[time] = {"between_dates": chart["range"]}
    for name, values in chart.get("in", {}).items():
        filters[names[name]] = {"is": values}
    query: dict[str, Any] = {"dataset": "Light" if is_light else "Heavy", "fields": fields, "limit": chart["limit"]}
    if filters:
        query["filters"] = filters
    first_measure = f"{measures_view}.{chart['metrics'][0]}"
    if chart["dims"]:
        query["sorts"] = [{"field": first_measure, "desc": True}]
    return BenchTile(chart["id"], is_light, query, _plain_sql(chart, dataset))


def _plain_sql(chart: dict[str, Any], dataset: dict[str, Any]) -> str:
    time = dataset["time"]
    source = dataset.get("table") or f"({dataset['sql']}) as facts"
    groups = ([f"date_trunc('month', {time})::date"] if "grain" in chart else []) + chart["dims"]
    columns = groups + [dataset["metrics"][name] for name in chart["metrics"]]
    where = [f"region = '{REGION}'"]
    if "range" in chart:
        where.append(f"{time} >= '{chart['range'][0]}' and {time} < '{chart['range'][1]}'")
    for name, values in chart.get("in", {}).items():
        where.append(f"{name} in ({', '.join(repr(value) for value in values)})")
    sql = f"select {', '.join(columns)} from {source} where {' and '.join(where)}"
    if groups:
        sql += f" group by {', '.join(str(number + 1) for number in range(len(groups)))}"
    if chart["dims"]:
        sql += f" order by {len(groups) + 1} desc"
    return f"{sql} limit {chart['limit']}"
