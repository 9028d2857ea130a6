"""JSON lines of messages, the input of `replay` and `feed` (contracts: JSON, Replay)."""

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import IO, Any, Final

from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec import DecodeError as JsonError
from msgspec.json import Decoder

from gateway.rules.messages import INBOUND, Message
from gateway.system.errors import UsageError
from schemas.json import InvalidJson, NotAnInstant, parse_instant, parse_text
from schemas.json_objects import decode_json, twice

#: No message is near as long; a longer line is refused before it is read as JSON.
LONGEST_LINE: Final = 4 * 1024 * 1024
#: From here on a limit in days could lead past year 9999, which no date can express.
_TOO_LATE: Final = parse_instant("9900-01-01T00:00:00Z")

_TYPES: Final = {topic: {record.__name__ for record in records} for topic, records in INBOUND.items()}
_ONLY_TYPE: Final = {topic: records[0].__name__ for topic, records in INBOUND.items() if len(records) == 1}


class InvalidLine(UsageError):
    """A line is not a message or a tick; the message says which line, which field and what is wrong."""

    def __init__(self, number: int, problem: str) -> None:
        super().__init__(number, problem)  # these, since it is made again of them in another process
        self.number = number
        self._problem = problem

    def __str__(self) -> str:
        return f"line {self.number}: {self._problem}"


class Line(Struct, frozen=True, gc=False):
    """A line that was understood. number: from 1. at: UTC milliseconds. message: None for a tick."""

    number: int
    at: int
    message: Message | None


