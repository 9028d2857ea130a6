"""What another policy would have decided of the messages that a log still has. Nothing is written to the log.

1. All inbound records are read, and put in order by purchase order. Topics of a log on Kafka have no common
   order, and purchase orders are independent of each other (docs/decisions.md, 5).
2. Each purchase order is replayed alone, under the policies in force and under the others, up to one instant.
"""

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Final

from msgspec import Struct

from consumers import READERS
from gateway.engine.inbox import NEVER
from gateway.engine.log import INBOUND_TOPICS, Log, Record
from gateway.intake.lines import Line
from gateway.replay.decisions import replay
from gateway.replay.diff import changes
from gateway.replay.event_lines import TOPIC_OF_EVENT
from gateway.replay.printing import kind
from gateway.rules.events import Event
from gateway.rules.messages import Referral
from gateway.rules.policy import Policies
from gateway.system.errors import UsageError, UserError
from schemas.codec import Unreadable

#: So many records are put in order at a time.
_AT_ONCE: Final = 1_000
#: After deciding for so long, others of this thread have their turn.
_TURN_S: Final = 0.01
_TOPICS: Final = {topic: place for place, topic in enumerate(INBOUND_TOPICS)}

#: A record as it is put in order: key, timestamp, place of its topic, partition, offset, value.
_Row = tuple[bytes, int, int, int, int, bytes | None]


class Question(Struct, frozen=True):
    """What is to be compared.

    since: only purchase orders of which nothing came before this instant; None: all. until: what is due by
    then is decided too. Both UTC milliseconds. most: how many messages may be on the log; None: any number.
    """

    policies: Policies
    other: Policies
    since: int | None
    until: int
    most: int | None = None


class Otherwise(Struct, frozen=True):
    """A purchase order that would have been decided otherwise. changes: as `replay.diff` gives them."""

    po_number: str
    changes: Sequence[tuple[str, Event]]


@dataclass(slots=True)
class Found:
    """How far a comparison is, and what it has found so far.

    read: inbound records. done: those of them whose purchase order is through. begins_at: when the first
    message came that is decided; until: the instant up to which is decided, both UTC milliseconds.
    messages, purchase_orders: how many are decided. Left out are purchase orders that began before `since`
    (earlier), of which the log no longer has all messages (not_whole) or on which the rules fail (failed),
    and records that can't be read (unreadable). otherwise: how many purchase orders would have been decided
    otherwise. before, after: how many events of a topic and kind only the policies in force bring about,
    and only the others.
    """

    read: int = 0
    done: int = 0
    begins_at: int | None = None
    until: int = 0
    messages: int = 0
    purchase_orders: int = 0
    earlier: int = 0
    not_whole: int = 0
    failed: int = 0
    unreadable: int = 0
    otherwise: int = 0
    before: Counter[tuple[str, str]] = field(default_factory=Counter)
    after: Counter[tuple[str, str]] = field(default_factory=Counter)


async def what_if(log: Log, question: Question, found: Found) -> AsyncGenerator[Otherwise, None]:
    """The purchase orders that would have been decided otherwise, by number; `found` is kept current.

    Raises LogError, UsageError where the log has more messages than the question allows, and UserError where
    the temporary file can't be written.
    """
    try:
        async for each in _compared(log, question, found):
            yield each
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "unknown")
        raise UserError(
            f"the temporary file that puts messages in order can't be used ({name}); free its disk, or "
            "name another folder with TMPDIR"
        ) from None


