"""Begins a sandbox: an embedded log with all that is ready-made in it."""

from pathlib import Path

from gateway.backends.embedded.log import EmbeddedLog, open_embedded
from gateway.backends.embedded.steps import ReadTables
from gateway.sandbox import BEGINS_AT
from gateway.sandbox.refusals import refusals
from gateway.sandbox.scenes import drafts, groups


async def open_sandbox(
    path: Path, partitions: int, tables: ReadTables, *, must_exist: bool = False
) -> EmbeddedLog:
    """Open the sandbox in a file, and fill it where it is new. Raises LogError, also where it must exist."""
    log = await open_embedded(
        path, partitions=partitions, own=True, must_exist=must_exist, sandbox=BEGINS_AT, tables=tables
    )
    try:
        if not await log.keeps_time():  # which it does from the moment at which it is filled
            await log.append(drafts([*groups(), *(refusal.scene for refusal in refusals())]))
    except BaseException:
        await log.close()
        raise
    return log
