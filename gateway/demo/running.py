"""A programme through the embedded log and the engine, and once more through replay."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from msgspec import Struct

import consumers
from gateway.backends.embedded.log import open_embedded
from gateway.engine.log import INBOUND_TOPICS, Log, LogError, Record
from gateway.engine.workers import Workers
from gateway.intake.feed import feed
from gateway.intake.lines import read_lines
from gateway.processes.wiring import WIRING
from gateway.replay.decisions import replay
from gateway.replay.event_lines import to_line
from gateway.rules.calendar import DAY_MS
from gateway.rules.events import DeadLetter, Event, Outcome
from gateway.rules.messages import Message
from gateway.rules.policy import Policies, shipped
from gateway.sample import programme
from gateway.system import telemetry
from producers.read_back import OUTBOUND_TOPICS, read_event
from schemas.codec import Unreadable

#: So long after the last message every limit but that of forgetting has passed.
_AFTERWARDS_DAYS: Final = 30

#: Called at each stage: its name, how much of it is done, and how much there is; None: not known.
Progress = Callable[[str, int, int | None], None]


class Ran(Struct, frozen=True):
    """What came in and what went out, as the log has it.

    messages: with the instant of arrival (UTC milliseconds), in order. until: the instant up to which all
    that was due was decided. seconds: what the engine took. replay_differs: the first place at which
    replay's records are others, None where they are the same bytes.
    """

    messages: list[tuple[int, Message]]
    events: list[Event | DeadLetter]
    until: int
    seconds: float
    replay_differs: int | None


async def run(referrals: int, seed: int, progress: Progress) -> Ran:
    """Run a programme of so many referrals under a virtual clock, in a folder that is gone afterwards."""
    telemetry.configure("error")
    progress("making a programme", 0, None)
    lines = list(programme(referrals, seed))
    with TemporaryDirectory(prefix="gateway-demo-") as folder:
        # One partition, so that the records' order is replay's; and none of the settings of whoever runs it.
        path, policies = Path(folder) / "gateway.db", shipped()
        log = await open_embedded(path, partitions=1, clock="log", own=True)
        try:
            progress("putting it on the log", 0, None)
            await feed(log, lines, keep_time=True, checked=lambda: None)
            messages = [_message(record) async for record in _all(log, INBOUND_TOPICS)]
            until = messages[-1][0] + _AFTERWARDS_DAYS * DAY_MS
            began = time.perf_counter()
            async with _watched(log, progress, len(messages)):
                await Workers(log, policies, WIRING, until=until).run(asyncio.Event())
            seconds = time.perf_counter() - began
            events = [read_event(record) async for record in _all(log, OUTBOUND_TOPICS)]
        finally:
            await log.close()
    progress("replaying it", 0, None)
    return Ran(messages, events, until, seconds, _replay_differs(lines, policies, until, events))


def _all(log: Log, topics: tuple[str, ...]) -> AsyncIterator[Record]:
    return log.follow(topics, from_start=True, wait=False)


def _message(record: Record) -> tuple[int, Message]:
    message = consumers.READERS[record.topic](record)
    if isinstance(message, Unreadable):
        raise LogError(f"a record of the sample can't be read: {message.detail} Report it as a bug.")
    return record.timestamp, message


@asynccontextmanager
async def _watched(log: Log, progress: Progress, messages: int) -> AsyncIterator[None]:
    """Report meanwhile how many messages are decided, by a second reader of the same log."""

    async def watch() -> None:
        decided = 0
        async for record in log.follow(("gateway.outcomes",), from_start=True, wait=True):
            event = read_event(record)
            if isinstance(event, Outcome) and event.status != "HELD":
                decided += 1
                progress("deciding", decided, messages)

    progress("deciding", 0, messages)
    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


def _replay_differs(
    lines: list[bytes], policies: Policies, until: int, events: list[Event | DeadLetter]
) -> int | None:
    again = [to_line(event) for event in replay(read_lines(lines), policies, until)]
    logged = [to_line(event) for event in events]
    for place, (one, other) in enumerate(zip(logged, again, strict=False)):
        if one != other:
            return place
    return None if len(logged) == len(again) else min(len(logged), len(again))
