"""What is served over HTTP, put together: health, metrics, the providers' API, the console, the sandbox."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from typing import Final

import structlog
from aiohttp import web

from gateway.api import health
from gateway.api.callers import Authenticator, authenticator, has_identity_provider
from gateway.api.limits import DEFAULT, Limits
from gateway.api.metrics import Metrics, WebhookGauges
from gateway.api.prap_actions import ToEnter
from gateway.api.rate import Rate
from gateway.api.security import Refusals
from gateway.api.server import application, serving
from gateway.api.surroundings import Surroundings
from gateway.api.v1 import Api
from gateway.api.webhooks.delivering import Clock
from gateway.api.webhooks.keys import Secrets, webhook_key
from gateway.api.webhooks.sending import Sender
from gateway.backends.embedded.log import EmbeddedLog
from gateway.console.browsers import Browsers
from gateway.console.desk import Desk
from gateway.console.flow import Flow
from gateway.console.owners import Owners
from gateway.console.signing_in import Provider
from gateway.console.site import Console
from gateway.contracts.openapi import routes as openapi
from gateway.contracts.pages import codes, start
from gateway.engine.clock_watch import ClockWatch
from gateway.engine.log import SharedLog
from gateway.engine.observer import Observer, Observers
from gateway.engine.workers import Workers
from gateway.processes.plan import Plan
from gateway.processes.wiring import WIRING
from gateway.reading.asking import Asking
from gateway.reading.copy_file import CopyFile
from gateway.reading.following import kept_filled
from gateway.reading.model import OwnLog, ReadModel
from gateway.sandbox.beginning import days_moved
from gateway.sandbox.routes import Sandbox
from gateway.settings.settings import is_this_machine
from gateway.settings.signing_in import sign_in_settings
from gateway.system.clock import wall_clock
from gateway.system.version import gateway_version

#: How many of the console's questions are answered at a time.
OPERATORS_THREADS: Final = 2


@asynccontextmanager
async def served(
    plan: Plan,
    log: EmbeddedLog | SharedLog,
    stop: asyncio.Event,
    others: Sequence[Observer] = (),
    clock: ClockWatch | None = None,
    limits: Limits = DEFAULT,
    rate_clock_s: Callable[[], float] = time.monotonic,
    webhook_clock: Clock | None = None,
) -> AsyncIterator[Workers]:
    """Who decides, and can be watched and asked over HTTP, for as long as the block lasts.

    others: who else observes what is decided. clock: what watches the wall clock; None: time is another's.
    rate_clock_s: the clock by which callers may ask again; see Rate. webhook_clock: that by which
    webhooks are tried again; None: this machine's. Raises UserError.
    """
    limits = replace(limits, an_address=plan.settings.connections_per_address)
    now = wall_clock if plan.by_wall_clock else None
    metrics = Metrics(gateway_version(), now)
    signing_in = sign_in_settings(plan.settings)
    flow = Flow()
    refusals = Refusals(metrics.refused)
    async with AsyncExitStack() as until_the_end:
        callers = authenticator(plan.settings, refusals)
        model: ReadModel | None = None
        observers: list[Observer] = [metrics, flow, *others]
        if callers is not None:
            await until_the_end.enter_async_context(callers)
            model = await until_the_end.enter_async_context(_read_model(plan, log))
            if isinstance(model, OwnLog):
                observers.append(model)
        around = await until_the_end.enter_async_context(_surroundings(plan, callers))
        workers = Workers(
            log,
            plan.policies,
            WIRING,
            until=plan.until,
            observer=Observers(observers),
            step=plan.step,
            of_several=plan.worker is not None,
            clock=clock,
        )
        routes: list[web.AbstractRouteDef] = [*codes.routes()]
        to_enter: ToEnter | None = None
        gates = [metrics.gate]
        if callers is not None and model is not None:
            rate = Rate(plan.settings.rate_per_s, plan.settings.rate_burst, refusals, now_s=rate_clock_s)
            read_only = plan.clock == "log"
            api = Api(
                log,
                model,
                callers,
                rate,
                stop,
                policies=plan.policies,
                now=partial(_time, plan, log),
                enter_within=plan.settings.prap_enter_within_working_days,
                read_only=read_only,
                limits=limits,
                clock=clock,
                sender=_sender(plan),
                assigned=lambda: workers.assigned or frozenset(),
                webhook_clock=webhook_clock,
            )
            await until_the_end.enter_async_context(api.at_work())
            to_enter = api.to_enter
            if api.webhooks is not None:
                metrics.registry.register(WebhookGauges(api.webhooks))
            routes += [
                *api.routes(),
                *openapi.routes(sandbox=plan.sandbox),
                *start.routes(sandbox=plan.sandbox),
            ]
            gates.append(api.gate)
            development = None if plan.on_kafka or has_identity_provider(plan.settings) else callers
            plainly = not plan.on_kafka and is_this_machine(plan.settings.http_host)
            desk = Desk(
                log,
                model,
                until_the_end.enter_context(closing(Asking(model.source, OPERATORS_THREADS))),
                workers,
                plan.policies,
                Browsers(secure=not plainly if signing_in is None else signing_in.secure),
                partial(_time, plan, log),
                now,
                around,
                clock,
                None if isinstance(log, EmbeddedLog) else Owners(log.owners),
            )
            console = Console(
                desk,
                flow,
                None if signing_in is None else Provider(signing_in),
                development if signing_in is None else None,
            )
            routes += console.routes()
            gates.append(console.gate)
            if plan.sandbox and isinstance(log, EmbeddedLog):
                days = await days_moved(log)
                routes += Sandbox(log, workers, api.services, days=days).routes()
                await until_the_end.enter_async_context(_filled_at_rest(model, workers))
        routes += health.routes(workers, metrics, stop, now, model, clock, around, to_enter)
        _warn_where_exposed(plan)
        app = application(routes, *gates, limits=limits)
        metrics.expect(resource.canonical for resource in app.router.resources())
        trusted = plan.settings.trusted_proxies
        http = serving(app, plan.settings.http_host, plan.http_port, sandbox=plan.sandbox, trusted=trusted)
        await until_the_end.enter_async_context(http)
        yield workers


async def _time(plan: Plan, log: EmbeddedLog | SharedLog) -> int:
    """What the log's clock says, UTC milliseconds: with --clock log, when something was decided last."""
    if plan.sandbox and isinstance(log, EmbeddedLog):
        return await log.time()
    decided_to = None if plan.by_wall_clock else await log.decided_to()
    return wall_clock() if decided_to is None else decided_to


