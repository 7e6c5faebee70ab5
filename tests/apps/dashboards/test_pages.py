"""The pages in a browser without eyes: who finds what, and what a tile says."""

import json
import re
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.audit.types import SYSTEM
from apps.dashboards.models import Dashboard, Folder
from apps.dashboards.services import import_dashboard
from apps.datamodels.models import Dataset
from apps.datamodels.services import import_files
from apps.queries.models import CachedResult
from tests.apps.dashboards.conftest import DEFINITION, FILES, Browse

PAGE = "/dashboards/sales/"


def text(page: object) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode())))  # type: ignore[attr-defined]  # the fixture's type says less than it returns


def tile_urls(client: Client, dashboard: Dashboard) -> dict[str, str]:
    return {tile.title: reverse("dashboards:tile", args=(dashboard.slug, tile.pk)) for tile in dashboard.tiles.all()}


@pytest.fixture
def reader(ann: User, dashboard: Dashboard, sales: Dataset, give) -> User:
    """Ann may open the page and query the data, for Norway only."""
    give(ann, ("view_dashboard", dashboard), ("query_dataset", sales), country=["NO"])
    return ann


def test_the_start_page_lists_what_the_reader_may_open(reader: User, bob: User, browse: Browse) -> None:
    assert PAGE in browse(reader).get("/").content.decode()
    nothing = browse(bob).get("/")
    assert PAGE not in nothing.content.decode()
    assert "No dashboard is shared with you yet" in text(nothing)


def test_an_administrator_is_told_how_a_first_dashboard_comes_about(ada: User, browse: Browse) -> None:
    page = browse(ada).get("/")
    assert "Connect a database" in text(page)
    assert 'href="/admin/"' in page.content.decode()


def test_forbidden_and_missing_are_the_same_answer(
    reader: User, bob: User, dashboard: Dashboard, browse: Browse
) -> None:
    forbidden, missing = browse(bob).get(PAGE), browse(bob).get("/dashboards/nowhere/")
    assert forbidden.status_code == missing.status_code == 404
    token = re.compile(rb'X-CSRFToken": "\w+"|value="\w{64}"')
    assert token.sub(b"", forbidden.content) == token.sub(b"", missing.content)
    assert browse(reader).get(PAGE).status_code == 200


def test_every_address_of_a_dashboard_is_closed_to_who_may_not_open_it(
    reader: User, bob: User, dashboard: Dashboard, browse: Browse
) -> None:
    for url in [*tile_urls(browse(reader), dashboard).values(), f"{PAGE}filters/status/options/"]:
        assert browse(reader).get(url).status_code == 200, url
        assert browse(bob).get(url).status_code == 404, url
    line = next(tile for tile in dashboard.tiles.all() if tile.chart == "line")
    svg = reverse("dashboards:tile_svg", args=("sales", line.pk))
    assert browse(reader).get(svg).status_code == 200
    assert browse(bob).get(svg).status_code == 404


def test_nobody_opens_a_page_without_signing_in(acme, dashboard: Dashboard) -> None:
    answer = Client(headers={"host": acme.host}).get(PAGE)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/")


def test_a_folder_above_opens_what_is_below(ann: User, bob: User, dashboard: Dashboard, give, browse: Browse) -> None:
    above = Folder.objects.create(name="Commercial")
    below = Folder.objects.create(name="Weekly", parent=above)
    beside = Folder.objects.create(name="Other")
    Dashboard.objects.filter(pk=dashboard.pk).update(folder=below)
    give(ann, ("view_folder", above))
    give(bob, ("view_folder", beside))
    assert browse(ann).get(PAGE).status_code == 200
    assert browse(bob).get(PAGE).status_code == 404


def test_an_archived_dashboard_is_gone(reader: User, dashboard: Dashboard, browse: Browse, now: datetime) -> None:
    Dashboard.objects.filter(pk=dashboard.pk).update(archived_at=now)
    assert browse(reader).get(PAGE).status_code == 404


def test_the_page_shows_the_readers_own_rows(reader: User, dashboard: Dashboard, browse: Browse) -> None:
    page = browse(reader).get(PAGE).content.decode()
    assert 'class="kpi-value" data-value="2"' in page
    assert "$150" not in page.split("Rows")[0]
    assert "&lt;/script&gt;&lt;b&gt;" not in page  # a Swedish order
    assert "Updated" in page


def test_two_readers_of_one_page_see_different_numbers(
    reader: User, bob: User, dashboard: Dashboard, sales: Dataset, give, browse: Browse
) -> None:
    give(bob, ("view_dashboard", dashboard), ("query_dataset", sales), country=["ALL"])
    assert 'data-value="2"' in browse(reader).get(PAGE).content.decode()
    everything = browse(bob).get(PAGE).content.decode()
    assert 'data-value="4"' in everything
    assert "&lt;/script&gt;&lt;b&gt;" in everything
    assert "</script><b>" not in everything


