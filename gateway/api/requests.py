"""What a request says: who makes it, for which provider, and its body."""

import asyncio
from email.message import Message
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from msgspec import DecodeError

from gateway.api.callers import Caller
from gateway.api.limits import LIMITS
from gateway.api.operation import TEXT, Parameter
from gateway.api.problems import Problem
from gateway.api.security import forbidden
from gateway.api.unpacking import Unpacking, unreadable
from schemas.json_objects import decode_json, twice
from schemas.limits import LONGEST_ID

#: Larger bodies of anything but an upload are refused.
LARGEST_BODY: Final = 64 * 1024
#: In characters; nobody's Content-Type is as long.
LONGEST_CONTENT_TYPE: Final = 200
_CHUNK: Final = 64 * 1024

CALLER: Final = web.RequestKey("caller", Caller)

PROVIDER: Final = Parameter(
    "query",
    "provider_id",
    "Where the token stands for several providers, the one that this is for; otherwise it is left out.",
    TEXT | {"minLength": 1, "maxLength": LONGEST_ID},
)


def caller_of(request: web.Request) -> Caller:
    """Who asks."""
    return request[CALLER]


def providers_of(request: web.Request) -> frozenset[str]:
    """The providers that the caller stands for; with `?provider_id=` that one.

    Raises Problem where it is none.
    """
    caller = caller_of(request)
    if not caller.providers:
        forbidden(request, "not_a_provider")
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "This is for providers; use a token with a provider_id.",
            code="NOT_A_PROVIDER",
        )
    chosen = PROVIDER.text_of(request)
    if chosen is None:
        return caller.providers
    if chosen not in caller.providers:
        forbidden(request, "query_names_another_provider")
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "This is not a provider of the token; name one of those, or leave it out.",
            code="ANOTHER_PROVIDER",
            field="provider_id",
        )
    return frozenset({chosen})


def provider_of(request: web.Request) -> str:
    """The one provider that a request is for. Raises Problem where it may be for several."""
    providers = providers_of(request)
    if len(providers) > 1:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "The token stands for several providers; say which one with ?provider_id=.",
            code="PROVIDER_NEEDED",
            field="provider_id",
        )
    return next(iter(providers))


def jobcentres_of(request: web.Request, scope: str) -> frozenset[str]:
    """The Jobcentres that the caller stands for with a scope. Raises Problem where it is none."""
    caller = caller_of(request)
    if not caller.jobcentres or scope not in caller.scopes:
        forbidden(request, "not_a_jobcentre")
        raise _lacking(
            f"This is for Jobcentres; use a token with a jobcentre_id and the scope {scope}.",
            "NOT_A_JOBCENTRE",
        )
    return caller.jobcentres


def refuse_all_but_prap(request: web.Request, scope: str) -> None:
    """Raises Problem where the caller does not stand for PRaP with a scope."""
    if scope not in caller_of(request).scopes:
        forbidden(request, "not_prap")
        raise _lacking(f"This is for PRaP; use a token with the scope {scope}.", "NOT_PRAP")


def _lacking(detail: str, code: str) -> Problem:
    headers = {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}
    return Problem(HTTPStatus.FORBIDDEN, detail, code=code, headers=headers)


def content_type_of(request: web.Request) -> tuple[str, str | None]:
    """The media type of a body, and its charset; empty, and None, where they can't be read.

    In place of aiohttp's own, which raises IndexError for some.
    """
    given = request.headers.get("Content-Type", "")
    if len(given) > LONGEST_CONTENT_TYPE or not given.isascii() or not given:
        return "", None
    return _content_type(given)


@lru_cache(maxsize=256)  # most are the same few
def _content_type(given: str) -> tuple[str, str | None]:
    read = Message()
    read["Content-Type"] = given
    return read.get_content_type(), read.get_content_charset()


def not_a_form(media_type: str, what: str) -> str:
    """How a sentence begins that says in what form a body is sent. what: the body itself."""
    if media_type.startswith("multipart/"):
        return f"The body is a form of several parts (multipart); make {what} itself the body, and "
    return "The body is not of a media type that is taken here; "


async def read_body(request: web.Request, largest: int, within_s: float) -> bytes:
    """The body, unpacked. Raises Problem where it is larger, before more of it is read, or too slow.

    Where much may come, it is unpacked in a thread.
    """
    body = Unpacking(",".join(request.headers.getall("Content-Encoding", [])), largest)
    try:
        if request.content.is_eof():  # it is small and has come with the headers, as nearly all do
            body.take(request.content.read_nowait())
            return body.whole()
        async with asyncio.timeout(within_s):
            async for part in request.content.iter_chunked(_CHUNK):
                if body.packed and largest > LARGEST_BODY:
                    await asyncio.to_thread(body.take, part)
                else:
                    body.take(part)
    except TimeoutError:
        raise Problem(
            HTTPStatus.REQUEST_TIMEOUT,
            f"The body has not come within {within_s:.0f} seconds; send it again, and faster.",
            code="TOO_SLOW",
            headers={"Connection": "close"},
        ) from None
    except web.RequestPayloadError:
        raise unreadable() from None
    return body.whole()


async def read_object(request: web.Request) -> dict[str, Any]:
    """The body, which must be a JSON object. Raises Problem."""
    media_type, _ = content_type_of(request)
    if media_type != "application/json":
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"{not_a_form(media_type, 'the JSON')}send it with Content-Type: application/json.",
            code="JSON_NEEDED",
        )
    body = await read_body(request, LARGEST_BODY, request.app[LIMITS].body_s)
    try:
        value = decode_json(body)
        has_twice = twice(body, value)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem(HTTPStatus.BAD_REQUEST, "The body is not JSON in UTF-8.", code="NOT_JSON") from None
    if not isinstance(value, dict):
        raise Problem(HTTPStatus.BAD_REQUEST, "The body is not a JSON object.", code="NOT_JSON")
    if has_twice:
        raise Problem(HTTPStatus.BAD_REQUEST, "The body has a field twice; give each once.", code="NOT_JSON")
    return value
