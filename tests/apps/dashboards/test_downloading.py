"""A tile's rows as a file: those of the reader, under the filters of the page, for who may have them."""

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.audit.models import AuditEvent
from apps.dashboards.models import Dashboard
from apps.datamodels.models import Dataset
from apps.queries.models import Download, DownloadLimit, QueryRun
from apps.tenants.binding import unbound
from tests.apps.dashboards.conftest import Browse

OF_TILE = "/dashboards/sales/tiles/{}/download/"


@pytest.fixture
def reader(ann: User, dashboard: Dashboard, sales: Dataset, give: Callable[..., None]) -> User:
    """Ann, who may open the dashboard and query Norway."""
    give(ann, ("view_dashboard", dashboard), ("query_dataset", sales), country=["NO"])
    return ann


def path_of(dashboard: Dashboard, title: str) -> str:
    return OF_TILE.format(dashboard.tiles.get(title=title).pk)


def fetched(browser: Client, path: str) -> list[list[str]]:
    """Press the button, look at the page, and save the file."""
    with unbound():
        begun = browser.post(path)
        assert begun.status_code == 302
        page = browser.get(begun["Location"]).content.decode()
        (link,) = re.findall(r'href="(/api/v1/downloads/[^"]+)"', page)
        answer = browser.get(link)
        text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]  # it streams
    assert answer["Content-Disposition"] == "attachment; filename=download.csv"
    return list(csv.reader(io.StringIO(text)))


def test_each_reader_gets_their_own_rows_under_the_filters_of_the_page(
    reader: User, bob: User, dashboard: Dashboard, sales: Dataset, give: Callable[..., None], browse: Browse
) -> None:
    give(bob, ("view_dashboard", dashboard), ("query_dataset", sales), country=["ALL"])
    path = path_of(dashboard, "Rows")
    assert sorted(fetched(browse(reader), path)) == [["Status", "Revenue"], ["open", "50"], ["paid", "100"]]
    assert ["</script><b>", "500"] in fetched(browse(bob), path)
    assert fetched(browse(reader), f"{path}?f--status=paid")[1:] == [["paid", "100"]]
    assert AuditEvent.objects.filter(verb="queries.download_begun").count() == 3


def test_the_limit_and_totals_of_the_tile_are_the_pages_not_the_files(
    reader: User, dashboard: Dashboard, browse: Browse
) -> None:
    tile = dashboard.tiles.get(title="Rows")
    tile.query = tile.query | {"limit": 1, "totals": True}
    tile.save()
    assert len(fetched(browse(reader), path_of(dashboard, "Rows"))) == 3


def test_the_button_stands_where_there_are_rows_and_the_data_set_is_offered(
    reader: User, dashboard: Dashboard, sales: Dataset, browse: Browse
) -> None:
    path, cost = path_of(dashboard, "Rows"), path_of(dashboard, "Cost")
    browser, address = browse(reader), reverse("dashboards:dashboard_detail", args=("sales",))
    with unbound():
        page = browser.get(address, {"static": "1", "f--status": "paid"}).content.decode()
        assert f'action="{path}?f--status=paid"' in page
        assert cost not in page  # its field is closed to the reader
        assert browser.post(cost).status_code == 403
    DownloadLimit.objects.create(dataset=sales, max_rows=0)
    with unbound():
        assert path not in browser.get(address, {"static": "1"}).content.decode()
        refused = browser.post(path)
    assert refused.status_code == 403
    assert "not offered for download" in refused.content.decode()
    assert not QueryRun.objects.filter(is_download=True).exists()


def test_a_file_that_is_not_made_yet_is_waited_for_and_can_be_given_up(
    reader: User, bob: User, dashboard: Dashboard, browse: Browse, nobody_works: None
) -> None:
    browser, other, path = browse(reader), browse(bob), path_of(dashboard, "Rows")
    with unbound():
        address = browser.post(path)["Location"]
        page = browser.get(address).content.decode()
        assert "aiting" in page
        assert f'hx-get="{address}"' in page
        assert "/api/v1/downloads/" not in page
        assert other.get(address).status_code == 404
        (cancel,) = re.findall(r'hx-post="(/runs/[^"]+)"', page)
        assert other.post(cancel).status_code == 404
        assert browser.post(cancel).status_code == 204
        page = browser.get(address).content.decode()
    assert 'data-status="cancelled"' in page
    assert "hx-get" not in page.partition("<main")[2]


def test_only_downloads_have_a_page_and_only_while_they_last(
    reader: User, dashboard: Dashboard, browse: Browse
) -> None:
    browser, path = browse(reader), path_of(dashboard, "Rows")
    with unbound():
        browser.get("/dashboards/sales/?static=1")
        address = browser.post(path)["Location"]
        assert browser.get(address).status_code == 200
    plain = QueryRun.objects.filter(is_download=False).first()
    assert plain is not None
    with unbound():
        assert browser.get(f"/downloads/{plain.pk}/").status_code == 404
    QueryRun.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    with unbound():
        assert browser.get(address).status_code == 404


def test_who_may_not_open_the_dashboard_downloads_nothing(
    reader: User, bob: User, dashboard: Dashboard, sales: Dataset, give: Callable[..., None], browse: Browse
) -> None:
    path = path_of(dashboard, "Rows")
    give(bob, ("query_dataset", sales), country=["ALL"])
    browser = browse(bob)
    with unbound():
        assert browser.post(path).status_code == 404
    give(bob, ("view_dashboard", dashboard))
    with unbound():
        assert browser.post(path).status_code == 302
        assert browser.get(path).status_code == 405
        assert browser.post(f"{path}?f--dates=nonsense").status_code == 400


def test_a_forged_post_is_refused(reader: User, dashboard: Dashboard, acme: object) -> None:
    browser = Client(enforce_csrf_checks=True, headers={"host": "acme.localhost"})
    browser.force_login(reader, backend="apps.accounts.backends.IdentityBackend")
    path = path_of(dashboard, "Rows")
    with unbound():
        assert browser.post(path).status_code == 403
    assert not QueryRun.objects.filter(is_download=True).exists()


def test_the_page_says_how_many_rows_there_are_and_that_there_are_more(
    reader: User, dashboard: Dashboard, sales: Dataset, browse: Browse
) -> None:
    browser, path = browse(reader), path_of(dashboard, "Rows")

    def page() -> str:
        with unbound():
            return browser.get(browser.post(path)["Location"]).content.decode()

    assert ">2 rows.<" in page()
    assert ">2 rows.<" in page()  # also where the file was at hand already
    DownloadLimit.objects.create(dataset=sales, max_rows=1)
    assert ">The first 1 row; there are more.<" in page()


def test_a_file_that_is_gone_is_said_to_be(reader: User, dashboard: Dashboard, browse: Browse) -> None:
    browser, path = browse(reader), path_of(dashboard, "Rows")
    with unbound():
        address = browser.post(path)["Location"]
    Download.objects.all().delete()
    with unbound():
        page = browser.get(address).content.decode()
    assert "This file is gone." in page
    assert "/api/v1/downloads/" not in page
