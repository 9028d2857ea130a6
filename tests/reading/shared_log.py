"""A shared log whose records lie in a file: an embedded log that gives what changes as well.

So the same steps can be asked for in the log itself, and in a copy of it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from gateway.backends.embedded.file import EmbeddedFile
from gateway.backends.embedded.log import EmbeddedLog
from gateway.backends.embedded.records import SELECT, records_of
from gateway.engine.log import Changes, Commit, Handled, PartitionOwner, PositionsGone, Record
from gateway.reading.tables import LogTables
from gateway.system.clock import wall_clock


class FileLog(EmbeddedLog):
    """An embedded log that can be asked and whose changes can be read, in the order of its steps.

    name: its identity. most: how many records of a table one read goes past.
    """

    shared = True

    def __init__(self, path: Path, *, name: str = "a log", most: int = 1_000) -> None:
        super().__init__(EmbeddedFile(path, LogTables.schema), "log", wall_clock, LogTables())
        self.name = name
        self.most = most
        #: Each change of a state, and the end of `outbound` when it had been committed.
        self.changed: list[tuple[int, str, bytes | None]] = []

    def recall(self) -> None:
        """Take the states that an earlier handle has left for the changes that led to them."""
        sql = (
            "SELECT (SELECT max(offset) + 1 FROM outbound o WHERE o.po_number = s.po_number), s.po_number,"
            " s.state FROM state s ORDER BY 1, 2"
        )
        opened = self.file.vault.opened
        self.changed = [
            (end, po_number, opened("state", po_number, state))
            for end, po_number, state in self.file.db.execute(sql)
        ]

    async def write(self, partition: int, epoch: int, step: Commit) -> None:
        """Write a step, and keep what has changed in it."""
        await super().write(partition, epoch, step)
        end = await self.file.run(lambda: self.file.end("outbound"))
        self.changed += ((end, *each) for each in step.states.items())

    async def owners(self) -> Sequence[PartitionOwner]:
        """It knows of none."""
        return ()

    async def identity(self) -> str:
        """The name that it was given."""
        return self.name

    async def ends(self, topics: Sequence[str]) -> dict[str, int]:
        """The ends of both tables."""
        return {each: await self.file.run(partial(self.file.end, each)) for each in ("inbound", "outbound")}

    async def changes(self, topics: Sequence[str], positions: Mapping[str, int]) -> "FileChanges":
        """A reader of what is committed on these topics, and of states."""
        return FileChanges(self, topics, positions)


class FileChanges:
    """What is committed on a FileLog, a part at a time. The positions are the next offsets and changes."""

    def __init__(self, log: FileLog, topics: Sequence[str], positions: Mapping[str, int]) -> None:
        self._log = log
        self._topics = topics
        self._next = {"inbound": 1, "outbound": 1, "states": 0, **positions}

    async def read(self, wait_s: float) -> Changes:
        """What has been committed since the last read. Waiting is letting others have their turn."""
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + wait_s
        while True:
            before, changes = dict(self._next), await self._log.file.run(self._look)
            if changes.positions != before or clock() >= deadline_s:
                return changes
            await asyncio.sleep(0)

    def _look(self) -> Changes:
        log, records, behind = self._log, list[Record](), 0
        for table in ("inbound", "outbound"):
            begin, end = self._next[table], log.file.end(table)
            if begin > end:
                raise PositionsGone("the log is another one; begin anew")
            upto = self._next[table] = min(end, begin + log.most)
            sql = f"{SELECT.format(table)} WHERE offset >= ? AND offset < ? ORDER BY offset"
            rows = log.file.db.execute(sql, (begin, upto)).fetchall()
            records += filter(None, records_of(rows, log.file.vault))
            behind += end - upto
        states = {}
        while self._next["states"] < len(log.changed):
            end, po_number, state = log.changed[self._next["states"]]
            if end > self._next["outbound"]:
                behind += 1
                break
            states[po_number] = state
            self._next["states"] += 1
        records = [record for record in records if record.topic in self._topics]
        marks = log.file.db.execute("SELECT letter, done, at FROM handled").fetchall()
        handled = {letter: Handled(done, at) for letter, done, at in marks}
        return Changes(records, states, dict(self._next), behind, handled)

    async def close(self) -> None:
        """Nothing is held."""
