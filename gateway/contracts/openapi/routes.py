"""`GET /v1/openapi.json`: the document, made once, when it is first asked for."""

import gzip
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from http import HTTPStatus

from aiohttp import web
from msgspec import json

from gateway.api.headers import takes_gzip
from gateway.api.responses import has_already
from gateway.contracts.openapi.document import GET_OPENAPI, document


def routes(*, sandbox: bool) -> Sequence[web.RouteDef]:
    """Where the document is. sandbox: with what only a sandbox has."""

    @cache
    def made() -> tuple[bytes, bytes, str]:
        """The document, the same compressed, and its version."""
        body = json.encode(document(sandbox=sandbox))
        return body, gzip.compress(body, mtime=0), sha256(body).hexdigest()[:20]

    async def show(request: web.Request) -> web.Response:
        """The document; no token is asked for."""
        body, compressed, version = made()
        # Weak: the bytes are others where they are compressed.
        headers = {"ETag": f'W/"{version}"', "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if has_already(request, version):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        if takes_gzip(request):
            encoded = headers | {"Content-Encoding": "gzip"}
            return web.Response(body=compressed, content_type="application/json", headers=encoded)
        return web.Response(body=body, content_type="application/json", headers=headers)

    return [GET_OPENAPI.route(show)]
