"""FastStream with a batch subscriber, which publishes in batches and acknowledges when it is through."""

import asyncio
import logging
from collections import defaultdict

from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage, KafkaPublishMessage

from benchmarks.peers.deciding import BATCH, BATCH_BYTES, INPUT, decided, given, partition_of
from gateway.rules.referral import PurchaseOrder

told = given()
broker = KafkaBroker(
    told.bootstrap,
    acks="all",
    compression_type="zstd",
    linger_ms=0,
    max_batch_size=BATCH_BYTES,
    log_level=logging.DEBUG,
)
app = FastStream(broker)
orders: dict[bytes, PurchaseOrder | None] = {}
done = 0


async def as_it_came(message: KafkaMessage) -> list[bytes]:
    """The values: the gateway's codec reads them, not FastStream."""
    return [record.value for record in message.raw_message]


@broker.subscriber(
    told.prefix + INPUT,
    group_id=f"{told.prefix}faststream",
    auto_offset_reset="earliest",
    batch=True,
    max_records=BATCH,
    ack_policy=AckPolicy.NACK_ON_ERROR,
    decoder=as_it_came,
)
async def on_messages(values: list[bytes], batch: KafkaMessage) -> None:
    """Decide a batch and publish what follows, a batch for each partition of a topic."""
    global done  # noqa: PLW0603 - as in FastStream's own examples, a handler's state is its module's
    out = defaultdict(list)
    for value, record in zip(values, batch.raw_message, strict=True):
        orders[record.key], drafts = decided(orders.get(record.key), value, record.timestamp)
        for each in drafts:
            place = told.prefix + each.topic, partition_of(each, told.partitions)
            out[place].append(KafkaPublishMessage(each.value, key=each.key))
    sent = [
        await broker.publish_batch(*messages, topic=topic, partition=partition, no_confirm=True)
        for (topic, partition), messages in out.items()
    ]
    await asyncio.gather(*sent)
    done += len(values)
    if done == told.messages:
        app.exit()


if __name__ == "__main__":
    asyncio.run(app.run(log_level=logging.WARNING))
