"""The embedded log: one SQLite file, for one machine.

`inbound` and `outbound` hold the records, each in order of arrival, so an offset is a place among all
records of its table, and the offsets of one topic have gaps. `state`, `position` and `ownership` hold what
the engine commits, `handled` what was done with dead letters. One step is one SQL transaction, in WAL mode
with synchronous=FULL; the tables by which the log is asked are filled in it too.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import Final, Literal

from gateway.backends.embedded.file import BUSY_MS, EmbeddedFile
from gateway.backends.embedded.records import (
    INSERT_OUTBOUND,
    SELECT,
    Row,
    outbound_row,
    put_inbound,
    records_of,
)
from gateway.backends.embedded.seals import drop_letters
from gateway.backends.embedded.steps import ReadTables, check_owner, write_step
from gateway.engine.forgetting import Asked
from gateway.engine.inbox import NEVER
from gateway.engine.log import (
    AUDIT,
    CONTROL,
    DEAD_LETTERS,
    DELIVERY_PLANS,
    INBOUND_TOPICS,
    Assignment,
    Batch,
    Commit,
    Draft,
    Handled,
    LogError,
    Record,
    Restored,
)
from gateway.engine.partitioner import partition_for
from gateway.engine.pausing import Pause
from gateway.sealing.wrapping import WrappingKeys
from gateway.system.clock import wall_clock
from gateway.system.sql_rows import put_rows

#: How often a reader looks for what another process has put there.
LOOK_AGAIN_S: Final = 0.02
#: A read takes no more of one topic when what it has of it is as large as this.
READ_BYTES: Final = 8 * 1024 * 1024
#: How many records a follower takes at a time.
FOLLOW: Final = 1_000
#: How many records of all topics it looks through at a time, so that others have the file in between.
LOOK_THROUGH: Final = 20_000
#: Topics of few records, which have an index.
_APART: Final = frozenset({DEAD_LETTERS, AUDIT})
#: How many records of all topics one read goes past at the most.
WINDOW: Final = 8_000
#: After all instants.
_ENDLESS: Final = 2**62
#: How many states are opened at once when they are restored.
_OPENED_AT_ONCE: Final = 4_096


class EmbeddedLog:
    """A log in one file, with the clock that stamps what arrives. Made by `open_embedded`."""

    shared = False

    def __init__(
        self,
        file: EmbeddedFile,
        clock: Literal["wall", "log"],
        now: Callable[[], int],
        tables: ReadTables | None = None,
        window: int = WINDOW,
        read_bytes: int = READ_BYTES,
    ) -> None:
        self.file = file
        self._tables = tables
        self._clock = clock
        self._wall = now
        self.window = window
        self.read_bytes = read_bytes
        #: Whether time stands still in it until somebody moves it.
        self.sandbox = False
        #: Set when this process has appended something.
        self.arrived = asyncio.Event()

    def _now(self) -> int:
        """The clock; to be called in the file's thread."""
        now = self.file.sandbox_now if self.sandbox else None
        return self._wall() if now is None else now

    async def time(self) -> int:
        """What its clock says, UTC milliseconds."""
        return await self.file.run(self._now)

    async def move_time(self, now: int) -> int:
        """Move the time of a sandbox forward, and return what it is then."""
        moved = await self.file.run(partial(self.file.move_sandbox, now))
        self.arrived.set()
        return moved

    async def partitions(self) -> int:
        """How many partition numbers the file was made with."""
        return await self.file.run(lambda: self.file.partitions)

    async def assigned(self, after: int) -> Assignment:
        """All partition numbers: one process works on them all, and that never changes."""
        if after:
            await asyncio.Event().wait()
        return Assignment(1, frozenset(range(await self.partitions())))

    async def claim(self, partition: int) -> "EmbeddedClaim":
        """Own a partition number; a claim that was made before can commit nothing any more."""

        def raise_epoch() -> int:
            with self.file.transaction() as db:
                self.file.begin_history()
                row = db.execute(
                    "INSERT INTO ownership (partition, epoch) VALUES (?, 1)"
                    " ON CONFLICT (partition) DO UPDATE SET epoch = epoch + 1 RETURNING epoch",
                    (partition,),
                ).fetchone()
            self.file.destroy_doomed()  # where whoever decided before was killed before it had
            return int(row[0])

        return EmbeddedClaim(self, partition, await self.file.run(raise_epoch))

    async def append(self, drafts: Iterable[Draft]) -> int:
        """Put records on the inbound topics, others where they belong, in one transaction, all or none.

        A draft without a timestamp gets the clock's. Raises LogError where one has an earlier timestamp than
        the newest record, or the log is a sandbox that has begun.
        """

        apart: list[Draft] = []

        def put() -> int:
            def others() -> Iterator[Draft]:
                for draft in drafts:
                    if draft.topic in {DELIVERY_PLANS, CONTROL, AUDIT}:
                        apart.append(draft)
                    else:
                        yield draft

            with self.file.transaction() as db:
                self.file.refuse_moved()
                newest = self.newest()
                # Stamped while no other process can write: whoever comes later gets no earlier timestamp.
                now = max(self._now(), newest)
                stamped = _stamped(others(), self.file.partitions, newest, now, self._keep_time)
                count = put_inbound(db, self.file.vault, stamped)
                for draft in apart:
                    self._put_apart(db, draft, _or(draft.timestamp, now))
            return count + len(apart)

        count = await self.file.run(put)
        self.arrived.set()
        return count

    def _keep_time(self) -> None:
        """Take records with timestamps of their own. Raises LogError in a sandbox that has its first ones."""
        if self.sandbox and self.file.keeps_time:
            raise LogError(
                "the log is a sandbox, whose clock is moved by POST /sandbox/clock; feed it without "
                "--keep-time"
            )
        self.file.keep_time()

    def _put_apart(self, db: Connection, draft: Draft, at: int) -> None:
        """Put what is no inbound record where it belongs."""
        if draft.topic == CONTROL:
            _put_control(db, draft)
            if self._tables is not None:
                self._tables.put_control(db, (draft.key or b"").decode())
        elif draft.topic == AUDIT:
            self._put_act(db, draft, at)
        else:
            self._put_plan(db, draft, at)

    def _put_plan(self, db: Connection, draft: Draft, at: int) -> None:
        """Put a record on the topic that is compacted, and take away those of its key before it."""
        partition = partition_for(draft.key, self.file.partitions)
        put_rows(db, INSERT_OUTBOUND, [outbound_row(draft, partition, at, draft.value)])
        offset = self.file.end("outbound") - 1
        db.execute(
            f"DELETE FROM outbound WHERE topic = '{DELIVERY_PLANS}' AND key = ? AND offset < ?",
            (draft.key, offset),
        )
        if self._tables is not None:
            record = Record(draft.topic, partition, offset, at, draft.key, draft.value, draft.headers)
            self._tables.put_plan(db, record)

    def _put_act(self, db: Connection, draft: Draft, at: int) -> None:
        """Keep what somebody did by hand."""
        partition = partition_for(draft.key, self.file.partitions)
        put_rows(db, INSERT_OUTBOUND, [outbound_row(draft, partition, at, draft.value)])

    async def handle(self, letters: Mapping[str, Draft | None]) -> frozenset[str]:
        """Put dead letters' records back and mark the letters, in one transaction."""

        def put() -> frozenset[str]:
            with self.file.transaction() as db:
                self.file.refuse_moved()
                at = self._now()
                sql = "INSERT OR IGNORE INTO handled VALUES (?, ?, ?)"
                marked = frozenset(
                    letter
                    for letter, draft in letters.items()
                    if db.execute(sql, (letter, "REPLAYED" if draft else "DISCARDED", at)).rowcount
                )
                if self._tables is not None:
                    for letter in marked:
                        self._tables.put_handled(db, letter)
                drafts = (draft for letter, draft in letters.items() if draft and letter in marked)
                newest = self.newest()
                # The wall clock would bring about all that is due in a log whose time is that of its records.
                now = newest if self.file.keeps_time else max(at, newest)
                stamped = _stamped(drafts, self.file.partitions, newest, now, self._keep_time)
                put_inbound(db, self.file.vault, stamped)
            return marked

        marked = await self.file.run(put)
        self.arrived.set()
        return marked

    async def unframed(self, value: bytes | None) -> bytes | None:
        """The value: here all are in single-object encoding."""
        return value

    async def handled(self) -> dict[str, Handled]:
        """What was done with dead letters, by event_id."""
        sql = "SELECT letter, done, at FROM handled"
        rows = await self.file.run(lambda: self.file.db.execute(sql).fetchall())
        return {letter: Handled(done, at) for letter, done, at in rows}

    async def follow(
        self,
        topics: Sequence[str],
        *,
        from_start: bool,
        wait: bool,
        key: bytes | None = None,
        text: bytes | None = None,
    ) -> AsyncIterator[Record]:
        """Records of the topics in the order in which they were committed; see Log.

        SQLite leaves out what is not wanted, which is faster than reading it; only a text in what is sealed
        it can't see. What was forgotten is left out, too. Raises LogError for inbound and outbound topics
        together, which have no common order.
        """
        inbound = [topic for topic in topics if topic in INBOUND_TOPICS]
        if inbound and len(inbound) < len(topics):
            raise LogError("inbound and outbound topics can't be followed together; name one kind")
        table = "inbound" if inbound else "outbound"
        alone = topics[0] if len(topics) == 1 and topics[0] in _APART else None
        # As a literal, so that SQLite finds its index: the others' records are many.
        chosen = f"topic = '{alone}'" if alone else f"topic IN ({','.join('?' * len(topics))})"
        values: tuple[str | bytes, ...] = () if alone else tuple(topics)
        if key is not None:
            chosen += " AND key = ?"
            values += (key,)
        if text is not None and not inbound and alone != DEAD_LETTERS:
            chosen += " AND (instr(value, ?) OR instr(headers, ?))"
            values += (text, text)

        def end() -> int:
            last = self.file.db.execute(f"SELECT max(offset) FROM {table}").fetchone()[0]
            return last or 0

        def some(after: int) -> tuple[list[Record], int, bool]:
            # The end first: up to it, what is not found now is not there.
            last = end()
            upto = last if alone else min(last, after + LOOK_THROUGH)
            rows = self.file.db.execute(
                f"{SELECT.format(table)} WHERE offset > ? AND offset <= ? AND {chosen} ORDER BY offset"
                f" LIMIT {FOLLOW}",
                (after, upto, *values),
            ).fetchall()
            reached = rows[-1][2] if len(rows) == FOLLOW else max(after, upto)
            found = [
                record
                for record in records_of(rows, self.file.vault)
                if record is not None and record.has(None, text)
            ]
            return found, reached, not rows and upto == last

        after = 0 if from_start else await self.file.run(end)
        while True:
            records, after, at_end = await self.file.run(partial(some, after))
            for record in records:
                yield record
            if at_end and not wait:
                return
            if at_end:
                await asyncio.sleep(LOOK_AGAIN_S)

    async def write(self, partition: int, epoch: int, step: Commit) -> None:
        """Write a step of a claim. Raises Lost, CannotDraft or LogError."""
        await self.file.run(partial(write_step, self.file, self._tables, partition, epoch, step))

    def forget_again(self, partition: int, po_numbers: Sequence[str]) -> None:
        """Forget what was forgotten since the log was backed up; to be called in the file's thread."""
        with self.file.transaction() as db:
            end = self.file.end("outbound")
            for po_number in po_numbers:
                db.execute("DELETE FROM state WHERE (partition, po_number) = (?, ?)", (partition, po_number))
            drop_letters(db, dict.fromkeys(po_numbers, end))
            if self._tables is not None:
                self._tables.forget(db, [(po_number, _ENDLESS, end) for po_number in po_numbers])

    async def decided_to(self) -> int | None:
        """The latest instant at which something was decided."""
        sql = "SELECT max(decided_to) FROM ownership"
        found: int | None = await self.file.run(lambda: self.file.db.execute(sql).fetchone()[0])
        return found

    async def accept_clock(self, at: int) -> None:
        """Keep that a clock which says this is right."""
        await self.file.run(partial(self.file.accept_clock, at))

    async def clock_accepted(self) -> int | None:
        """The time that was accepted last."""
        return await self.file.run(lambda: self.file.clock_accepted)

    async def pauses(self) -> Mapping[int, Pause]:
        """The partitions that are paused, by number."""
        return await self.file.run(lambda: self.file.pauses)

    async def pause(self, partition: int, pause: Pause) -> bool:
        """Keep that a partition is paused; False: it was. Raises LogError."""
        return await self.file.run(partial(self.file.pause, partition, pause))

    async def resume(self, partition: int, by: str, at: int) -> bool:
        """Keep that a partition may go on; False: it was not paused. Raises LogError."""
        return await self.file.run(partial(self.file.resume, partition, by, at))

    async def keeps_time(self) -> bool:
        """Whether records were put in it with timestamps of their own."""
        return await self.file.run(lambda: self.file.keeps_time)

    async def asked(self) -> Sequence[Asked]:
        """The questions to forget a referral that are not answered yet."""
        return await self.file.run(lambda: self.file.asked)

    async def close(self) -> None:
        """Let go of the file. Never raises."""
        await self.file.close()

    def newest(self, below: int = 2**62) -> int:
        """The timestamp of the newest inbound record below an offset; to be called in the file's thread."""
        row = self.file.db.execute(
            "SELECT timestamp FROM inbound WHERE offset < ? ORDER BY offset DESC LIMIT 1", (below,)
        ).fetchone()
        return NEVER if row is None else int(row[0])

    def quiet_at(self, upto: int, now: bool) -> int:
        """Up to when all has arrived that lies below an offset; to be called in the file's thread.

        now: the offset is the end, and no other process is in the middle of writing. Where one is, it may
        have stamped records that it has not committed: what is due in between would be decided without them.
        """
        newest = self.newest(upto)
        return max(newest, self._now()) if now and self._clock == "wall" else newest