def test_titles_are_text(reader: User, dashboard: Dashboard, browse: Browse) -> None:
    page = browse(reader).get(PAGE).content.decode()
    assert "Sales &lt;overview&gt;" in page
    assert "<overview>" not in page


def test_filters_in_the_address_narrow_the_tiles(reader: User, dashboard: Dashboard, browse: Browse) -> None:
    client = browse(reader)
    assert 'data-value="1"' in client.get(PAGE, {"f--status": "paid"}).content.decode()
    assert 'data-value="2"' in client.get(PAGE, {"f--status": ["paid", "open"]}).content.decode()
    assert 'data-value="1"' in client.get(PAGE, {"f--dates": "2026-02-01..2026-02-10"}).content.decode()
    assert 'data-value="0"' in client.get(PAGE, {"f--status": "nobody's"}).content.decode()


def test_a_filter_value_is_escaped_wherever_it_lands(reader: User, dashboard: Dashboard, browse: Browse) -> None:
    evil = "\"><script>alert(1)</script>' onx='"
    page = browse(reader).get(PAGE, {"f--status": evil}).content.decode()
    assert "<script>alert" not in page
    assert "&quot;&gt;&lt;script&gt;" in page
    assert "f--status=%22%3E%3Cscript" in page


def test_a_filter_that_is_not_understood_never_shows_unfiltered_numbers(
    reader: User, dashboard: Dashboard, browse: Browse
) -> None:
    page = browse(reader).get(PAGE, {"f--dates": "yesterday"})
    assert "kpi-value" not in page.content.decode()
    assert "Write dates as" in text(page)


def test_a_form_without_scripts_ends_at_the_canonical_address(
    reader: User, dashboard: Dashboard, browse: Browse
) -> None:
    answer = browse(reader).get(PAGE, {"f--status": "paid", "f--dates--from": "2026-01-01", "f--dates--until": ""})
    assert answer.status_code == 302
    assert answer["Location"] == f"{PAGE}?f--status=paid&f--dates=2026-01-01.."


def test_a_tile_on_a_forbidden_field_explains_itself_and_names_nothing(
    reader: User, bob: User, dashboard: Dashboard, sales: Dataset, give, browse: Browse
) -> None:
    url = tile_urls(browse(reader), dashboard)["Cost"]
    hidden = browse(reader).get(url)
    assert "not available to you" in text(hidden)
    assert "total_cost" not in hidden.content.decode()
    assert "finance" not in hidden.content.decode()
    give(bob, ("view_dashboard", dashboard), ("query_dataset", sales), country=["ALL"], department=["finance"])
    assert 'data-value="180"' in browse(bob).get(url).content.decode()


def test_a_page_without_the_data_set_shows_no_numbers(ann: User, dashboard: Dashboard, give, browse: Browse) -> None:
    give(ann, ("view_dashboard", dashboard), country=["ALL"])
    page = browse(ann).get(PAGE)
    assert "kpi-value" not in page.content.decode()
    assert text(page).count("not available to you") == len(DEFINITION["tiles"])
    assert "f--status" not in page.content.decode()


def test_a_reader_without_the_attribute_is_told_once(
    ann: User, dashboard: Dashboard, sales: Dataset, give, browse: Browse
) -> None:
    give(ann, ("view_dashboard", dashboard), ("query_dataset", sales))
    page = browse(ann).get(PAGE)
    assert text(page).count("Your account has no value for") == 1
    assert "kpi-value" not in page.content.decode()


def test_a_chart_carries_its_specification_and_its_data_as_a_table(
    reader: User, dashboard: Dashboard, browse: Browse
) -> None:
    html = browse(reader).get(tile_urls(browse(reader), dashboard)["Revenue per month"]).content.decode()
    found = re.search(r'<script id="spec-[^"]+" type="application/json">(.+?)</script>', html)
    assert found
    assert [row["t1"] for row in json.loads(found[1])["data"]["values"]] == ["$100", "$50"]
    assert 'aria-label="Line chart: Revenue per month.' in html
    assert "<details" in html


def test_the_values_of_a_filter_are_those_the_reader_may_see(
    reader: User, bob: User, dashboard: Dashboard, sales: Dataset, give, browse: Browse
) -> None:
    url = f"{PAGE}filters/status/options/"
    mine = browse(reader).get(url, {"f--status": "paid"}).content.decode()
    assert re.findall(r'value="([^"]*)"( checked)?', mine) == [("open", ""), ("paid", " checked")]
    give(bob, ("view_dashboard", dashboard), ("query_dataset", sales), country=["ALL"])
    assert "&lt;/script&gt;&lt;b&gt;" in browse(bob).get(url).content.decode()


