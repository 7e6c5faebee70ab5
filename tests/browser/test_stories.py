"""The product's stories in a real browser, each number compared with one computed from the raw data."""

import json
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ROOT, SignIn, url

pytestmark = pytest.mark.browser
DASHBOARD = "/dashboards/flights/"
CELLS = re.compile(r"[^0-9.\-]")


def number(page: Page, title: str) -> float:
    """Read a KPI tile's number once it has arrived."""
    tile = page.locator(".tile", has=page.get_by_role("heading", name=title, exact=True))
    value = tile.locator(".kpi-value")
    expect(value).to_be_visible(timeout=30_000)
    return float(CELLS.sub("", value.get_attribute("data-value") or value.inner_text()))


def raw(state: Path, sql: str) -> float:
    """Ask the raw data directly."""
    with duckdb.connect(str(state / "data" / "skyline" / "skyline.duckdb"), read_only=True) as connection:
        row = connection.execute(sql).fetchone()
        assert row is not None
        return float(row[0])


def test_two_people_see_different_numbers_on_the_same_dashboard(demo: Path, sign_in: SignIn) -> None:
    ada = sign_in("skyline", "ada@skyline.example", DASHBOARD)
    uma = sign_in("skyline", "uma@skyline.example", DASHBOARD)
    everything = raw(demo, "select count(*) from flights")
    united = raw(demo, "select count(*) from flights where carrier = 'UA'")
    assert number(ada, "Flights") == everything == 336_776
    assert number(uma, "Flights") == united != everything


def test_a_filter_narrows_every_tile_and_lives_in_the_url(demo: Path, sign_in: SignIn) -> None:
    page = sign_in("skyline", "uma@skyline.example", f"{DASHBOARD}?f--origin=JFK")
    assert number(page, "Flights") == raw(demo, "select count(*) from flights where carrier = 'UA' and origin = 'JFK'")
    page.locator("[name='f--origin']").first.wait_for(state="attached")
    page.goto(url("skyline", f"{DASHBOARD}?f--origin=EWR"))
    assert number(page, "Flights") == raw(demo, "select count(*) from flights where carrier = 'UA' and origin = 'EWR'")


def test_a_person_without_the_attribute_is_told_so_and_sees_no_number(demo: Path, sign_in: SignIn) -> None:
    page = sign_in("skyline", "nils@skyline.example", DASHBOARD)
    expect(page.get_by_text("no value for").first).to_be_visible(timeout=30_000)
    expect(page.locator(".kpi-value")).to_have_count(0)


def test_a_person_of_another_tenant_cannot_enter(demo: Path, sign_in: SignIn) -> None:
    page = sign_in("brickyard", "uma@skyline.example", "/")
    expect(page.locator(".tile")).to_have_count(0)
    page.goto(url("brickyard", "/dashboards/sales/"))
    expect(page.locator(".tile")).to_have_count(0)
    assert "/accounts/" in page.url


def test_the_administrator_finds_only_their_tenant_and_no_credential(demo: Path, sign_in: SignIn) -> None:
    page = sign_in("skyline", "ada@skyline.example", "/")
    page.goto(url("skyline", "/admin/accounts/user/"))
    expect(page.get_by_text("uma@skyline.example").first).to_be_visible()
    expect(page.get_by_text("brickyard.example")).to_have_count(0)
    member = sign_in("skyline", "uma@skyline.example", "/")
    response = member.goto(url("skyline", "/admin/"))
    assert response is not None
    assert response.status == 404


def test_our_staff_see_tenants_and_nothing_of_what_is_in_them(demo: Path, sign_in: SignIn) -> None:
    page = sign_in("", "sam@omni.example", "/support/")
    page.goto(url("", "/admin/"))
    expect(page.get_by_text("Tenants").first).to_be_visible()
    expect(page.get_by_text("skyline.example")).to_have_count(0)
    for path in ("/admin/accounts/user/", "/dashboards/flights/", "/api/v1/datasets"):
        response = page.goto(url("", path))
        assert response is not None
        assert response.status == 404, path


