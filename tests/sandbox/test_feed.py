"""What is fed to a sandbox arrives at the sandbox's time, whatever it says of itself."""

import asyncio
from pathlib import Path

from gateway.engine.log import INBOUND_TOPICS
from gateway.reading.tables import LogTables
from gateway.sandbox.beginning import open_sandbox
from tests.cli.running import json_lines, referral, spawn
from tests.log.reading import followed, owned, step


def test_a_sandbox_keeps_no_other_time_than_its_own(tmp_path: Path) -> None:
    """Else its clock would stand where the last message was, and could not be moved by whoever owns it.

    How far it is from the clock of this machine doesn't matter, though all has been decided by it.
    """

    async def begun() -> tuple[int, int]:
        log = await open_sandbox(tmp_path / "gateway.db", 1, LogTables())
        try:
            claim, restored = await owned(log)
            await claim.commit(step(restored.positions, decided_to=await log.time()))
            return await log.time(), len(await followed(log, INBOUND_TOPICS))
        finally:
            await log.close()

    before = asyncio.run(begun())
    lines = json_lines([referral("2031-01-01T09:00:00Z", po_number="PO-FED")])
    ended = spawn("feed", "--keep-time", "-", cwd=tmp_path, stdin=lines)
    assert ended.status == 1
    assert ended.sentence == (
        "the log is a sandbox, whose clock is moved by POST /sandbox/clock; feed it without --keep-time"
    )
    assert asyncio.run(begun()) == before
    assert spawn("feed", "-", cwd=tmp_path, stdin=lines).status == 0
    assert asyncio.run(begun()) == (before[0], before[1] + 1)
