"""`/`, where somebody begins who knows nothing but the address."""

from collections.abc import Sequence

from aiohttp import web
from msgspec import Struct

from gateway.api.problems import PROBLEMS
from gateway.api.v1 import OPENAPI
from gateway.contracts.pages import reference
from gateway.contracts.pages.page import file, page_or_json, static
from gateway.system.version import gateway_version


class StartView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What there is, and where. sandbox: only in one."""

    name: str
    version: str
    openapi: str
    reference: str
    problems: str
    guide: str
    console: str
    sandbox: str | None = None
    sandbox_clock: str | None = None


def routes(*, sandbox: bool) -> Sequence[web.RouteDef]:
    """The page, its style, and the reference. No token is asked for. sandbox: whether this is one."""
    view = StartView(
        name="Information session gateway",
        version=gateway_version(),
        openapi=OPENAPI,
        reference=reference.PATH,
        problems=PROBLEMS.rstrip("/"),
        guide="docs/integrate.md",
        console="/console/",
        sandbox="/sandbox" if sandbox else None,
        sandbox_clock="/sandbox/clock" if sandbox else None,
    )
    style = static("pages.css")

    async def show(request: web.Request) -> web.Response:
        return page_or_json(request, view, "start.html", view.name)

    async def show_style(_: web.Request) -> web.Response:
        return file(style, "text/css")

    return [web.get("/", show), web.get("/pages.css", show_style), *reference.routes()]
