"""A sign-in ends while a form is filled in: after the next one the form is there again, for the same person only."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import IDP_PORT, PORT, SignIn, url

PAGE = "/admin/accounts/usergroup/add/"
KEPT = "JSON.stringify(sessionStorage)"
TEXT = "Sellers of the north"


def sign_in_again(page: Page, email: str) -> None:
    page.get_by_role("button", name=re.compile("sign in|sign-in|continue", re.IGNORECASE)).first.click()
    page.wait_for_url(re.compile(rf":{IDP_PORT}/"))
    page.locator("input[name=sub]").fill(email)
    page.locator("form").filter(has=page.locator("input[name=sub]")).locator("button, input[type=submit]").first.click()
    page.wait_for_url(re.compile(rf":{PORT}/"))


def fill_in(page: Page) -> None:
    page.goto(url("skyline", PAGE))
    page.wait_for_load_state("networkidle")
    page.locator("[name=name]").fill(TEXT)
    page.locator("[name=description]").fill("Said before the sign-in ended")
    page.wait_for_function("sessionStorage.getItem('omni-draft') !== null")


def end_the_sign_in(page: Page) -> None:
    page.context.clear_cookies(name="omni_session")
    page.locator("[name=_save]").click()
    page.wait_for_url(re.compile("/accounts/sign-in/"))


def test_what_was_filled_in_comes_back_to_whom_it_belongs(demo: Path, sign_in: SignIn) -> None:
    page = sign_in("skyline", "ada@skyline.example")
    fill_in(page)
    assert TEXT not in page.evaluate(KEPT)
    end_the_sign_in(page)
    assert "omni-draft" in page.evaluate(KEPT)
    sign_in_again(page, "ada@skyline.example")
    assert page.url == url("skyline", PAGE)
    expect(page.locator("[name=name]")).to_have_value(TEXT)
    expect(page.locator("[name=description]")).to_have_value("Said before the sign-in ended")
    expect(page.get_by_role("status").filter(has_text="is back. Nothing of it was saved")).to_be_visible()
    page.goto(url("skyline", "/trust/"))  # another page throws it away
    page.wait_for_function("sessionStorage.getItem('omni-draft') === null")
    page.goto(url("skyline", PAGE))
    page.wait_for_load_state("networkidle")
    expect(page.locator("[name=name]")).to_have_value("")

    # a key of somebody else's opens nothing, and what it did not open is gone
    fill_in(page)
    end_the_sign_in(page)
    stranger = re.compile("/accounts/sessions/ending/")
    page.route(stranger, lambda route: route.fulfill(json={"unused_s": 9000, "ends_s": 9000, "key": "A" * 43 + "="}))
    sign_in_again(page, "ada@skyline.example")
    page.wait_for_function("sessionStorage.getItem('omni-draft') === null")
    expect(page.locator("[name=name]")).to_have_value("")


def test_a_page_with_a_form_says_beforehand_that_the_sign_in_ends(demo: Path, sign_in: SignIn) -> None:
    page = sign_in("skyline", "ada@skyline.example")
    asked = []

    def nearly_over(route: object) -> None:
        asked.append(route.request.headers.get("omni-unattended"))  # type: ignore[attr-defined]  # of playwright's own kind
        left = 200 if len(asked) == 1 else 9000
        route.fulfill(json={"unused_s": left, "ends_s": 20_000, "key": "A" * 43 + "="})  # type: ignore[attr-defined]  # as above

    page.route(re.compile("/accounts/sessions/ending/"), nearly_over)
    page.goto(url("skyline", PAGE))
    word = page.get_by_role("status").filter(has_text="Your sign-in ends at")
    expect(word).to_be_visible()
    word.get_by_role("button", name="Stay signed in").click()
    expect(word).to_have_count(0)
    assert asked == ["1", None]