def published(sales: Dataset, now: datetime, **fields: str) -> None:
    """Publish the shop's model with other decorations of the status."""
    view = FILES["orders.view.yaml"].replace("  status: {}", f"  status: {{{fields['status']}}}")
    view = view.replace("  amount: {hidden: true}", "  amount: {hidden: true, reads_in_clear: true}")
    view = view.replace("  country: {}", f"  country: {{{fields.get('country', '')}}}")
    files = FILES | {"orders.view.yaml": view}
    import_files(connection=sales.data_model.connection, name="shop", files=files, publish=True, by=SYSTEM, now=now)


def test_values_that_the_model_suggests_come_in_its_words_and_only_where_the_reader_has_them(
    reader: User, dashboard: Dashboard, sales: Dataset, browse: Browse, now: datetime
) -> None:
    words = "suggestion_list: [{value: paid, label: Paid up}, {value: lost, label: Lost}, {value: open}]"
    published(sales, now, status=words)
    page = browse(reader).get(f"{PAGE}filters/status/options/", {"static": "1"}).content.decode()
    assert re.findall(r'value="([^"]*)"><span>([^<]*)', page) == [("paid", "Paid up"), ("open", "open")]
    listed = browse(reader).get("/api/v1/datasets/Sales").json()
    assert "lost" not in str(listed).lower()  # no row of theirs has it
    published(sales, now, status="sql: '1 + 1', suggestion_list: [{value: 2.0, label: Two}, {value: 3}]")
    page = browse(reader).get(f"{PAGE}filters/status/options/", {"static": "1"}).content.decode()
    assert re.findall(r'value="([^"]*)"><span>([^<]*)', page) == [("2", "Two")]


def test_values_are_suggested_from_another_field_that_the_reader_may_use(
    reader: User, dashboard: Dashboard, sales: Dataset, browse: Browse, now: datetime
) -> None:
    url = f"{PAGE}filters/status/options/"
    published(sales, now, status="suggest_from_field: country")
    assert re.findall(r'value="([^"]*)"><span', browse(reader).get(url).content.decode()) == ["NO"]
    published(sales, now, status="suggest_from_field: country", country="required_access_grants: [finance]")
    assert re.findall(r'value="([^"]*)"><span', browse(reader).get(url).content.decode()) == ["open", "paid"]


@pytest.mark.parametrize(
    ("status", "offered"),
    [
        ("sql: CAST(amount AS INT)", ["50", "100"]),
        ("sql: CAST(amount AS INT) / 8.0", ["6.25", "12.5"]),
        ("sql: CAST(amount AS INT) > 60", ["False", "True"]),
        ("sql: CAST(amount AS INT), mask: hash, mask_unless_access_grants: [finance]", None),
    ],
)
def test_values_are_chosen_by_the_type_of_the_field(
    reader: User,
    dashboard: Dashboard,
    sales: Dataset,
    browse: Browse,
    now: datetime,
    status: str,
    offered: list[str] | None,
) -> None:
    published(sales, now, status=status)
    client = browse(reader)
    page = client.get(f"{PAGE}filters/status/options/", {"static": "1"}).content.decode()
    values = re.findall(r'value="([^"]*)"><span', page)
    assert values == offered or (offered is None and all(re.fullmatch("[0-9a-f]{16}", value) for value in values))
    for value in values:
        chosen = client.get(PAGE, {"f--status": value, "static": "1"})
        assert 'data-value="1"' in chosen.content.decode()
        assert "no longer fits" not in text(chosen)
    assert 'data-value="2"' in client.get(PAGE, {"f--status": values, "static": "1"}).content.decode()


def test_a_part_of_a_date_is_chosen_by_its_number(
    reader: User, sales: Dataset, give, browse: Browse, now: datetime
) -> None:
    field = {"key": "hour", "label": "Hour", "field": "orders.created_at[hour_of_day]", "dataset": "Sales"}
    hours = import_dashboard(DEFINITION | {"slug": "hours", "filters": [field]}, by=SYSTEM, now=now)
    give(reader, ("view_dashboard", hours))
    for hour, count in (("23", 1), ("8", 1), ("9", 0)):
        page = browse(reader).get("/dashboards/hours/", {"f--hour": hour, "static": "1"}).content.decode()
        assert f'data-value="{count}"' in page


def test_a_text_that_is_no_number_shows_no_numbers(
    reader: User, dashboard: Dashboard, sales: Dataset, browse: Browse, now: datetime
) -> None:
    published(sales, now, status="sql: CAST(amount AS INT)")
    for value in ("paid", "NaN", "1e999999", "١x"):
        page = browse(reader).get(PAGE, {"f--status": value, "static": "1"})
        assert page.status_code == 200
        assert "kpi-value" not in page.content.decode()


