"""The running demo and a real browser. Everything goes over HTTP, through the identity provider's own pages."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent.parent
PORT = int(os.environ.get("OMNI_BROWSER_PORT", "8137"))
IDP_PORT = PORT + 1
CHROMIUM = os.environ.get("OMNI_CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def url(tenant: str, path: str = "/") -> str:
    host = f"{tenant}.localhost" if tenant else "localhost"
    return f"http://{host}:{PORT}{path}"


@pytest.fixture(scope="session")
def demo(pytestconfig: pytest.Config) -> Iterator[Path]:
    """Run the demo on ports of its own; yield its state directory."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"{CHROMIUM} is missing; install Debian's chromium or set OMNI_CHROMIUM")
    with tempfile.TemporaryDirectory(prefix="omni-browser-") as folder:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("OMNI_")}
        environment |= {"OMNI_STATE_DIR": folder, "OMNI_DEMO_IDP_PORT": str(IDP_PORT), "PYTHONUNBUFFERED": "1"}
        environment["DJANGO_SETTINGS_MODULE"] = "omni.settings.local"
        output = Path(folder) / "demo.log"
        with output.open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "manage.py", "demo", "--port", str(PORT)],
                cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            deadline = time.monotonic() + 600
            while "Omni is running" not in output.read_text():
                assert process.poll() is None, output.read_text()
                assert time.monotonic() < deadline, output.read_text()
                time.sleep(0.3)
            yield Path(folder)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=True)
        yield chromium
        chromium.close()


SignIn = Callable[..., Page]


@pytest.fixture
def sign_in(demo: Path, browser: Browser) -> Iterator[SignIn]:
    """Sign in as somebody in a fresh browser context and return the page; fails on any violation of the CSP."""
    contexts: list[BrowserContext] = []
    violations: list[str] = []

    def start(tenant: str, email: str, path: str = "/", **options: object) -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)  # type: ignore[arg-type]  # looser than the type on purpose
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console",
            lambda message: (
                violations.append(message.text)
                if re.search("Content Security Policy|Refused to|Alpine (CSP|Expression)", message.text)
                else None
            ),
        )
        page.goto(url(tenant, path))
        page.get_by_role("button", name=re.compile("sign in|sign-in|continue", re.I)).first.click()
        page.wait_for_url(re.compile(rf":{IDP_PORT}/"))
        page.locator("input[name=sub]").fill(email)
        page.locator("form").filter(has=page.locator("input[name=sub]")).locator(
            "button, input[type=submit]"
        ).first.click()
        page.wait_for_url(re.compile(rf":{PORT}/"))
        return page

    yield start
    for context in contexts:
        context.close()
    assert violations == []
