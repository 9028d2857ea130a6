"""DBOS on its SQLite, with a workflow for each referral, which is sent the messages and decides them."""

import asyncio
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from dbos import DBOS, SendMessage, SetWorkflowID

from benchmarks.peers.deciding import BATCH, BATCH_BYTES, INPUT, Given, decided, given, partition_of
from gateway.engine.log import Draft
from gateway.rules.referral import PurchaseOrder

#: How long a referral's workflow waits for its next message: longer than any referral lasts.
_FOREVER_S = 400 * 86_400.0

told = given()
producer: AIOKafkaProducer
done = 0


@DBOS.step()
async def publish(drafts: list[Draft]) -> None:
    """Send what follows from a message."""
    sent = [
        await producer.send(
            told.prefix + each.topic,
            each.value,
            each.key,
            partition=partition_of(each, told.partitions),
            timestamp_ms=each.timestamp,
            headers=[*each.headers],
        )
        for each in drafts
    ]
    await asyncio.gather(*sent)


@DBOS.workflow()
async def referral(po_number: str) -> None:
    """The life of a referral: its messages, one after another. Replayed, it comes to the same state."""
    global done  # noqa: PLW0603
    order: PurchaseOrder | None = None
    while (message := await DBOS.recv_async(timeout_seconds=_FOREVER_S)) is not None:
        value, at = message
        order, drafts = decided(order, value, at)
        await publish(drafts)
        done += 1


async def hand_over(told: Given, consumer: AIOKafkaConsumer) -> None:
    """Send each message to its referral's workflow, which is started with the first one."""
    started: set[str] = set()
    handed = 0
    while told.messages is None or handed < told.messages:
        most = BATCH if told.messages is None else min(BATCH, told.messages - handed)
        found = await consumer.getmany(timeout_ms=200, max_records=most)
        to_send = []
        for record in (record for records in found.values() for record in records):
            po_number = record.key.decode()
            if po_number not in started:
                with SetWorkflowID(po_number):
                    await DBOS.start_workflow_async(referral, po_number)
                started.add(po_number)
            at = f"{record.partition}-{record.offset}"
            to_send.append(SendMessage(po_number, (record.value, record.timestamp), idempotency_key=at))
        if to_send:
            await DBOS.send_bulk_async(to_send)
            await consumer.commit()
        handed += len(to_send)


async def main() -> None:
    """Run until as many messages have been decided as there are."""
    global producer  # noqa: PLW0603
    database = Path.cwd() / f"{told.prefix}dbos.sqlite"
    DBOS(
        config={
            "name": "referrals",
            "system_database_url": f"sqlite:///{database}",
            "run_admin_server": False,
            "log_level": "WARNING",
            # By default it looks once a second whether something was sent to a workflow.
            "notification_listener_polling_interval_sec": 0.1,
        }
    )
    DBOS.launch()
    consumer = AIOKafkaConsumer(
        told.prefix + INPUT,
        bootstrap_servers=told.bootstrap,
        group_id=f"{told.prefix}dbos",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=told.bootstrap, acks="all", compression_type="zstd", max_batch_size=BATCH_BYTES
    )
    async with producer, consumer:
        await hand_over(told, consumer)
        while done < (told.messages or 0):  # noqa: ASYNC110 - no event says so
            await asyncio.sleep(0.01)
    # What waits for further messages would go on after the next start.
    DBOS.destroy(workflow_completion_timeout_sec=0)


if __name__ == "__main__":
    asyncio.run(main())
