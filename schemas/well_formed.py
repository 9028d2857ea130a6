"""Whether a body is what the Avro specification says, byte for byte.

fastavro takes more than that: a number of any length, of which it drops what is beyond 64 bits, any byte but
zero for true, and any size of a block. This reads nothing; it goes through the bytes once more.
Source: Avro 1.12 specification, "Binary Encoding"; where that leaves it open, as its Java implementation:
a number may have more bytes than it needs, but not more than its type can need.
"""

from collections.abc import Callable
from typing import Any, Final

from schemas.catalogue import Schema

#: From a body and a place in it to the place behind the value that begins there. Raises NotWellFormed.
Pass = Callable[[bytes, int], int]

_INT_BYTES: Final = 5
_LONG_BYTES: Final = 10
_PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


class NotWellFormed(ValueError):
    """The bytes are not what their schema says; the message says what is wrong, with nothing of them."""


def passing(schema: Schema) -> Pass:
    """What passes over a record that was written with a schema, which may have any of Avro's types."""
    return _pass(schema, {}, "")


def _number(body: bytes, at: int, most_bytes: int) -> tuple[int, int]:
    """A number, and the place behind it."""
    number = 0
    for count in range(most_bytes):
        if at >= len(body):
            raise NotWellFormed("The body ends before its record does.")
        byte = body[at]
        at += 1
        number |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            if number >> (32 if most_bytes == _INT_BYTES else 64):
                raise NotWellFormed("A number in the body has more bits than its type.")
            return (number >> 1) ^ -(number & 1), at
    raise NotWellFormed("A number in the body has more bytes than its type can need.")


def _int(body: bytes, at: int) -> int:
    return _number(body, at, _INT_BYTES)[1]


def _long(body: bytes, at: int) -> int:
    return _number(body, at, _LONG_BYTES)[1]


def _boolean(body: bytes, at: int) -> int:
    if body[at : at + 1] not in {b"\0", b"\1"}:
        raise NotWellFormed("A boolean in the body is neither 0 nor 1.")
    return at + 1


def _bytes(body: bytes, at: int) -> int:
    length, at = _number(body, at, _LONG_BYTES)
    if not 0 <= length <= len(body) - at:
        raise NotWellFormed("A text or bytes in the body have a length that they can't have.")
    return at + length


def _fixed(size: int) -> Pass:
    def pass_fixed(body: bytes, at: int) -> int:
        if size > len(body) - at:
            raise NotWellFormed("The body ends before its record does.")
        return at + size

    return pass_fixed


_OF_PRIMITIVE: Final[dict[str, Pass]] = {
    "null": _fixed(0),
    "boolean": _boolean,
    "int": _int,
    "long": _long,
    "float": _fixed(4),
    "double": _fixed(8),
    "bytes": _bytes,
    "string": _bytes,
}


def _choice(passes: list[Pass]) -> Pass:
    """Of a union, or of an enum, whose choices have nothing behind them."""

    def pass_choice(body: bytes, at: int) -> int:
        index, at = _number(body, at, _INT_BYTES)
        if not 0 <= index < len(passes):
            raise NotWellFormed("An enum or a union in the body has no such choice.")
        return passes[index](body, at)

    return pass_choice


def _blocks(parts: list[Pass]) -> Pass:
    """Of an array, or of a map, whose items have two parts."""

    def pass_blocks(body: bytes, at: int) -> int:
        while True:
            count, at = _number(body, at, _LONG_BYTES)
            if count == 0:
                return at
            size = None
            if count < 0:
                size, at = _number(body, at, _LONG_BYTES)
            begin = at
            for _ in range(abs(count)):
                for part in parts:
                    at = part(body, at)
                if at == begin and abs(count) > len(body):
                    raise NotWellFormed("A list in the body has more items than bytes.")
            if size is not None and at - begin != size:
                raise NotWellFormed("A block in the body has another size than it says.")

    return pass_blocks


def _record(fields: list[Pass]) -> Pass:
    def pass_record(body: bytes, at: int) -> int:
        for field in fields:
            at = field(body, at)
        return at

    return pass_record


def _pass(schema: Any, named: dict[str, Pass], namespace: str) -> Pass:  # noqa: ANN401 - whatever Avro has
    """named: the types with names so far, which a schema may refer to."""
    if isinstance(schema, list):
        return _choice([_pass(branch, named, namespace) for branch in schema])
    if isinstance(schema, str):
        if schema in _PRIMITIVES:
            return _OF_PRIMITIVE[schema]
        name = schema if "." in schema or not namespace else f"{namespace}.{schema}"

        def pass_named(body: bytes, at: int) -> int:
            return named[name](body, at)  # a record may refer to itself

        return pass_named
    kind = schema["type"]
    if kind == "array":
        return _blocks([_pass(schema["items"], named, namespace)])
    if kind == "map":
        return _blocks([_bytes, _pass(schema["values"], named, namespace)])
    if kind not in {"record", "error", "enum", "fixed"}:
        return _pass(kind, named, namespace)
    name = schema["name"]
    if "." in name:
        namespace = name.rpartition(".")[0]
    else:
        namespace = schema.get("namespace", namespace)
        name = f"{namespace}.{name}" if namespace else name
    if kind == "fixed":
        found = _fixed(schema["size"])
    elif kind == "enum":
        found = _choice([_OF_PRIMITIVE["null"]] * len(schema["symbols"]))
    else:
        found = _record([_pass(field["type"], named, namespace) for field in schema["fields"]])
    named[name] = found
    return found
