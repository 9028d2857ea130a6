"""Signing in at a real OpenID Connect provider, and what is made of answers that are not from it."""

import json
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import expect

from tests.console.conftest import OFFICER, Site, check, sign_in


def test_who_signs_in_comes_to_the_page_they_wanted_and_can_sign_out(site: Site) -> None:
    with site.visit(None) as page:
        sign_in(page, OFFICER, "/console/rules")
        assert page.url == f"{site.process.url}/console/rules"
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Signed out")).to_be_visible()
        check(page)
        answer = page.request.get("/console/rules", max_redirects=0)
        assert answer.status == 303


def test_a_browser_has_another_name_once_somebody_has_signed_in(site: Site) -> None:
    with site.visit(None) as page:
        page.request.get("/console/sign-in", max_redirects=0)
        (before,) = page.context.cookies()
        sign_in(page, OFFICER)
        (after,) = [each for each in page.context.cookies() if each["name"] == "gateway-console"]
        assert before["name"] == after["name"]
        assert before["value"] != after["value"]
        assert after["httpOnly"]
        assert after["sameSite"] == "Lax"
        url = site.process.url
        page.context.add_cookies([{"name": before["name"], "value": before["value"], "url": url}])
        assert page.request.get("/console/", max_redirects=0).status == 303


def test_a_browser_is_sent_with_pkce_state_and_nonce(site: Site) -> None:
    with site.visit(None) as page:
        where = page.request.get("/console/sign-in", max_redirects=0).headers["location"]
        query = parse_qs(urlsplit(where).query)
        assert query["response_type"] == ["code"]
        assert query["code_challenge_method"] == ["S256"]
        assert min(map(len, (query["state"][0], query["nonce"][0], query["code_challenge"][0]))) >= 43


def test_an_answer_to_another_browser_signs_nobody_in(site: Site) -> None:
    with site.visit(None) as page:
        page.goto("/console/signed-in?code=x&state=y")
        expect(page.get_by_text("No sign-in was begun in this browser")).to_be_visible()
        page.request.get("/console/sign-in", max_redirects=0)
        page.goto("/console/signed-in?code=x&state=y")
        expect(page.get_by_text("This answer is not to a sign-in of this browser")).to_be_visible()
        check(page)


def test_a_code_that_the_provider_did_not_give_signs_nobody_in(site: Site) -> None:
    with site.visit(None) as page:
        where = page.request.get("/console/sign-in", max_redirects=0).headers["location"]
        state = parse_qs(urlsplit(where).query)["state"][0]
        page.goto(f"/console/signed-in?code=made-up&state={state}")
        expect(page.get_by_text("The identity provider answers with status 400")).to_be_visible()
        page.goto(f"/console/signed-in?code=made-up&state={state}&iss=https://other.example")
        expect(page.get_by_text("No sign-in was begun in this browser")).to_be_visible()
        assert json.dumps(site.process.logged).count("console.sign_in_refused") >= 1
