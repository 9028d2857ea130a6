"""The HTTP server: one aiohttp application."""

import asyncio
import errno
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.api.connection import Connection, Network, Room, answer_only_health, set_browser_headers
from gateway.api.limits import DEFAULT, LIMITS, Limits
from gateway.api.problems import answer_with_problems
from gateway.api.request_id import REQUEST_ID, request_id
from gateway.settings.settings import InvalidSettings
from gateway.system.errors import UserError

#: How long a request may take to end when the gateway stops.
LET_GO_S: Final = 1.0
#: How many connections may wait to be taken.
_BACKLOG: Final = 128


def application(
    routes: Iterable[web.AbstractRouteDef],
    counts: Middleware | None = None,
    *gates: Middleware,
    limits: Limits = DEFAULT,
) -> web.Application:
    """The application with these routes.

    counts: what sees each request with its answer. gates: what it passes before it comes to a route.
    """
    outermost = [] if counts is None else [counts]
    app = web.Application(middlewares=[*outermost, answer_only_health, answer_with_problems, *gates])
    app[LIMITS] = limits
    app.on_response_prepare.append(_complete)
    app.add_routes(routes)
    return app


async def _complete(request: web.Request, response: web.StreamResponse) -> None:
    # Don't show which version of what to attack.
    response.headers.pop("Server", None)
    response.headers[REQUEST_ID] = request_id(request)
    set_browser_headers(response)


class PortInUse(UserError):
    """Another program listens on the port."""

    code = "PORT_IN_USE"


@asynccontextmanager
async def serving(
    app: web.Application, host: str, port: int, *, sandbox: bool = False, trusted: Sequence[Network] = ()
) -> AsyncIterator[None]:
    """Serve on an address for as long as the block lasts. Raises UserError.

    sandbox: whether to log where that shows what is in it. trusted: the addresses of proxies.
    There is no access log: what is asked for may name a person's purchase order.
    """
    runner = web.AppRunner(app, shutdown_timeout=LET_GO_S)
    await runner.setup()
    try:
        listening = await _listen(runner, host, port, app[LIMITS], trusted)
        try:
            url = _url(host, port)
            shown = {"sandbox": f"{url}/sandbox"} if sandbox else {}
            structlog.get_logger("gateway").info("http.started", host=host, port=port, url=url, **shown)
            yield
        finally:
            listening.close()
    finally:
        await runner.cleanup()


def _url(host: str, port: int) -> str:
    """What to ask on this machine."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


async def refuse_taken(host: str, port: int) -> None:
    """Raises UserError where this address can't be served on, before anything else is begun."""
    with _said_of(host, port):
        listening = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)
        listening.close()
        await listening.wait_closed()


async def _listen(
    runner: web.AppRunner, host: str, port: int, limits: Limits, trusted: Sequence[Network]
) -> asyncio.Server:
    server, loop, room = runner.server, asyncio.get_running_loop(), Room(limits, trusted)
    assert server is not None
    options: dict[str, Any] = {
        "loop": loop,
        "access_log": None,  # aiohttp's types know no None here
        "keepalive_timeout": limits.idle_s,
        "lingering_time": limits.linger_s,
        "auto_decompress": False,  # it takes a body that was cut off for whole; see unpacking.py
    }
    with _said_of(host, port):
        return await loop.create_server(
            lambda: Connection(server, room, limits, **options), host, port, backlog=_BACKLOG
        )


@contextmanager
def _said_of(host: str, port: int) -> Iterator[None]:
    """What the system says of an address that can't be served on, in words. Raises UserError."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"another program, perhaps another gateway, listens on port {port} of {host}; set "
                "GATEWAY_HTTP_PORT to another port, or to 0 for no HTTP"
            ) from None
        if error.errno == errno.EACCES:
            raise InvalidSettings(
                f"port {port} may not be used by this user; set GATEWAY_HTTP_PORT to one from 1024 on"
            ) from None
        raise InvalidSettings(
            "GATEWAY_HTTP_HOST is no address of this machine; expected one, such as 127.0.0.1, or 0.0.0.0 "
            "for all of them"
        ) from None
