"""`/reference`: the OpenAPI document to read and to try, by Swagger UI. Nothing comes from another host.

Only the two files of Swagger UI that a page needs are served, from where its package was installed.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from aiohttp import web
from swagger_ui_bundle import swagger_ui_path

from gateway.contracts.pages.page import file, page, static

PATH: Final = "/reference"
#: Swagger UI has its pictures in its style, and sets styles in the page.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def routes() -> Sequence[web.RouteDef]:
    """The page, and what it loads."""
    viewer = Path(str(swagger_ui_path))
    files = {
        "swagger-ui-bundle.js": (viewer.joinpath("swagger-ui-bundle.js").read_bytes(), "text/javascript"),
        "swagger-ui.css": (viewer.joinpath("swagger-ui.css").read_bytes(), "text/css"),
        "reference.js": (static("reference.js"), "text/javascript"),
    }

    async def show(_: web.Request) -> web.Response:
        return page("reference.html", "Reference", policy=_POLICY)

    async def show_file(body: bytes, content_type: str, _: web.Request) -> web.Response:
        return file(body, content_type)

    beside = [web.get(f"{PATH}/{name}", partial(show_file, *each)) for name, each in files.items()]
    return [web.get(PATH, show), *beside]
