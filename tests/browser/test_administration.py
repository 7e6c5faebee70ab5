"""The administration's pages under a policy that lets no text be evaluated: all behave, and the browser has nothing to say."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn, url

pytestmark = pytest.mark.browser
LISTS = re.compile(r"^/admin/[a-z_]+/[a-z_]+/$")
LEAST_LISTS = 20


@pytest.fixture(params=[("skyline", "ada@skyline.example"), ("", "sam@omni.example")], ids=["customer", "platform"])
def administrator(request: pytest.FixtureRequest, demo: Path, sign_in: SignIn) -> Iterator[tuple[str, Page]]:
    """Yield the host's tenant and a page of its administrator; fails on whatever the browser complains about."""
    tenant, email = request.param
    page = sign_in(tenant, email)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    page.on(
        "response", lambda answer: complaints.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None
    )
    page.on(
        "console",
        lambda message: (
            complaints.append(f"{page.url}: {message.text}") if message.type in ("error", "warning") else None
        ),
    )
    yield tenant, page
    assert complaints == []


def paths(page: Page, pattern: re.Pattern[str]) -> list[str]:
    found = page.eval_on_selector_all("a[href]", "links => links.map(link => new URL(link.href).pathname)")
    return list(dict.fromkeys(path for path in found if pattern.match(path)))


def is_found(page: Page, tenant: str, path: str) -> bool:
    response = page.goto(url(tenant, path))
    assert response is not None
    return response.status == 200


def test_every_page_runs_without_a_complaint(administrator: tuple[str, Page]) -> None:
    tenant, page = administrator
    assert is_found(page, tenant, "/admin/")
    lists = paths(page, LISTS)
    assert len(lists) >= (LEAST_LISTS if tenant else 1)
    added = changed = 0
    for path in lists:
        assert is_found(page, tenant, path), path
        rows = paths(page, re.compile(rf"^{path}[^/]+/change/$"))
        if page.locator(f"a[href*='{path}add/']").count():
            assert is_found(page, tenant, f"{path}add/"), path
            added += 1
        if rows:
            assert is_found(page, tenant, rows[0]), rows[0]
            changed += 1
    assert changed >= (10 if tenant else 1)
    assert added >= (5 if tenant else 0)


def test_what_the_theme_does_it_still_does(demo: Path, sign_in: SignIn) -> None:
    page = sign_in("skyline", "ada@skyline.example")
    page.goto(url("skyline", "/admin/accounts/user/"))

    # the account's menu, and in it the theme
    root = page.locator("html")
    before = root.get_attribute("class") or ""
    page.keyboard.press("Control+e")
    expect(root).not_to_have_class(before)
    page.reload()
    expect(root).not_to_have_class(before)

    # the sidebar, and that its state is remembered
    sidebar = page.locator("#nav-sidebar-apps")
    expect(sidebar).to_be_visible()
    page.locator("span[x-on\\:click*='sidebarDesktopOpen']").click()
    expect(sidebar).to_be_hidden()
    page.reload()
    expect(sidebar).to_be_hidden()

    # the search of everything
    page.keyboard.press("Control+k")
    box = page.locator("#search-input-command")
    expect(box).to_be_visible()
    box.press_sequentially("Roles")
    expect(page.locator("#command-results li").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(url("skyline", "/admin/access/role/"))

    # fields that belong to one protocol
    page.goto(url("skyline", "/admin/accounts/identityprovider/add/"))
    oidc, saml = page.locator("[name=client_id]"), page.locator("[name=metadata_file], [name=metadata]").first
    page.locator("[name=protocol]").select_option("oidc")
    expect(oidc).to_be_visible()
    expect(saml).to_be_hidden()
    page.locator("[name=protocol]").select_option("saml")
    expect(oidc).to_be_hidden()
    expect(saml).to_be_visible()
