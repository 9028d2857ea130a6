"""From Avro's binary encoding to a record's fields, fast: what reads each type is compiled from the schema.

It takes what the gateway and nearly all others write. Where it finds anything else, whether allowed or not,
it raises; then fastavro reads the bytes, and says what is wrong with them where something is. Source: Avro
1.12 specification, "Binary Encoding".
"""

from collections.abc import Callable
from typing import Any, Final

from schemas.catalogue import Schema
from schemas.ranges import range_of

#: From bytes and a place in them to the value that begins there, and the place after it.
Read = Callable[[bytes, int], tuple[Any, int]]

#: Where the tenth byte of a number belongs, the last that a long can have.
_LAST_PLACE: Final = 63


class Unusual(ValueError):
    """The bytes are not what is written nearly always; read them with fastavro."""


def record_reader(schema: Schema) -> Read:
    """What reads the fields of a record of this schema, as a dict.

    It raises Unusual, IndexError, KeyError or UnicodeDecodeError where fastavro should read instead. The
    place that it gives lies beyond the end where the bytes end within a text; its caller has to look.
    Raises NotImplementedError for a schema with a type that no record of the gateway has.
    """
    readers = [(field["name"], _reader(field["type"])) for field in schema["fields"]]

    def read(value: bytes, at: int) -> tuple[dict[str, Any], int]:
        fields = {}
        for name, read in readers:
            fields[name], at = read(value, at)
        return fields, at

    return read


def _reader(schema: object) -> Read:
    match schema:
        case ["null", other]:
            return _optional(_reader(other))
        case "string":
            return _text
        case "bytes":
            return _bytes
        case "boolean":
            return _choice([False, True], 1)
        case {"type": "enum", "symbols": symbols}:
            return _choice(symbols, 2)
        case {"type": "array", "items": items}:
            return _array(_reader(items))
        case {"type": "map", "values": values}:
            return _map(_reader(values))
        case dict() as part if part["type"] == "record":
            return record_reader(part)
    if limits := range_of(schema):
        return _limited(*limits)
    raise NotImplementedError(f"There is no binary form for the Avro type {schema}; add one here.")


def _number(value: bytes, at: int) -> tuple[int, int]:
    byte = value[at]
    number, place, at = byte & 0x7F, 7, at + 1
    while byte > 0x7F:
        if place > _LAST_PLACE:
            raise Unusual
        byte = value[at]
        number |= (byte & 0x7F) << place
        place, at = place + 7, at + 1
    return number >> 1 ^ -(number & 1), at


def _limited(least: int, greatest: int) -> Read:
    def read_limited(value: bytes, at: int) -> tuple[int, int]:
        number, at = _number(value, at)
        if not least <= number <= greatest:
            raise Unusual
        return number, at

    return read_limited


def _bytes(value: bytes, at: int) -> tuple[bytes, int]:
    length, at = _number(value, at)
    if length < 0:
        raise Unusual
    return value[at : at + length], at + length


def _text(value: bytes, at: int) -> tuple[str, int]:
    length = value[at]
    if length & 0x81:  # it goes on, or is negative
        text, at = _bytes(value, at)
        return text.decode(), at
    at += 1
    end = at + (length >> 1)
    return value[at:end].decode(), end


def _choice(choices: list[Any], step: int) -> Read:
    # Keyed by the one byte that each has: any other raises.
    known = {index * step: choice for index, choice in enumerate(choices)}

    def read_choice(value: bytes, at: int) -> tuple[Any, int]:
        return known[value[at]], at + 1

    return read_choice


def _optional(read: Read) -> Read:
    def read_optional(value: bytes, at: int) -> tuple[Any, int]:
        branch = value[at]
        if branch == 0:
            return None, at + 1
        if branch != 2:
            raise Unusual
        return read(value, at + 1)

    return read_optional


def _array(read: Read) -> Read:
    def read_array(value: bytes, at: int) -> tuple[list[Any], int]:
        items = []
        count, at = _number(value, at)
        while count:
            if count < 0 or count > len(value):
                raise Unusual
            for _ in range(count):
                item, at = read(value, at)
                items.append(item)
            count, at = _number(value, at)
        return items, at

    return read_array


def _map(read: Read) -> Read:
    pairs = _array(lambda value, at: _pair(value, at, read))

    def read_map(value: bytes, at: int) -> tuple[dict[str, Any], int]:
        entries, at = pairs(value, at)
        return dict(entries), at

    return read_map


def _pair(value: bytes, at: int, read: Read) -> tuple[tuple[str, Any], int]:
    name, at = _text(value, at)
    item, at = read(value, at)
    return (name, item), at
