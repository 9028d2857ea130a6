"""Putting records on a log, and reading all there is to read."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence

from gateway.engine.forgetting import Asked
from gateway.engine.log import INBOUND_TOPICS, Batch, Claim, Commit, Draft, Log, Output, Record, Restored
from tests.engine.plain_wiring import event_draft
from tests.patience import PATIENCE_S

REFERRALS, WP11, UPDATES, SESSIONS = INBOUND_TOPICS
OUT = "gateway.outcomes"
#: Keys that belong on the first and on the second of two partitions, by murmur2.
FIRST, SECOND = b"PO-1", b"PO-2"
PLENTY = dict.fromkeys(INBOUND_TOPICS, 1_000)


def draft(topic: str, value: bytes, key: bytes = FIRST, timestamp: int | None = None) -> Draft:
    """A record to put on a topic."""
    return Draft(topic, key, value, (("kind", value),), timestamp)


async def owned(log: Log, partition: int = 0) -> tuple[Claim, Restored]:
    """A claim, and what it restored."""
    claim = await log.claim(partition)
    return claim, await claim.restore()


async def batches(claim: Claim, room: Mapping[str, int] = PLENTY) -> AsyncIterator[Batch]:
    """One read after the other, none of which waits. Fails where the reader is not content in good time.

    By time and not by their number: what a broker has to give comes when a fetch returns, however often it
    is looked for until then.
    """
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        yield await claim.read(room, 0)
    raise AssertionError(f"after {PATIENCE_S} seconds of reading, what is waited for has not come")


async def read_to_end(
    claim: Claim, room: Mapping[str, int] = PLENTY, wanted: int | None = None
) -> tuple[list[Record], Batch]:
    """Read until every topic with room has come to its end, or until so many records have come.

    Gives the records and the last batch.
    """
    records: list[Record] = []
    async for batch in batches(claim, room):
        records += batch.records
        at_end = all(batch.reached[topic] >= batch.ends[topic] for topic, most in room.items() if most)
        if (at_end and not batch.partial) if wanted is None else len(records) >= wanted:
            break
    return records, batch


def values(records: Sequence[Record], topic: str | None = None) -> list[bytes | None]:
    """What the records of a topic hold."""
    return [record.value for record in records if topic in (None, record.topic)]


async def followed(log: Log, topics: Sequence[str]) -> list[Record]:
    """All that is on the topics."""
    return [record async for record in log.follow(topics, from_start=True, wait=False)]


def step(
    positions: Mapping[str, int],
    *outputs: Output,
    states: Mapping[str, bytes | None] | None = None,
    decided_to: int = 0,
    answered: Sequence[Asked] = (),
) -> Commit:
    """A step to commit."""
    return Commit(outputs, states or {}, positions, decided_to, event_draft, answered=answered)
