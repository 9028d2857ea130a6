"""From JSON text to records, fast: msgspec decodes the text into a twin of the record, whose dates and
instants are texts, and these are converted.

It takes exactly what `parse` takes. Where the text is no such record, `parse` says why.
"""

from collections.abc import Callable
from typing import Any, Final, cast

from msgspec import MsgspecError, Raw, Struct, defstruct
from msgspec.json import Decoder, decode
from msgspec.structs import fields

from gateway.rules.messages import RECORD_NAMED, Message
from schemas.catalogue import CLASSES, SCHEMA_OF, Schema
from schemas.json_reader import parse
from schemas.times import parse_day, parse_instant

Convert = Callable[[Any], Any]


def parse_text(name: str, text: bytes | Raw) -> Message:
    """The inbound record `name` from the text of its JSON form. Raises InvalidJson."""
    reader = _READERS.get(name)
    if reader is not None:
        try:
            return reader(text)
        except (MsgspecError, ValueError):
            pass  # read again by the reader that knows what to say
    return parse(name, decode(text))


def _twin(record: type[Struct], schema: Schema) -> tuple[type[Struct], Convert]:
    """The twin of a record, and what makes the record of it."""
    declared = {field.name: field for field in fields(record)}
    twins: list[Any] = []
    names: dict[str, object] = {"make": record}
    arguments: list[str] = []
    for field in schema["fields"]:
        name, branch = field["name"], field["type"]
        optional = isinstance(branch, list)
        if optional:
            branch = branch[1]
        annotation, convert = _converted(branch)
        if convert is None:
            annotation = declared[name].type
            arguments.append(f"{name}=twin.{name}")
        else:
            convert_it = f"convert_{name}"
            names[convert_it] = convert
            if optional:
                annotation |= None
                arguments.append(f"{name}=None if (it := twin.{name}) is None else {convert_it}(it)")
            else:
                arguments.append(f"{name}={convert_it}(twin.{name})")
        known = declared[name]
        twins.append((name, annotation) if known.required else (name, annotation, known.default))
    twin = defstruct(
        f"{record.__name__}Text", twins, kw_only=True, frozen=True, gc=False, forbid_unknown_fields=True
    )
    # Made as source: a loop over the fields would take twice the time.
    return twin, cast(Convert, eval(f"lambda twin: make({', '.join(arguments)})", names))


def _converted(branch: object) -> tuple[Any, Convert | None]:
    match branch:
        case {"logicalType": "date"}:
            return str, parse_day
        case {"logicalType": "timestamp-millis"}:
            return str, parse_instant
        case dict() as part if part["type"] == "record":
            return _twin(CLASSES[part["name"]], part)
    return None, None


def _reader(record: type[Struct]) -> Callable[[bytes | Raw], Message]:
    twin, convert = _twin(record, SCHEMA_OF[record])
    decode_twin = Decoder(twin).decode

    def read(text: bytes | Raw) -> Message:
        return cast(Message, convert(decode_twin(text)))

    return read


_READERS: Final = {name: _reader(record) for name, record in RECORD_NAMED.items()}
