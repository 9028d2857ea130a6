"""The line a minute that says whether the gateway keeps up."""

import asyncio
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.backends.embedded.log import open_embedded
from gateway.engine.log import Draft
from gateway.engine.workers import Workers
from gateway.intake.feed import feed
from gateway.processes.summary import ActivitySummary
from gateway.processes.wiring import WIRING
from gateway.rules.policy import shipped
from gateway.system import telemetry
from tests.cli.running import json_lines, life
from tests.patience import in_the_end


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What is logged, as JSON lines."""
    stream = io.StringIO()
    telemetry.configure("info", stream)
    yield stream
    structlog.reset_defaults()


def summaries(logged: io.StringIO) -> list[dict[str, Any]]:
    lines = map(json.loads, logged.getvalue().splitlines())
    return [line for line in lines if line["event"] == "gateway.summary"]


async def test_it_counts_what_was_decided_refused_and_unreadable_since_the_last_one(
    tmp_path: Path, logged: io.StringIO
) -> None:
    log = await open_embedded(tmp_path / "gateway.db", clock="log", own=True)
    await log.append([Draft("jobcentre.wp11", b"X", b"nonsense", (), 0)])
    await feed(log, json_lines(life()).splitlines(keepends=True), keep_time=True, checked=lambda: None)
    summary, stop = ActivitySummary(every_s=0.01), asyncio.Event()
    workers = Workers(log, shipped(), WIRING, observer=summary)

    async with summary.logged(workers, lambda: 0):
        running = asyncio.create_task(workers.run(stop))
        await in_the_end(lambda: sum(line["decided"] for line in summaries(logged)) == 6)
        await in_the_end(lambda: summaries(logged)[-1].get("lag") == 0)
        stop.set()
        await running
    await log.close()
    found = summaries(logged)
    assert sum(line["decided"] for line in found) == 6
    assert sum(line["dead_letters"] for line in found) == 1
    assert [line["refused"] for line in found if "refused" in line] == [{"DATED_IN_FUTURE": 1}]
    assert found[-1]["decided"] == 0, "each is counted once, and the last line comes at the end"
