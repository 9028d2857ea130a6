"""From JSON text to records, fast: msgspec decodes the text into a twin of the record, whose dates and
instants are texts, and these are converted.

It takes exactly what `parse` takes, but no field twice. Where the text is no such record, `parse` says why.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final, NoReturn, cast

from msgspec import UNSET, Meta, MsgspecError, Raw, Struct, UnsetType, defstruct
from msgspec.json import Decoder
from msgspec.structs import fields

from gateway.rules.messages import RECORD_NAMED, Message
from schemas.catalogue import CLASSES, SCHEMA_OF, Schema
from schemas.json_objects import decode_json, twice
from schemas.json_reader import InvalidJson, parse
from schemas.limits import (
    INSTANTS,
    MOST_ITEMS,
    day_within,
    id_condition,
    is_id,
    is_plain_id,
    longest,
    wrong_with_id,
)
from schemas.times import parse_instant

#: From a twin to the record, or to how many quotation marks its JSON text has at the least.
Convert = Callable[[Any], Any]
Count = Callable[[Any], int]


def parse_text(name: str, text: bytes | Raw) -> Message:
    """The inbound record `name` from the text of its JSON form. Raises InvalidJson."""
    text = bytes(text)
    reader = _READERS.get(name)
    if reader is not None:
        try:
            return reader(text)
        except (MsgspecError, ValueError):
            pass  # read again by the reader that knows what to say
    value = decode_json(text)
    if twice(text, value):
        raise InvalidJson("", "has a field twice; give each once")
    return parse(name, value)


class _Twin:
    """A record's twin, made as source from its schema: loops over the fields would take twice the time.

    record: the twin's class. convert: to the record. count: to the quotation marks, of fields that are there.
    """

    def __init__(self, record: type[Struct], schema: Schema) -> None:
        declared = {field.name: field for field in fields(record)}
        annotations: list[Any] = []
        names: dict[str, object] = {"make": record, "UNSET": UNSET, **_NAMES}
        arguments: list[str] = []
        conditions: list[str] = []
        marks: list[str] = []
        for field in schema["fields"]:
            name, branch = field["name"], field["type"]
            optional, value = isinstance(branch, list), f"twin.{name}"
            if optional:
                branch = branch[1]
            annotation, convert, count = self._of(schema["name"], name, branch, declared[name].type)
            if branch == "string" and is_id(name):
                conditions.append(self._condition(name, value, optional, declared[name].required))
            elif branch == {"type": "long", "logicalType": "timestamp-millis"}:
                # A call less, and there are some in each line.
                value = f"(at if FIRST <= (at := parse_instant({value})) <= LAST else reject())"
            if convert is not None:
                names[f"convert_{name}"] = convert
                value = f"convert_{name}(twin.{name})"
            if count is not None:
                names[f"count_{name}"] = count
            there = "4" if count is None else f"2 + count_{name}(twin.{name})"
            if optional:
                annotation |= None
                value = f"None if twin.{name} is None else {value}"
                there = f"(2 if twin.{name} is None else {there})"
            if declared[name].required:
                annotations.append((name, annotation))
            else:
                annotations.append((name, annotation | UnsetType, UNSET))
                names[f"default_{name}"] = declared[name].default
                value = f"default_{name} if twin.{name} is UNSET else {value}"
                there = f"(0 if twin.{name} is UNSET else {there})"
            arguments.append(f"{name}={value}")
            marks.append(there)
        self.record = defstruct(
            f"{record.__name__}Text",
            annotations,
            kw_only=True,
            frozen=True,
            gc=False,
            forbid_unknown_fields=True,
        )
        made = f"make({', '.join(arguments)})"
        if conditions:
            made = f"{made} if {' and '.join(conditions)} else reject()"
        self.convert = cast(Convert, eval(f"lambda twin: {made}", names))
        self.count = cast(Count, eval(f"lambda twin: {' + '.join(marks)}", names))

    @staticmethod
    def _condition(name: str, value: str, optional: bool, required: bool) -> str:
        """The source of whether an id that is there has nothing wrong with it."""
        unless = [f"{value} is None"] * optional + [f"{value} is UNSET"] * (not required)
        return f"({' or '.join([*unless, id_condition(name, value)])})"

    @staticmethod
    def _of(
        record: str,
        field: str,
        branch: object,
        declared: Any,  # noqa: ANN401 - a type, as msgspec takes it
    ) -> tuple[Any, Convert | None, Count | None]:
        """A field's type in the twin, what makes its value of that, and the marks in it; None: it is text."""
        match branch:
            case "string" if is_id(field):
                return str, None, None
            case "string":
                return Annotated[str, Meta(max_length=longest(record, field))], None, None
            case {"logicalType": "date"}:
                return str, day_within, None
            case {"logicalType": "timestamp-millis"}:
                return str, None, None
            case {"type": "enum"}:
                return declared, None, None
            case {"type": "array", "items": "string"}:
                text = Annotated[str, Meta(max_length=longest(record, field))]
                items = Annotated[tuple[text, ...], Meta(max_length=MOST_ITEMS.get(field))]
                return items, None, lambda texts: 2 * len(texts)
            case dict() as part if part["type"] == "record":
                twin = _Twin(CLASSES[part["name"]], part)
                return twin.record, twin.convert, twin.count
        return declared, None, _no_marks


def _no_marks(_: object) -> int:
    return 0


def _reject() -> NoReturn:
    raise ValueError


#: What the source of a conversion names.
_NAMES: Final[dict[str, object]] = {
    "is_plain_id": is_plain_id,
    "wrong_with_id": wrong_with_id,
    "parse_instant": parse_instant,
    "FIRST": INSTANTS[0],
    "LAST": INSTANTS[1],
    "reject": _reject,
}


def _reader(record: type[Struct]) -> Callable[[bytes], Message]:
    twin = _Twin(record, SCHEMA_OF[record])
    decode_twin, count, convert = Decoder(twin.record).decode, twin.count, twin.convert

    def read(text: bytes) -> Message:
        found = decode_twin(text)
        # A field that is given twice has more of them; behind a backslash they may be anything.
        if (b"\\" in text or text.count(b'"') != count(found)) and twice(text, decode_json(text)):
            raise ValueError
        return cast(Message, convert(found))

    return read


_READERS: Final = {name: _reader(record) for name, record in RECORD_NAMED.items()}
