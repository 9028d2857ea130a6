"""A worker on a simulated log, let to work until there is nothing more to do, and what came out of it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import msgpack

from gateway.engine.log import (
    INBOUND_TOPICS,
    Batch,
    Commit,
    Draft,
    Record,
)
from gateway.engine.step import StepSize, Wiring
from gateway.engine.worker import Worker
from gateway.rules.messages import Message
from tests.engine.plain_wiring import DEAD_LETTERS, PLAIN, as_draft
from tests.engine.simulated import Ground, SimulatedClaim, SimulatedLog
from tests.engine.small_programmes import POLICIES

REFERRALS, WP11, UPDATES, SESSIONS = INBOUND_TOPICS


#: So that there is a commit after each decision.
ONE_BY_ONE = StepSize(decisions=1)


def script(*arrivals: tuple[int, Message]) -> list[tuple[int, Draft]]:
    """What arrives, as records."""
    return [(at, as_draft(message, None, at)) for at, message in arrivals]


async def worked(
    ground: Ground,
    *,
    log: SimulatedLog | None = None,
    wiring: Wiring = PLAIN,
    until: int | None = None,
    pause: Callable[[float], Any] | None = None,
    size: StepSize = StepSize(),  # noqa: B008 - it is frozen
) -> Worker:
    """Let a worker work until there is nothing more to do, and return it."""
    stop = asyncio.Event()
    log = log or SimulatedLog(ground, clock="wall" if until is None else "log")
    if until is None:
        log.quiet = [stop]
    one = Worker(log, 0, POLICIES, wiring, until=until, pause=pause or no_pause, step=size)
    await one.run(stop)
    return one


async def no_pause(_: float) -> None:
    """Nothing is waited for before another attempt."""
    await asyncio.sleep(0)


def came_out(ground: Ground) -> list[str]:
    """What came out, each as a word or two, with when it was decided."""
    return [in_words(record) for record in ground.outbound]


def in_words(record: Record) -> str:
    """An outbound record as a word or two, with when it was decided."""
    if record.topic == DEAD_LETTERS:
        return f"dead letter {(dict(record.headers)['code'] or b'').decode()}"
    value = msgpack.decode(record.value or b"")
    word = next(
        value[name]
        for name in ("code", "status", "breach", "action", "instruction", "reason", "outcome")
        if value.get(name)
    )
    return f"{word} at {value['decided_at']}"


def outcomes(ground: Ground) -> list[tuple[str, str, str | None, int]]:
    """The outcomes: of which message, what, why, and when."""
    return [
        (value["message_id"], value["status"], value["code"], value["decided_at"])
        for record in ground.outbound
        if record.topic == "gateway.outcomes"
        for value in [msgpack.decode(record.value or b"")]
    ]


class Watched(SimulatedClaim):
    """Notes what is read and committed."""

    steps: list[Commit]
    rooms: list[Mapping[str, int]]

    async def read(self, room: Mapping[str, int], wait_s: float) -> Batch:
        """As it is, noted."""
        self.rooms.append(room)
        return await super().read(room, wait_s)

    async def commit(self, step: Commit) -> None:
        """As it is, noted when it has taken effect."""
        await super().commit(step)
        self.steps.append(step)


def watched(ground: Ground) -> tuple[SimulatedLog, type[Watched]]:
    """A log that notes what is read and committed."""

    class Mine(Watched):
        """Of this test."""

        steps: list[Commit] = []  # noqa: RUF012
        rooms: list[Mapping[str, int]] = []  # noqa: RUF012

    log = SimulatedLog(ground, clock="log")
    log.claim_type = Mine
    return log, Mine


def event_ids(records: Sequence[Record]) -> list[bytes]:
    """The ids of these events."""
    return [dict(record.headers)["id"] or b"" for record in records]
