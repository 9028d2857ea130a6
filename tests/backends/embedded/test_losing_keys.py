"""A purchase order that is forgotten loses its key, and with it nothing that is still to be decided."""

import asyncio
import shutil
import signal
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from gateway.engine.log import DEAD_LETTERS, Commit, Draft, Erased, LogError, Record
from tests.backends.embedded.losing_keys import FORGOTTEN, KEPT, forget, prepared
from tests.backends.embedded.opening import opened, refused
from tests.log.reading import PLENTY, SESSIONS, WP11, followed, owned, read_to_end, step, values
from tests.patience import PATIENCE_S


def erasing(positions: Mapping[str, int], *outputs: Draft, outputs_before: int = 0, **more: bytes) -> Commit:
    """A step in which PO1 is forgotten, after so many of its outputs. more: states by po_number."""
    made = step(positions, *outputs, states=more or {"PO1": None})
    erased = {"PO1": Erased(outputs_before, made.positions)}
    return Commit(made.outputs, made.states, made.positions, 1, made.draft, erased=erased)


def at(records: list[Record], decided: int) -> dict[str, int]:
    """The positions when so many of these records are decided."""
    left = records[decided:]
    end = records[-1].offset + 1
    return {topic: next((each.offset for each in left if each.topic == topic), end) for topic in PLENTY}


async def test_what_is_not_decided_yet_is_read_after_the_forgetting(path: Path) -> None:
    """In any topic, and after a restart: it belongs to what begins with it."""
    async with opened(path, own=True) as log:
        for topic, value in ((WP11, b"1"), (SESSIONS, b"2"), (WP11, b"3"), (SESSIONS, b"4")):
            await log.append([Draft(topic, b"PO1", value)])
        claim, _ = await owned(log)
        records, _ = await read_to_end(claim)
        in_order = sorted(records, key=lambda record: record.offset)
        await claim.commit(erasing(at(in_order, 2)))
        await log.append([Draft(WP11, b"PO1", b"5")])
    async with opened(path, own=True) as log:
        claim, _ = await owned(log)
        again, _ = await read_to_end(claim)
        assert sorted(filter(None, values(again))) == [b"3", b"4", b"5"]
        assert values(await followed(log, [WP11, SESSIONS])) == [b"3", b"4", b"5"]


async def test_what_comes_after_it_in_the_same_step_can_be_read(path: Path) -> None:
    """A dead letter, and a state: those from before it can't."""
    before = Draft(DEAD_LETTERS, b"PO1", b"before", (("ce_id", b"before"),))
    after = Draft(DEAD_LETTERS, b"PO1", b"after", (("ce_id", b"after"),))
    async with opened(path, own=True) as log:
        claim, restored = await owned(log)
        await claim.commit(
            erasing(restored.positions, before, after, outputs_before=1, PO1=b"begins anew", PO2=b"other")
        )
        assert values(await followed(log, [DEAD_LETTERS])) == [b"after"]
    async with opened(path, own=True) as log:
        _, restored = await owned(log)
        assert restored.states == {"PO1": b"begins anew", "PO2": b"other"}


async def test_in_a_log_that_is_restored_who_was_forgotten_since_is_forgotten(path: Path) -> None:
    """With what had come and was not decided, and whoever comes anew is known from then on."""
    old = path.with_name("old")
    async with opened(path, own=True) as log:
        await log.append([Draft(WP11, b"PO1", b"decided"), Draft(WP11, b"PO2", b"other")])
        claim, restored = await owned(log)
        await claim.commit(step(restored.positions, states={"PO1": b"somebody", "PO2": b"other"}))
    shutil.copy(path, old)
    async with opened(path, own=True) as log:
        claim, _ = await owned(log)
        records, _ = await read_to_end(claim)
        await claim.commit(erasing(at(records, 2)))
    shutil.copy(old, path)
    async with opened(path, own=True) as log:
        claim, restored = await owned(log)
        assert restored.states == {"PO2": b"other"}
        assert values((await read_to_end(claim))[0]) == [b"other"]
        await log.append([Draft(WP11, b"PO1", b"anew")])
        assert values((await read_to_end(claim))[0]) == [b"anew"]


