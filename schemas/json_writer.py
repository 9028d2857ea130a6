"""From records to JSON values. What is text in JSON is compiled from the Avro schema, once a record."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct
from msgspec.json import Encoder
from msgspec.structs import asdict

from schemas.catalogue import SCHEMA_OF, Schema
from schemas.times import format_day, format_instant

#: From a field's value, never None, to a JSON value.
Writer = Callable[[Any], Any]

_ENCODER: Final = Encoder()


def render(record: Struct) -> dict[str, Any]:
    """The JSON form of a record: all fields, in Avro's order, as values that any JSON encoder takes."""
    fields = asdict(record)
    for name, write in _WRITERS[type(record)]:
        value = fields[name]
        if value is not None:
            fields[name] = write(value)
    return fields


def to_json(record: Struct) -> bytes:
    """The JSON form of a record as compact UTF-8 without a line's end."""
    return _ENCODER.encode(render(record))


def _write_bytes(value: bytes) -> str:
    return b64encode(value).decode("ascii")


def _map_writer(write: Writer) -> Writer:
    return lambda value: {key: write(item) for key, item in value.items()}


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
        case {"type": "map", "values": values}:
            return _map_writer(_writer(values) or (lambda value: value))
        case {"type": "record"}:
            return render
    return None


def _field_writers(schema: Schema) -> tuple[tuple[str, Writer], ...]:
    writers = ((field["name"], _writer(field["type"])) for field in schema["fields"])
    return tuple((name, write) for name, write in writers if write is not None)


_WRITERS: Final = {record: _field_writers(schema) for record, schema in SCHEMA_OF.items()}
