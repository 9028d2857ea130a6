"""A log that was there and is gone is not made anew in silence."""

from pathlib import Path

import pytest

from gateway.engine.log import LogError
from gateway.reading.tables import LogTables
from gateway.sandbox.beginning import open_sandbox
from tests.backends.embedded.opening import opened, refused
from tests.log.reading import WP11, draft


async def used(path: Path) -> None:
    """A log that was decided on, and let go of."""
    async with opened(path, own=True) as log:
        await log.append([draft(WP11, b"a")])


async def test_a_log_of_which_the_lock_is_left_is_refused(path: Path) -> None:
    await used(path)
    path.rename(path.with_name("moved"))
    said = await refused(path, own=True)
    assert said.startswith(f"there is no log {path} any more, or it is empty, but {path}.keys is there;")
    assert "make a new log on purpose with `gateway topics create`" in said
    assert await refused(path) == said, "whoever only feeds it makes none either"
    assert not path.exists()


@pytest.mark.parametrize("end", [".key", ".keys", ".lock", "-wal", "-shm"])
async def test_any_of_its_other_files_says_that_there_was_one(path: Path, end: str) -> None:
    path.with_name(path.name + end).touch()
    assert f"{path.name}{end} is there" in await refused(path, own=True)


async def test_a_log_that_was_emptied_is_one_that_is_gone(path: Path) -> None:
    await used(path)
    path.write_bytes(b"")
    assert "or it is empty" in await refused(path, own=True)


async def test_what_is_beside_the_file_that_a_link_leads_to_counts_too(path: Path) -> None:
    """As where the volume of the file is not mounted, and the link is."""
    (path.parent / "volume").mkdir()
    path.symlink_to(path.parent / "volume" / "real.db")
    await used(path)
    (path.parent / "volume" / "real.db").unlink()
    assert "real.db.keys is there" in await refused(path, own=True)


async def test_one_that_is_put_back_goes_on(path: Path) -> None:
    await used(path)
    path.rename(path.with_name("moved"))
    await refused(path, own=True)
    path.with_name("moved").rename(path)
    async with opened(path, own=True) as log:
        assert log.file.end("inbound") == 2


async def test_a_log_that_must_exist_is_not_made(path: Path) -> None:
    said = await refused(path, own=True, must_exist=True)
    assert "but GATEWAY_LOG_MUST_EXIST is set" in said
    assert list(path.parent.iterdir()) == []
    async with opened(path):
        pass
    async with opened(path, own=True, must_exist=True):
        pass


async def test_on_purpose_a_new_one_is_made(path: Path) -> None:
    await used(path)
    path.unlink()
    async with opened(path, must_exist=True, anew=True):
        pass
    async with opened(path, own=True, must_exist=True) as log:
        assert log.file.end("inbound") == 1


async def test_what_could_not_be_made_leaves_nothing_that_says_it_was_there(path: Path) -> None:
    await refused(path, own=True, partitions=0)
    await used(path)


async def test_a_sandbox_may_be_begun_anew(path: Path) -> None:
    """By deleting its file: nothing in it was real."""
    await (await open_sandbox(path, 1, LogTables())).close()
    path.unlink()
    await (await open_sandbox(path, 1, LogTables())).close()
    path.unlink()
    with pytest.raises(LogError, match="GATEWAY_LOG_MUST_EXIST"):
        await open_sandbox(path, 1, LogTables(), must_exist=True)
