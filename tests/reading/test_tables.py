"""The tables by which an embedded log is asked hold what the states say, whatever happens to its steps."""

import asyncio
import json
import random
import re
import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from gateway.backends.embedded.log import open_embedded
from gateway.engine.log import Listing
from gateway.engine.step import StepSize
from gateway.engine.workers import Workers
from gateway.processes.wiring import WIRING
from gateway.reading.tables import LogTables
from gateway.rules.policy import shipped
from gateway.sample import programme as sample
from schemas.json import parse_instant
from tests.cli.running import Json, started
from tests.oracle.programmes import programme
from tests.reading.filling import a_log, decide, differences, filled, in_parts, put, rows
from tests.reading.states import contradictions

ROOT = Path(__file__).parents[2]
#: How a query plan says that a table, or an index of it, is read from its beginning to its end.
SCANS = {f"SCAN {table}" for table in ("inbound", "outbound", "state", "referral", "booking", "duty")}


@settings(max_examples=15)
@given(data=st.data(), seed=st.integers(0, 10_000))
def test_after_each_step_of_any_size_they_hold_what_the_states_say(
    data: DataObject, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """And a copy holds the same in the end."""
    path = tmp_path_factory.mktemp("log") / "gateway.db"
    step = StepSize(decisions=data.draw(st.sampled_from((1, 3, 20, 4_000))))
    partitions = data.draw(st.integers(1, 3))

    async def check() -> None:
        async with a_log(path, partitions=partitions) as log:
            for part in in_parts(programme(seed, 3), random.Random(seed)):
                await decide(log, part, step)
                assert contradictions(path) == {}
            assert differences(await filled(log, path.with_name("copy")), rows(path)) == {}

    asyncio.run(check())


async def test_whatever_a_step_looks_for_it_finds_by_an_index(tmp_path: Path) -> None:
    """A step takes the same on a large log as on a small one."""
    statements: set[str] = set()
    async with a_log(tmp_path / "gateway.db") as log:
        await log.file.run(lambda: log.file.db.set_trace_callback(statements.add))
        await decide(log, [json.loads(line) for line in sample(40, 1)], StepSize(decisions=50))
        await log.file.run(lambda: log.file.db.set_trace_callback(None))
        looking = [each for each in statements if re.match("(WITH|DELETE|UPDATE|SELECT) ", each)]
        plans = await log.file.run(lambda: {each: _plan(log.file.db, each) for each in looking})
    assert any("DELETE FROM duty" in each for each in looking)
    assert [each for each in looking if plans[each] & SCANS] == []


def _plan(db: sqlite3.Connection, sql: str) -> set[str]:
    return {" ".join(row[3].split()[:2]) for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")}


async def test_at_the_end_of_a_believable_programme_they_hold_what_the_states_say(tmp_path: Path) -> None:
    """And there is something in each of them."""
    async with a_log(tmp_path / "gateway.db", partitions=2) as log:
        await decide(log, [json.loads(line) for line in sample(200, 1)])
    assert contradictions(tmp_path / "gateway.db") == {}
    assert all(rows(tmp_path / "gateway.db").values())


def lines() -> list[Json]:
    """What comes anew, and what is forgotten, too."""
    return programme(11, 6)


class Failing(LogTables):
    """Tables on a disk that fails every other time, when all of a step has been written."""

    def __init__(self) -> None:
        self.times = 0

    def put(self, db: sqlite3.Connection, partition: int, listings: Mapping[str, Listing]) -> None:
        super().put(db, partition, listings)
        self.times += 1
        if self.times % 2:
            raise sqlite3.IntegrityError("Qz")


async def test_a_step_that_is_rolled_back_leaves_nothing_in_them(tmp_path: Path) -> None:
    path, tables = tmp_path / "gateway.db", Failing()
    until = parse_instant(lines()[-1]["at"])
    log = await open_embedded(path, clock="log", own=True, tables=tables)
    await put(log, lines())
    for _ in range(3):  # whoever fails so begins anew after a pause, for which nobody waits here
        running = asyncio.create_task(
            Workers(log, shipped(), WIRING, until=until, step=StepSize(decisions=40)).run(asyncio.Event())
        )
        times = tables.times
        while tables.times == times:  # noqa: ASYNC110 - no event says so
            await asyncio.sleep(0.001)
        await log.file.run(lambda: None)
        assert contradictions(path) == {}
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    await log.close()
    await ends_as_if_nothing_had_happened(path, until)


async def test_a_step_that_is_killed_leaves_nothing_in_them(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    until = parse_instant(lines()[-1]["at"])
    log = await open_embedded(path, clock="log", own=True, tables=LogTables())
    await put(log, lines())
    await log.close()
    for steps in (0, 1, 3, 6):
        words = ("-m", "tests.reading.waiting", str(path), str(until), str(steps))
        with started(*words, cwd=ROOT, command=[sys.executable]) as one:
            assert one.stdout is not None
            assert await asyncio.to_thread(one.stdout.readline) == b"waits\n"
            one.kill()
            one.wait()
        assert contradictions(path) == {}
        assert bool(rows(path)["referral"]) == (steps > 0)
    await ends_as_if_nothing_had_happened(path, until)


async def ends_as_if_nothing_had_happened(path: Path, until: int) -> None:
    """Go on to the end, and compare with a log to which nothing happened."""
    async with a_log(path) as log:
        await Workers(log, shipped(), WIRING, until=until).run(asyncio.Event())
    async with a_log(path.with_name("other.db")) as log:
        await decide(log, lines())
    assert contradictions(path) == {}
    assert differences(rows(path), rows(path.with_name("other.db"))) == {}
