"""Where a gateway that serves HTTP is put together: health and metrics, the providers' API, the sandbox."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Literal

from aiohttp import web

from gateway.api import health
from gateway.api.callers import authenticator
from gateway.api.metrics import Metrics
from gateway.api.rate import Rate
from gateway.api.security import Refusals
from gateway.api.server import application, serving
from gateway.api.v1 import Api
from gateway.backends.embedded.log import SqliteLog
from gateway.contracts.openapi import routes as openapi
from gateway.engine.crew import Crew
from gateway.engine.log import Log
from gateway.processes.apart.dealing import at_work_apart
from gateway.processes.apart.process import Process
from gateway.processes.apart.told import CrewApart
from gateway.processes.wiring import WIRING
from gateway.reading.following import kept_filled
from gateway.reading.tables import ProjectionFile
from gateway.rules.policy import Policies
from gateway.sandbox.routes import Sandbox
from gateway.settings.settings import Settings
from gateway.system.clock import wall_clock
from gateway.system.version import gateway_version

Clock = Literal["wall", "log"]


@asynccontextmanager
async def served_crew(
    log: Log,
    settings: Settings,
    policies: Policies,
    clock: Clock,
    until: int | None,
    stop: asyncio.Event,
    worker: int | None,
) -> AsyncIterator[Crew]:
    """A crew that can be watched and asked over HTTP, for as long as the block lasts.

    worker: the number of this process among several, each of which has a port and a projection of its own.
    Raises UserError.
    """
    metrics = Metrics(gateway_version())
    crew = Crew(log, policies, WIRING, until=until, watch=metrics)
    sandbox = isinstance(log, SqliteLog) and log.sandbox
    now = wall_clock if clock == "wall" and not sandbox else None
    async with AsyncExitStack() as open_until_the_end:
        refusals = Refusals(metrics.refused)
        callers = authenticator(settings, refusals)
        following, api = None, None
        more: Sequence[web.AbstractRouteDef] = ()
        if callers is not None:
            await open_until_the_end.enter_async_context(callers)
            # Who begins a sandbox finds its referrals as they are meant to be found.
            decided = crew.at_rest if sandbox else lambda: True
            file = ProjectionFile(settings.projection_path(worker))
            following = await open_until_the_end.enter_async_context(kept_filled(log, file, decided))
            rate = Rate(settings.rate_per_s, settings.rate_burst, refusals)
            api = Api(log, file, following, callers, rate, stop, read_only=clock == "log")
            await open_until_the_end.enter_async_context(api.at_work())
            if sandbox:
                assert isinstance(log, SqliteLog)
                more = Sandbox(log, crew, following, api.desk).routes()
        routes = [*health.routes(crew, metrics, stop, now, following), *more]
        await open_until_the_end.enter_async_context(
            _served(settings, worker, metrics, routes, api, sandbox=sandbox)
        )
        yield crew


@asynccontextmanager
async def served_apart(
    process: Process,
    log: Log,
    settings: Settings,
    policies: Policies,
    clock: Clock,
    until: int | None,
    stop: asyncio.Event,
    worker: int | None,
) -> AsyncIterator[CrewApart]:
    """The same, where another process decides, by these policies, and fills the projection. It has no end of
    its own (`until`).

    Raises DecidersGone, too.
    """
    metrics = Metrics(gateway_version(), deciders=process.pid)
    now = wall_clock if clock == "wall" else None
    async with AsyncExitStack() as open_until_the_end:
        refusals = Refusals(metrics.refused)
        callers = authenticator(settings, refusals)
        assert callers is not None, "an embedded log has a development key at least"
        await open_until_the_end.enter_async_context(callers)
        path = settings.projection_path(worker)
        apart = await open_until_the_end.enter_async_context(at_work_apart(process, log, path, metrics.count))
        rate = Rate(settings.rate_per_s, settings.rate_burst, refusals)
        api = Api(apart.log, apart.file, apart.following, callers, rate, stop, read_only=clock == "log")
        await open_until_the_end.enter_async_context(api.at_work())
        routes = health.routes(apart.crew, metrics, stop, now, apart.following)
        await open_until_the_end.enter_async_context(_served(settings, worker, metrics, routes, api))
        yield apart.crew


@asynccontextmanager
async def _served(
    settings: Settings,
    worker: int | None,
    metrics: Metrics,
    routes: Sequence[web.AbstractRouteDef],
    api: Api | None,
    *,
    sandbox: bool = False,
) -> AsyncIterator[None]:
    """HTTP with these routes and those of the API, for as long as the block lasts."""
    if api is not None:
        routes = [*routes, *api.routes(), *openapi.routes(sandbox=sandbox)]
    app = application(routes, metrics.gate, *(() if api is None else (api.gate,)))
    async with serving(app, settings.http_host, settings.http_port + (worker or 0), sandbox=sandbox):
        yield
