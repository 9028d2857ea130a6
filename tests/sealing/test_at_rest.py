"""On the disk nobody reads anything about a person, and of who is forgotten not even whoever has the keys."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.backends.embedded.backup import back_up
from gateway.backends.embedded.log import EmbeddedLog
from gateway.engine.log import Draft
from gateway.reading.tables import LogTables
from tests.backends.embedded.opening import opened
from tests.cli.running import Json, record, referral
from tests.log.reading import followed
from tests.reading.filling import decide, put
from tests.sealing.marks import IN_CONTRACT, NINO, found, marks_in, readable, story

#: More than 400 days after the referral of `story`.
LATER = "2017-05-01T00:00:00Z"


@asynccontextmanager
async def a_log(folder: Path) -> AsyncIterator[EmbeddedLog]:
    """As `gateway run --clock log` has it."""
    async with opened(folder / "gateway.db", own=True, clock="log", tables=LogTables()) as log:
        yield log


def tick(at: str = LATER) -> Json:
    """Something on another purchase order, so that time passes."""
    return referral(at, "PO-other", referred_on=at[:10])


def rejected() -> list[Json]:
    at = "2016-03-25T09:00:00Z"
    reason = "Qzmark ReferralRejected reason"
    return [
        referral(at, "PO-rejected", referred_on=at[:10]),
        record("ReferralRejected", at, po_number="PO-rejected", rejected_at=at, reason=reason),
    ]


def poison(at: int) -> Draft:
    """A record that can't be read, and is about the participant of `story`."""
    return Draft("jobcentre.wp11", b"PO1", b"Qzmark poison", (), at)


async def test_nothing_about_a_person_is_on_the_disk_in_clear(tmp_path: Path) -> None:
    """In no file beside the log either, nor in a backup: while the log is open, and when it was closed."""
    async with a_log(tmp_path) as log:
        await decide(log, [*story(), *rejected()])
        newest = await log.file.run(log.newest)
        await log.append([poison(newest)])
        await decide(log, [tick("2016-04-01T00:00:00Z")])
        assert b"Qzmark poison" in (await followed(log, ["gateway.dead-letters"]))[0].value  # type: ignore[operator]
        await log.file.run(lambda: back_up(log.file.db, tmp_path / "backup.db"))
        await put(log, [tick()])
        open_files = found(tmp_path)
        assert {"gateway.db-wal", "backup.db"} <= open_files.keys(), "the search finds what the contract has"
        assert set().union(*open_files.values()) == IN_CONTRACT
        texts = set().union(
            *(marks_in(record.value or b"") for record in await followed(log, ["prap.referrals"]))
        )
        assert {NINO.encode(), b"Qzmark@example"} < texts, "whoever has the keys reads it"
    assert set().union(*found(tmp_path).values()) == IN_CONTRACT


@pytest.mark.parametrize("special", [False, True])
async def test_of_who_is_forgotten_nothing_can_be_read_by_whoever_has_the_keys(
    tmp_path: Path, special: bool
) -> None:
    """By T5, or by a special customer record; in no copy of the log that was made before, either."""
    before, keys = tmp_path / "before", tmp_path / "gateway.db.keys"
    async with a_log(tmp_path) as log:
        lines = story(special=special)
        await decide(log, lines[:-2])
        newest = await log.file.run(log.newest)
        await log.append([poison(newest)])
        await decide(log, lines[-2:-1])
        before.mkdir()
        for path in tmp_path.glob("gateway.db*"):
            shutil.copy(path, before)
        everything = readable(before / "gateway.db", before / "gateway.db.keys")
        assert {NINO.encode(), b"Qzmark poison", b"Qzmark SessionCancelled reason"} - everything == (
            set() if special else {b"Qzmark SessionCancelled reason"}
        )
        await decide(log, [lines[-1] if special else tick()])
        assert readable(before / "gateway.db", keys) == set()
    # A special one goes on by its number, with the sessions that were booked.
    left = {b"Qzmark SessionBooked session_name", b"Qzmark SessionBooked location"}
    assert readable(tmp_path / "gateway.db", keys) == (left if special else set())


async def test_a_special_customer_record_that_comes_first_is_forgotten_too(tmp_path: Path) -> None:
    async with a_log(tmp_path) as log:
        (line, *_) = story()
        line["value"]["special_customer_record"] = True
        await decide(log, [line])
    assert readable(tmp_path / "gateway.db", tmp_path / "gateway.db.keys") == set()
