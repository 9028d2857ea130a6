"""From Avro's binary encoding to a record, fast: what reads a record is compiled from its schema, once.

It takes what the gateway and nearly all others write. Where it finds anything else, whether allowed or not,
it raises; then fastavro reads the bytes, and says what is wrong with them where something is. Source: Avro
1.12 specification, "Binary Encoding".
"""

from collections.abc import Callable, Mapping
from textwrap import indent
from typing import Any, Final, cast

from schemas.catalogue import Schema
from schemas.ranges import range_of

#: From bytes and a place in them to the value that begins there, and the place after it.
Read = Callable[[bytes, int], tuple[Any, int]]

#: Where the tenth byte of a number belongs, the last that a long can have.
_LAST_PLACE: Final = 63

#: What sets {0} to the value at `at`, and moves `at` behind it. A text of up to 63 bytes has its length in
#: one byte; any other, whose length goes on or is negative, is left to a function.
_TEXT: Final = """
if value[at] & 0x81:
    {0}, at = text(value, at)
else:
    start = at + 1
    at = start + (value[at] >> 1)
    {0} = value[start:at].decode()"""
_CHOICE: Final = """
{0} = {1}[value[at]]
at += 1"""
_OPTIONAL: Final = """
at += 1
if value[at - 1] == 2:{1}
elif value[at - 1] == 0:
    {0} = None
else:
    raise Unusual"""
_LIMITED: Final = """
{0}, at = number(value, at)
if not {1} <= {0} <= {2}:
    raise Unusual"""
_CALL: Final = """
{0}, at = {1}(value, at)"""


class Unusual(ValueError):
    """The bytes are not what is written nearly always; read them with fastavro."""


def record_reader(schema: Schema, classes: Mapping[str, Callable[..., object]]) -> Read:
    """What reads a record of this schema.

    classes: what makes a record of its fields, by the schema's name; those of records within it too. It is
    called with values that the schema allows: nothing needs to be looked at again.

    What it returns raises Unusual, IndexError, KeyError or UnicodeDecodeError where fastavro should read
    instead. The place that it gives lies beyond the end where the bytes end within a text; its caller has to
    look. Raises NotImplementedError for a schema with a type that no record of the gateway has.
    """
    names: dict[str, object] = {"make": classes[schema["name"]]}
    fields = [(field["name"], field["type"]) for field in schema["fields"]]
    # With an underscore, so that no field's name is that of a variable.
    body = "".join(_source(kind, f"{name}_", names, classes) for name, kind in fields)
    arguments = ", ".join(f"{name}={name}_" for name, _ in fields)
    return _compiled(body, f"make({arguments})", names)


def _compiled(body: str, result: str, names: dict[str, object]) -> Read:
    """A function made as source, because a call for each field would take most of the time."""
    names.update(Unusual=Unusual, number=_number, text=_text)
    source = f"def read(value, at):{indent(body, '    ')}\n    return {result}, at"
    exec(source, names)
    return cast(Read, names["read"])


def _source(
    schema: object, target: str, names: dict[str, object], classes: Mapping[str, Callable[..., object]]
) -> str:
    """Lines that read a value of this schema. target: the variable to set. names: takes what they need."""
    match schema:
        case ["null", other]:
            return _OPTIONAL.format(target, indent(_source(other, target, names, classes), "    "))
        case "string":
            return _TEXT.format(target)
        case "bytes":
            return _CALL.format(target, _named(_bytes, names))
        case "boolean":
            return _CHOICE.format(target, _named(_one_byte([False, True], 1), names))
        case {"type": "enum", "symbols": symbols}:
            return _CHOICE.format(target, _named(_one_byte(symbols, 2), names))
        case {"type": "array", "items": items}:
            return _CALL.format(target, _named(_array(_alone(items, classes)), names))
        case {"type": "map", "values": values}:
            return _CALL.format(target, _named(_map(_alone(values, classes)), names))
        case dict() as part if part["type"] == "record":
            return _CALL.format(target, _named(record_reader(part, classes), names))
    if limits := range_of(schema):
        return _LIMITED.format(target, *limits)
    raise NotImplementedError(f"There is no binary form for the Avro type {schema}; add one here.")


def _alone(schema: object, classes: Mapping[str, Callable[..., object]]) -> Read:
    """What reads a value that is no field of a record."""
    names: dict[str, object] = {}
    return _compiled(_source(schema, "item", names, classes), "item", names)


def _named(value: object, names: dict[str, object]) -> str:
    name = f"_{len(names)}"
    names[name] = value
    return name


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


def _bytes(value: bytes, at: int) -> tuple[bytes, int]:
    length, at = _number(value, at)
    if length < 0:
        raise Unusual
    return value[at : at + length], at + length


def _text(value: bytes, at: int) -> tuple[str, int]:
    text, at = _bytes(value, at)
    return text.decode(), at


def _one_byte(choices: list[Any], step: int) -> dict[int, Any]:
    """Choices by the one byte that each has: any other raises."""
    return {index * step: choice for index, choice in enumerate(choices)}


def _array(read: Read) -> Read:
    def read_array(value: bytes, at: int) -> tuple[tuple[Any, ...], int]:
        items = []
        count, at = _number(value, at)
        while count:
            if count < 0 or count > len(value):
                raise Unusual
            for _ in range(count):
                item, at = read(value, at)
                items.append(item)
            count, at = _number(value, at)
        return tuple(items), at

    return read_array


def _map(read: Read) -> Read:
    def read_pair(value: bytes, at: int) -> tuple[tuple[str, Any], int]:
        name, at = _text(value, at)
        item, at = read(value, at)
        return (name, item), at

    read_pairs = _array(read_pair)

    def read_map(value: bytes, at: int) -> tuple[dict[str, Any], int]:
        pairs, at = read_pairs(value, at)
        return dict(pairs), at

    return read_map
