"""From records to Avro's binary encoding, fast: what writes each type is compiled from the schema.

It knows just the types that the gateway's records have, and gives the bytes that fastavro would give; a test
holds it to that. Source: Avro 1.12 specification, "Binary Encoding".
"""

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

from schemas.catalogue import Schema
from schemas.ranges import LONG, range_of

#: From a value to its bytes.
Write = Callable[[Any], bytes]

_LEAST, _GREATEST = LONG


def record_writer(schema: Schema, before: bytes = b"") -> Write:
    """What makes bytes of a record of this schema, with `before` in front of them.

    It raises OverflowError for a number that no long can hold, and UnicodeEncodeError for half of a surrogate
    pair. Raises NotImplementedError for a schema with a type that no record of the gateway has.
    """
    names = [field["name"] for field in schema["fields"]]
    values_of = attrgetter(*names)
    writers = [_writer(field["type"]) for field in schema["fields"]]

    def write(record: object) -> bytes:
        parts = [write(value) for write, value in zip(writers, values_of(record), strict=True)]
        parts.insert(0, before)
        return b"".join(parts)

    return write


def _writer(schema: object) -> Write:
    match schema:
        case ["null", "string"]:
            return _optional_text
        case ["null", {"type": "enum", "symbols": symbols}]:
            chosen = {symbol: b"\2" + _number(index) for index, symbol in enumerate(symbols)}
            return {None: b"\0", **chosen}.__getitem__
        case ["null", other]:
            return _optional(_writer(other))
        case "string":
            return _text
        case "bytes":
            return _bytes
        case "boolean":
            return {False: b"\0", True: b"\1"}.__getitem__
        case {"type": "enum", "symbols": symbols}:
            return {symbol: _number(index) for index, symbol in enumerate(symbols)}.__getitem__
        case {"type": "array", "items": items}:
            return _array(_writer(items))
        case {"type": "map", "values": values}:
            return _map(_writer(values))
        case dict() as part if part["type"] == "record":
            return record_writer(part)
    if range_of(schema):
        return _number
    raise NotImplementedError(f"There is no binary form for the Avro type {schema}; add one here.")


@lru_cache(maxsize=16_384)
def _number(number: int) -> bytes:
    """Zigzag, then seven bits a byte, the lowest first; the same days, instants and lengths come often."""
    if not _LEAST <= number <= _GREATEST:
        raise OverflowError("a number is out of the range of an Avro long")
    left = number << 1 if number >= 0 else ~(number << 1)
    digits = bytearray()
    while left > 0x7F:
        digits.append(left & 0x7F | 0x80)
        left >>= 7
    digits.append(left)
    return bytes(digits)


#: The lengths of nearly all texts.
_LENGTHS: Final = tuple(_number(length) for length in range(256))


def _bytes(value: bytes) -> bytes:
    return _number(len(value)) + value


def _text(value: str) -> bytes:
    encoded = value.encode()
    length = len(encoded)
    return (_LENGTHS[length] if length < 256 else _number(length)) + encoded


def _optional_text(value: str | None) -> bytes:
    return b"\0" if value is None else b"\2" + _text(value)


def _optional(write: Write) -> Write:
    def write_optional(value: object) -> bytes:
        return b"\0" if value is None else b"\2" + write(value)

    return write_optional


def _array(write: Write) -> Write:
    def write_array(items: tuple[object, ...]) -> bytes:
        if not items:
            return b"\0"
        return b"".join([_number(len(items)), *map(write, items), b"\0"])

    return write_array


def _map(write: Write) -> Write:
    def write_map(items: dict[str, object]) -> bytes:
        if not items:
            return b"\0"
        entries = [_text(name) + write(item) for name, item in items.items()]
        return b"".join([_number(len(items)), *entries, b"\0"])

    return write_map
