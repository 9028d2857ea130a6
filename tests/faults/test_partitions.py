"""Which partition a message is on: other partitioners, and counts that are wrong."""

import json
import random
from zlib import crc32

import pytest
from confluent_kafka import Producer

from gateway.engine.log import INBOUND_TOPICS
from gateway.engine.partitioner import partition_for
from gateway.intake.lines import read_lines
from gateway.rules.events import OUTBOUND
from gateway.rules.messages import TOPIC_OF
from schemas.codec import encode
from tests.faults.scene import Scene, sample

pytestmark = pytest.mark.slow


async def test_messages_that_another_library_put_elsewhere_meet_where_they_belong(
    bootstrap: str, topic_prefix: str
) -> None:
    """librdkafka hashes keys by CRC-32: all of these go to the first of two partitions, where half belong."""
    seed = random.randrange(10_000)
    print(f"seed {seed}")
    lines = [
        line for line in sample(120, seed) if crc32(json.loads(line)["value"]["po_number"].encode()) % 2 == 0
    ]
    landed: set[int | None] = set()
    async with Scene(bootstrap, topic_prefix, partitions=2) as scene:
        producer = Producer({"bootstrap.servers": scene.direct.servers[0]})
        for line in read_lines(lines):
            assert line.message is not None
            producer.produce(
                scene.named(TOPIC_OF[type(line.message)]),
                encode(line.message),
                line.message.po_number.encode(),
                timestamp=line.at,
                on_delivery=lambda _, record: landed.add(record.partition()),
            )
        producer.flush(30)
        scene.has_been_fed(lines)
        belong = {partition_for(json.loads(line)["value"]["po_number"].encode(), 2) for line in lines}
        assert (landed, belong) == ({0}, {0, 1})
        await scene.finish()
        await scene.check()


async def test_a_count_of_partitions_that_has_changed_since_is_refused_at_the_start(
    bootstrap: str, topic_prefix: str
) -> None:
    """First on one topic, then on all of them; nothing is decided, and what to do is said."""
    async with Scene(bootstrap, topic_prefix, partitions=2) as scene:
        await scene.feed(sample(20, 1))
        await scene.finish()
        came = await scene.came()
        await scene.widen(3, INBOUND_TOPICS[0])
        await scene.refused("the partitions are 3, 2, 2, 2, 2 and should be equal", "GATEWAY_TOPIC_PREFIX")
        await scene.widen(3, *INBOUND_TOPICS[1:], "gateway.state", *OUTBOUND)
        await scene.refused("decided with 2 partitions and has 3 now", "give the topics their old number")
        assert await scene.came() == came
