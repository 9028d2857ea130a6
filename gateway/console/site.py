"""The console's site: who may come in, what browsers are told, and what is shown where something is wrong."""

import sqlite3
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.api.callers import Authenticator, TokenRefused
from gateway.api.problems import Problem
from gateway.api.security import TOKEN_SAYS
from gateway.console import (
    dead_letters,
    deadlines,
    now,
    people,
    providers,
    referrals,
    refusals,
    reports,
    rules,
    sessions,
    what_if,
)
from gateway.console.browsers import Operator
from gateway.console.desk import BROWSER, OPERATOR, Desk, go
from gateway.console.flow import Flow
from gateway.console.signing_in import CALLBACK, Provider, SignInFailed
from gateway.console.static_files import STATIC
from gateway.system.errors import UserError

HOME: Final = "/console/"
SIGN_IN: Final = "/console/sign-in"
SIGN_OUT: Final = "/console/sign-out"
_STATIC: Final = "/console/static/"
#: What anybody may ask for.
_OPEN: Final = frozenset({SIGN_IN, CALLBACK, SIGN_OUT})
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_LONGEST_FORM: Final = 64 * 1024


class Console:
    """The routes, and what every request for them passes.

    provider: where operators sign in; None: nowhere. development: who takes a token of the development key
    instead; None: nobody.
    """

    def __init__(
        self, desk: Desk, flow: Flow, provider: Provider | None, development: Authenticator | None
    ) -> None:
        self._desk = desk
        self._flow = flow
        self._provider = provider
        self._development = development

    def routes(self) -> Sequence[web.RouteDef]:
        """All of /console/."""
        return [
            web.get("/console", self._to_home),
            web.get(SIGN_IN, self._show_sign_in),
            web.post(SIGN_IN, self._sign_in_by_token),
            web.get(CALLBACK, self._signed_in),
            web.post(SIGN_OUT, self._sign_out),
            web.get(_STATIC + "{name}", _file),
            *now.routes(self._desk, self._flow),
            *referrals.routes(self._desk),
            *people.routes(self._desk),
            *deadlines.routes(self._desk),
            *sessions.routes(self._desk),
            *providers.routes(self._desk),
            *refusals.routes(self._desk),
            *dead_letters.routes(self._desk),
            *rules.routes(self._desk),
            *what_if.routes(self._desk),
            *reports.routes(self._desk),
        ]

    @property
    def gate(self) -> Middleware:
        """What a request to /console passes first."""

        @web.middleware
        async def let_in(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path != "/console" and not request.path.startswith(HOME):
                return await handler(request)
            try:
                response = await self._admit(request, handler)
            except web.HTTPException as error:
                response = self._wrong(request, HTTPStatus(error.status))
            except Problem as problem:
                response = self._wrong(request, problem.status, problem.detail)
            except SignInFailed as error:
                response = self._wrong(request, HTTPStatus.FORBIDDEN, _sentence(error))
            except UserError as error:
                response = self._wrong(request, HTTPStatus.SERVICE_UNAVAILABLE, _sentence(error))
            except sqlite3.Error as error:
                self._desk.model.unreadable(error)
                response = self._wrong(
                    request,
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    "The file that answers come from can't be read at the moment. Check its disk, and try "
                    "again.",
                )
            if not response.prepared:  # what has been sent part by part is a file, and no page
                for name, value in _HEADERS.items():
                    response.headers.setdefault(name, value)
            return response

        return let_in

    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let in who is signed in and may; who isn't is sent to sign in."""
        path = request.path
        if path.startswith(_STATIC) or path == "/console":
            return await handler(request)
        browser = self._desk.browsers.of(request)
        if browser is not None:
            request[BROWSER] = browser
            if browser.operator is not None:
                request[OPERATOR] = browser.operator
        if request.method not in {"GET", "HEAD"}:
            # Before anything else: another site's form is nobody's.
            if (request.content_length or 0) > _LONGEST_FORM:
                raise web.HTTPRequestEntityTooLarge(_LONGEST_FORM, request.content_length or 0)
            if browser is None or not browser.has_sent((await request.post()).get("csrf")):
                return self._wrong(
                    request,
                    HTTPStatus.FORBIDDEN,
                    "This form was not sent from a page of yours, or you have been signed out meanwhile. "
                    "Open the page again, and send it once more.",
                )
        if path in _OPEN:
            return await handler(request)
        if browser is None or browser.operator is None:
            if request.method == "GET":
                return go(f"{SIGN_IN}?to={quote(request.path_qs, safe='')}")
            raise web.HTTPUnauthorized
        if not browser.operator.operates:
            return self._desk.page(
                request, "not_authorised.html", HTTPStatus.FORBIDDEN, title="Not authorised"
            )
        if not self._desk.model.filled.is_set():
            return self._wrong(
                request,
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The gateway has just started and is reading its log, or the log is away. Try again soon.",
                self._desk.troubles(),
            )
        return await handler(request)

    def _wrong(
        self,
        request: web.Request,
        status: HTTPStatus,
        detail: str | None = None,
        troubles: Sequence[str] = (),
    ) -> web.Response:
        says = detail or _SAYS.get(status, "Something is wrong. Go back, and try again.")
        return self._desk.page(
            request, "error.html", status, title=status.phrase, says=says, troubles=troubles
        )

    async def _to_home(self, _: web.Request) -> web.StreamResponse:
        return go(HOME)

    async def _show_sign_in(self, request: web.Request) -> web.StreamResponse:
        """Send the browser to the provider, or ask for a development token."""
        to = _ours(request.query.get("to"))
        if self._provider is not None:
            self._desk.browsers.forget(request)
            response = go(HOME)
            browser = self._desk.browsers.begin(response, to)
            response.headers["Location"] = await self._provider.address(browser)
            return response
        if self._development is None:
            return self._wrong(
                request,
                HTTPStatus.SERVICE_UNAVAILABLE,
                "Nobody can sign in yet. Set GATEWAY_CONSOLE_ISSUER, GATEWAY_CONSOLE_URL and "
                "GATEWAY_CONSOLE_CLIENT_ID to those of the operators' identity provider.",
            )
        return self._ask_for_token(request, to)

    def _ask_for_token(self, request: web.Request, to: str, wrong: str | None = None) -> web.Response:
        kept = web.Response()
        self._desk.browsers.forget(request)
        request[BROWSER] = self._desk.browsers.begin(kept, to)
        status = HTTPStatus.OK if wrong is None else HTTPStatus.UNPROCESSABLE_ENTITY
        response = self._desk.page(request, "sign_in.html", status, title="Sign in", wrong=wrong)
        response.cookies.update(kept.cookies)
        return response

    async def _sign_in_by_token(self, request: web.Request) -> web.StreamResponse:
        """Take a development token for who somebody is."""
        if self._development is None:
            raise web.HTTPNotFound
        to = request[BROWSER].to
        token = (await request.post()).get("token")
        try:
            caller = await self._development.bearer(token.strip() if isinstance(token, str) else "")
        except TokenRefused as refused:
            _log_refused(refused.reason)
            return self._ask_for_token(request, to, TOKEN_SAYS[refused.reason])
        return self._welcome(
            request, Operator(caller.issuer, caller.subject, "Development token", caller.scopes), to
        )

    async def _signed_in(self, request: web.Request) -> web.StreamResponse:
        """Take what the provider says for who somebody is."""
        browser = request.get(BROWSER)
        if self._provider is None:
            raise web.HTTPNotFound
        if browser is None or browser.operator is not None:
            raise SignInFailed("no sign-in was begun in this browser, or too long ago; sign in again")
        self._desk.browsers.forget(request)  # an answer counts once
        try:
            operator = await self._provider.operator(request, browser)
        except SignInFailed as error:
            _log_refused(str(error))
            raise
        return self._welcome(request, operator, browser.to)

    def _welcome(self, request: web.Request, operator: Operator, to: str) -> web.StreamResponse:
        structlog.get_logger("gateway").info(
            "console.signed_in", operator=operator.id, operates=operator.operates
        )
        response = go(to)
        self._desk.browsers.sign_in(request, response, operator)
        return response

    async def _sign_out(self, request: web.Request) -> web.StreamResponse:
        request.pop(BROWSER, None)
        request.pop(OPERATOR, None)
        response = self._desk.page(request, "signed_out.html", title="Signed out")
        self._desk.browsers.sign_out(request, response)
        return response


async def _file(request: web.Request) -> web.Response:
    """A file beside the pages. Its address has its version, so that browsers may keep it."""
    found = STATIC.get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    body, kind = found
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)


def _ours(to: str | None) -> str:
    """Where to go after signing in: a page of the console, and never another site."""
    plain = to is not None and to.startswith(HOME) and to.isprintable() and to.isascii()
    if to is None or not plain or "\\" in to or "//" in to or ".." in to or to.startswith(SIGN_IN):
        return HOME
    return to


def _sentence(error: UserError) -> str:
    said = str(error)
    return f"{said[:1].upper()}{said[1:]}."


def _log_refused(reason: str) -> None:
    structlog.get_logger("gateway").warning("console.sign_in_refused", reason=reason)


_SAYS: Final = {
    HTTPStatus.NOT_FOUND: "There is no such page, or what it was about is no longer kept. Check the address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This page can't be asked for in this way. Go back, and try again.",
    HTTPStatus.UNAUTHORIZED: "You are not signed in any more. Sign in, and try again.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "What was sent is too large. Send less.",
}
