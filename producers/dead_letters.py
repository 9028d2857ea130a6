"""Topic gateway.dead-letters: what could not be read, byte for byte, keyed as it was."""

from typing import Final

from gateway.engine.log import Draft, Record
from gateway.rules.events import DeadLetter
from producers.cloud_event import cloud_event_headers
from producers.trace import traceparent_of
from schemas.codec import Unreadable, encode

TOPIC: Final = "gateway.dead-letters"


def dead_letter_of(record: Record, why: Unreadable) -> DeadLetter:
    """The dead letter of a record. It is dated by the record's arrival, so that it is the same each time."""
    return DeadLetter(
        event_id=f"{record.topic}-{record.partition}-{record.offset}",
        source_topic=record.topic,
        source_partition=record.partition,
        source_offset=record.offset,
        code=why.code,
        detail=why.detail,
        key=record.key,
        value=record.value,
        headers=dict(record.headers),  # Avro's map has a name once; of several, the last one is kept
        decided_at=record.timestamp,
    )


def draft(record: Record, why: Unreadable) -> Draft:
    """The record to put on the topic, in the trace of the one that could not be read."""
    letter = dead_letter_of(record, why)
    headers = cloud_event_headers(letter, None, traceparent_of(record.headers))
    return Draft(TOPIC, record.key, encode(letter), headers, letter.decided_at)
