"""`GET /v1/openapi.json`: the document, made once."""

import gzip
from collections.abc import Sequence
from hashlib import sha256
from http import HTTPStatus

from aiohttp import web
from msgspec import json

from gateway.api.headers import takes_gzip
from gateway.api.responses import has_already
from gateway.contracts.openapi.document import GET_OPENAPI, document


def routes(*, sandbox: bool) -> Sequence[web.RouteDef]:
    """Where the document is. sandbox: with what only a sandbox has."""
    body = json.encode(document(sandbox=sandbox))
    compressed = gzip.compress(body, mtime=0)
    version = sha256(body).hexdigest()[:20]
    # Weak: the bytes are others where they are compressed.
    headers = {"ETag": f'W/"{version}"', "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}

    async def show(request: web.Request) -> web.Response:
        """The document; no token is asked for."""
        if has_already(request, version):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        if takes_gzip(request):
            encoded = headers | {"Content-Encoding": "gzip"}
            return web.Response(body=compressed, content_type="application/json", headers=encoded)
        return web.Response(body=body, content_type="application/json", headers=headers)

    return [GET_OPENAPI.route(show)]
