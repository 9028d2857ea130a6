"""Schemas made ready for fastavro."""

import sys
from typing import Final, cast

from fastavro import parse_schema

from schemas.catalogue import Schema


def parsed(schema: Schema) -> Schema:
    """The schema as fastavro wants it, without logical types: dates and instants stay plain numbers."""
    return cast(Schema, parse_schema(cast(Schema, _without_logical_types(schema))))


def _without_logical_types(schema: object) -> object:
    if isinstance(schema, dict):
        return {key: _without_logical_types(part) for key, part in schema.items() if key != "logicalType"}
    if isinstance(schema, list):
        return [_without_logical_types(part) for part in schema]
    # fastavro compares each type's name with its own: one object is found equal at once.
    return sys.intern(schema) if isinstance(schema, str) else schema


def keyed(schema: Schema) -> Schema:
    """The parsed schema with the choices of enums and unions keyed by their index instead of listed.

    fastavro looks a choice up by whatever number the bytes hold, and in a list -1 would find the last one.
    A boolean is such a choice, too: fastavro takes any byte but zero for true.
    """
    prepared = parsed(schema)
    _key_choices(prepared)
    return prepared


#: By the numbers that 0 and 1 are in Avro's way of writing them.
_BOOLEAN: Final[Schema] = {"type": "enum", "name": "Boolean", "symbols": {0: False, -1: True}}


def _key_choices(schema: object) -> object:
    if schema == "boolean":
        return _BOOLEAN
    if isinstance(schema, list):
        choices: dict[object, object] = {"type": "union"}
        choices.update((index, _key_choices(branch)) for index, branch in enumerate(schema))
        return choices
    if isinstance(schema, dict):
        if schema["type"] == "enum":
            schema["symbols"] = dict(enumerate(schema["symbols"]))
        for field in schema.get("fields", ()):
            field["type"] = _key_choices(field["type"])
        for part in schema.keys() & {"items", "values"}:
            schema[part] = _key_choices(schema[part])
    return schema
