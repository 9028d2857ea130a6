"""From records to Avro's binary encoding, fast: what writes a record is compiled from its schema, once.

It knows just the types that the gateway's records have, and gives the bytes that fastavro would give; a test
holds it to that. Source: Avro 1.12 specification, "Binary Encoding".
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, cast

from schemas.catalogue import Schema
from schemas.ranges import LONG, range_of

#: From a value to its bytes.
Write = Callable[[Any], bytes]

_LEAST, _GREATEST = LONG


def record_writer(schema: Schema, before: bytes = b"") -> Write:
    """What makes bytes of a record of this schema, with `before` in front of them.

    It raises OverflowError for a number that no long can hold, and UnicodeEncodeError for half of a surrogate
    pair. Raises NotImplementedError for a schema with a type that no record of the gateway has.

    It is one expression, made as source, because a call for each field would take most of the time. For a
    WP11 it is
    `join((before, lengths[len(t := record.message_id.encode())], t, ..., number(record.issued_on)))`.
    """
    names: dict[str, object] = {"join": b"".join, "before": before, "lengths": _LENGTHS, "number": _number}
    parts = [_part(field["type"], f"record.{field['name']}", names) for field in schema["fields"]]
    return cast(Write, eval(f"lambda record: join((before, {', '.join(parts)}))", names))


def _part(schema: object, value: str, names: dict[str, object]) -> str:
    """What stands for a field in the source. value: an expression. names: takes what the source needs."""
    match schema:
        case "string":
            return f"lengths[len(t := {value}.encode())], t"
        case ["null", "string"]:
            encoded = "lengths[len(t := v.encode())] + t"
            return f'b"\\0" if (v := {value}) is None else b"\\2" + {encoded}'
        case ["null", other]:
            return f'b"\\0" if (v := {value}) is None else b"\\2" + {_named(_writer(other), names)}(v)'
    if range_of(schema):
        return f"number({value})"
    return f"{_named(_writer(schema), names)}({value})"


def _named(write: Write, names: dict[str, object]) -> str:
    name = f"write_{len(names)}"
    names[name] = write
    return name


def _writer(schema: object) -> Write:
    match schema:
        case "string":
            return _text
        case "bytes":
            return _bytes
        case "boolean":
            return {False: b"\0", True: b"\1"}.__getitem__
        case ["null", other]:
            return _optional(_writer(other))
        case {"type": "enum", "symbols": symbols}:
            return {symbol: _number(index) for index, symbol in enumerate(symbols)}.__getitem__
        case {"type": "array", "items": items}:
            return _array(_writer(items))
        case {"type": "map", "values": values}:
            return _map(_writer(values))
        case ["null", other]:
            return _or_null(_writer(other))
        case dict() as part if part["type"] == "record":
            return record_writer(part)
    if range_of(schema):
        return _number
    raise NotImplementedError(f"There is no binary form for the Avro type {schema}; add one here.")


@lru_cache(maxsize=16_384)
def _number(number: int) -> bytes:
    """Zigzag, then seven bits a byte, the lowest first; the same days and instants come often."""
    if not _LEAST <= number <= _GREATEST:
        raise OverflowError("a number is out of the range of an Avro long")
    left = number << 1 if number >= 0 else ~(number << 1)
    digits = bytearray()
    while left > 0x7F:
        digits.append(left & 0x7F | 0x80)
        left >>= 7
    digits.append(left)
    return bytes(digits)


class _Lengths(dict[int, bytes]):
    """The bytes of lengths: those of nearly all texts at hand, any other made when it comes."""

    def __missing__(self, length: int) -> bytes:
        return _number(length)


_LENGTHS: Final = _Lengths((length, _number(length)) for length in range(256))


def _bytes(value: bytes) -> bytes:
    return _LENGTHS[len(value)] + value


def _text(value: str) -> bytes:
    return _bytes(value.encode())


def _optional(write: Write) -> Write:
    return lambda value: b"\0" if value is None else b"\2" + write(value)


def _array(write: Write) -> Write:
    def write_array(items: tuple[object, ...]) -> bytes:
        if not items:
            return b"\0"
        return b"".join([_number(len(items)), *map(write, items), b"\0"])

    return write_array


def _or_null(write: Write) -> Write:
    return lambda value: b"\0" if value is None else b"\2" + write(value)


def _map(write: Write) -> Write:
    def write_map(items: dict[str, object]) -> bytes:
        if not items:
            return b"\0"
        entries = [_text(name) + write(item) for name, item in items.items()]
        return b"".join([_number(len(items)), *entries, b"\0"])

    return write_map
