"""A tile says why it shows what it shows, and no more than its reader may know."""

from datetime import datetime
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse

from apps.access.types import Actor, SupportScope
from apps.accounts.models import User
from apps.audit.types import SYSTEM
from apps.dashboards.choices import read_choices
from apps.dashboards.models import Dashboard, Tile
from apps.dashboards.services import import_dashboard
from apps.dashboards.tiles import OUTDATED, UNAVAILABLE
from apps.dashboards.why import why_tile
from apps.datamodels.models import Dataset
from tests.apps.dashboards.conftest import DEFINITION, Browse
from tests.apps.dashboards.test_pages import text

PAGE = "/dashboards/sales/"
PANEL = {"HX-Request": "true", "Omni-View": ""}


def url(dashboard: Dashboard, title: str = "Orders") -> str:
    tile = dashboard.tiles.get(title=title)
    return reverse("dashboards:tile_why", args=(dashboard.slug, tile.pk))


@pytest.fixture
def reader(ann: User, dashboard: Dashboard, sales: Dataset, give) -> User:
    """Ann may open the page and query the data, for Norway only."""
    give(ann, ("view_dashboard", dashboard), ("query_dataset", sales), country=["NO"])
    return ann


@pytest.fixture
def admin(ada: User, dashboard: Dashboard, sales: Dataset, give) -> User:
    """Ada may open the page and query the data, everywhere."""
    give(ada, ("view_dashboard", dashboard), ("query_dataset", sales), country=["ALL"])
    return ada


def test_every_tile_links_to_its_reasons(reader: User, dashboard: Dashboard, browse: Browse) -> None:
    page = browse(reader).get(PAGE).content.decode()
    for tile in dashboard.tiles.all():
        assert f'href="{url(dashboard, tile.title)}"' in page, tile.title
    assert '<dialog class="why-panel" id="why"' in page


def test_a_reader_is_told_their_limit_the_value_and_where_it_came_from(
    reader: User, dashboard: Dashboard, browse: Browse
) -> None:
    panel = browse(reader).get(url(dashboard), headers=PANEL)
    assert "<html" not in panel.content.decode()
    told = text(panel)
    assert "Only rows where Country is NO." in told
    assert "Country: NO" in told
    assert "set by an administrator" in told
    assert "Every field of this tile is shown as it is." in told


def test_places_and_sql_are_for_administrators(reader: User, admin: User, dashboard: Dashboard, browse: Browse) -> None:
    own = browse(reader).get(url(dashboard), headers=PANEL).content.decode()
    assert not [word for word in (".yaml", "SELECT", "administrators</span>", "finance") if word in own]
    full = unescape(browse(admin).get(url(dashboard), headers=PANEL).content.decode())
    for word in ("orders.view.yaml:", "SELECT", "May query the data set: personally", "total_cost", "finance"):
        assert word in full, word


def test_a_tile_on_a_closed_field_reads_like_one_on_a_missing_data_set(
    reader: User, bob: User, admin: User, dashboard: Dashboard, give, browse: Browse
) -> None:
    give(bob, ("view_dashboard", dashboard))
    closed = text(browse(reader).get(url(dashboard, "Cost"), headers=PANEL))
    no_data_set = text(browse(bob).get(url(dashboard, "Cost"), headers=PANEL))
    assert closed == no_data_set
    assert UNAVAILABLE in closed
    assert not [word for word in ("total_cost", "finance", "Sales", "country") if word in closed]
    assert "Field orders.total_cost asks for finance" in text(browse(admin).get(url(dashboard, "Cost"), headers=PANEL))


def test_an_unset_attribute_is_said(bob: User, dashboard: Dashboard, sales: Dataset, give, browse: Browse) -> None:
    give(bob, ("view_dashboard", dashboard), ("query_dataset", sales))
    told = text(browse(bob).get(url(dashboard), headers=PANEL))
    assert "Your account has no value for" in told
    assert "No rows: " in told


