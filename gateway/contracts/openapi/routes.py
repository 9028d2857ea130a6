"""`GET /v1/openapi.json`: the document, made once."""

import gzip
from collections.abc import Sequence
from hashlib import sha256
from http import HTTPStatus

from aiohttp import web
from msgspec import json

from gateway.api.desk import has_already, takes_gzip
from gateway.contracts.openapi.document import GET_OPENAPI, document


def routes(*, sandbox: bool) -> Sequence[web.RouteDef]:
    """Where the document is. sandbox: with what only a sandbox has."""
    body = json.encode(document(sandbox=sandbox))
    compressed = gzip.compress(body, mtime=0)
    etag = f'"{sha256(body).hexdigest()[:20]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}

    async def show(request: web.Request) -> web.Response:
        """The document; no token is asked for."""
        if has_already(request, etag):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        if takes_gzip(request):
            encoded = headers | {"Content-Encoding": "gzip"}
            return web.Response(body=compressed, content_type="application/json", headers=encoded)
        return web.Response(body=body, content_type="application/json", headers=headers)

    return [GET_OPENAPI.route(show)]
