"""The tables by which the log is asked are filled in the step's own transaction."""

import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.backends.embedded.log import EmbeddedLog
from gateway.engine.log import Commit, Draft, Forgotten, Listing
from gateway.reading.tables import LogTables
from tests.backends.embedded.opening import opened
from tests.log.reading import OUT, owned

LISTED = Listing(
    provider_id="PRV01",
    jobcentre_id="JCP-LEEDS",
    contract_package_area="CPA07",
    referred_on=16_874,
    status="REFERRED",
    accepted=False,
    mandatory=True,
    benefit="ESA",
    changed_at=1,
    due_at=2,
    messages=1,
    sessions=(("S1", 16_880, False, True),),
)
FIRST = Commit([Draft(OUT, b"PO1", b"1")], {"PO1": b"1"}, {}, 1, listings={"PO1": LISTED})
NEXT = Commit(
    [Draft(OUT, b"PO1", b"2"), Draft(OUT, b"PO2", b"3")],
    {"PO1": None, "PO2": b"2"},
    {},
    2,
    listings={"PO2": replace(LISTED, sessions=(("S2", 16_881, True, False),))},
    forgotten={"PO1": Forgotten(2, 1)},
)


def found(log: EmbeddedLog) -> dict[str, list[object]]:
    """What can be found, and what is kept."""
    asked = {
        "referrals": "SELECT po_number FROM referral",
        "sessions": "SELECT session_id FROM booking",
        "states": "SELECT po_number FROM state",
        "out": "SELECT CAST(value AS TEXT) FROM outbound ORDER BY offset",
    }
    return {name: [row[0] for row in log.file.db.execute(sql)] for name, sql in asked.items()}


async def test_a_step_that_fails_leaves_them_as_they_were(path: Path) -> None:
    """The last statement of the step fails here; when it no longer does, all of the step is there."""
    async with opened(path, tables=LogTables()) as log:
        claim, _ = await owned(log)
        await claim.commit(FIRST)
        before = found(log)
        assert before == {"referrals": ["PO1"], "sessions": ["S1"], "states": ["PO1"], "out": ["1"]}
        log.file.db.execute(
            "CREATE TRIGGER fails BEFORE UPDATE OF decided_to ON ownership"
            " BEGIN SELECT raise(ABORT, 'so that the step fails'); END"
        )
        with pytest.raises(sqlite3.IntegrityError):
            await claim.commit(NEXT)
        assert found(log) == before
        log.file.db.execute("DROP TRIGGER fails")
        await claim.commit(NEXT)
        after = {"referrals": ["PO2"], "sessions": ["S2"], "states": ["PO2"], "out": ["1", "2", "3"]}
        assert found(log) == after


async def test_nobody_sees_them_ahead_of_the_step_or_behind_it(path: Path) -> None:
    """At each statement of the commit another connection looks, and sees what was there before it."""
    async with opened(path, tables=LogTables()) as log:
        claim, _ = await owned(log)
        await claim.commit(FIRST)
        seen = []
        with_its_own = sqlite3.connect(path, check_same_thread=False)

        def look(_: str) -> None:
            sql = "SELECT po_number, (SELECT max(offset) FROM outbound) FROM referral"
            seen.append(with_its_own.execute(sql).fetchall())

        log.file.db.set_trace_callback(look)
        await claim.commit(NEXT)
        log.file.db.set_trace_callback(None)
        assert seen
        assert all(each == [("PO1", 1)] for each in seen)
        look("afterwards")
        assert seen[-1] == [("PO2", 3)]
        with_its_own.close()
