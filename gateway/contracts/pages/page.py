"""A page made of a template, or the same as JSON for a program; and the files beside the pages."""

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from aiohttp import web
from msgspec import Struct

from gateway.api.headers import best_of
from gateway.api.operation import JSON
from gateway.api.responses import answer

if TYPE_CHECKING:
    from jinja2 import Environment

HTML: Final = "text/html"
#: A page loads nothing but its own style and icon.
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


@cache
def _templates() -> "Environment":
    # Jinja is a twentieth of a start, and most gateways are started without anybody looking.
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=PackageLoader("gateway.contracts.pages"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(template: str, title: str, *, policy: str = _POLICY, **context: object) -> web.Response:
    """A page. policy: what a browser may load for it (Content-Security-Policy)."""
    body = _templates().get_template(template).render(title=title, **context)
    headers = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer", "Vary": "Accept"}
    return web.Response(text=body, content_type=HTML, headers=headers)


def page_or_json(request: web.Request, view: Struct, template: str, title: str) -> web.Response:
    """A view as the page of a template for who would rather have HTML, and as JSON for all others."""
    if best_of(request, (JSON, HTML)) == JSON:
        return answer(request, view, headers={"Vary": "Accept, Accept-Encoding"})
    return page(template, title, view=view)


def static(name: str) -> bytes:
    """A file of ours."""
    return files("gateway.contracts.pages").joinpath("static", name).read_bytes()


def file(body: bytes, content_type: str) -> web.Response:
    """A file beside a page, kept by browsers for a day."""
    headers = {"Cache-Control": "public, max-age=86400"}
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)
