"""What gateway.state may end in, and how long it may take to restore."""

import random

import pytest
from aiokafka import AIOKafkaProducer

from gateway.backends.kafka.claim import ORDER
from gateway.backends.kafka.topics import STATE_TOPIC
from tests.faults.scene import FOR_EVER, IN_SMALL_STEPS, Scene, in_parts, sample

pytestmark = pytest.mark.slow


async def put_on_state(scene: Scene, ends_in: str) -> None:
    """A transaction on all partitions of gateway.state, with tombstones; it is committed or aborted."""
    producer = AIOKafkaProducer(**scene.direct.arguments(), transactional_id=f"{scene.prefix}test")
    await producer.start()
    try:
        await producer.begin_transaction()
        for partition in range(scene.partitions):
            for number in range(3):
                await producer.send_and_wait(
                    scene.named(STATE_TOPIC), None, ORDER + b"PO%d" % number, partition=partition
                )
        await (producer.commit_transaction() if ends_in == "tombstones" else producer.abort_transaction())
    finally:
        await producer.stop()


@pytest.mark.parametrize("ends_in", ["tombstones", "markers"])
async def test_a_state_that_ends_in_no_record_that_says_anything_is_restored(
    bootstrap: str, topic_prefix: str, ends_in: str
) -> None:
    """Before anything was decided, and after half of the programme."""
    seed = random.randrange(10_000)
    print(f"seed {seed}")
    async with Scene(bootstrap, topic_prefix) as scene:
        for lines in in_parts(sample(60, seed), 2):
            await put_on_state(scene, ends_in)
            process = await scene.start(*FOR_EVER, command=IN_SMALL_STEPS)
            await scene.feed(lines)
            await scene.until_decided()
            await process.stop()
        await put_on_state(scene, ends_in)
        await scene.finish()
        await scene.check()


async def test_a_restore_that_takes_longer_than_the_session_keeps_the_partitions(
    bootstrap: str, topic_prefix: str
) -> None:
    """The group hears of both processes while they restore: each partition is claimed once."""
    seed = random.randrange(10_000)
    print(f"seed {seed}")
    first, second = in_parts(sample(60, seed), 2)
    async with Scene(bootstrap, topic_prefix, partitions=2) as scene:
        process = await scene.start(*FOR_EVER, command=IN_SMALL_STEPS)
        await scene.feed(first)
        await scene.until_decided()
        await process.stop()
        processes = [
            await scene.start(
                *("--restore-takes", "13", *FOR_EVER), command=IN_SMALL_STEPS, session_timeout_s="6"
            )
            for _ in range(2)
        ]
        await scene.feed(second)
        await scene.until_decided()
        claimed = [line for process in processes for line in process.heard("partition.claimed")]
        print([line for process in processes for line in process.grave()])
        for process in processes:
            await process.stop()
        await scene.finish()
        await scene.check()
        assert len(claimed) <= 4
