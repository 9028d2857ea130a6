"""A log that is decided part by part, and copies of it."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from gateway.backends.embedded.log import EmbeddedLog
from gateway.engine.log import Record, SharedLog
from gateway.engine.step import StepSize
from gateway.engine.workers import Workers
from gateway.intake.feed import feed
from gateway.processes.wiring import WIRING
from gateway.reading.copy_file import CopyFile
from gateway.reading.following import Following
from gateway.reading.tables import OUTCOMES
from gateway.rules.events import Outcome
from gateway.rules.policy import shipped
from producers.read_back import read_event
from schemas.json import parse_instant
from tests.cli.running import Json
from tests.reading.shared_log import FileLog
from tests.sealing.opening import looking_into

#: What can be asked for, of the embedded log and of a copy of it alike.
SELECTS: Final = {
    "referral": "SELECT * FROM referral",
    "booking": "SELECT * FROM booking",
    "state": "SELECT partition, s.po_number, opened('state', s.po_number, state), changed_at, due_at,"
    " messages FROM state s JOIN referral r USING (partition, po_number)",
    "inbound": "SELECT topic, partition, offset, timestamp, opened('inbound', po_number, value), po_number,"
    " provider_id, message_id FROM inbound"
    " WHERE topic = 'provider.session-records' AND provider_id IS NOT NULL",
    "outbound": "SELECT topic, partition, offset, timestamp, value, po_number, provider_id, message_id,"
    " status, trace_id FROM outbound WHERE po_number IS NOT NULL OR topic = 'jobcentre.delivery-plans'",
}
Rows = dict[str, list[tuple[Any, ...]]]


def rows(path: Path) -> Rows:
    """All that can be asked for in a file, table by table.

    But for what came of a referral that was refused: in a copy that is made anew it can't be known if that
    was about the referral before, which has been forgotten, and nobody waits for it.
    """
    with looking_into(path) as db:
        found = {table: sorted(db.execute(sql).fetchall(), key=repr) for table, sql in SELECTS.items()}
    found["outbound"] = [row for row in found["outbound"] if not _is_of_a_refused_referral(*row[:5])]
    return found


def _is_of_a_refused_referral(topic: str, partition: int, offset: int, timestamp: int, value: bytes) -> bool:
    if topic != OUTCOMES:
        return False
    outcome = read_event(Record(topic, partition, offset, timestamp, None, value))
    return isinstance(outcome, Outcome) and (outcome.topic, outcome.status) == ("prap.referrals", "REFUSED")


def differences(one: Rows, other: Rows) -> Rows:
    """The rows that only one of two files has.

    But for messages that can't be read any more, because a special customer record was refused after them: a
    copy has what it read before.
    """
    forgotten = {row[:3] for row in one["inbound"] + other["inbound"] if row[4] is None}
    found = {}
    for table in SELECTS:
        kept = [row for row in one[table] + other[table] if table != "inbound" or row[:3] not in forgotten]
        if lone := [row for row in kept if (row in one[table]) != (row in other[table])]:
            found[table] = lone
    return found


@asynccontextmanager
async def a_log(path: Path, *, partitions: int = 1, most: int = 1_000) -> AsyncIterator[FileLog]:
    """A log that can be asked, whose time is that of its messages. most: see FileLog."""
    log = FileLog(path, most=most)
    try:
        log.file.take_lock()
        await log.file.run(lambda: log.file.connect(partitions))
        await log.file.run(log.recall)
        yield log
    finally:
        await log.close()


@asynccontextmanager
async def following(log: SharedLog, file: CopyFile, **how: Any) -> AsyncIterator[Following]:
    """What keeps a copy filled for as long as the block lasts; it has all there is at the end."""
    made, stop = Following(log, file, **how), asyncio.Event()
    running = asyncio.create_task(made.run(stop))
    try:
        yield made
    finally:
        stop.set()
        await running
    await fill_up(log, file)


async def fill_up(log: SharedLog, file: CopyFile) -> None:
    """Take in all there is."""
    await Following(log, file).run(asyncio.Event(), until_filled=True)


async def filled(log: SharedLog, path: Path) -> Rows:
    """Fill a copy with all there is, and what can be asked for in it then."""
    file = CopyFile(path)
    try:
        await fill_up(log, file)
    finally:
        file.close()
    return rows(path)


async def decide(log: EmbeddedLog, lines: Sequence[Json], step: StepSize = StepSize()) -> None:  # noqa: B008 - it is frozen
    """Put messages on the log and decide them, and what is due by the last line."""
    await put(log, lines)
    until = parse_instant(lines[-1]["at"])
    await Workers(log, shipped(), WIRING, until=until, step=step).run(asyncio.Event())


async def put(log: EmbeddedLog, lines: Sequence[Json]) -> None:
    """Put messages on the log."""
    await feed(log, [json.dumps(line).encode() for line in lines], keep_time=True, checked=lambda: None)


def in_parts(lines: list[Json], draw: random.Random) -> list[list[Json]]:
    """Lines in parts of random length; lines of one instant stay together."""
    parts: list[list[Json]] = [[]]
    for line in lines:
        if parts[-1] and parts[-1][-1]["at"] != line["at"] and draw.random() < 0.04:
            parts.append([])
        parts[-1].append(line)
    return parts
