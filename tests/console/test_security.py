"""What a browser, or another site, must not be able to do to the console or through it."""

import re
from collections.abc import AsyncIterator
from http.cookies import Morsel
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar, FormData
from yarl import URL

from gateway.api.callers import OPERATE, PERSONAL_DATA
from gateway.console.browsers import IDLE_S, SIGNED_IN_S, Browsers
from tests.api.running import Sandbox, token_of

SIGN_IN = "/console/sign-in"


class Visitor:
    """A browser without scripts, at a sandbox with development tokens."""

    def __init__(self, served: Sandbox) -> None:
        self.log = served.path
        self.session = ClientSession(served.session._base_url, cookie_jar=CookieJar(unsafe=True))

    @property
    def cookie(self) -> Morsel[str] | None:
        """The one of the console."""
        found = {each.key: each for each in self.session.cookie_jar}
        return found.get("gateway-console")

    async def get(self, path: str) -> tuple[int, str, dict[str, str]]:
        """A page, without following where it leads."""
        async with self.session.get(URL(path, encoded=True), allow_redirects=False) as answer:
            return answer.status, await answer.text(), dict(answer.headers)

    async def post(self, path: str, **form: str) -> tuple[int, str, dict[str, str]]:
        """A form, without following where it leads."""
        data = FormData(form)
        async with self.session.post(path, data=data, allow_redirects=False) as answer:
            return answer.status, await answer.text(), dict(answer.headers)

    async def csrf(self, path: str) -> str:
        """What the forms of a page must send."""
        found = re.search(r'name="csrf" value="([^"]+)"', (await self.get(path))[1])
        assert found is not None
        return found[1]

    async def sign_in(self, path: str = SIGN_IN, *scopes: str) -> tuple[int, str, dict[str, str]]:
        """Sign in with a development token."""
        token = token_of(self.log, scopes=scopes or (OPERATE, PERSONAL_DATA))
        return await self.post(SIGN_IN, csrf=await self.csrf(path), token=token)


@pytest.fixture
async def visitor(served: Sandbox) -> AsyncIterator[Visitor]:
    """Somebody who has not signed in yet."""
    made = Visitor(served)
    yield made
    await made.session.close()


async def test_a_development_token_signs_in_on_an_embedded_log(visitor: Visitor) -> None:
    status, _, headers = await visitor.sign_in()
    assert (status, headers["Location"]) == (303, "/console/")
    status, text, _ = await visitor.get("/console/")
    assert status == 200
    assert "Due tomorrow" in text


@pytest.mark.parametrize("token", ["", "x.y.z", "x" * 10_000])
async def test_another_token_signs_nobody_in_and_is_not_shown(visitor: Visitor, token: str) -> None:
    status, text, _ = await visitor.post(SIGN_IN, csrf=await visitor.csrf(SIGN_IN), token=token)
    assert status == 422
    assert "There is a problem" in text
    assert not token or token not in text
    assert (await visitor.get("/console/"))[0] == 303


async def test_a_token_without_the_scope_gets_a_page_that_says_so(visitor: Visitor) -> None:
    await visitor.sign_in(SIGN_IN, PERSONAL_DATA)
    status, text, _ = await visitor.get("/console/")
    assert status == 403
    assert "Not authorised" in text


@pytest.mark.parametrize(
    "path", ["/console/", "/console/referrals?po=UC-MANDATORY", "/console/participant?po=UC-MANDATORY"]
)
async def test_nothing_is_shown_to_who_is_not_signed_in(visitor: Visitor, path: str) -> None:
    status, text, headers = await visitor.get(path)
    assert status == 303
    assert headers["Location"].startswith(SIGN_IN)
    assert text == ""


async def test_a_form_without_its_token_does_nothing(visitor: Visitor) -> None:
    await visitor.sign_in()
    for form in ({}, {"csrf": "x"}, {"csrf": ""}):
        status, text, _ = await visitor.post("/console/sign-out", **form)
        assert status == 403
        assert "This form was not sent from a page of yours" in text
        status, _, _ = await visitor.post(
            "/console/dead-letters/letter", id="x", act="discard", reason="y", **form
        )
        assert status == 403
    assert (await visitor.get("/console/"))[0] == 200


async def test_a_form_of_another_browser_does_nothing(visitor: Visitor, served: Sandbox) -> None:
    other = Visitor(served)
    await other.sign_in()
    csrf = await other.csrf("/console/")
    await other.session.close()
    await visitor.sign_in()
    assert (await visitor.post("/console/sign-out", csrf=csrf))[0] == 403