def test_the_support_story(demo: Path, sign_in: SignIn) -> None:
    sam = sign_in("", "sam@omni.example", "/support/")
    sam.locator("[name=tenant]").fill("skyline")
    sam.locator("[name=reason]").select_option("customer_ticket")
    sam.locator("[name=reason_text]").fill("The delay tile looks wrong since Monday")
    sam.locator("[name=minutes]").fill("60")
    sam.locator("[name=asks_values]").check()
    sam.get_by_role("button", name=re.compile("request access", re.I)).click()
    expect(sam.get_by_text(re.compile("waiting", re.I)).first).to_be_visible()

    ada = sign_in("skyline", "ada@skyline.example", "/support/")
    ada.get_by_text("The delay tile looks wrong").first.wait_for()
    ada.locator("a[href*='/support/requests/']").first.click()
    ada.locator("[name=minutes]").fill("15")
    ada.locator("[name=datasets]").first.check()
    ada.locator("[name=grants_values]").check()
    with ada.expect_navigation():
        ada.get_by_role("button", name=re.compile("approve", re.I)).click()

    sam.goto(url("", "/support/"))
    sam.get_by_role("button", name=re.compile("^enter", re.I)).first.click()
    sam.wait_for_url(re.compile("skyline"))
    sam.get_by_role("button", name=re.compile("enter", re.I)).first.click()
    expect(sam.locator(".support-banner")).to_be_visible()
    sam.goto(url("skyline", DASHBOARD))
    assert number(sam, "Flights") > 0
    expect(sam.locator(".support-banner")).to_be_visible()
    refused = sam.goto(url("skyline", "/admin/"))
    assert refused is not None
    assert refused.status == 404

    ada.reload()
    expect(ada.get_by_text(DASHBOARD).first).to_be_visible(timeout=15_000)
    with ada.expect_navigation():
        ada.get_by_role("button", name=re.compile("end", re.I)).first.click()

    after = sam.goto(url("skyline", DASHBOARD))
    assert after is not None
    assert after.status in (401, 403, 404) or "/accounts/" in sam.url
    expect(sam.locator(".kpi-value")).to_have_count(0)


def test_no_page_is_wider_than_a_telephone(sign_in: SignIn) -> None:
    page = sign_in("skyline", "ada@skyline.example")
    page.set_viewport_size({"width": 390, "height": 844})
    wide = {}
    for path in (
        "/",
        "/trust/",
        "/support/",
        "/accounts/sessions/",
        "/accounts/tokens/",
        "/admin/",
        "/admin/retention/erasureorder/",
    ):
        page.goto(url("skyline", path))
        page.wait_for_load_state("networkidle")
        wide[path] = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    assert not any(wide.values()), wide


@pytest.mark.parametrize(
    ("person", "where"),
    [("ada@skyline.example", "true"), ("uma@skyline.example", "carrier = 'UA'"), ("nils@skyline.example", None)],
)
def test_the_command_line_answers_like_the_raw_data(demo: Path, tmp_path: Path, person: str, where: str | None) -> None:
    question = tmp_path / "q.json"
    fields = ["flights.carrier", "flights.time_hour[month]", "flights.count"]
    question.write_text(json.dumps({"dataset": "Flights", "fields": fields, "limit": 5000}))
    environment = {
        "OMNI_STATE_DIR": str(demo),
        "DJANGO_SETTINGS_MODULE": "omni.settings.local",
        "PATH": "/usr/bin:/bin",
    }
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "manage.py", "query", "skyline", person, str(question), "--format", "json"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if where is None:
        assert answer.returncode == 1
        assert "no value for" in answer.stderr
        assert "Traceback" not in answer.stderr
        return
    assert answer.returncode == 0, answer.stderr
    rows = {(row[0], row[1][:10]): row[2] for row in json.loads(answer.stdout)["rows"]}
    with duckdb.connect(str(demo / "data" / "skyline" / "skyline.duckdb"), read_only=True) as connection:
        direct = connection.execute(
            f"select carrier, date_trunc('month', time_hour)::date::varchar, count(*) from flights where {where} group by 1, 2"
        ).fetchall()
    assert rows == {(carrier, month): count for carrier, month, count in direct}
