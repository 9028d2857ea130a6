"""A gateway whose operators sign in at a real provider, and a real browser that visits it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.api.conftest import logged, served
from tests.api.running import Process
from tests.console.tools import chromium, identity_provider, required
from tests.patience import PATIENCE_S, eventually
from tests.ports import free_port

__all__ = ["logged", "served"]

#: Somebody who may use the console and see people, who may only use it, and who may nothing.
OFFICER, OPERATOR, NOBODY = "officer", "operator", "nobody"


@dataclass
class Site:
    """A gateway with its console."""

    process: Process
    browser: Browser

    @contextmanager
    def visit(self, who: str | None = OFFICER, width: int = 1280, *, scripts: bool = True) -> Iterator[Page]:
        """A new browser window, in which somebody has signed in."""
        context = self.browser.new_context(
            base_url=self.process.url,
            viewport={"width": width, "height": 900},
            java_script_enabled=scripts,
        )
        context.set_default_timeout(1_000 * PATIENCE_S)
        try:
            page = context.new_page()
            if who is not None:
                sign_in(page, who)
            yield page
        finally:
            context.close()


def sign_in(page: Page, who: str, path: str = "/console/") -> None:
    """Go to a page, and sign in at the provider on the way."""
    page.goto(path)
    page.fill("input[name=login]", who)
    page.fill("input[name=password]", "any")
    page.click("button[type=submit]")
    page.click("button[type=submit]")
    page.wait_for_url("**/console/**")


def check(page: Page) -> None:
    """No page has anything serious against it, or is wider than its window."""
    found = Axe().run(page).response["violations"]
    serious = [each for each in found if each["impact"] in {"serious", "critical"}]
    assert serious == [], [(each["id"], [node["html"] for node in each["nodes"]]) for each in serious]
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it is too wide"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser, for all tests of a file: its event loop must have ended before other tests have theirs."""
    required()
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A sandbox whose operators sign in at a real provider."""
    with gateway(tmp_path_factory.mktemp("console"), "--sandbox") as process:
        yield Site(process, browser)


@pytest.fixture(scope="module")
def empty(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A gateway to which nothing has come yet."""
    with gateway(tmp_path_factory.mktemp("empty")) as process:
        yield Site(process, browser)


@contextmanager
def gateway(folder: Path, *arguments: str, **more: str) -> Iterator[Process]:
    """`gateway run`, with a provider of its own. more: settings."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with identity_provider(f"{url}/console/signed-in") as issuer:
        settings = {
            "console_issuer": issuer,
            "console_url": url,
            "console_client_id": "console",
            "console_client_secret": "a secret: of the console",
            **more,
        }
        process = Process(folder, ("run", *arguments), port, settings)
        try:
            process.start()
            process.until("partition.claimed")
            eventually(lambda: "http.started" in process.said)
            yield process
        finally:
            process.kill()