async def test_signing_out_ends_it_for_the_cookie_too(visitor: Visitor) -> None:
    await visitor.sign_in()
    cookie = visitor.cookie
    assert cookie is not None
    assert (await visitor.post("/console/sign-out", csrf=await visitor.csrf("/console/")))[0] == 200
    visitor.session.cookie_jar.clear()
    visitor.session.cookie_jar.update_cookies({"gateway-console": cookie.value})
    assert (await visitor.get("/console/"))[0] == 303


async def test_a_cookie_from_before_signing_in_is_worth_nothing_afterwards(visitor: Visitor) -> None:
    await visitor.get(SIGN_IN)
    planted = visitor.cookie
    assert planted is not None
    await visitor.sign_in()
    assert visitor.cookie is not None
    assert visitor.cookie.value != planted.value
    visitor.session.cookie_jar.clear()
    visitor.session.cookie_jar.update_cookies({"gateway-console": planted.value})
    assert (await visitor.get("/console/"))[0] == 303


async def test_the_cookie_is_for_no_script_and_no_other_site(visitor: Visitor) -> None:
    await visitor.sign_in()
    assert visitor.cookie is not None
    assert visitor.cookie["httponly"]
    assert visitor.cookie["samesite"] == "Lax"


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example",
        "//evil.example",
        "/console//evil.example",
        "/console/..%2f..%2f",
        "/console/%5c%5cevil.example",
        "javascript:alert(1)",
        "/v1/referrals",
        "%0d%0aSet-Cookie:x=y",
        "/console/sign-in",
    ],
)
async def test_nobody_is_sent_to_another_site_after_signing_in(visitor: Visitor, to: str) -> None:
    _, _, headers = await visitor.sign_in(f"{SIGN_IN}?to={to}")
    assert headers["Location"] == "/console/"


async def test_who_wanted_a_page_is_sent_there_after_signing_in(visitor: Visitor) -> None:
    to = "/console/referrals?po=UC-MANDATORY"
    _, _, headers = await visitor.get(to)
    _, _, headers = await visitor.sign_in(headers["Location"])
    assert headers["Location"] == to


@pytest.mark.parametrize("path", [SIGN_IN, "/console/", "/console/nothing", "/console/static/console.js"])
async def test_each_answer_forbids_frames_and_foreign_or_inline_scripts(visitor: Visitor, path: str) -> None:
    await visitor.sign_in()
    _, text, headers = await visitor.get(path)
    policy = dict(each.split(" ", 1) for each in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    if path.startswith("/console/static"):
        assert "immutable" in headers["Cache-Control"]
    else:
        assert headers["Cache-Control"] == "no-store"
        assert not re.search(r"<script(?! src=)|<style| style=| on[a-z]+=", text)


async def test_a_form_that_is_too_large_is_refused(visitor: Visitor) -> None:
    await visitor.sign_in()
    csrf = await visitor.csrf("/console/")
    assert (await visitor.post("/console/sign-out", csrf=csrf, more="x" * 100_000))[0] == 413


def test_browsers_are_forgotten_in_time_and_are_not_too_many(tmp_path: Path) -> None:
    from aiohttp import web
    from aiohttp.test_utils import make_mocked_request

    from gateway.console.browsers import Operator

    now = [0.0]
    browsers = Browsers(secure=True, now_s=lambda: now[0], most=2)
    somebody = Operator("https://issuer.example", "s1", "S. One", frozenset({OPERATE}))

    def signed_in() -> web.Request:
        response = web.Response()
        browsers.sign_in(make_mocked_request("GET", "/"), response, somebody)
        (cookie,) = response.cookies.values()
        assert cookie.key == "__Host-gateway-console"
        assert cookie["secure"]
        assert cookie["path"] == "/"
        return make_mocked_request("GET", "/", {"Cookie": f"{cookie.key}={cookie.value}"})

    first = signed_in()
    assert browsers.of(first) is not None
    now[0] += IDLE_S
    assert browsers.of(first) is None, "nothing was done for too long"
    second = signed_in()
    ends_s = now[0] + SIGNED_IN_S
    while now[0] < ends_s:
        assert browsers.of(second) is not None
        now[0] += IDLE_S / 2
    assert browsers.of(second) is None, "however much was done"
    third, _, fourth = signed_in(), signed_in(), signed_in()
    assert browsers.of(third) is None, "there were too many"
    assert browsers.of(fourth) is not None
