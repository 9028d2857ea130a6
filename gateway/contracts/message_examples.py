"""Examples of messages: the first of each record in a programme that is decided, with its key and headers."""

from collections.abc import Iterator
from functools import cache
from itertools import chain
from typing import Any, Final

from msgspec import Struct, to_builtins

from gateway.intake.lines import read_lines
from gateway.replay.decisions import replay
from gateway.rules.events import Event
from gateway.rules.policy import shipped
from gateway.sample import programme
from producers.cloud_event import cloud_event_headers

#: So many referrals of this seed come upon every kind of message and event.
REFERRALS: Final = 60
SEED: Final = 1


class MessageExample(Struct, frozen=True):
    """headers: by name. payload: as Avro has it in JSON, with dates in days and instants in milliseconds."""

    key: str
    headers: dict[str, str]
    payload: dict[str, Any]


@cache
def message_examples() -> dict[str, MessageExample]:
    """By the name of the record. No programme has dead letters or delivery plans."""
    found: dict[str, MessageExample] = {}
    for record, headers in chain(_sent(), _decided()):
        if type(record).__name__ not in found:
            found[type(record).__name__] = MessageExample(record.po_number, headers, to_builtins(record))
    return found


def _sent() -> Iterator[tuple[Any, dict[str, str]]]:
    for line in read_lines(programme(REFERRALS, SEED)):
        if line.message is not None:
            yield line.message, {}


def _decided() -> Iterator[tuple[Event, dict[str, str]]]:
    for event in replay(read_lines(programme(REFERRALS, SEED)), shipped()):
        headers = cloud_event_headers(event, event.po_number.encode(), None)
        yield event, {name: (value or b"").decode() for name, value in headers}
