"""Where the parts are put together."""

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import Final, Literal

import structlog

import producers
from gateway.backends.embedded.log import open_sqlite
from gateway.engine.crew import Crew
from gateway.engine.deciders import Deciders
from gateway.engine.log import Log, LogBusy
from gateway.processes.wiring import WIRING
from gateway.rules.policy import Policies
from gateway.settings.settings import InvalidSettings, Settings
from gateway.system.stopping import told_to_stop
from gateway.system.version import gateway_version

Clock = Literal["wall", "log"]
#: See `gateway.processes.serving`.
Serve = Callable[
    [Log, Settings, Policies, Clock, int | None, asyncio.Event, int | None],
    AbstractAsyncContextManager[Deciders],
]

SWITCH_INTERVAL_S: Final = 0.0005
#: How often brokers that don't answer when the gateway starts are looked for again.
AWAY_AGAIN_S: Final = 2.0
#: How long putting records on a log on Kafka may take: in a gateway, what came over HTTP, and in a command,
#: a large file. So long, or a little longer, one that is killed meanwhile hides what comes after them.
SERVED_S: Final = 10.0
FED_S: Final = 60.0


async def open_log(
    settings: Settings, *, clock: Clock = "wall", own: bool = False, writes: bool = True
) -> Log:
    """Open the log that the settings name; `own`: to decide on it, here or, without `writes`, in a process
    that writes what it decides by itself. Raises LogError or InvalidSettings.

    One on Kafka is connected to when something is first asked of it.
    """
    if settings.on_kafka:
        from gateway.backends.kafka.log import KafkaLog
        from gateway.settings.connecting import connection

        return KafkaLog(
            connection(settings),
            prefix=settings.topic_prefix,
            clock=clock,
            grace_s=settings.grace_s,
            session_timeout_s=settings.session_timeout_s,
            append_s=SERVED_S if own else FED_S,
        )
    return await open_sqlite(
        settings.log_path(),
        partitions=settings.partition_count,
        clock=clock,
        own=own,
        draft=producers.draft if own and writes else None,
    )


async def run(
    settings: Settings,
    *,
    clock: Clock = "wall",
    until: int | None = None,
    worker: int | None = None,
    sandbox: bool = False,
    serve: Serve | None = None,
    apart: bool = False,
) -> int:
    """Decide what arrives until told to stop by SIGTERM or SIGINT, or, with `until`, until all is decided.

    worker: the number of this process among those of a supervisor, who holds the other end of its standard
    input. sandbox: on an embedded log whose clock the caller moves. serve: makes those who decide, to be
    asked over HTTP; without it there is no HTTP. apart: these decide in another process. Returns how many
    messages and deadlines were decided. Raises UserError.
    """
    policies = settings.policies()
    # The log's thread writes one step while this one decides the next, and needs the interpreter for moments
    # only: at the default of 5 ms it would wait for most of its time.
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    say = structlog.get_logger("gateway")
    with told_to_stop(None if worker is None else sys.stdin.fileno()) as stop:
        log = (
            await _open_sandbox(settings)
            if sandbox
            else await open_log(settings, clock=clock, own=True, writes=not apart)
        )
        try:
            async with AsyncExitStack() as served:
                crew: Deciders = Crew(log, policies, WIRING, until=until)
                if serve is not None:
                    at_work = serve(log, settings, policies, clock, until, stop, worker)
                    crew = await served.enter_async_context(at_work)
                if await _is_fit(log, settings, clock, crew, stop, wait=until is None, sandbox=sandbox):
                    await crew.run(stop)
            say.info("gateway.stopped", decided=crew.decided)
            return crew.decided
        finally:
            await log.close()


async def _open_sandbox(settings: Settings) -> Log:
    if settings.on_kafka:
        raise InvalidSettings(
            "a sandbox has an embedded log and GATEWAY_LOG_URL names brokers; name a file such as "
            "sqlite:///./sandbox.db, or leave out --sandbox"
        )
    from gateway.sandbox.beginning import open_sandbox

    return await open_sandbox(settings.log_path(), settings.partition_count)


async def _is_fit(
    log: Log,
    settings: Settings,
    clock: Clock,
    crew: Deciders,
    stop: asyncio.Event,
    *,
    wait: bool,
    sandbox: bool,
) -> bool:
    """Whether the log can be decided on. Brokers that are away are waited for; False: told to stop meanwhile.

    Raises LogError or InvalidSettings where what is there would lose something or decide it wrongly.
    """
    say = structlog.get_logger("gateway")
    while not stop.is_set():
        try:
            if settings.on_kafka:
                await _refuse_what_breaks(settings)
            partitions = await log.partitions()
            if wrong := settings.other_than(partitions):
                raise InvalidSettings(wrong)
            if clock == "wall" and not sandbox and await log.keeps_time():
                why = (
                    "the topics keep the time that a message is put with (CreateTime)"
                    if settings.on_kafka
                    else "the log was fed with --keep-time"
                )
                raise InvalidSettings(f"{why}, so its time is not the wall clock's; run it with --clock log")
        except LogBusy as error:
            if not wait:
                raise
            crew.waiting_for = str(error)
            say.warning("log.away", error=str(error), again_in_s=AWAY_AGAIN_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(AWAY_AGAIN_S):
                    await stop.wait()
            continue
        say.info("gateway.started", version=gateway_version(), log=settings.log_url, partitions=partitions)
        return True
    return False


async def _refuse_what_breaks(settings: Settings) -> None:
    from gateway.backends.kafka.topics_check import differences
    from gateway.settings.connecting import connection

    found = await differences(connection(settings), settings.topic_prefix, timestamps=None)
    if wrong := [str(difference) for difference in found if difference.breaks]:
        more = f" (and {len(wrong) - 1} more: see `gateway topics check`)" if len(wrong) > 1 else ""
        # Not a failure that passes: workers that a supervisor starts again would find the same.
        raise InvalidSettings(f"{wrong[0]}{more}")
