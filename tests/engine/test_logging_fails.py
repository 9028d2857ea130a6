"""What is logged changes nothing of what is decided, not even where it can't be logged."""

import asyncio
import io
import random
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.backends.embedded.log import EmbeddedLog, open_embedded
from gateway.engine.log import Draft, Record
from gateway.engine.worker import Worker
from gateway.intake.feed import feed
from gateway.processes.wiring import WIRING
from gateway.rules import policy
from gateway.sample import programme
from gateway.system import telemetry
from producers.read_back import OUTBOUND_TOPICS
from schemas.json import parse_instant

END = parse_instant("2018-06-01T00:00:00Z")
LINES = list(programme(12, seed=5))


@contextmanager
def one_line_in(number: int) -> Iterator[None]:
    """Of all that is logged, one line in so many raises: by chance, or it might be the same one each time."""
    chance = random.Random(number)

    def may_fail(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if chance.randrange(number) == 0:
            raise BrokenPipeError
        return event

    before = structlog.get_config()
    structlog.configure(
        processors=[may_fail, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(io.StringIO()),
        wrapper_class=structlog.make_filtering_bound_logger(0),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)


async def decided(path: Path) -> dict[bytes | None, list[tuple[str, bytes | None]]]:
    """What comes out, by purchase order; two records among those that go in can't be understood."""
    log = await open_embedded(path, clock="log", own=True)
    try:
        await log.append([Draft("jobcentre.wp11", b"X", b"nonsense", (), 0)] * 2)
        await feed(log, LINES, keep_time=True, checked=lambda: None)
        return await work(log)
    finally:
        await log.close()


async def at_once(_: float) -> None:
    """Nothing is waited for before another attempt."""


async def work(log: EmbeddedLog) -> dict[bytes | None, list[tuple[str, bytes | None]]]:
    """Decide until the end, starting again whenever something raised."""
    while True:
        try:
            await Worker(log, 0, policy.shipped(), WIRING, until=END, pause=at_once).run(asyncio.Event())
        except BrokenPipeError:
            continue
        break
    came: dict[bytes | None, list[tuple[str, bytes | None]]] = {}
    record: Record
    async for record in log.follow(OUTBOUND_TOPICS, from_start=True, wait=False):
        came.setdefault(record.key, []).append((record.topic, record.value))
    return came


@pytest.mark.parametrize("number", [2, 3, 4, 7])
async def test_a_log_line_that_fails_gives_no_message_two_outcomes(tmp_path: Path, number: int) -> None:
    """Also of refusals, of what can't be understood, and of the steps themselves."""
    expected = await decided(tmp_path / "faultless.db")
    with one_line_in(number):
        assert await decided(tmp_path / "failing.db") == expected


def test_nobody_who_reads_the_log_is_no_error() -> None:
    """Standard error is a pipe whose reader has gone."""

    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    before = structlog.get_config()
    try:
        telemetry.configure("info", Gone())
        structlog.get_logger("gateway").info("gateway.stopped", decided=1)
    finally:
        structlog.configure(**before)
