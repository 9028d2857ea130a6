"""Starts what a plan says, and ends it in order."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import structlog

from gateway.engine.clock_watch import ClockWatch
from gateway.engine.log import LogBusy, SharedLog
from gateway.engine.observer import Observer, Observers
from gateway.engine.workers import Workers
from gateway.processes.logs import open_log
from gateway.processes.plan import Plan
from gateway.processes.summary import ActivitySummary
from gateway.processes.wiring import WIRING
from gateway.reading.cursor import MOST_PARTITIONS
from gateway.reading.log_lines import EventLog, shown
from gateway.reading.tables import LogTables
from gateway.settings.settings import InvalidSettings, Settings
from gateway.settings.wrapping import wrapping_keys
from gateway.system.clock import wall_clock
from gateway.system.stopping import stop_on_signals
from gateway.system.version import gateway_version

if TYPE_CHECKING:
    from gateway.backends.embedded.log import EmbeddedLog

#: The log's thread needs the interpreter for moments only, and at the default of 5 ms waits most of its time.
SWITCH_INTERVAL_S: Final = 0.0005
#: Where HTTP is served, how many objects more there are when the garbage collector looks at them: connections
#: that break leave cycles of some objects each.
COLLECT_AFTER: Final = 5_000
#: How often brokers that don't answer when the gateway starts are looked for again.
AWAY_AGAIN_S: Final = 2.0


async def run(plan: Plan) -> int:
    """Decide what arrives until SIGTERM or SIGINT comes or, with `until`, until all is decided.

    1. The port, where HTTP is to be served and the log is new: if another program has it, none is made.
    2. The log: who has its lock, or is assigned partitions, decides.
    3. HTTP: it says from the start why nothing is decided yet.
    4. Whether the log, and by which clock, can be decided on without losing anything.
    5. The workers.

    Returns how many messages and deadlines were decided. Raises LogError, Lost, InvalidSettings or PortInUse.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    say = structlog.get_logger("gateway")
    summary = ActivitySummary()
    with stop_on_signals(None if plan.worker is None else sys.stdin.fileno()) as stop:
        if plan.http:
            gc.set_threshold(COLLECT_AFTER)
            if not plan.on_kafka and not plan.settings.log_path().exists():
                from gateway.api.server import refuse_taken

                await refuse_taken(plan.settings.http_host, plan.http_port)
        log = await _open(plan)
        try:
            clock = _watch(plan, log)
            async with AsyncExitStack() as until_the_end:
                workers = await until_the_end.enter_async_context(_workers(plan, log, stop, summary, clock))
                if await _is_fit(plan, log, workers, stop, clock):
                    if clock is not None:
                        watching = asyncio.create_task(clock.run())
                        until_the_end.callback(watching.cancel)
                        workers.waiting_for = clock.trouble or workers.waiting_for
                        await clock.until_right(stop)
                    async with summary.logged(workers, wall_clock if plan.by_wall_clock else None):
                        await workers.run(stop)
            say.info("gateway.stopped", decided=workers.decided)
            return workers.decided
        finally:
            await log.close()


async def _open(plan: Plan) -> "EmbeddedLog | SharedLog":
    if plan.sandbox:
        from gateway.sandbox import BEGINS_AT
        from gateway.sandbox.beginning import open_sandbox

        settings = plan.settings
        return await open_sandbox(
            settings.log_path(),
            settings.partition_count,
            LogTables(),
            must_exist=settings.log_must_exist,
            begins_at=wall_clock() if plan.today else BEGINS_AT,
            wrapping=wrapping_keys(settings),
        )
    return await open_log(plan.settings, clock=plan.clock, own=True)


def _watch(plan: Plan, log: "EmbeddedLog | SharedLog") -> ClockWatch | None:
    """What watches the wall clock; None: time is another's."""
    if not plan.by_wall_clock:
        return None
    settings = plan.settings
    return ClockWatch(
        log,
        leap_ms=settings.clock_leap_s * 1_000,
        gap_ms=settings.clock_gap_ms,
        skew_ms=round(settings.grace_s * 1_000) if settings.on_kafka else 0,
    )