def test_a_range_has_no_values_to_choose_from(reader: User, dashboard: Dashboard, browse: Browse) -> None:
    assert browse(reader).get(f"{PAGE}filters/dates/options/").status_code == 404


def test_a_tile_on_a_cold_cache_works_can_be_cancelled_and_stays_so(
    reader: User, bob: User, dashboard: Dashboard, browse: Browse, nobody_works: None
) -> None:
    client = browse(reader)
    page = client.get(PAGE).content.decode()
    assert "Working…" in page
    assert "kpi-value" not in page
    poll = re.search(r'hx-get="(/dashboards/sales/tiles/[^"]+run=([0-9a-f-]+))"', page)
    assert poll
    url = unescape(poll[1])
    assert client.get(url).status_code == 204
    told = client.get(f"/runs/{poll[2]}/progress/")
    assert "Waiting, place" in told.content.decode()
    assert "HX-Trigger" not in told.headers
    assert browse(bob).get(f"/runs/{poll[2]}/progress/").status_code == 404
    browse(bob).post(f"/runs/{poll[2]}/cancel/")
    assert client.get(url).status_code == 204
    assert client.post(f"/runs/{poll[2]}/cancel/").status_code == 204
    told = client.get(f"/runs/{poll[2]}/progress/")
    assert (told.status_code, told["HX-Trigger"]) == (204, "run-ended")
    cancelled = client.get(url)
    assert "cancelled" in text(cancelled)
    assert "Run again" in text(cancelled)


def test_a_forged_cancel_is_refused(reader: User, acme, browse: Browse) -> None:
    client = Client(enforce_csrf_checks=True, headers={"host": acme.host})
    client.force_login(reader, backend="apps.accounts.backends.IdentityBackend")
    assert client.post("/runs/00000000-0000-0000-0000-000000000000/cancel/").status_code == 403


def test_the_page_without_scripts_is_whole(reader: User, dashboard: Dashboard, browse: Browse) -> None:
    client = browse(reader)
    page = client.get(PAGE, {"static": "1", "f--status": "paid"}).content.decode()
    assert "<script src=" in page  # the theme only
    assert "htmx" not in page.replace("htmx-config", "").replace("htmx", "", 0).split("</head>")[1]
    assert 'class="kpi-value" data-value="1"' in page
    assert 'value="paid" checked' in page
    image = re.search(r'<img class="chart-image" src="([^"]+)"', page)
    assert image
    drawn = client.get(unescape(image[1]))
    assert drawn["Content-Type"] == "image/svg+xml"
    assert drawn.content.startswith(b"<svg")


def test_a_tile_whose_source_fails_says_so_in_one_line_and_offers_another_try(
    reader: User, source, dashboard: Dashboard, browse: Browse
) -> None:
    source.__class__.objects.filter(pk=source.pk).update(database="gone.duckdb")
    answer = browse(reader).get(tile_urls(browse(reader), dashboard)["Orders"])
    assert answer.status_code == 200
    assert "Try again" in text(answer)
    assert "Traceback" not in text(answer)
    assert "gone.duckdb" not in text(answer)


def test_a_support_session_opens_dashboards_on_its_data_sets_only(
    ada: User, dashboard: Dashboard, sales: Dataset, now: datetime
) -> None:
    from uuid import uuid4

    from apps.access.types import Actor, SupportScope
    from apps.dashboards import policies

    def inside(*datasets: Dataset) -> Actor:
        ids = frozenset(dataset.pk for dataset in datasets)
        scope = SupportScope(uuid4(), uuid4(), ids, sees_values=True, staff_label="Sam")
        return Actor("support", sales.tenant_id, None, "Sam", support=scope)

    other = import_dashboard(
        {"slug": "other", "title": "Other", "tiles": [{**DEFINITION["tiles"][0], "dataset": "Sales"}]},
        by=SYSTEM,
        now=now,
    )
    other.tiles.all().delete()
    assert list(policies.visible(inside(sales))) == [dashboard]
    assert list(policies.visible(inside())) == []


def test_a_refresh_asks_for_every_tile_anew(reader: User, bob: User, dashboard: Dashboard, browse: Browse) -> None:
    browser = browse(reader)
    for url in tile_urls(browser, dashboard).values():
        browser.get(url)
    assert CachedResult.objects.count()
    CachedResult.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    assert "Refresh" in text(browser.get(PAGE))
    assert browse(bob).post(f"{PAGE}refresh/").status_code == 404
    assert browser.get(f"{PAGE}refresh/").status_code == 405
    assert CachedResult.objects.count()
    back = browser.post(f"{PAGE}refresh/")
    assert (back.status_code, back["Location"]) == (302, PAGE)
    assert not CachedResult.objects.filter(created_at__lt=timezone.now() - timedelta(seconds=30)).exists()
