"""Sign-in by OpenID Connect and by SAML, through each provider's own pages, and what an administrator does for it."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from apps.accounts.models import IdentityProvider
from apps.accounts.saml.metadata import service_provider_metadata
from tests.browser.conftest import PORT, ROOT, SignIn, url
from tests.browser.test_stories import DASHBOARD, number, raw
from tests.saml_keys import XMLSEC

pytestmark = pytest.mark.browser
SAML_PORT = PORT + 3
SOL = {
    "subject": "p-1",
    "attributes": {
        "mail": ["sol@skyline.example"],
        "displayName": ["Sol Haug"],
        "carrier": ["UA", "DL"],
        "groups": ["Analysts"],
    },
}


@pytest.fixture
def idp(tmp_path: Path) -> Iterator[Path]:
    """A SAML provider process that knows Skyline and Sol; yields the file with its metadata."""
    if not Path(XMLSEC).exists():
        pytest.skip(f"{XMLSEC} is missing; install Debian's xmlsec1")
    base = url("skyline", "/accounts/saml/corp/")
    known = tmp_path / "sp.xml"
    name_id_format = IdentityProvider.NameId.PERSISTENT.value
    known.write_text(service_provider_metadata(entity_id=base, acs_url=f"{base}acs/", name_id_format=name_id_format))
    process = subprocess.Popen(
        [
            sys.executable, "-W", "ignore", "-m", "tests.saml_provider", "--port", str(SAML_PORT), "--folder", str(tmp_path),
            "--service-provider", str(known), "--person", json.dumps(SOL),
        ],
        cwd=ROOT, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                urllib.request.urlopen(f"http://localhost:{SAML_PORT}/sso", timeout=2)
                break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.3)
        yield tmp_path / "idp.xml"
    finally:
        process.terminate()
        process.wait(10)


def manage(state: Path, *arguments: str) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OMNI_")}
    environment |= {"OMNI_STATE_DIR": str(state), "DJANGO_SETTINGS_MODULE": "omni.settings.local"}
    subprocess.run([sys.executable, "-W", "ignore", "manage.py", *arguments], cwd=ROOT, env=environment, check=True)


def test_an_administrator_sets_up_saml_and_somebody_signs_in_by_it(
    demo: Path, sign_in: SignIn, browser: Browser, idp: Path
) -> None:
    manage(demo, "create_user", "skyline", "sol@skyline.example")
    ada = sign_in("skyline", "ada@skyline.example", "/admin/accounts/identityprovider/add/")
    ada.fill("#id_name", "Corp")
    ada.select_option("#id_protocol", "saml")
    expect(ada.locator("#id_client_id")).to_be_hidden()
    ada.set_input_files("#id_metadata_file", idp)
    ada.get_by_role("button", name="Save and continue editing").click()
    expect(ada.get_by_text(url("skyline", "/accounts/saml/corp/acs/"), exact=True)).to_be_visible()
    domains = ada.url.rstrip("/")
    ada.get_by_role("link", name="Test this provider").click()
    ada.get_by_role("button", name="Ask the provider now").click()
    expect(ada.get_by_text("The sign-in address answers.")).to_be_visible()
    expect(ada.get_by_text("No e-mail domain is listed.")).to_be_visible()
    ada.goto(domains)
    ada.get_by_role("link", name="E-mail domains", exact=True).click()
    ada.locator("#domains-group a.add-row").click()
    ada.locator("[name='domains-0-domain']").fill("skyline.example")
    ada.get_by_role("link", name="Claims", exact=True).click()
    for row, claim in enumerate(("carrier", "groups")):
        ada.locator("#mappings-group a.add-row").click()
        ada.locator(f"[name='mappings-{row}-claim']").fill(claim)
    ada.locator("[name='mappings-0-definition']").select_option(index=1)
    ada.get_by_role("button", name="Save", exact=True).click()
    expect(ada.get_by_text("skyline.example").first).to_be_visible()

    context = browser.new_context()
    page = context.new_page()
    page.goto(url("skyline", DASHBOARD))
    page.get_by_label("Your e-mail address at work").fill("sol@nowhere.example")
    page.get_by_role("button", name="Continue", exact=True).click()
    expect(page.get_by_text("No provider is listed")).to_be_visible()
    page.get_by_label("Your e-mail address at work").fill("sol@skyline.example")
    page.get_by_role("button", name="Continue", exact=True).click()
    page.wait_for_url(re.compile(rf":{SAML_PORT}/sso"))
    page.get_by_role("button", name="p-1").click()
    page.wait_for_url(url("skyline", DASHBOARD))
    assert number(page, "Flights") == raw(demo, "select count(*) from flights where carrier in ('UA', 'DL')")
    ada.goto(url("skyline", DASHBOARD))
    assert number(ada, "Flights") == 336_776

    ada.goto(domains)
    ada.locator("#id_is_enabled").uncheck()
    ada.get_by_role("button", name="Save", exact=True).click()
    expect(ada.get_by_text("is switched off")).to_be_visible()
    page.goto(url("skyline", DASHBOARD))
    expect(page.get_by_role("heading", name="Sign in to")).to_be_visible()
    expect(page.get_by_role("button", name="Continue with Corp")).to_have_count(0)
    context.close()
