"""Records that nobody can decide, in the middle of good ones; a batch that the broker refuses."""

import json
import random

import pytest

from schemas.codec import encode
from schemas.json import parse
from tests.cli.running import record
from tests.faults.faulty import RAISES
from tests.faults.scene import FOR_EVER, IN_SMALL_STEPS, Scene, in_parts, put, sample

pytestmark = pytest.mark.slow

MIB = 1024 * 1024


async def test_records_that_nobody_can_decide_go_to_the_dead_letters_and_hold_nothing_up(
    bootstrap: str, topic_prefix: str
) -> None:
    """Not decodable, of an unknown schema, of 10 MB, and one on which the rules raise."""
    seed = random.randrange(10_000)
    print(f"seed {seed}")
    first, second = in_parts(sample(100, seed), 2)
    last = json.loads(first[-1])
    fatal = record(
        "Wp11",
        last["at"],
        po_number=last["value"]["po_number"],
        topic="jobcentre.wp11",
        jobcentre_id="JCP-LEEDS",
        interview_on="2016-03-20",
        wants_to_join=True,
        issued_on="2016-03-20",
        message_id=f"{RAISES}-1",
    )["value"]
    poison = [
        b"not Avro",
        b"\xc3\x01" + bytes(8) + b"of a schema that nobody knows",
        random.Random(seed).randbytes(10_000_000),
        encode(parse("Wp11", fatal)),
    ]
    async with Scene(bootstrap, topic_prefix) as scene:
        await scene.limit("jobcentre.wp11", 16 * MIB)
        await scene.limit("gateway.dead-letters", 33 * MIB)
        process = await scene.start(*FOR_EVER, command=IN_SMALL_STEPS)
        await scene.feed(first)
        await put(scene, poison, last["value"]["po_number"].encode(), last["at"])
        await scene.feed(second)
        await scene.until_decided()
        await process.stop()
        await scene.finish()
        await scene.check("UNDECODABLE", "UNKNOWN_SCHEMA", "TOO_LARGE", "FAILED")


async def test_a_batch_that_the_broker_refuses_is_not_committed_around(
    bootstrap: str, topic_prefix: str
) -> None:
    """One outbound topic takes nothing old for a while: until it does, nothing of a step is seen anywhere."""
    seed = random.randrange(10_000)
    print(f"seed {seed}")
    first, second = in_parts(sample(100, seed), 2)
    async with Scene(bootstrap, topic_prefix) as scene:
        process = await scene.start(*FOR_EVER, command=IN_SMALL_STEPS)
        await scene.feed(first)
        await scene.until_decided()
        before = await scene.came()
        await scene.configure("gateway.outcomes", {"message.timestamp.before.max.ms": "1000"})
        await scene.feed(second)
        await process.until("partition.dropped", 5)
        for line in process.heard("partition.dropped"):
            assert line["error"].startswith("the brokers refuse it ("), line
            assert line["error"].endswith("; see what they log")
        now = await scene.came()
        assert {key: lines for key, lines in now.items() if key[0] == "gateway.outcomes"} == {
            key: lines for key, lines in before.items() if key[0] == "gateway.outcomes"
        }
        await scene.configure("gateway.outcomes", {})
        await scene.until_decided()
        await process.stop()
        await scene.finish()
        await scene.check()