def _sender(plan: Plan) -> Sender | None:
    """What delivers to webhooks; None: there is no key to sign with.

    Only where whoever calls is on this machine, too, are its own services delivered to: else a caller could
    have the gateway reach what only this machine does. Raises InvalidSettings or OSError.
    """
    settings, key = plan.settings, webhook_key(plan.settings)
    if key is None:
        return None
    local = (
        not settings.on_kafka and not has_identity_provider(settings) and is_this_machine(settings.http_host)
    )
    return Sender(Secrets(key), origin=settings.webhook_origin, local=local)


def _warn_where_exposed(plan: Plan) -> None:
    """Log what others can reach that is meant for this machine."""
    settings = plan.settings
    if is_this_machine(settings.http_host) or settings.on_kafka:
        return
    if plan.sandbox:
        what = "a sandbox, which takes messages and moves its clock without a token"
    elif not has_identity_provider(settings):
        what = "an API whose tokens are signed with the development key"
    else:
        return
    structlog.get_logger("gateway").warning("http.exposed", host=settings.http_host, what=what)


@asynccontextmanager
async def _surroundings(plan: Plan, callers: Authenticator | None) -> AsyncIterator[Surroundings]:
    """What the gateway needs beside its partitions, watched for as long as the block lasts."""
    settings, keyring = plan.settings, None if callers is None else callers.keyring
    files, reach_brokers = {}, None
    if not plan.on_kafka:
        files = {"log": settings.log_path()}
    else:
        from gateway.backends.kafka.reach import reach
        from gateway.settings.connecting import connection

        reach_brokers = partial(reach, connection(settings))
        if callers is not None:
            files = {"projection": settings.projection_path(plan.worker)}
    around = Surroundings(files, keyring)
    watching = asyncio.create_task(around.watch(reach_brokers))
    try:
        yield around
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


@asynccontextmanager
async def _read_model(plan: Plan, log: EmbeddedLog | SharedLog) -> AsyncIterator[ReadModel]:
    """What answers come from: the embedded log itself, or a copy of one on Kafka."""
    if isinstance(log, EmbeddedLog):
        yield OwnLog(log.file, await log.partitions(), complete=not plan.sandbox)
    else:
        file = CopyFile(plan.settings.projection_path(plan.worker))
        async with kept_filled(log, file, lambda: True) as following:
            yield following


@asynccontextmanager
async def _filled_at_rest(model: ReadModel, workers: Workers) -> AsyncIterator[None]:
    """A sandbox answers once all that is ready-made in it has been decided."""

    async def wait() -> None:
        await workers.until_at_rest()
        model.filled.set()

    waiting = asyncio.create_task(wait())
    try:
        yield
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
