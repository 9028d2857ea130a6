"""Topic gateway.dead-letters: what could not be read, byte for byte, keyed as it was."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

from gateway.engine.log import Columns, Draft, Headers, Record
from gateway.rules.events import DeadLetter
from producers.cloud_event import cloud_event_headers
from producers.trace import traceparent_of
from schemas.codec import Unreadable, encode

TOPIC: Final = "gateway.dead-letters"
#: The header of a record that was put back: the event_id of the dead letter that it was.
REPLAYED_FROM: Final = "gateway_replayed_from"

_NUMBERED: Final = re.compile(r"(.*)\[[1-9][0-9]*\]", re.DOTALL)


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
        value=record.original,
        headers=named_once(record.headers),
        decided_at=record.timestamp,
    )


def named_once(headers: Headers) -> dict[str, bytes | None]:
    """Headers as Avro's map has them, each name once: a second `a` is `a[2]`, a third one `a[3]`.

    A name that looks like that itself has its number too, if it is 1: `a[2]` is `a[2][1]`.
    """
    seen: Counter[str] = Counter()
    found: dict[str, bytes | None] = {}
    for name, value in headers:
        seen[name] += 1
        plain = seen[name] == 1 and not _NUMBERED.fullmatch(name)
        found[name if plain else f"{name}[{seen[name]}]"] = value
    return found


def as_they_came(headers: Mapping[str, bytes | None]) -> Headers:
    """The headers that `named_once` made a map of."""
    return tuple(
        (numbered[1] if (numbered := _NUMBERED.fullmatch(name)) else name, value)
        for name, value in headers.items()
    )


def draft(record: Record, why: Unreadable) -> Draft:
    """The record to put on the topic, in the trace of the one that could not be read."""
    letter = dead_letter_of(record, why)
    headers = cloud_event_headers(letter, None, traceparent_of(record.headers))
    columns = Columns(message_id=letter.event_id, status=letter.code)
    return Draft(TOPIC, record.key, encode(letter), headers, letter.decided_at, columns)


def came_from(letter: DeadLetter) -> str | None:
    """The event_id of the letter that its record says it was; None: it says nothing. Anybody may say so."""
    named = letter.headers.get(REPLAYED_FROM)
    return None if named is None else named.decode(errors="replace")