async def test_the_keys_must_be_the_logs_own_and_none_of_them_older(path: Path) -> None:
    keys, other = path.with_name("gateway.db.keys"), path.with_name("other.db")
    async with opened(path) as log:
        await log.append([Draft(WP11, b"PO1", b"1")])
    older = keys.read_bytes()
    async with opened(path, own=True) as log:
        await log.append([Draft(WP11, b"PO%d" % number, b"1") for number in range(100)])
        claim, restored = await owned(log)
        await claim.commit(step(restored.positions, states={"PO77": b"somebody"}))
    async with opened(other) as log:
        await log.append([Draft(WP11, b"PO1", b"1")])
    newest = keys.read_bytes()
    keys.unlink()
    assert "there are no keys" in await refused(path)
    keys.write_bytes(other.with_name("other.db.keys").read_bytes())
    assert "are those of another log" in await refused(path)
    keys.write_bytes(older)
    async with opened(path, own=True) as log:
        claim = await log.claim(0)
        with pytest.raises(LogError, match="are older than the log"):
            await claim.restore()
    keys.write_bytes(newest)
    async with opened(path, own=True) as log:
        _, restored = await owned(log)
        assert restored.states == {"PO77": b"somebody"}


async def test_processes_that_append_while_it_is_forgotten_again_and_again_lose_nothing(path: Path) -> None:
    """Each record is read as it was put, once."""
    each = 120
    async with opened(path, own=True) as log:
        claim, _ = await owned(log)
        appending = [
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.backends.embedded.losing_keys", "append", str(path)),
                *(str(number), str(each)),
            )
            for number in range(2)
        ]
        found: list[bytes | None] = []
        forgotten = 0
        async with asyncio.timeout(PATIENCE_S):
            while len(found) < 2 * each:
                batch = await claim.read(PLENTY, 0.01)
                found += [record.value for record in batch.records]
                await claim.commit(erasing(batch.reached))
                forgotten += 1
        assert [await process.wait() for process in appending] == [0, 0]
    assert forgotten > 1
    assert sorted(filter(None, found)) == sorted(b"%d/%d" % (by, n) for by in range(2) for n in range(each))


async def test_whoever_is_killed_anywhere_in_it_has_forgotten_or_has_not(path: Path) -> None:
    """Killed at each statement, on the log and on the keys; the next one finishes it, and loses nothing."""
    async with opened(path, own=True) as log:
        await prepared(log)
    base = path.with_name("base")
    base.mkdir()
    for file in path.parent.glob("gateway.db*"):
        shutil.move(file, base / file.name)
    ends: list[bool] = []
    statements = 0
    while True:
        folder = path.with_name(f"killed-{statements}")
        shutil.copytree(base, folder)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.backends.embedded.losing_keys", "forget"),
            *(str(folder / path.name), str(statements)),
        )
        status = await process.wait()
        async with opened(folder / path.name, own=True) as log:
            _, restored = await owned(log)
            forgotten = "PO1" not in restored.states
            assert restored.states == ({} if forgotten else {"PO1": FORGOTTEN}) | {"PO2": KEPT}
            if not forgotten:
                await forget(log)
            claim, _ = await owned(log)
            assert values((await read_to_end(claim))[0]) == [b"undecided"]
            with_keys = log.file.vault
            sealed = base / path.name
            assert not with_keys.readable(_state(sealed, "PO1"))
            assert with_keys.readable(_state(sealed, "PO2"))
            assert not log.file.db.execute("SELECT 1 FROM doomed").fetchone()
        ends.append(forgotten)
        if status == 0:
            break
        assert status == -signal.SIGKILL
        statements += 1
    assert ends == sorted(ends), "from one statement on it counts"
    assert {False, True} == set(ends)


def _state(path: Path, po_number: str) -> bytes:
    with closing(sqlite3.connect(path)) as db:
        sql = "SELECT state FROM state WHERE po_number = ?"
        return bytes(db.execute(sql, (po_number,)).fetchone()[0])