async def _compared(log: Log, question: Question, found: Found) -> AsyncGenerator[Otherwise, None]:
    turn, policies, other = _Turn(), question.policies, question.other
    # Without a name it is a temporary file, which nobody else can open and which goes with the connection.
    with closing(sqlite3.connect("", isolation_level=None)) as db:
        whole_since, newest = await _put_in_order(db, log, question.most, found)
        found.until = max(question.until, newest)
        rows = db.execute("SELECT * FROM came ORDER BY po_number, at, topic, partition, offset")
        for key, of_order in groupby(rows, itemgetter(0)):
            records = list(of_order)
            found.done += len(records)
            await turn.ends()
            first_at = records[0][1]
            if question.since is not None and first_at < question.since:
                found.earlier += 1
                continue
            lines = [*_lines(records, found)]
            if log.shared and (first_at < whole_since or not _begins(lines)):
                found.not_whole += 1
                continue
            if not lines:
                continue
            differ: list[tuple[str, Event]] = []
            before, after = replay(lines, policies, found.until), replay(lines, other, found.until)
            try:
                for sign, event in changes(before, after):
                    await turn.ends()
                    if sign:
                        differ.append((sign, event))
            except Exception:  # noqa: BLE001 - as when it was decided: one message doesn't stop the rest
                found.failed += 1
                continue
            found.begins_at = min(first_at, first_at if found.begins_at is None else found.begins_at)
            found.messages += len(lines)
            found.purchase_orders += 1
            for sign, event in differ:
                counts = found.before if sign == "-" else found.after
                counts[TOPIC_OF_EVENT[type(event)], kind(event)] += 1
            if differ:
                found.otherwise += 1
                yield Otherwise(key.decode(), differ)


async def _put_in_order(db: sqlite3.Connection, log: Log, most: int | None, found: Found) -> tuple[int, int]:
    """Read the log; since when it has all that came, and when its newest record came."""
    db.execute("PRAGMA journal_mode = OFF")
    db.execute(
        "CREATE TABLE came (po_number BLOB, at INTEGER, topic INTEGER, partition INTEGER, offset INTEGER,"
        " value BLOB, PRIMARY KEY (po_number, at, topic, partition, offset)) WITHOUT ROWID"
    )
    begun: set[tuple[str, int]] = set()
    whole_since, newest = NEVER, 0
    batch: list[_Row] = []

    def put() -> None:
        db.execute("BEGIN")
        db.executemany("INSERT INTO came VALUES (?, ?, ?, ?, ?, ?)", batch)
        db.execute("COMMIT")
        batch.clear()

    async for record in log.follow(INBOUND_TOPICS, from_start=True, wait=False):
        found.read += 1
        if most is not None and found.read > most:
            raise UsageError(
                f"the log has more than {most:,} messages; `gateway what-if` compares any number of them"
            )
        newest = max(newest, record.timestamp)
        place = record.topic, record.partition
        if place not in begun:
            begun.add(place)
            # Brokers drop the oldest records of each partition; an embedded log keeps all.
            if log.shared and record.offset > 0:
                whole_since = max(record.timestamp, whole_since)
        if record.key is None or record.unreadable is not None:
            found.unreadable += 1
            found.done += 1
            continue
        place_in_order = record.timestamp, _TOPICS[record.topic], record.partition, record.offset
        batch.append((record.key, *place_in_order, record.value))
        if len(batch) == _AT_ONCE:
            put()
    put()
    return whole_since, newest


def _lines(records: Iterable[_Row], found: Found) -> Iterator[Line]:
    """The messages of a purchase order, as lines of replay."""
    for number, (key, at, topic, partition, offset, value) in enumerate(records, 1):
        name = INBOUND_TOPICS[topic]
        message = READERS[name](Record(name, partition, offset, at, key, value))
        if isinstance(message, Unreadable):
            found.unreadable += 1
        else:
            yield Line(number, at, message)


def _begins(lines: Iterable[Line]) -> bool:
    """Whether a purchase order begins in these lines: its first referral is its first revision."""
    referrals = (line.message for line in lines if isinstance(line.message, Referral))
    first = next(referrals, None)
    return first is not None and first.po_revision <= 1


class _Turn:
    """How long this has had its thread for itself."""

    def __init__(self) -> None:
        self._began_s = time.perf_counter()

    async def ends(self) -> None:
        """Let others have theirs, where it has taken long enough."""
        if time.perf_counter() >= self._began_s + _TURN_S:
            await asyncio.sleep(0)
            self._began_s = time.perf_counter()
