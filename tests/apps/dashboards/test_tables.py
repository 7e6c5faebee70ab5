"""Tables on pages: totals, values of pivots as columns, links and colours that the model gives to fields."""

import json
import re
from copy import deepcopy
from datetime import datetime
from typing import Any

import pytest

from apps.accounts.models import User
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.dashboards.models import Dashboard
from apps.dashboards.services import import_dashboard
from apps.datamodels.models import Dataset
from apps.datamodels.services import import_files
from tests.apps.dashboards.conftest import FILES, Browse, define_attributes
from tests.apps.dashboards.test_pages import text, tile_urls

LINKS = """{links: [
    {url: "https://shop.example/find?c=${country}&s=${orders.status}", label: Shop},
    {url: "https://${status}.example/", label: Elsewhere}, {url: "javascript:alert(1)", label: Script},
    {url: "https://a@shop.example/", label: Disguised}, {url: "https://cost.example/${cost}", label: Cost}, 7]}"""
COLOURS = (
    """{colors: {conditions: [{condition: {is: paid}, color: "#0a7d3f"}, {condition: {is: open}, color: "red;x"}]}}"""
)
TILES: dict[str, dict[str, Any]] = {
    "Totals": {"fields": ["orders.status", "orders.country", "orders.revenue"], "totals": True},
    "Across": {
        "fields": ["orders.country", "orders.status", "orders.revenue"],
        "pivots": ["orders.status"],
        "sorts": [{"field": "orders.country"}],
    },
    "Both": {
        "fields": ["orders.country", "orders.created_at[year]", "orders.count", "orders.revenue"],
        "pivots": ["orders.created_at[year]"],
    },
}


@pytest.fixture
def page(source: Connection, now: datetime) -> Dashboard:
    view = (
        FILES["orders.view.yaml"]
        .replace("country: {}", f"country: {LINKS}")
        .replace("status: {}", f"status: {COLOURS}")
    )
    view = view.replace("format: usdcurrency_0}", 'format: usdcurrency_0, colors: {series: "rgb(1, 2, 3)"}}')
    files = FILES | {"orders.view.yaml": view}
    define_attributes()
    import_files(connection=source, name="shop", files=files, publish=True, by=SYSTEM, now=now)
    tables = [{"title": title, "dataset": "Sales", "chart": "table", "query": query} for title, query in TILES.items()]
    bars = [
        {"title": field, "dataset": "Sales", "chart": "bar", "query": {"fields": [field, "orders.revenue"]}}
        for field in ("orders.status", "orders.country")
    ]
    return import_dashboard(
        deepcopy({"slug": "sales", "title": "Sales", "tiles": [*tables, *bars]}), by=SYSTEM, now=now
    )


@pytest.fixture
def tile(page: Dashboard, ada: User, give, browse: Browse):
    """Return the content of a tile as somebody who sees all rows and no cost."""
    give(ada, ("view_dashboard", page), ("query_dataset", Dataset.objects.get()), country=["ALL"])
    client = browse(ada)
    return lambda title: client.get(tile_urls(client, page)[title])


def test_a_table_ends_with_totals_over_what_the_reader_sees(tile) -> None:
    foot = tile("Totals").content.decode().partition("<tfoot>")[2]
    assert re.findall(r"<t[hd][^>]*>([^<]*)", foot) == ["Total", "", "$680"]


def test_values_of_a_pivot_are_columns(tile) -> None:
    answer = tile("Across")
    assert re.findall(r'<th scope="col"[^>]*>([^<]*)', answer.content.decode())[0] == "Country"
    assert "&lt;/script&gt;&lt;b&gt;" in answer.content.decode()
    assert "NO – $50 $100 SE $500 – $30" in text(answer)
    assert "<tfoot>" not in answer.content.decode()


def test_with_two_measures_each_column_says_which(tile) -> None:
    assert "2026: Orders" in text(tile("Both"))
    assert "2026: Revenue" in text(tile("Both"))


def test_links_lead_to_the_models_place_with_the_rows_values_encoded(tile) -> None:
    content = tile("Totals").content.decode()
    found = re.findall(r'href="([^"]*)"', content.partition("<table>")[2].partition("</table>")[0])
    assert "https://shop.example/find?c=NO&amp;s=paid" in found
    assert "https://shop.example/find?c=SE&amp;s=%3C%2Fscript%3E%3Cb%3E" in found
    assert all(address.startswith("https://shop.example/find?") for address in found)
    assert content.count('rel="noopener noreferrer"') == len(found) == 4


def test_a_chart_uses_the_models_colours_and_nothing_that_is_no_colour(tile) -> None:
    def encoding(title: str) -> dict[str, Any]:
        spec = re.search(
            r'<script id="spec-[^"]*" type="application/json">(.*?)</script>', tile(title).content.decode()
        )
        return json.loads(spec[1])["encoding"]["color"]  # type: ignore[index]  # the fixture's type says less than it returns

    by_value = encoding("orders.status")["scale"]
    colours = dict(zip(by_value["domain"], by_value["range"], strict=True))
    assert colours["paid"] == "#0a7d3f"
    assert len(set(colours.values())) == 2
    assert "red" not in str(colours)
    assert encoding("orders.country") == {"value": "rgb(1, 2, 3)"}


def test_the_api_lists_links_only_whose_fields_the_caller_may_use(
    page: Dashboard, ann: User, give, browse: Browse
) -> None:
    give(ann, ("query_dataset", Dataset.objects.get()), country=["NO"])
    fields = {item["name"]: item for item in browse(ann).get("/api/v1/datasets/Sales").json()["fields"]}
    assert [link["label"] for link in fields["orders.country"]["links"]] == ["Shop"]
    assert fields["orders.revenue"]["colors"] == {"series": "rgb(1, 2, 3)"}
    assert fields["orders.status"]["colors"] == {"values": {"paid": "#0a7d3f"}}
    assert "cost" not in str(fields).casefold()
    give(ann, department=["finance"])
    fields = {item["name"]: item for item in browse(ann).get("/api/v1/datasets/Sales").json()["fields"]}
    assert [link["label"] for link in fields["orders.country"]["links"]] == ["Shop", "Cost"]