@asynccontextmanager
async def _workers(
    plan: Plan,
    log: "EmbeddedLog | SharedLog",
    stop: asyncio.Event,
    summary: ActivitySummary,
    clock: ClockWatch | None,
) -> AsyncIterator[Workers]:
    """Who decides, served over HTTP or not, for as long as the block lasts."""
    observers: list[Observer] = [EventLog(shown(plan.settings.log_level, plan.settings.log_events)), summary]
    async with AsyncExitStack() as until_the_end:
        if plan.settings.otlp_endpoint is not None:
            from gateway.processes.traces import traced

            now = wall_clock if plan.by_wall_clock else None
            observers.append(
                await until_the_end.enter_async_context(traced(plan.settings.otlp_endpoint, now))
            )
        if plan.http:
            from gateway.processes.serving import served

            yield await until_the_end.enter_async_context(served(plan, log, stop, observers, clock))
        else:
            yield Workers(
                log,
                plan.policies,
                WIRING,
                until=plan.until,
                observer=Observers(observers),
                step=plan.step,
                of_several=plan.worker is not None,
                clock=clock,
            )


async def _is_fit(
    plan: Plan,
    log: "EmbeddedLog | SharedLog",
    workers: Workers,
    stop: asyncio.Event,
    clock: ClockWatch | None,
) -> bool:
    """Whether the log can be decided on. Brokers that are away are waited for; False: stopped meanwhile.

    Raises LogError or InvalidSettings where what is there would lose something or decide it wrongly.
    """
    say = structlog.get_logger("gateway")
    settings = plan.settings
    while not stop.is_set():
        try:
            if settings.on_kafka:
                await _refuse_what_breaks(settings)
            partitions = await log.partitions()
            if wrong := settings.other_than(partitions):
                raise InvalidSettings(wrong)
            if plan.http and partitions > MOST_PARTITIONS and _has_api(settings):
                raise InvalidSettings(
                    f"the log has {partitions} partitions, and the API's cursors fit into a URL with at most "
                    f"{MOST_PARTITIONS}; name a log with fewer, or set GATEWAY_HTTP_PORT=0"
                )
            if plan.by_wall_clock and await log.keeps_time():
                await _refuse_other_time(log, settings)
            if clock is not None:
                await clock.start()
        except LogBusy as error:
            if plan.until is not None:
                raise
            workers.waiting_for = str(error)
            workers.away.began(workers, error)
            with suppress(TimeoutError):
                async with asyncio.timeout(AWAY_AGAIN_S):
                    await stop.wait()
            continue
        workers.away.ended(workers)
        workers.configured = partitions
        say.info("gateway.started", version=gateway_version(), log=settings.log_url, partitions=partitions)
        if not settings.on_kafka and not plan.sandbox and wrapping_keys(settings) is None:
            say.info("keys.beside_log")
        return True
    return False


async def _refuse_other_time(log: "EmbeddedLog | SharedLog", settings: Settings) -> None:
    """Raises InvalidSettings where the log's own time is not that of the wall clock.

    An embedded log that was fed with messages up to now goes on by the wall clock from there.
    """
    why = "the topics keep the time that a message is put with (CreateTime)"
    if not settings.on_kafka:
        from gateway.backends.embedded.log import EmbeddedLog

        assert isinstance(log, EmbeddedLog)
        old = wall_clock() - await log.file.run(log.newest)
        if 0 <= old <= settings.clock_gap_ms:
            return
        why = "the log was fed with --keep-time"
    raise InvalidSettings(f"{why}, so its time is not the wall clock's; run it with --clock log")


def _has_api(settings: Settings) -> bool:
    """Whether callers can be known, so that more than health and metrics is served."""
    from gateway.api.callers import has_identity_provider

    return not settings.on_kafka or has_identity_provider(settings)


async def _refuse_what_breaks(settings: Settings) -> None:
    from gateway.backends.kafka.topics_check import differences
    from gateway.settings.connecting import connection

    found = await differences(connection(settings), settings.topic_prefix, timestamps=None)
    if wrong := [str(difference) for difference in found if difference.breaks]:
        more = f" (and {len(wrong) - 1} more: see `gateway topics check`)" if len(wrong) > 1 else ""
        # Not a failure that passes: workers that a supervisor starts again would find the same.
        raise InvalidSettings(f"{wrong[0]}{more}")
