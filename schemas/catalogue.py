"""The records that the gateway knows: for each its Avro schema, beside this file, and its class."""

import json
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

from msgspec import Struct

from gateway.rules.events import OUTBOUND, DeadLetter, DeliveryPlan
from gateway.rules.messages import RECORD_NAMED, Mandation, Participant

#: An Avro schema as JSON has it.
Schema = dict[str, Any]

#: The records that stand on a topic, by name.
RECORDS: Final[dict[str, type[Struct]]] = {
    **RECORD_NAMED,
    **{event.__name__: event for event in OUTBOUND.values()},
    "DeadLetter": DeadLetter,
    "DeliveryPlan": DeliveryPlan,
}
#: The same, and the records that only stand within another one.
CLASSES: Final[dict[str, type[Struct]]] = {**RECORDS, "Mandation": Mandation, "Participant": Participant}

_FOLDER: Final = files(__package__)


def _read(file: Traversable) -> Schema:
    schema: Schema = json.loads(file.read_text("utf-8"))
    return schema


#: The schema of each record in RECORDS as it is now, by name.
SCHEMAS: Final[dict[str, Schema]] = {name: _read(_FOLDER / f"{name}.avsc") for name in RECORDS}


def _parts_of(schema: object) -> Iterator[Schema]:
    """The records within a schema, itself included."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _parts_of(branch)
    elif isinstance(schema, dict) and schema["type"] == "record":
        yield schema
        for field in schema["fields"]:
            yield from _parts_of(field["type"])


#: The schema of each class in CLASSES.
SCHEMA_OF: Final[dict[type[Struct], Schema]] = {
    CLASSES[part["name"]]: part for schema in SCHEMAS.values() for part in _parts_of(schema)
}


#: What a field's `data_class` in its schema may be. It is no part of the fingerprint.
DATA_CLASSES: Final = frozenset({"personal", "special category", "operational"})


def data_classes(schema: Schema) -> dict[str, str]:
    """The class of each of a schema's fields by name, and of fields within a field as `participant.nino`."""
    found = {}
    for field in schema["fields"]:
        found[field["name"]] = field["data_class"]
        for part in _parts_of(field["type"]):
            found |= {f"{field['name']}.{name}": kind for name, kind in data_classes(part).items()}
    return found


def about_a_person(schema: Schema) -> set[str]:
    """The names of the schema's fields, those of records within it included, that are not operational."""
    return {
        field["name"]
        for part in _parts_of(schema)
        for field in part["fields"]
        if field["data_class"] != "operational"
    }


def earlier_schemas(folder: Traversable = _FOLDER / "earlier") -> list[Schema]:
    """Published schemas that are no longer written but may still be in a log: `earlier/*.avsc`.

    A file holds one record, under any file name; the record's own name says what it is a version of.
    """
    if not folder.is_dir():
        return []
    kept = sorted(folder.iterdir(), key=lambda file: file.name)
    return [_read(file) for file in kept if file.name.endswith(".avsc")]
