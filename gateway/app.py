"""Where the parts are put together."""

import asyncio
import signal
import sys
from contextlib import suppress
from importlib.metadata import version
from typing import Final, Literal, cast

import structlog

import consumers
import producers
from gateway.engine.crew import Crew
from gateway.engine.log import Draft, LogError, Record
from gateway.engine.sqlite import SqliteLog, open_sqlite
from gateway.engine.step import Wiring
from gateway.rules.events import OUTBOUND, DeadLetter, Event
from gateway.rules.messages import Message
from gateway.settings import InvalidSettings, Settings
from producers import dead_letters
from schemas.codec import Unreadable, decode

Clock = Literal["wall", "log"]

SWITCH_INTERVAL_S: Final = 0.0005
DISTRIBUTION: Final = "information-session-gateway"
DEAD_LETTERS: Final = dead_letters.TOPIC
OUTBOUND_TOPICS: Final[tuple[str, ...]] = (*OUTBOUND, DEAD_LETTERS)
_RECORDS: Final = {topic: frozenset({event.__name__}) for topic, event in OUTBOUND.items()} | {
    DEAD_LETTERS: frozenset({DeadLetter.__name__})
}
_FAILED: Final = Unreadable(
    "FAILED", "The rules failed on this message twice; report it as a bug of the gateway."
)


def _read(record: Record) -> Message | Draft:
    message = consumers.READERS[record.topic](record)
    return dead_letters.draft(record, message) if isinstance(message, Unreadable) else message


def _failed(record: Record) -> Draft:
    return dead_letters.draft(record, _FAILED)


WIRING: Final = Wiring(_read, _failed, producers.traceparent_of, producers.draft)


def read_event(record: Record) -> Event | DeadLetter:
    """The event that an outbound record holds. Raises LogError where it can't be read."""
    event = decode(record.value, _RECORDS[record.topic], largest=None)
    if isinstance(event, Unreadable):
        raise LogError(f"record {record.offset} of {record.topic} can't be read: {event.detail}")
    return cast(Event | DeadLetter, event)


async def open_log(settings: Settings, *, clock: Clock = "wall", own: bool = False) -> SqliteLog:
    """Open the log that the settings name; `own`: to decide on it. Raises LogError or InvalidSettings."""
    return await open_sqlite(settings.log_path(), partitions=settings.partition_count, clock=clock, own=own)


async def run(settings: Settings, *, clock: Clock = "wall", until: int | None = None) -> int:
    """Decide what arrives until told to stop by SIGTERM or SIGINT, or, with `until`, until all is decided.

    Returns how many messages and deadlines were decided. Raises LogError, Lost or InvalidSettings.
    """
    policies = settings.policies()
    # The log's thread writes one step while this one decides the next, and needs the interpreter for moments
    # only: at the default of 5 ms it would wait for most of its time.
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    say = structlog.get_logger("gateway")
    stop = asyncio.Event()

    def told_to_stop(name: str) -> None:
        say.info("gateway.stopping", signal=name)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, told_to_stop, number.name)
    log = await open_log(settings, clock=clock, own=True)
    try:
        partitions = await log.partitions()
        if settings.partitions not in {None, partitions}:
            raise InvalidSettings(
                f"GATEWAY_PARTITIONS is {settings.partitions} and the log has {partitions} partitions; "
                f"set it to {partitions}, or name a new log"
            )
        if clock == "wall" and await log.keeps_time():
            raise InvalidSettings(
                "the log was fed with --keep-time, so its time is not the wall clock's; "
                "run it with --clock log"
            )
        say.info(
            "gateway.started", version=version(DISTRIBUTION), log=settings.log_url, partitions=partitions
        )
        crew = Crew(log, policies, WIRING, until=until)
        await crew.run(stop)
        say.info("gateway.stopped", decided=crew.decided)
        return crew.decided
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(NotImplementedError):
                loop.remove_signal_handler(number)
        await log.close()