async def open_embedded(
    path: Path,
    *,
    partitions: int = 1,
    clock: Literal["wall", "log"] = "wall",
    now: Callable[[], int] = wall_clock,
    own: bool = False,
    must_exist: bool = False,
    anew: bool = False,
    sandbox: int | None = None,
    tables: ReadTables | None = None,
    window: int = WINDOW,
    read_bytes: int = READ_BYTES,
    busy_ms: int = BUSY_MS,
    wrapping: WrappingKeys | None = None,
) -> EmbeddedLog:
    """Open the log in a file, or make it with that many partitions.

    clock: 'wall', or 'log', in which no time passes but what the records' timestamps say. own: this process
    will claim partitions, and another one that wants to is refused. must_exist: make none. anew: make one
    even where other files say that there was one. sandbox: it is to be a sandbox, which begins at this
    instant where it is new. tables: those by which it is asked; None: nobody asks. window: how
    many records of all topics one read goes past at the most. read_bytes: how large what it takes of one
    topic may be, but for the last record. busy_ms, wrapping: see EmbeddedFile. Raises LogError where the
    file can't be used.
    """
    file = EmbeddedFile(path, "" if tables is None else tables.schema, busy_ms, wrapping)
    try:
        if not anew:
            # In a sandbox nothing is lost that was real: whoever wants a new one deletes its file.
            file.refuse_gone(must_exist=must_exist, left_behind=sandbox is None)
        # Before the lock, so that there is no lock without a log.
        await file.run(lambda: file.connect(partitions))
        if own:
            file.take_lock()
            await file.run(file.refuse_moved)
        found = await file.run(lambda: file.sandbox_now)
        if sandbox is not None and found is None:
            await file.run(lambda: file.make_sandbox(sandbox))
        elif sandbox is None and found is not None and own:
            raise LogError(
                f"the log {path} is a sandbox; run it with --sandbox, or name another file with "
                "GATEWAY_LOG_URL"
            )
    except BaseException:
        await file.close()
        raise
    log = EmbeddedLog(file, clock, now, tables, window, read_bytes)
    log.sandbox = sandbox is not None or found is not None
    return log


