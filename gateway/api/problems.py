"""Errors over HTTP: problem details (RFC 9457), with a `code` that does not change."""

from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import json

_DETAILS: Final = {
    HTTPStatus.NOT_FOUND: "There is nothing under this path; check it.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This path does not take this method; use one of the header Allow.",
}


def problem(status: HTTPStatus, detail: str | None = None) -> web.Response:
    """The answer of an error. detail: a sentence that says what to do, and quotes nothing of the request."""
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "code": status.name}
    if detail is not None:
        body["detail"] = detail
    return web.Response(status=status, body=json.encode(body), content_type="application/problem+json")


@web.middleware
async def answer_with_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a request; what goes wrong becomes problem details that show nothing of it."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        status = HTTPStatus(error.status)
        answer = problem(status, _DETAILS.get(status))
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer
    except Exception as error:  # noqa: BLE001 - whatever it is, its text may say what a message says
        resource = request.match_info.route.resource
        path = None if resource is None else resource.canonical
        structlog.get_logger("gateway").error("http.failed", path=path, error=type(error).__name__)
        return problem(
            HTTPStatus.INTERNAL_SERVER_ERROR, "This is a bug of the gateway; report it with the time of day."
        )
