"""From records to JSON values. What is text in JSON is compiled from the Avro schema, once a record."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final, cast

from msgspec import Struct
from msgspec.json import Encoder

from schemas.catalogue import SCHEMA_OF, Schema
from schemas.times import format_day, format_instant

#: From a field's value, never None, to a JSON value.
Writer = Callable[[Any], Any]

_ENCODER: Final = Encoder()


def render(record: Struct) -> dict[str, Any]:
    """The JSON form of a record: all fields, in Avro's order, as values that any JSON encoder takes."""
    return _RENDER[type(record)](record)


def to_json(record: Struct) -> bytes:
    """The JSON form of a record as compact UTF-8 without a line's end."""
    return _ENCODER.encode(render(record))


def _write_bytes(value: bytes) -> str:
    return b64encode(value).decode("ascii")


def _map_writer(write: Writer) -> Writer:
    return lambda value: {key: None if item is None else write(item) for key, item in value.items()}


def _list_writer(write: Writer | None) -> Writer:
    return list if write is None else lambda value: [write(item) for item in value]


def _writer(schema: object) -> Writer | None:
    """What makes JSON of a value of an Avro type; None: it is JSON already."""
    match schema:
        case ["null", other]:
            return _writer(other)
        case "bytes":
            return _write_bytes
        case {"logicalType": "date"}:
            return format_day
        case {"logicalType": "timestamp-millis"}:
            return format_instant
        case {"type": "array", "items": items}:
            return _list_writer(_writer(items))
        case {"type": "map", "values": ["null", values]}:
            write = _writer(values) or (lambda value: value)
            return _map_writer(lambda value: None if value is None else write(value))
        case {"type": "map", "values": values}:
            return _map_writer(_writer(values) or (lambda value: value))
        case {"type": "record"}:
            return render
    return None


def _renderer(schema: Schema) -> Callable[[Struct], dict[str, Any]]:
    """What renders a record of this schema: one expression, made as source, as in `record_writer`.

    For a WP11 it is `{'message_id': record.message_id, ..., 'issued_on': write_3(record.issued_on)}`.
    """
    names: dict[str, object] = {}
    parts = []
    for field in schema["fields"]:
        name, kind = field["name"], field["type"]
        value, write = f"record.{name}", _writer(kind)
        if write is not None:
            names[f"write_{len(names)}"] = write
            value = f"write_{len(names) - 1}({value})"
            if isinstance(kind, list):
                value = f"None if record.{name} is None else {value}"
        parts.append(f"{name!r}: {value}")
    return cast(Callable[[Struct], dict[str, Any]], eval(f"lambda record: {{{', '.join(parts)}}}", names))


class _Renderers(dict[type[Struct], Callable[[Struct], dict[str, Any]]]):
    """What renders each kind of record, made when it is first asked for: a start shouldn't wait for it."""

    def __missing__(self, record: type[Struct]) -> Callable[[Struct], dict[str, Any]]:
        renderer = self[record] = _renderer(SCHEMA_OF[record])
        return renderer


_RENDER: Final = _Renderers()
