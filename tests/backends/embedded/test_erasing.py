"""What is forgotten or erased leaves the disk, and not only the tables."""

from collections.abc import Mapping
from pathlib import Path

from gateway.backends.embedded.file import ERASED_WITHIN_S
from gateway.engine.log import Commit
from gateway.reading.tables import LogTables
from tests.backends.embedded.opening import opened
from tests.cli.running import referral
from tests.log.reading import PLENTY, WP11, draft, owned, read_to_end, step
from tests.reading.filling import decide

PERSON = b"Featherstonehaugh" * 400


def left(path: Path) -> int:
    """How often it can still be read in what is on the disk."""
    names = (path, path.with_name(f"{path.name}-wal"))
    return sum(name.read_bytes().count(b"Featherstonehaugh") for name in names if name.exists())


def erasing(positions: Mapping[str, int]) -> Commit:
    """A special customer record: the state goes on, without the participant."""
    kept = step(positions, states={"PO1": b"nobody"})
    return Commit(kept.outputs, kept.states, positions, 0, kept.draft, erases=True)


async def test_what_is_forgotten_leaves_the_disk_when_the_log_is_at_rest(path: Path) -> None:
    """A forgotten referral, and an erased participant; whatever SQLite was built with."""
    for number in range(2):
        async with opened(path, own=True) as log:
            assert await log.file.run(lambda: log.file.db.execute("PRAGMA secure_delete").fetchone()) == (1,)
            claim, restored = await owned(log)
            await claim.commit(step(restored.positions, states={"PO1": PERSON}))
            assert left(path)
            last = step(restored.positions, states={"PO1": None}) if number else erasing(restored.positions)
            await claim.commit(last)
            await read_to_end(claim)
            assert not left(path)


async def test_where_somebody_reads_it_leaves_the_disk_afterwards(path: Path) -> None:
    now_s = 0.0
    async with opened(path, own=True) as log:
        log.file._now_s = lambda: now_s
        claim, restored = await owned(log)
        await claim.commit(step(restored.positions, states={"PO1": PERSON}))
        reader = log.file.view()
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM state").fetchone() == (1,)
        await claim.commit(erasing(restored.positions))
        await read_to_end(claim)
        assert left(path)
        reader.execute("COMMIT")
        reader.close()
        now_s += 1
        await read_to_end(claim)
        assert not left(path)


async def test_without_rest_it_leaves_the_disk_after_a_while(path: Path) -> None:
    now_s = 0.0
    async with opened(path, own=True) as log:
        log.file._now_s = lambda: now_s
        claim, restored = await owned(log)
        await read_to_end(claim)
        await claim.commit(step(restored.positions, states={"PO1": PERSON}))
        await claim.commit(erasing(restored.positions))
        for passed_s in (0, ERASED_WITHIN_S):
            now_s = passed_s
            assert left(path)
            await log.append([draft(WP11, b"a")])
            assert (await claim.read(PLENTY, 0)).records
        assert not left(path)


async def test_what_a_killed_process_left_leaves_the_disk_with_the_next(path: Path) -> None:
    async with opened(path) as killed:
        claim, restored = await owned(killed)
        await claim.commit(step(restored.positions, states={"PO1": PERSON}))
        await claim.commit(erasing(restored.positions))
        async with opened(path, own=True) as log:
            claim, _ = await owned(log)
            assert left(path)
            await read_to_end(claim)
            assert not left(path)


async def test_a_special_customer_record_truncates_what_has_the_participant(path: Path) -> None:
    """As the engine decides it, whoever is asked for nothing but that."""
    known, special = referral(), referral("2016-03-15T09:00:00Z", special_customer_record=True)
    special["value"] |= {"message_id": "special", "po_revision": 2}
    async with opened(path, own=True, clock="log", tables=LogTables()) as log:
        await log.file.run(lambda: log.file.overwrite_erased(at_rest=True))
        for line in (known, special):
            await decide(log, [line])
            assert path.with_name("gateway.db-wal").stat().st_size == 0 or line is known
