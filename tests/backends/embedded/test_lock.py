"""One process at a time decides on a file."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.backends.embedded.log import open_embedded
from gateway.engine.log import LogError
from tests.backends.embedded.opening import opened, refused
from tests.log.reading import WP11, draft, followed, values
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[3]


async def test_a_second_process_that_would_decide_on_the_same_file_is_refused(path: Path) -> None:
    """Its error says what to do; feeding and following are allowed. When the first dies, it is free."""
    first = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.engine.holding_the_log", str(path)),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert first.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert await first.stdout.readline() == b"open\n"
        said = await refused(path, own=True)
        assert said == f"another gateway runs on the log {path}; stop it first, or name another log"
        async with opened(path) as log:
            await log.append([draft(WP11, b"a")])
    finally:
        first.kill()
        await first.communicate()
    async with opened(path, own=True) as log:
        assert values(await followed(log, [WP11])) == [b"a"]


async def test_a_file_that_was_refused_can_be_opened_when_it_is_free(path: Path) -> None:
    async with opened(path, own=True):
        await refused(path, own=True)
        await refused(path, own=True)
    async with opened(path, own=True):
        pass


async def test_one_file_has_one_lock_whatever_link_it_is_named_by(path: Path) -> None:
    """Two gateways on it would take the partitions from one another."""
    async with opened(path):
        pass
    link = path.with_name("link.db")
    link.symlink_to(path)
    log = await open_embedded(path, own=True)
    try:
        with pytest.raises(LogError, match="another gateway runs on the log"):
            await open_embedded(link, own=True)
    finally:
        await log.close()
