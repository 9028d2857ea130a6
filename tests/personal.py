"""What is about a person, by the class that each field has in its schema: found in records, and made up."""

from collections.abc import Iterator
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from gateway.rules.messages import Participant
from schemas.catalogue import SCHEMA_OF, Schema
from schemas.times import format_day, parse_day

#: In every text that tests make up about a person.
MARK: Final = "Qz"
#: A number that is right, since the rules look at it.
NINO: Final = "AB123456C"
BORN_ON: Final = "1915-11-11"


def texts_about(record: Struct) -> Iterator[str]:
    """The texts and dates of a record that are not operational, with those of a record within it."""
    for field in _about_a_person(type(record)):
        value = getattr(record, field["name"])
        match _kind(field):
            case _ if isinstance(value, Struct):
                yield from texts_about(value)
            case "text" if value is not None:
                yield value
            case "texts":
                yield from value
            case "date" if value is not None:
                yield format_day(value)


def marked(record: Any, mark: str = MARK) -> Any:
    """The record with a mark in each such text. A participant gets a NINO and a date of birth, too."""
    changes: dict[str, Any] = {}
    for field in _about_a_person(type(record)):
        name = field["name"]
        match _kind(field):
            case _ if name == "nino":
                changes[name] = NINO
            case _ if name == "participant":
                changes[name] = marked(Participant(), mark)
            case "text":
                changes[name] = f"{mark}{name}"
            case "texts":
                changes[name] = (f"{mark}{name}",)
            case "date":
                changes[name] = parse_day(BORN_ON)
    return replace(record, **changes)


def _about_a_person(kind: type[Struct]) -> Iterator[Schema]:
    return (field for field in SCHEMA_OF[kind]["fields"] if field["data_class"] != "operational")


def _kind(field: Schema) -> Literal["text", "texts", "date"] | None:
    """What a field holds, or may hold beside null; None: neither texts nor a date."""
    for each in field["type"] if isinstance(field["type"], list) else [field["type"]]:
        if each == "string":
            return "text"
        if isinstance(each, dict) and each.get("items") == "string":
            return "texts"
        if isinstance(each, dict) and each.get("logicalType") == "date":
            return "date"
    return None
