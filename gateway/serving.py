"""Where a gateway that serves HTTP is put together: health and metrics, the providers' API, the sandbox."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Literal

from aiohttp import web

from gateway.api import health
from gateway.api.callers import authenticator
from gateway.api.metrics import Metrics
from gateway.api.rate import Rate
from gateway.api.security import Refusals
from gateway.api.server import application, serving
from gateway.api.v1 import Api
from gateway.app import DISTRIBUTION, WIRING
from gateway.engine.clock import wall_clock
from gateway.engine.crew import Crew
from gateway.engine.log import Log
from gateway.engine.sqlite import SqliteLog
from gateway.openapi import routes as openapi
from gateway.projection.tables import ProjectionFile
from gateway.rules.policy import Policies
from gateway.sandbox.routes import Sandbox
from gateway.settings import Settings


@asynccontextmanager
async def served_crew(
    log: Log,
    settings: Settings,
    policies: Policies,
    clock: Literal["wall", "log"],
    until: int | None,
    stop: asyncio.Event,
    worker: int | None,
) -> AsyncIterator[Crew]:
    """A crew that can be watched and asked over HTTP, for as long as the block lasts.

    worker: the number of this process among several, each of which has a port and a projection of its own.
    Raises LogError, InvalidSettings or PortInUse.
    """
    metrics = Metrics(version(DISTRIBUTION))
    crew = Crew(log, policies, WIRING, until=until, watch=metrics)
    sandbox = isinstance(log, SqliteLog) and log.sandbox
    now = wall_clock if clock == "wall" and not sandbox else None
    async with AsyncExitStack() as open_until_the_end:
        refusals = Refusals(metrics.refused)
        callers = authenticator(settings, refusals)
        api = None
        if callers is not None:
            await open_until_the_end.enter_async_context(callers)
            rate = Rate(settings.rate_per_s, settings.rate_burst, refusals)
            file = ProjectionFile(settings.projection_path(worker))
            # Who begins a sandbox finds its referrals as they are meant to be found.
            decided = crew.at_rest if sandbox else lambda: True
            api = Api(log, file, callers, rate, stop, decided, read_only=clock == "log")
            await open_until_the_end.enter_async_context(api.at_work())
        following = None if api is None else api.following
        routes: list[web.AbstractRouteDef] = [*health.routes(crew, metrics, stop, now, following)]
        if api is not None:
            routes += api.routes()
            routes += openapi.routes(sandbox=sandbox)
            if sandbox:
                assert isinstance(log, SqliteLog)
                routes += Sandbox(log, crew, api.desk).routes()
        app = application(routes, metrics.gate, *(() if api is None else (api.gate,)))
        await open_until_the_end.enter_async_context(
            serving(app, settings.http_host, settings.http_port + (worker or 0), sandbox=sandbox)
        )
        yield crew
