"""What the routes of /v1 share, and how they read a request."""

import asyncio
import re
from dataclasses import dataclass
from email.message import Message
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from msgspec import DecodeError, Struct, json

from gateway.api.callers import Caller
from gateway.api.callers.verifying import LONGEST_PROVIDER_ID
from gateway.api.idempotency import Idempotency
from gateway.api.operation import TEXT, Parameter, header
from gateway.api.posting import Posting
from gateway.api.problems import Problem
from gateway.api.security import forbidden
from gateway.api.unpacking import Unpacking, unreadable
from gateway.engine.clock_watch import ClockWatch
from gateway.reading.model import ReadModel
from gateway.reading.view import View
from schemas.json_objects import twice

#: Larger bodies of anything but an upload are refused.
LARGEST_BODY: Final = 64 * 1024
#: Ids in paths and headers are no longer than this.
LONGEST_ID: Final = 100
#: In characters; nobody's Content-Type is as long.
LONGEST_CONTENT_TYPE: Final = 200
#: Smaller answers are not worth compressing.
COMPRESSED_FROM: Final = 1_024
#: How long a body may take to come: the longer, the more may come.
BODY_S: Final = 10.0
UPLOAD_S: Final = 60.0
#: Compression that the caller takes: not with a weight of 0, which refuses it.
_GZIP: Final = re.compile(r"(?:^|[,\s])gzip\s*(?:,|$|;(?!\s*q\s*=\s*0(?:\.0*)?\s*(?:,|$)))", re.IGNORECASE)
_CHUNK: Final = 64 * 1024

CALLER: Final = web.RequestKey("caller", Caller)

PROVIDER: Final = Parameter(
    "query",
    "provider_id",
    "Where the token stands for several providers, the one that this is for; otherwise it is left out.",
    TEXT | {"minLength": 1, "maxLength": LONGEST_PROVIDER_ID},
)
IF_NONE_MATCH: Final = Parameter(
    "header", "If-None-Match", "The ETag that you have: 304 where it is still the same.", TEXT
)
ETAG: Final = {"ETag": header("Names this version; see If-None-Match.")}


@dataclass(frozen=True, slots=True)
class Desk:
    """What the routes work with.

    read_only: the log's time is that of its records, so nothing can be posted. clock: what watches
    the wall clock; None: time is not that.
    """

    view: View
    model: ReadModel
    posting: Posting
    idempotency: Idempotency
    read_only: bool
    clock: ClockWatch | None = None


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


def answer(
    request: web.Request, body: Struct | bytes, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """An answer in JSON, compressed where the caller takes that and it is worth it."""
    encoded = body if isinstance(body, bytes) else json.encode(body)
    # It may be about a person, and no cache is to keep it.
    response = web.Response(
        status=status,
        body=encoded,
        content_type="application/json",
        headers={"Cache-Control": "no-store", "Vary": "Accept-Encoding"} | (headers or {}),
    )
    if len(encoded) >= COMPRESSED_FROM and takes_gzip(request):
        response.enable_compression(web.ContentCoding.gzip)
    return response


def takes_gzip(request: web.Request) -> bool:
    """Whether the caller takes an answer that is compressed."""
    return _GZIP.search(request.headers.get("Accept-Encoding", "")) is not None


def has_already(request: web.Request, etag: str) -> bool:
    """Whether the caller has this version of what it asks for (RFC 9110, 13.1.2)."""
    given = request.headers.get("If-None-Match", "")[:1_000]
    return given.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in given.split(","))


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


async def read_body(request: web.Request, largest: int, within_s: float) -> bytes:
    """The body, unpacked. Raises Problem where it is larger, before more of it is read, or too slow."""
    body = Unpacking(",".join(request.headers.getall("Content-Encoding", [])), largest)
    try:
        if request.content.is_eof():  # it is small and has come with the headers, as nearly all do
            body.take(request.content.read_nowait())
            return body.whole()
        async with asyncio.timeout(within_s):
            async for part in request.content.iter_chunked(_CHUNK):
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
            "The body is not said to be JSON; send it with Content-Type: application/json.",
            code="NOT_JSON",
        )
    body = await read_body(request, LARGEST_BODY, BODY_S)
    try:
        value = json.decode(body)
        has_twice = twice(body, value)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem(HTTPStatus.BAD_REQUEST, "The body is not JSON in UTF-8.", code="NOT_JSON") from None
    if not isinstance(value, dict):
        raise Problem(HTTPStatus.BAD_REQUEST, "The body is not a JSON object.", code="NOT_JSON")
    if has_twice:
        raise Problem(HTTPStatus.BAD_REQUEST, "The body has a field twice; give each once.", code="NOT_JSON")
    return value
