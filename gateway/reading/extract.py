"""A part of a log on Kafka, copied for one question: that of a command, which has no gateway's copy."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from gateway.engine.log import Changes, Record, SharedLog
from gateway.reading.copy_file import CopyFile
from gateway.reading.filling import fill
from gateway.reading.view import View

#: So many records are taken in at once.
_AT_ONCE: Final = 10_000


@asynccontextmanager
async def extract(log: SharedLog, topics: Sequence[str]) -> AsyncIterator[View]:
    """What is on these topics now, to be asked for as long as the block lasts. Raises LogError.

    Cursors are those of the log's gateways. What depends on states can't be asked for.
    """
    partitions = await log.partitions()
    with TemporaryDirectory(prefix="gateway-") as folder:
        file = CopyFile(Path(folder) / "extract")
        try:
            file.empty(await log.identity())
            records: list[Record] = []
            async for record in log.follow(topics, from_start=True, wait=False):
                records.append(record)
                if len(records) == _AT_ONCE:
                    fill(file, Changes(records, {}, {}, 0), partitions)
                    records.clear()
            fill(file, Changes(records, {}, {}, 0), partitions)
            with closing(View(file)) as view:
                yield view
        finally:
            file.close()
