"""Begins a sandbox: an embedded log with all that is ready-made in it."""

from pathlib import Path
from typing import Final

from gateway.backends.embedded.log import EmbeddedLog, open_embedded
from gateway.backends.embedded.steps import ReadTables
from gateway.rules.messages import TOPIC_OF, Referral
from gateway.sandbox import BEGINS_AT
from gateway.sandbox.refusals import refusals
from gateway.sandbox.scenes import drafts, groups
from gateway.sealing.wrapping import WrappingKeys

_DAY_MS: Final = 86_400_000


async def open_sandbox(
    path: Path,
    partitions: int,
    tables: ReadTables,
    *,
    must_exist: bool = False,
    begins_at: int = BEGINS_AT,
    wrapping: WrappingKeys | None = None,
) -> EmbeddedLog:
    """Open the sandbox in a file, and fill it where it is new. Raises LogError, also where it must exist.

    begins_at: what the clock of a new one says, UTC milliseconds; all that is ready-made is as many whole
    days later. wrapping: see open_embedded.
    """
    log = await open_embedded(
        path,
        partitions=partitions,
        own=True,
        must_exist=must_exist,
        sandbox=begins_at,
        tables=tables,
        wrapping=wrapping,
    )
    try:
        if not await log.keeps_time():  # which it does from the moment at which it is filled
            scenes = [*groups(), *(refusal.scene for refusal in refusals())]
            await log.append(drafts(scenes, (begins_at - BEGINS_AT) // _DAY_MS))
    except BaseException:
        await log.close()
        raise
    return log


async def days_moved(log: EmbeddedLog) -> int:
    """How many days later all is that is ready-made in a sandbox. Raises LogError."""
    (first, *_) = drafts([next(groups())])
    async for record in log.follow([TOPIC_OF[Referral]], from_start=True, wait=False):
        if record.key == first.key:
            return (record.timestamp - (first.timestamp or 0)) // _DAY_MS
    return 0
