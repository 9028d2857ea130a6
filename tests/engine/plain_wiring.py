"""Messages and events as MessagePack: what the worker is handed where no schema is of interest.

Two marks make a record fail: a value that is no MessagePack at all can't be decoded, and on a message whose
id begins with `raises` the rules raise, as if they had a fault.
"""

from typing import Any, Final

from msgspec import DecodeError, msgpack

from gateway.engine.log import Draft, Headers, Record
from gateway.engine.step import Wiring
from gateway.rules.events import OUTBOUND, Event, Outcome
from gateway.rules.messages import RECORD_NAMED, TOPIC_OF, Message

TOPIC_OF_EVENT: Final = {event: topic for topic, event in OUTBOUND.items()}
DEAD_LETTERS: Final = "gateway.dead-letters"
#: A byte that begins nothing in MessagePack.
UNDECODABLE: Final = b"\xc1"
RAISES: Final = "raises"

_encode: Final = msgpack.Encoder().encode
_decoders: Final[dict[bytes, Any]] = {
    name.encode(): msgpack.Decoder(record).decode for name, record in RECORD_NAMED.items()
}


def as_draft(message: Message, trace: str | None = None, at: int | None = None) -> Draft:
    """The record of a message, dated `at`."""
    headers: Headers = (("type", type(message).__name__.encode()),)
    if trace is not None:
        headers += (("trace", trace.encode()),)
    return Draft(TOPIC_OF[type(message)], message.po_number.encode(), _encode(message), headers, at)


def event_draft(event: Event, trace: str | None) -> Draft:
    """The record of an event. Raises on what came of a message that is marked to fail."""
    if isinstance(event, Outcome) and event.message_id.startswith(RAISES):
        raise RuntimeError("a fault in the rules")
    headers: Headers = (("id", event.event_id.encode()), ("trace", (trace or "").encode()))
    return Draft(TOPIC_OF_EVENT[type(event)], event.po_number.encode(), _encode(event), headers)


def _read(record: Record) -> Message | Draft:
    try:
        message: Message = _decoders[record.headers[0][1] or b""](record.value)
    except DecodeError:
        return _dead_letter(record, b"UNDECODABLE")
    return message


def _failed(record: Record) -> Draft:
    return _dead_letter(record, b"FAILED")


def _too_large(record: Record) -> Draft:
    return _dead_letter(record, b"TOO_LARGE")


def _dead_letter(record: Record, code: bytes) -> Draft:
    place = f"{record.topic}-{record.partition}-{record.offset}".encode()
    return Draft(DEAD_LETTERS, record.key, record.value, (("code", code), ("place", place)))


def _trace(headers: Headers) -> str | None:
    return (headers[1][1] or b"").decode() if len(headers) > 1 else None


PLAIN: Final = Wiring(read=_read, failed=_failed, too_large=_too_large, trace=_trace, draft=event_draft)
