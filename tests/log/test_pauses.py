"""What a log keeps about partitions that are paused."""

import json
import time
from datetime import UTC, datetime

import pytest

from gateway.engine.log import AUDIT, NoSuchPartition
from gateway.engine.pausing import Pause
from tests.log.arrangement import Arrangement
from tests.log.reading import followed, owned, step

#: What is older than a topic's retention, brokers may delete before it is read.
NOW = time.time_ns() // 1_000_000
PAUSE = Pause("PRV07 sends last year's attendance", "ops", NOW)
LATER = Pause("another reason", "somebody else", NOW + 877)


def text(at: int) -> str:
    """An instant, UTC milliseconds, as acts have it."""
    return f"{datetime.fromtimestamp(at // 1_000, UTC):%Y-%m-%dT%H:%M:%S}.{at % 1_000:03}Z"


async def test_nothing_is_paused_on_a_new_log(arrangement: Arrangement) -> None:
    assert await (await arrangement.open()).pauses() == {}


async def test_a_pause_is_known_to_all_until_the_partition_is_resumed(arrangement: Arrangement) -> None:
    """Also to who had asked before, and one that is paused again stays as it was."""
    log, another = await arrangement.open(), await arrangement.open()
    assert await log.pauses() == {}
    assert await another.pause(1, PAUSE)
    assert await log.pauses() == {1: PAUSE}
    assert not await log.pause(1, LATER)
    assert await (await arrangement.open()).pauses() == {1: PAUSE}
    assert await another.pause(0, LATER)
    assert await log.pauses() == {0: LATER, 1: PAUSE}
    assert await log.resume(1, "ops", LATER.at)
    assert not await another.resume(1, "ops", LATER.at)
    assert await another.pauses() == {0: LATER}


async def test_whoever_owns_the_partition_is_not_disturbed(arrangement: Arrangement) -> None:
    """It is the owner who stops, at the end of a step."""
    log = await arrangement.open()
    claim, restored = await owned(log, 1)
    await (await arrangement.open()).pause(1, PAUSE)
    await claim.commit(step(restored.positions, states={"PO1": b"x"}))
    await claim.release()
    _, restored = await owned(log, 1)
    assert restored.states == {"PO1": b"x"}


async def test_a_partition_that_is_not_there_can_not_be_paused(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    with pytest.raises(NoSuchPartition, match="there is no partition 7"):
        await log.pause(7, PAUSE)
    with pytest.raises(NoSuchPartition):
        await log.resume(7, "ops", PAUSE.at)
    assert await log.pauses() == {}


async def test_who_paused_and_resumed_when_and_why_stays(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    await log.pause(1, PAUSE)
    await log.pause(1, LATER)
    await log.resume(1, "root", LATER.at)
    acts = await followed(log, [AUDIT])
    assert [record.key for record in acts] == [b"pause/1"] * 2
    assert [json.loads(record.value or b"") for record in acts] == [
        {
            "act": "PAUSE",
            "partition": 1,
            "by": "ops",
            "at": text(PAUSE.at),
            "reason": "PRV07 sends last year's attendance",
        },
        {"act": "RESUME", "partition": 1, "by": "root", "at": text(LATER.at)},
    ]