def test_without_scripts_it_is_a_page_with_the_way_back(reader: User, dashboard: Dashboard, browse: Browse) -> None:
    page = browse(reader).get(f"{url(dashboard)}?f--status=paid").content.decode()
    assert "<html" in page
    assert f'href="{PAGE}?f--status=paid"' in page
    assert "Only rows where Country is NO." in page
    assert "Back to Sales &lt;overview&gt;" in page


def test_who_may_not_open_the_dashboard_finds_nothing(
    reader: User, bob: User, dashboard: Dashboard, browse: Browse
) -> None:
    assert browse(bob).get(url(dashboard)).status_code == 404
    assert browse(reader).get(url(dashboard)).status_code == 200
    assert browse(reader).post(url(dashboard)).status_code == 405


def test_a_tile_that_no_longer_fits_says_so(reader: User, dashboard: Dashboard, browse: Browse) -> None:
    Tile.objects.filter(dashboard=dashboard, title="Orders").update(query={"fields": [], "wrong": 1})
    told = text(browse(reader).get(url(dashboard), headers=PANEL))
    assert OUTDATED in told


def test_titles_and_filters_are_text(reader: User, sales: Dataset, give, browse: Browse, now: datetime) -> None:
    evil = "<script>alert(1)</script>"
    tile = {**DEFINITION["tiles"][0], "title": evil}
    odd = import_dashboard({"slug": "odd", "title": evil, "tiles": [tile]}, by=SYSTEM, now=now)
    give(reader, ("view_dashboard", odd))
    page = browse(reader).get(url(odd, evil), {"f--status": evil}).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_support_session_is_told_that_the_approval_decides(
    dashboard: Dashboard, sales: Dataset, now: datetime
) -> None:
    from uuid import uuid4

    scope = SupportScope(uuid4(), uuid4(), frozenset([sales.pk]), sees_values=False, staff_label="Sam")
    sam = Actor("support", sales.tenant_id, None, "Sam", support=scope)
    why = why_tile(sam, dashboard.tiles.get(title="Orders"), read_choices([], {}), now=now)  # type: ignore[arg-type]  # looser than the type on purpose
    assert why.found
    assert not why.found.is_complete
    assert why.found.rows == ()
    assert why.sql is None


@pytest.fixture
def viewing(admin: User, reader: User, browse: Browse) -> Client:
    """Ada's browser, in which she sees as Ann."""
    client = browse(admin)
    assert client.post("/view-as/start/", {"person": str(reader.pk), "next": PAGE})["Location"] == PAGE
    return client


def test_a_view_shows_the_dashboard_as_the_person_has_it(
    viewing: Client, reader: User, admin: User, dashboard: Dashboard, browse: Browse
) -> None:
    page = viewing.get(PAGE)
    assert 'data-value="2"' in page.content.decode()
    assert 'data-value="4"' not in page.content.decode()
    assert "<strong>Ada</strong> sees this as <strong>Ann</strong>" in page.content.decode()
    assert 'data-value="4"' in browse(admin).get(PAGE).content.decode()
    assert "View as…" in text(browse(admin).get(PAGE))
    assert "View as…" not in text(page)
    assert "View as…" not in text(browse(reader).get(PAGE))


def test_in_a_view_the_reasons_are_the_persons_and_told_in_full(viewing: Client, dashboard: Dashboard) -> None:
    view_id = viewing.session["view_session_id"]
    told = text(viewing.get(url(dashboard), headers={"HX-Request": "true", "Omni-View": view_id}))
    assert "For Ann" in told
    assert "Only rows where Country is NO." in told
    assert "orders.view.yaml:" in told


def test_a_dashboard_that_the_person_may_not_open_is_missing_in_a_view(
    admin: User, bob: User, dashboard: Dashboard, browse: Browse
) -> None:
    client = browse(admin)
    client.post("/view-as/start/", {"person": str(bob.pk)})
    assert client.get(PAGE).status_code == 404
    assert browse(admin).get(PAGE).status_code == 200
