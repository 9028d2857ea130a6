"""A disk that is full, and a file that can't be written: nothing is lost, and it is said what to do."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from gateway.engine.log import LogError
from tests.backends.embedded.opening import opened
from tests.log.reading import OUT, WP11, draft, followed, owned, step, values
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[3]


async def test_when_the_disk_is_full_nothing_is_lost_and_work_goes_on_when_there_is_room(path: Path) -> None:
    """The limit is put on the file itself here."""
    async with opened(path) as log:
        claim, restored = await owned(log)
        await claim.commit(step(restored.positions, draft(OUT, b"1"), states={"PO1": b"1"}, decided_to=1))
        pages = log.file.db.execute("PRAGMA page_count").fetchone()[0]
        log.file.db.execute(f"PRAGMA max_page_count = {pages + 3}")
        large = [draft(WP11, b"x" * 4_000) for _ in range(50)]
        with pytest.raises(LogError, match=r"the disk is full.*make room"):
            await log.append(large)
        states = {"PO1": b"2", "PO2": b"y" * 100_000}
        with pytest.raises(LogError, match=r"the disk is full.*make room"):
            await claim.commit(step(restored.positions, draft(OUT, b"2"), states=states, decided_to=2))
        claim, restored = await owned(log)
        assert (restored.states, restored.decided_to) == ({"PO1": b"1"}, 1)
        assert values(await followed(log, [OUT])) == [b"1"]
        assert await followed(log, [WP11]) == []
        log.file.db.execute("PRAGMA max_page_count = 100000")
        await claim.commit(step(restored.positions, draft(OUT, b"2"), states=states, decided_to=2))
        assert await log.append(large) == 50
        assert values(await followed(log, [OUT])) == [b"1", b"2"]


async def run_to_a_full_disk(command: Iterable[str]) -> dict[str, Any]:
    """What `filling_the_disk` says of itself."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE_S):
        said, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    result: dict[str, Any] = json.loads(said)
    return result


def check_nothing_was_lost(result: dict[str, Any]) -> None:
    """Each step whole or not at all, up to the last that succeeded."""
    done = result["done"]
    assert done > 3
    assert result["state"] == result["decided_to"] == done
    assert result["outputs"] == [number for number in range(1, done + 1) for _ in range(7)]
    assert result["appended"] in (3 * done, 3 * (done + 1))


async def test_when_a_file_may_not_grow_nothing_is_lost(tmp_path: Path) -> None:
    """As where a quota is used up."""
    result = await run_to_a_full_disk(
        (sys.executable, "-m", "tests.engine.filling_the_disk", str(tmp_path), "1600000")
    )
    assert "can't be read or written; check the disk" in result["said"]
    check_nothing_was_lost(result)


def _own_mounts() -> bool:
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    tried = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _own_mounts(), reason="this system lets nobody mount a small disk of their own")
async def test_on_a_disk_that_is_really_full_nothing_is_lost(tmp_path: Path) -> None:
    script = 'mount -t tmpfs -o size=4m none "$0" && exec "$1" -m tests.engine.filling_the_disk "$0"'
    result = await run_to_a_full_disk(("unshare", "-rm", "sh", "-c", script, str(tmp_path), sys.executable))
    assert "the disk is full, so nothing more can be written" in result["said"]
    check_nothing_was_lost(result)


async def test_a_file_that_can_not_be_written_can_be_followed_and_says_so_when_written(path: Path) -> None:
    async with opened(path) as log:
        await log.append([draft(WP11, b"a")])
        claim, restored = await owned(log)
        log.file.db.execute("PRAGMA query_only = ON")
        for act in (log.append([draft(WP11, b"b")]), claim.commit(step(restored.positions)), log.claim(0)):
            with pytest.raises(LogError, match="can't be written; allow it, or name another file"):
                await act
        assert values(await followed(log, [WP11])) == [b"a"]


async def test_a_read_only_file_can_be_followed_and_says_so_when_written() -> None:
    """In a folder where nothing can be written, it can't even be opened, and that is said too."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        folder, closed_folder = Path(name) / "open", Path(name) / "closed"
        for one in (folder, closed_folder):
            one.mkdir()
            async with opened(one / "gateway.db") as log:
                await log.append([draft(WP11, b"a")])
            for file in ("gateway.db", "gateway.db.keys", "gateway.db.wrapping-key"):
                (one / file).chmod(0o444)
        folder.chmod(0o777)
        closed_folder.chmod(0o555)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.engine.only_reading", str(folder), str(closed_folder)),
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE_S):
            said, _ = await process.communicate()
        closed_folder.chmod(0o755)
        result = json.loads(said)
        what_to_do = "can't be written; allow it, or name another file"
        assert result["appended"] == result["claimed"] == f"the log {folder / 'gateway.db'} {what_to_do}"
        assert result["opened"] == f"the log {closed_folder / 'gateway.db'} {what_to_do}"
        assert result["made"].startswith(f"the log {closed_folder / 'new.db'} can't be ")
        assert result["there"] == 1
