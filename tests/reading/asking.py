"""The two kinds of read model, which are to answer alike: the embedded log itself, and a copy of a log."""

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from gateway.engine.step import StepSize
from gateway.reading.copy_file import CopyFile
from gateway.reading.cursor import beginning
from gateway.reading.view import View
from gateway.rules.events import Outcome
from tests.cli.running import Json
from tests.reading import filling
from tests.reading.shared_log import FileLog

KINDS: Final = ("the log itself", "a copy that follows", "a copy made anew")
PARTITIONS: Final = 3


BEGINNING: Final = beginning(PARTITIONS)


def message(view: View, providers: Sequence[str], message_id: str) -> tuple[str, Outcome | None] | None:
    """The first message with an id, and what has come of it."""
    return next(iter(view.messages_with("nobody", providers, message_id)), None)


class Asked:
    """A log that is decided, and what is asked about it."""

    def __init__(self, log: FileLog, kind: str) -> None:
        self.log = log
        self._kind = kind
        self._numbers = itertools.count()
        self._copy: CopyFile | None = None
        self._views: list[View] = []

    async def decide(self, lines: Sequence[Json], step: StepSize = StepSize()) -> None:  # noqa: B008 - it is frozen
        """Put messages on the log and decide them, and what is due by the last line."""
        await filling.decide(self.log, lines, step)
        if self._kind == "a copy that follows":
            await self._filled()

    async def view(self) -> View:
        """What can be asked now."""
        view = View(self.log.file if self._kind == "the log itself" else await self._filled())
        self._views.append(view)
        return view

    async def _filled(self) -> CopyFile:
        if self._copy is None or self._kind == "a copy made anew":
            self._let_go()
            self._copy = CopyFile(self.log.file.path.with_name(f"copy-{next(self._numbers)}"))
        await filling.fill_up(self.log, self._copy)
        return self._copy

    def _let_go(self) -> None:
        for view in self._views:
            view.close()
        self._views.clear()
        if self._copy is not None:
            self._copy.close()

    async def close(self) -> None:
        """Let go of everything."""
        self._let_go()


@asynccontextmanager
async def asking(folder: Path, kind: str) -> AsyncIterator[Asked]:
    """A log of several partitions, and one kind of read model of it."""
    async with filling.a_log(folder / "gateway.db", partitions=PARTITIONS) as log:
        asked = Asked(log, kind)
        yield asked
        await asked.close()
