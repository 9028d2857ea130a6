"""Answers in JSON, compressed where that is worth it and not sent again to who has them; and files."""

from typing import Final

from aiohttp import web
from aiohttp.helpers import ETAG_ANY
from msgspec import Struct, json

from gateway.api.headers import takes_gzip
from gateway.api.operation import CSV, JSON, TEXT, Parameter, header

#: What an answer in JSON depends on, beside who asks.
VARY: Final = "Accept-Encoding"
#: Smaller answers are not worth compressing; larger ones than the second number are, in a thread.
COMPRESSED_FROM: Final = 1_024
_IN_THREAD_FROM: Final = 16 * 1024

IF_NONE_MATCH: Final = Parameter(
    "header", "If-None-Match", "The ETag that you have: 304 where it is still the same.", TEXT
)
ETAG: Final = {"ETag": header("Names this version; see If-None-Match.")}


def answer(
    request: web.Request,
    body: Struct | bytes,
    status: int = 200,
    headers: dict[str, str] | None = None,
    content_type: str = JSON,
) -> web.Response:
    """An answer in JSON, compressed where the caller takes that and it is worth it."""
    encoded = body if isinstance(body, bytes) else json.encode(body)
    # It may be about a person, and no cache is to keep it.
    response = web.Response(
        status=status,
        body=encoded,
        content_type=content_type,
        headers={"Cache-Control": "no-store", "Vary": VARY} | (headers or {}),
        zlib_executor_size=_IN_THREAD_FROM,
    )
    if len(encoded) >= COMPRESSED_FROM and takes_gzip(request):
        response.enable_compression(web.ContentCoding.gzip)
    return response


def csv_file(
    content: bytes, name: str, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """A CSV file to be saved under a name."""
    named = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return web.Response(
        status=status, body=content, content_type=CSV, charset="utf-8", headers=named | (headers or {})
    )


def has_already(request: web.Request, version: str) -> bool:
    """Whether the caller has this version of what it asks for (RFC 9110, 13.1.2)."""
    return any(tag.value in {version, ETAG_ANY} for tag in request.if_none_match or ())
