"""Errors over HTTP: problem details (RFC 9457), with a `code` that does not change."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import json

from gateway.api.request_id import request_id

#: The status of a request whose caller left before there was an answer; it is counted, and never sent.
GONE: Final = 499
#: The media type of problem details.
PROBLEM: Final = "application/problem+json"
#: Where the page about a code is; the `type` of an error leads there.
PROBLEMS: Final = "/problems/"
_DETAILS: Final = {
    HTTPStatus.NOT_FOUND: "There is nothing under this path; check it.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This path does not take this method; use one of the header Allow.",
}


class Problem(Exception):
    """What is answered in place of what was asked for.

    code: what a program decides by; without one, the status's name. detail: a sentence that says what to
    do, and quotes nothing of the request. field: the path of what is at fault, where one is. more: further
    members of the answer.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str | None = None,
        *,
        code: str | None = None,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(code or status.name)
        self.status = status
        self.code = code or status.name
        self.detail = detail
        self.field = field
        self.headers = headers or {}
        self.more = more or {}

    def answer(self) -> web.Response:
        """It as problem details."""
        body: dict[str, object] = {
            "type": PROBLEMS + self.code,
            "title": self.status.phrase,
            "status": self.status.value,
            "code": self.code,
        }
        if self.detail is not None:
            body["detail"] = self.detail
        if self.field is not None:
            body["field"] = self.field
        return web.Response(
            status=self.status,
            body=json.encode(body | dict(self.more)),
            content_type=PROBLEM,
            headers=self.headers,
        )


def path_template(request: web.Request) -> str | None:
    """The kind of path that was asked for, such as /v1/referrals/{po}: without what it names."""
    resource = request.match_info.route.resource
    return None if resource is None else resource.canonical


@web.middleware
async def answer_with_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a request; what goes wrong becomes problem details that show nothing of it."""
    try:
        return await handler(request)
    except Exception as error:
        response = _answer_to(error, request)
        if response is None:
            raise
        # A request keeps what has broken its connection, and that the stack, which has the request and all
        # that has been read: without the stack they go at once, not when cycles are looked for.
        _drop_stacks(error)
        return response


def _drop_stacks(error: BaseException | None) -> None:
    while error is not None:
        error.__traceback__ = None
        error = error.__context__


def _answer_to(error: Exception, request: web.Request) -> web.StreamResponse | None:
    """What is answered where something was raised; None: it is an answer itself."""
    if isinstance(error, Problem):
        return error.answer()
    if isinstance(error, web.HTTPException):
        if error.status < HTTPStatus.BAD_REQUEST:
            return None
        status = HTTPStatus(error.status)
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return Problem(status, _DETAILS.get(status), headers=allow).answer()
    if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
        return web.Response(status=GONE)  # nobody gets it: whoever asked has left
    # Its text may say what a message says.
    structlog.get_logger("gateway").error(
        "http.failed",
        path=path_template(request),
        error=type(error).__name__,
        trace_id=request_id(request),
    )
    return Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "This is a bug of the gateway; report it with the header Request-Id of this answer.",
    ).answer()
