"""Accepting that records of a partition are lost: what is kept of it, and where the partition goes on."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from aiokafka import AIOKafkaProducer
from msgspec import json
from msgspec.structs import replace

from gateway.backends.kafka.brokers import Brokers
from gateway.backends.kafka.claim import (
    PROGRESS,
    Progress,
    find_losses,
    pack_progress,
    read_state,
    unpack_progress,
)
from gateway.backends.kafka.topics import AUDIT_TOPIC, CONTROL_TOPIC, STATE_TOPIC
from gateway.backends.kafka.transaction import transaction
from gateway.engine.inbox import NEVER
from gateway.engine.log import Draft, Loss

#: Before partition, topic and offset, in the key of an accepted loss.
ACCEPTED_LOSS: Final = "accepted-loss"


async def losses_of(brokers: Brokers, partition: int) -> Sequence[Loss]:
    """What is lost on a partition. Raises KafkaError, TimeoutError or LogBusy."""
    _, _, losses = await _found(brokers, partition)
    return losses


async def accept(
    brokers: Brokers,
    partition: int,
    producer: AIOKafkaProducer,
    reason: str,
    by: str,
    now: int,
    deadline_s: float,
) -> Sequence[Loss]:
    """Let the partition go on behind what is lost, and keep that, why and by whom. producer: its owner's."""
    progress, ids, losses = await _found(brokers, partition)
    if not losses:
        return ()
    if progress is None:  # the state topic was emptied
        progress = Progress(await brokers.partitions(), NEVER, {})
    goes_on = {loss.topic: loss.goes_on for loss in losses}
    following = replace(progress, positions=progress.positions | goes_on, topics=dict(ids))
    at = datetime.fromtimestamp(now / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    async with transaction(producer, deadline_s=deadline_s) as sending:
        for loss in losses:
            key = f"{ACCEPTED_LOSS}/{partition}/{loss.topic}/{loss.decided}".encode()
            kept = {
                "act": "ACCEPT_LOSS",
                "partition": partition,
                "topic": loss.topic,
                "decided": loss.decided,
                "goes_on": loss.goes_on,
                "what": loss.what,
                "reason": reason,
                "by": by,
                "at": at,
            }
            for topic in (CONTROL_TOPIC, AUDIT_TOPIC):
                place = await brokers.place_of(Draft(topic, key, b""), partition)
                await sending.add(brokers.named(topic), place, key, json.encode(kept), (), now)
        await sending.add(brokers.named(STATE_TOPIC), partition, PROGRESS, pack_progress(following))
    return losses


async def _found(
    brokers: Brokers, partition: int
) -> tuple[Progress | None, Mapping[str, str], Sequence[Loss]]:
    """How far the partition is decided, the ids of the inbound topics, and what is lost."""
    ids = await brokers.look(anew=True)
    progress: Progress | None = None
    async for key, value in read_state(brokers, partition):
        if key == PROGRESS and value is not None:
            progress = unpack_progress(value)
    _, losses = await find_losses(brokers, partition, progress, ids)
    return progress, ids, losses