class EmbeddedClaim:
    """One partition number of the embedded log, owned."""

    def __init__(self, log: EmbeddedLog, partition: int, epoch: int) -> None:
        self._log = log
        self._file = log.file
        self.partition = partition
        self._epoch = epoch
        #: Per topic, where the next read begins.
        self._next = dict.fromkeys(INBOUND_TOPICS, 1)

    async def restore(self) -> Restored:
        """States and positions of the last committed step."""

        def load() -> Restored:
            db, mine = self._file.db, (self.partition,)
            with self._file.snapshot():
                states = self._states()
                decided = dict(db.execute("SELECT topic, offset FROM position WHERE partition = ?", mine))
                row = db.execute("SELECT decided_to FROM ownership WHERE partition = ?", mine).fetchone()
            gone = [po_number for po_number, state in states.items() if state is None]
            if gone:
                self._log.forget_again(self.partition, gone)
            kept = {po_number: state for po_number, state in states.items() if state is not None}
            return Restored(kept, self._next | decided, row[0])

        restored = await self._file.run(load)
        self._next = dict(restored.positions)
        return restored

    def _states(self) -> dict[str, bytes | None]:
        """All states; None: it was forgotten since the log was backed up that this one was restored from."""
        rows = self._file.db.execute(
            "SELECT po_number, state FROM state WHERE partition = ?", (self.partition,)
        )
        states: dict[str, bytes | None] = {}
        while some := rows.fetchmany(_OPENED_AT_ONCE):
            opened = self._file.vault.open_all("state", some)
            states.update(zip((po_number for po_number, _ in some), opened, strict=True))
        return states

    async def read(self, room: Mapping[str, int], wait_s: float) -> Batch:
        """What has arrived since the last read: a snapshot of the file, so all topics are of one moment."""
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + wait_s
        while True:
            self._log.arrived.clear()
            batch = await self._file.run(lambda: self._look(room))
            left_s = deadline_s - clock()
            if batch.records or batch.partial or left_s <= 0:
                return batch
            with suppress(TimeoutError):
                await asyncio.wait_for(self._log.arrived.wait(), min(left_s, LOOK_AGAIN_S))

    def _look(self, room: Mapping[str, int]) -> Batch:
        db = self._file.db
        records: list[Record] = []
        with self._file.snapshot() as alone:
            check_owner(self._file, self.partition, self._epoch)
            end = self._file.end("inbound")
            # The log as it was when it had been filled up to here: all topics are in one order of arrival,
            # so nothing above can have arrived before what is below.
            upto = min(end, max(self._next.values()) + self._log.window)
            if upto < end:
                # Never between two records of one instant: among them the order of topics decides.
                sql = "SELECT offset FROM inbound WHERE offset >= ? AND timestamp > ? ORDER BY offset LIMIT 1"
                row = db.execute(sql, (upto, self._log.newest(upto))).fetchone()
                upto = row[0] if row else end
            quiet_at = self._log.quiet_at(upto, alone and upto == end)
            for topic, most in room.items():
                size = 0
                rows = db.execute(
                    f"{SELECT.format('inbound')} WHERE offset >= ? AND offset < ? AND partition = ?"
                    " AND topic = ? ORDER BY offset LIMIT ?",
                    (self._next[topic], upto, self.partition, topic, most),
                )
                taken: list[Row] = []
                for row in rows:
                    taken.append(row)
                    size += len(row[5] or b"")
                    if size >= self._log.read_bytes:
                        break
                rows.close()
                if len(taken) < most and size < self._log.read_bytes:
                    self._next[topic] = upto
                elif taken:
                    self._next[topic] = taken[-1][2] + 1
                # What came to a log that was restored, and was forgotten since, is not decided again.
                records += filter(None, records_of(taken, self._file.vault))
            asked = self._file.asked
        # Of all partitions: how many are of this one, the file would have to be read to say.
        unread = end - min(self._next.values())
        ends = dict.fromkeys(INBOUND_TOPICS, upto)
        return Batch(records, dict(self._next), ends, quiet_at, upto < end, unread, asked=asked)

    async def commit(self, step: Commit) -> None:
        """One SQL transaction: outputs, states, positions, if the partition is still owned."""
        await self._log.write(self.partition, self._epoch, step)

    async def release(self) -> None:
        """Nothing is held between two transactions."""


def _put_control(db: Connection, draft: Draft) -> None:
    """Put what a key stands for in the place of what it stood for before."""
    key = (draft.key or b"").decode()
    if draft.value is None:
        db.execute("DELETE FROM control WHERE key = ?", (key,))
    else:
        db.execute("INSERT OR REPLACE INTO control VALUES (?, ?)", (key, draft.value))


def _stamped(
    drafts: Iterable[Draft], partitions: int, newest: int, now: int, keep_time: Callable[[], None]
) -> Iterator[tuple[Draft, int, int]]:
    """Drafts, each with its partition and timestamp."""
    kept = False
    for draft in drafts:
        if draft.timestamp is not None and not kept:
            keep_time()
            kept = True
        stamp = _or(draft.timestamp, now)
        if stamp < newest:
            raise LogError(
                "a record is older than the newest one in the log; time can't go back, so use a new log"
            )
        newest = stamp
        yield draft, partition_for(draft.key, partitions), stamp


def _or(stamp: int | None, otherwise: int) -> int:
    return otherwise if stamp is None else stamp