class _Shape(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    at: str
    topic: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    value: Raw | UnsetType = UNSET
    tick: bool | UnsetType = UNSET


class _About(Struct, frozen=True, gc=False):
    """As much of a message as says whom it is about. Every message has it, so none is overlooked."""

    po_number: str


class _Glance(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A _Shape about a purchase order: what is no such thing is seen to be none here, too."""

    at: str
    value: _About
    topic: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    tick: bool | UnsetType = UNSET


_decode: Final = Decoder(_Shape).decode
_glance: Final = Decoder(_Glance).decode
_FIELDS: Final = _Shape.__struct_fields__
_FIELD_NAME: Final = re.compile(r"[a-z_]{1,40}")
_BROKEN_AT: Final = re.compile(r"\(byte ([0-9]+)\)")


def split_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """The lines of a stream; one longer than any message comes in parts, the first of them too long."""
    return iter(partial(stream.readline, LONGEST_LINE + 1), b"")


def read_lines(lines: Iterable[bytes], mine: Callable[[str], bool] | None = None) -> Iterator[Line]:
    """Understand lines one by one; blank ones are passed over.

    mine: whose messages are wanted, by po_number; another's is taken for a tick, and not looked into. None:
    everybody's. Raises InvalidLine at the first that is not a message or a tick, or whose `at` goes back.
    """
    latest_text, latest = "", -(2**62)
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        if len(text) > LONGEST_LINE:
            raise InvalidLine(number, f"is longer than {LONGEST_LINE:,} bytes; expected one message a line")
        try:
            shape = (None if mine is None else _of_others(text, mine)) or _decode(text)
            at = parse_instant(shape.at)
        except NotAnInstant as error:
            raise InvalidLine(number, f"at {error}") from None
        except (JsonError, UnicodeDecodeError, RecursionError):
            raise InvalidLine(number, _why(text)) from None
        if isinstance(shape, _Shape) and _has_twice(text, shape):
            raise InvalidLine(number, "has a field twice; give each once")
        if at < latest:
            raise InvalidLine(number, f"at goes back, from {latest_text} to {shape.at}; sort the lines by at")
        if at >= _TOO_LATE:
            raise InvalidLine(number, "at is after the year 9899; expected an instant before")
        latest_text, latest = shape.at, at
        try:
            message = _message(number, shape) if isinstance(shape, _Shape) else None
        except (JsonError, UnicodeDecodeError, RecursionError):
            raise InvalidLine(number, _why(text)) from None
        yield Line(number, at, message)


def _of_others(text: bytes, mine: Callable[[str], bool]) -> _Glance | None:
    """What is seen at a glance of a line about another's purchase order; None: it has to be looked into."""
    try:
        glance = _glance(text)
    except (JsonError, UnicodeDecodeError, RecursionError):
        return None
    return None if mine(glance.value.po_number) else glance


def _has_twice(text: bytes, shape: _Shape) -> bool:
    """Whether a line has one of its own fields twice; `parse_text` sees to those of its value."""
    inner = b"" if shape.value is UNSET else bytes(shape.value)
    marks = 4 + inner.count(b'"')
    for field in (shape.topic, shape.type):
        marks += 0 if field is UNSET else 4
    for name in (shape.value, shape.tick):
        marks += 0 if name is UNSET else 2
    # A field more has more of them; behind a backslash they may be anything.
    return (text.count(b'"') != marks or b"\\" in text) and twice(text, decode_json(text))


def _message(number: int, shape: _Shape) -> Message | None:
    topic, name, value = shape.topic, shape.type, shape.value
    if shape.tick is not UNSET:
        if shape.tick is not True:
            raise InvalidLine(number, "tick is false; expected true, or a message")
        if topic is not UNSET or name is not UNSET or value is not UNSET:
            raise InvalidLine(number, "a tick has other fields; expected only at and tick")
        return None
    if topic is UNSET:
        raise InvalidLine(number, f"topic is missing; expected one of {', '.join(INBOUND)}")
    if topic not in INBOUND:
        raise InvalidLine(number, f"topic is unknown; expected one of {', '.join(INBOUND)}")
    if name is UNSET:
        if topic not in _ONLY_TYPE:
            raise InvalidLine(number, f"type is missing; expected one of {', '.join(sorted(_TYPES[topic]))}")
        name = _ONLY_TYPE[topic]
    elif name not in _TYPES[topic]:
        raise InvalidLine(
            number, f"type is not a record of {topic}; expected one of {', '.join(sorted(_TYPES[topic]))}"
        )
    if value is UNSET:
        raise InvalidLine(number, f"value is missing; expected the {name} as a JSON object")
    try:
        return parse_text(name, value)
    except InvalidJson as error:
        raise InvalidLine(number, str(error.within("value"))) from None


def _why(text: bytes) -> str:
    """Why a line is not of the shape of a message or a tick; without anything of its content."""
    if text.startswith(BOM_UTF8):
        return "begins with a byte order mark; save the file as UTF-8 without one"
    return why_no_json(text) or _misshapen(decode_json(text)) or "is not JSON; expected one object in a line"


def why_no_json(text: bytes) -> str | None:
    """Why a line is no JSON that can be read, without anything of its content; None: it is such JSON."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return f"is not UTF-8 from its byte {error.start + 1} on; save the file as UTF-8"
    try:
        decode_json(text)
    except RecursionError:
        return "is nested too deeply; expected one object in a line"
    except JsonError as error:
        broken = _BROKEN_AT.search(str(error))
        where = f"it breaks near byte {int(broken[1]) + 1}" if broken else "it ends too early"
        if b"\\ud" in text.lower():
            where += " or has half of a surrogate pair"
        return f"is not JSON: {where}; expected one object in a line"
    return None


def _misshapen(line: Any) -> str | None:  # noqa: ANN401 - whatever JSON can say
    if not isinstance(line, dict):
        return "is not a JSON object; expected one with at, topic and value, or with at and tick"
    for name in line:
        if name not in _FIELDS:
            # What doesn't look like a field's name may be content that has slipped.
            shown = f"the unknown field {name}" if _FIELD_NAME.fullmatch(name) else "an unknown field"
            return f"has {shown}; expected only {', '.join(_FIELDS)}"
    if "at" not in line:
        return "at is missing; expected an instant such as 2016-04-04T23:00:00Z"
    for name in ("at", "topic", "type"):
        if name in line and not isinstance(line[name], str):
            return f"{name} is not text; expected a JSON string"
    if "tick" in line and line["tick"] is not True:
        return "tick is not true; expected true, or a message"
    return None
