"""The governance stories in a real browser: why, as somebody else, and a version on its way to being published."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn, url
from tests.browser.test_stories import DASHBOARD, number, raw

pytestmark = pytest.mark.browser
MODELS = "/admin/datamodels/datamodel/"
MASKED = "    mask_unless_access_grants: [operations]\n"


def test_a_tile_says_why_it_shows_what_it_shows(demo: Path, sign_in: SignIn) -> None:
    page = sign_in("skyline", "uma@skyline.example", DASHBOARD)
    number(page, "Flights")
    page.get_by_role("link", name=re.compile("why", re.I)).first.click()
    expect(page.get_by_role("heading", name=re.compile("Why does “Flights” show this"))).to_be_visible(timeout=30_000)
    expect(page.get_by_text("UA", exact=False).first).to_be_visible()
    expect(page.get_by_text("from the identity provider, at the last sign-in")).to_be_visible()
    expect(page.get_by_text(".view.yaml:", exact=False)).to_have_count(0)  # rules are for administrators


def test_an_administrator_sees_as_somebody_else_and_changes_nothing(demo: Path, sign_in: SignIn) -> None:
    page = sign_in("skyline", "ada@skyline.example", DASHBOARD)
    assert number(page, "Flights") == raw(demo, "select count(*) from flights")
    page.get_by_role("link", name="View as…").click()
    with page.expect_navigation():
        page.get_by_role("button", name=re.compile("View as Uma")).click()
    page.goto(url("skyline", DASHBOARD))
    expect(page.locator(".view-banner")).to_contain_text("sees this as")
    assert number(page, "Flights") == raw(demo, "select count(*) from flights where carrier = 'UA'")
    response = page.goto(url("skyline", "/admin/"))
    assert response is not None
    assert response.status == 404
    page.goto(url("skyline", DASHBOARD))
    page.get_by_role("button", name="End").click()
    expect(page.locator(".view-banner")).to_have_count(0)
    page.goto(url("skyline", DASHBOARD))
    assert number(page, "Flights") == raw(demo, "select count(*) from flights")


def edit(page: Page, text: str) -> None:
    page.get_by_role("link", name="customer.view.yaml").click()
    page.locator("textarea").fill(text)
    page.get_by_role("button", name="Save in the draft").click()
    expect(page.get_by_text("is saved in the draft")).to_be_visible()
    page.get_by_role("link", name=re.compile("Back to")).click()
    page.get_by_role("link", name=re.compile("Publish…")).click()


def test_a_version_is_drafted_stopped_by_its_tests_corrected_and_published(demo: Path, sign_in: SignIn) -> None:
    page = sign_in("brickyard", "bea@brickyard.example", "/")
    page.goto(url("brickyard", MODELS))
    page.get_by_role("link", name=re.compile("^orders$")).first.click()
    page.get_by_role("button", name="Edit in a draft").click()
    page.get_by_role("link", name="customer.view.yaml").click()
    text = page.locator("textarea").input_value()
    page.get_by_role("link", name=re.compile("Back to")).click()
    edit(page, text.replace(MASKED, "", 1))
    expect(page.get_by_text("Policy test “customers are masked for all but Operations” fails").first).to_be_visible()
    expect(page.get_by_text(re.compile("gain `customer.name` in Sales in clear"))).to_be_visible()
    expect(page.get_by_role("button", name="Publish now")).to_have_count(0)
    page.get_by_role("link", name="v2", exact=True).click()
    edit(page, text.replace("label: Segment", "label: Kind of customer"))
    page.get_by_role("button", name="Publish now").click()
    expect(page.get_by_text("answers queries now")).to_be_visible()
    page.goto(url("brickyard", "/dashboards/sales/"))
    table = page.locator(".tile", has=page.get_by_role("heading", name="Segments by year", exact=True))
    expect(table.get_by_role("columnheader", name="Kind of customer")).to_be_visible(timeout=30_000)
