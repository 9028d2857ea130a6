"""What a newcomer finds at the address of a gateway, with a program and with a real browser."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

from gateway.contracts.openapi.codes import CODES, MEANINGS
from tests.console.tools import chromium, required
from tests.patience import PATIENCE_S
from tests.sandbox_process import Sandbox, sandbox


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandbox(tmp_path_factory.mktemp("sandbox")) as begun:
        yield begun


@pytest.fixture(scope="module")
def page(here: Sandbox) -> Iterator[Page]:
    """A window of a real browser, in which nothing fails, and nothing comes from another host."""
    required()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        made = browser.new_context(base_url=here.url).new_page()
        made.set_default_timeout(1_000 * PATIENCE_S)
        asked: list[str] = []
        complaints: list[str] = []
        made.on("request", lambda request: asked.append(request.url))
        made.on("console", lambda said: complaints.append(said.text))
        made.on("pageerror", lambda error: complaints.append(str(error)))
        yield made
        browser.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith((here.url, "data:"))] == []


def serious(page: Page) -> list[str]:
    """What keeps somebody from using a page."""
    found = Axe().run(page).response["violations"]
    return [each["id"] for each in found if each["impact"] in {"serious", "critical"}]


def test_a_program_gets_json(here: Sandbox) -> None:
    start = here.get("/")
    assert here.ask("GET", "/", Accept="text/html").type == "text/html"
    for name in ("openapi", "reference", "problems", "console", "sandbox", "sandbox_clock"):
        assert here.ask("GET", start[name], Accept="*/*").status in {200, 303}, name


def test_the_type_of_an_error_leads_to_the_page_about_its_code(here: Sandbox) -> None:
    problem = here.ask("GET", "/v1/referrals/NONE")
    about = here.get("/problems/UNKNOWN_REFERRAL")
    assert f'"type":"{about["self"]}"'.encode() in problem.body
    assert [each["status"] for each in about["meanings"]] == [404, 422]
    listed = {each["code"]: each["meanings"] for each in here.get("/problems")["codes"]}
    assert {code for codes in CODES.values() for code in codes} < listed.keys()
    assert here.get("/problems/NO_WP11")["paragraphs"][0]["rule"] == "WP19 ¶11"
    assert here.ask("GET", "/problems/NO_SUCH_CODE").status == 404


def test_a_code_with_several_statuses_has_one_meaning(here: Sandbox) -> None:
    several = {each["code"] for each in here.get("/problems")["codes"] if len(each["meanings"]) > 1}
    assert several == MEANINGS.keys()
    for code in several:
        assert here.get(f"/problems/{code}")["means"] == MEANINGS[code]
        assert MEANINGS[code].encode() in here.ask("GET", f"/problems/{code}", Accept="text/html").body


@pytest.mark.parametrize("path", ["/", "/problems", "/problems/NO_WP11"])
def test_a_page_can_be_used_by_everybody(path: str, page: Page) -> None:
    page.goto(path)
    assert page.locator("h1").count() == 1
    assert serious(page) == []


def test_the_reference_shows_every_tag_and_tries_a_request(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Reference").click()
    page.locator("#operations-operation-getLiveness").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    page.locator(
        "#operations-operation-getLiveness .live-responses-table .response-col_status", has_text="200"
    ).wait_for()
    assert page.locator(".opblock-tag").count() == 11
