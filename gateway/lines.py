"""JSON lines of messages, the input of `replay` and `feed` (contracts: JSON, Replay)."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType, ValidationError
from msgspec import DecodeError as JsonError
from msgspec.json import Decoder

from gateway.rules.messages import INBOUND, Message
from schemas.json import InvalidJson, NotAnInstant, parse, parse_instant

#: No message is near as long; a longer line is refused before it is read as JSON.
LONGEST_LINE: Final = 4 * 1024 * 1024
#: From here on a limit in days could lead past year 9999, which no date can express.
_TOO_LATE: Final = parse_instant("9900-01-01T00:00:00Z")

_TYPES: Final = {topic: {record.__name__ for record in records} for topic, records in INBOUND.items()}
_ONLY_TYPE: Final = {topic: records[0].__name__ for topic, records in INBOUND.items() if len(records) == 1}


class InvalidLine(ValueError):
    """A line is not a message or a tick; the message says which line, which field and what is wrong."""

    def __init__(self, number: int, problem: str) -> None:
        super().__init__(f"line {number}: {problem}")
        self.number = number


class Line(Struct, frozen=True):
    """A line that was understood. number: from 1. at: UTC milliseconds. message: None for a tick."""

    number: int
    at: int
    message: Message | None


class _Shape(Struct, frozen=True, forbid_unknown_fields=True):
    at: str
    topic: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    value: Any = UNSET
    tick: bool | UnsetType = UNSET


_decode: Final = Decoder(_Shape).decode


def read_lines(lines: Iterable[bytes]) -> Iterator[Line]:
    """Understand lines one by one; blank ones are passed over.

    Raises InvalidLine at the first that is not a message or a tick, or whose `at` goes back.
    """
    latest_text, latest = "", -(2**62)
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        if len(text) > LONGEST_LINE:
            raise InvalidLine(number, f"is longer than {LONGEST_LINE:,} bytes")
        try:
            shape = _decode(text)
            at = parse_instant(shape.at)
        except NotAnInstant as error:
            raise InvalidLine(number, f"at {error}") from None
        except ValidationError as error:
            raise InvalidLine(number, str(error)) from None
        except (JsonError, UnicodeDecodeError, RecursionError):
            raise InvalidLine(number, "is not a JSON object in UTF-8") from None
        if at < latest:
            raise InvalidLine(number, f"at goes back, from {latest_text} to {shape.at}; sort the lines by at")
        if at >= _TOO_LATE:
            raise InvalidLine(number, "at is after the year 9899; expected an instant before")
        latest_text, latest = shape.at, at
        yield Line(number, at, _message(number, shape))


def _message(number: int, shape: _Shape) -> Message | None:
    topic, name, value = shape.topic, shape.type, shape.value
    if shape.tick is not UNSET:
        if shape.tick is not True:
            raise InvalidLine(number, "tick is false; expected true, or a message")
        if topic is not UNSET or name is not UNSET or value is not UNSET:
            raise InvalidLine(number, "a tick has other fields; expected only at and tick")
        return None
    if topic is UNSET:
        raise InvalidLine(number, "topic is missing")
    if topic not in INBOUND:
        raise InvalidLine(number, f"topic is unknown; expected one of {', '.join(INBOUND)}")
    if name is UNSET:
        if topic not in _ONLY_TYPE:
            raise InvalidLine(number, f"type is missing; {topic} has several records")
        name = _ONLY_TYPE[topic]
    elif name not in _TYPES[topic]:
        raise InvalidLine(
            number, f"type is not a record of {topic}; expected {', '.join(sorted(_TYPES[topic]))}"
        )
    if value is UNSET:
        raise InvalidLine(number, "value is missing")
    try:
        return parse(name, value)
    except InvalidJson as error:
        raise InvalidLine(number, str(error.within("value"))) from None
