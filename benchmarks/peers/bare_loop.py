"""A loop of one's own over aiokafka: read what has come, decide, send in batches, commit offsets."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder

from benchmarks.peers.deciding import BATCH, BATCH_BYTES, INPUT, Given, decided, given, partition_of
from gateway.rules.referral import PurchaseOrder


async def run(told: Given) -> None:
    """Decide until as many messages have been decided as there are."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=told.bootstrap,
        group_id=f"{told.prefix}bare-loop",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=told.bootstrap,
        acks="all",
        compression_type="zstd",
        max_batch_size=BATCH_BYTES,
    )
    own = range(told.only, told.partitions, told.of)
    consumer.assign([TopicPartition(told.prefix + INPUT, partition) for partition in own])
    orders: dict[bytes, PurchaseOrder | None] = {}
    done = 0
    async with producer, consumer:
        while told.messages is None or done < told.messages:
            found = await consumer.getmany(timeout_ms=200, max_records=BATCH)
            sent = []
            batches: dict[tuple[str, int], BatchBuilder] = {}
            for record in (record for records in found.values() for record in records):
                orders[record.key], drafts = decided(orders.get(record.key), record.value, record.timestamp)
                for each in drafts:
                    place = told.prefix + each.topic, partition_of(each, told.partitions)
                    values = {"key": each.key, "value": each.value, "headers": [*each.headers]}
                    batch = batches.get(place)
                    if batch is None or batch.append(timestamp=each.timestamp, **values) is None:
                        if batch is not None:
                            sent.append(await producer.send_batch(batch, place[0], partition=place[1]))
                        batch = batches[place] = producer.create_batch()
                        batch.append(timestamp=each.timestamp, **values)
                done += 1
            for (topic, partition), batch in batches.items():
                sent.append(await producer.send_batch(batch, topic, partition=partition))
            await asyncio.gather(*sent)
            if found:
                await consumer.commit()


if __name__ == "__main__":
    asyncio.run(run(given()))
