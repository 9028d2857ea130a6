"""From JSON values to records. What each field may hold is compiled from the Avro schema, once a record."""

import re
from base64 import b64decode
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from itertools import islice
from math import isinf
from typing import Any, Final, NoReturn, TypeVar

from msgspec import Struct

from gateway.rules.messages import RECORD_NAMED, Message
from schemas.catalogue import CLASSES, SCHEMA_OF, Schema
from schemas.limits import (
    MOST_ITEMS,
    day_within,
    instant_within,
    is_id,
    is_limited,
    longest,
    range_in,
    wrong_with_text,
)
from schemas.times import NotADay, NotAnInstant, parse_day, parse_instant

R = TypeVar("R", bound=Struct)

#: From a JSON value to a field's value; raises InvalidJson, whose field is relative to that value.
Reader = Callable[[Any], Any]

_MISSING: Final = object()
_MISSES: Final = "is missing; it has no default"
_AVRO_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_MOST_UNKNOWN: Final = 10
#: How many letters a name may have more or fewer than the one that is meant.
_SLIPPED: Final = 3


class InvalidJson(ValueError):
    """A JSON value is not the record that it should be; the message says which field, and what is expected.

    field: a path within the record, such as `mandation.recorded_on` or `address[1]`; empty: the whole.
    problem: what is wrong with it and what is expected, without anything of the content.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field or 'the value'} {problem}")
        self.field = field
        self.problem = problem

    def within(self, outer: str) -> "InvalidJson":
        """The same problem, seen from the record or list that holds the value."""
        joint = "." if self.field and not self.field.startswith("[") else ""
        return InvalidJson(f"{outer}{joint}{self.field}", self.problem)


def parse(name: str, value: object) -> Message:
    """The inbound record `name` from its JSON form, already decoded: dicts, lists, str, int, bool, None.

    Raises InvalidJson; so too where `name` is no inbound record, for the field `type`.
    """
    if name not in RECORD_NAMED:
        raise InvalidJson("type", "is not the name of an inbound record")
    message: Message = _READERS[RECORD_NAMED[name]](value)
    return message


def mistakes(name: str, value: object) -> list[InvalidJson]:
    """All that is wrong with the JSON form of the inbound record `name`, at most one mistake for each field.

    In the order of the fields, and then the first ten that are none; empty: `parse` takes it.
    """
    return _mistakes(RECORD_NAMED[name], value)


def _mistakes(record: type, value: object) -> list[InvalidJson]:
    if not isinstance(value, dict):
        return [InvalidJson("", "is not an object; expected a JSON object")]
    found: list[InvalidJson] = []
    fields = _FIELDS[record]
    for name, _, may_be_null, may_be_missing, read in fields:
        item = value.get(name, _MISSING)
        nested = _NESTED.get((record, name))
        if item is _MISSING:
            if not may_be_missing:
                found.append(InvalidJson(name, _MISSES))
        elif item is None and may_be_null:
            continue
        elif nested is not None and isinstance(item, dict):
            found += (each.within(name) for each in _mistakes(nested, item))
        else:
            try:
                read(item)
            except InvalidJson as error:
                found.append(error.within(name))
    names = [field[0] for field in fields]
    unknown = (key for key in value if key not in names)
    # One with thousands of unknown fields is not worth as many searches.
    return found + [_unknown_field(key, names) for key in islice(unknown, _MOST_UNKNOWN)]


def parse_as(record: type[R], value: object) -> R:
    """A record of any class that has a schema from its JSON form, already decoded. Raises InvalidJson."""
    parsed: R = _READERS[record](value)
    return parsed


def _fail(problem: str) -> NoReturn:
    # From None: the earlier error may hold the content.
    raise InvalidJson("", problem) from None


def _wrong_kind(value: object, problem: str) -> NoReturn:
    if isinstance(value, float) and isinf(value):
        _fail("is a number that is out of range, and should be none")
    _fail(problem)


def _read_text(value: object) -> str:
    if type(value) is str and value.isascii():
        return value
    if not isinstance(value, str):
        _wrong_kind(value, "is not text; expected a JSON string")
    try:
        value.encode()
    except UnicodeEncodeError:
        _fail("is not valid Unicode; expected text without lone surrogates")
    return value


def _text_reader(record: str, field: str) -> Reader:
    if not is_limited(record):
        return _read_text

    def read_text(value: object) -> str:
        text = _read_text(value)
        if problem := wrong_with_text(record, field, text):
            _fail(problem)
        return text

    return read_text


def _read_boolean(value: object) -> bool:
    if value is not True and value is not False:
        _wrong_kind(value, "is not a boolean; expected true or false")
    return value


def _day_reader(parse: Callable[[str], int]) -> Reader:
    def read_day(value: object) -> int:
        if type(value) is not str:
            _wrong_kind(value, "is not a date; expected YYYY-MM-DD, such as 2016-03-14")
        try:
            return parse(value)
        except NotADay as error:
            _fail(str(error))

    return read_day


def _instant_reader(parse: Callable[[str], int]) -> Reader:
    def read_instant(value: object) -> int:
        if type(value) is not str:
            _wrong_kind(value, "is not a timestamp; expected RFC 3339, such as 2016-04-04T23:00:00Z")
        try:
            return parse(value)
        except NotAnInstant as error:
            _fail(str(error))

    return read_instant


def _read_bytes(value: object) -> bytes:
    try:
        return b64decode(_read_text(value), validate=True)
    except ValueError:
        _fail("is not bytes; expected base64")


def _number_reader(least: int, greatest: int) -> Reader:
    def read_number(value: object) -> int:
        if type(value) is float and abs(value) > max(-least, greatest):
            _fail(f"is out of range; expected {least} to {greatest}")
        if type(value) is not int:
            _fail("is not a whole number; expected a JSON number without decimals")
        if not least <= value <= greatest:
            _fail(f"is out of range; expected {least} to {greatest}")
        return value

    return read_number


def _symbol_reader(symbols: Iterable[str]) -> Reader:
    known = {symbol: symbol for symbol in symbols}
    expected = ", ".join(known)

    def read_symbol(value: object) -> str:
        if type(value) is not str or value not in known:
            _fail(f"is not one of the values that it can have; expected {expected}")
        return known[value]

    return read_symbol


def _list_reader(read_item: Reader, most: int | None) -> Reader:
    def read_list(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            _wrong_kind(value, "is not a list; expected a JSON array")
        if most is not None and len(value) > most:
            _fail(f"has too many items; expected at most {most}")
        items: list[Any] = []
        for item in value:
            try:
                items.append(read_item(item))
            except InvalidJson as error:
                raise error.within(f"[{len(items)}]") from None
        return tuple(items)

    return read_list


def _map_reader(read_value: Reader) -> Reader:
    def read_map(value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            _wrong_kind(value, "is not an object; expected a JSON object")
        try:
            return {_read_text(key): read_value(item) for key, item in value.items()}
        except InvalidJson as error:
            # Without the key: in a map, keys are content.
            raise InvalidJson("", f"has a value that {error.problem}") from None

    return read_map


#: Name, up to how many characters a text is taken as it is, whether it may be null, whether it may be
#: missing, and how other values are read.
_Field = tuple[str, int, bool, bool, Reader]
#: By record its fields, and by record and field the record that one holds: filled with the readers.
_FIELDS: Final[dict[type, list[_Field]]] = {}
_NESTED: Final[dict[tuple[type, str], type[Struct]]] = {}


def _field(record: str, schema: Schema) -> _Field:
    name = schema["name"]
    match schema["type"]:
        case ["null", branch]:
            may_be_null = True
        case branch:
            may_be_null = False
    plain = 0
    if branch == "string" and not (is_limited(record) and is_id(name)):
        plain = longest(record, name)
    return name, plain, may_be_null, "default" in schema, _reader(record, name, branch)


def _record_reader(record: type[Struct], schema: Schema) -> Reader:
    fields = _FIELDS[record] = [_field(schema["name"], field) for field in schema["fields"]]
    names = frozenset(field[0] for field in fields)

    def read_record(value: object) -> Struct:
        if not isinstance(value, dict):
            _wrong_kind(value, "is not an object; expected a JSON object")
        found = value.copy()
        present = len(fields)
        for name, plain, may_be_null, may_be_missing, read in fields:
            item = value.get(name, _MISSING)
            # Most values are plain text: they are let through here because a call costs more than the test.
            if plain and type(item) is str and item.isascii() and len(item) <= plain:
                continue
            if item is None and may_be_null:
                continue
            if item is not _MISSING:
                try:
                    found[name] = read(item)
                except InvalidJson as error:
                    raise error.within(name) from None
            elif may_be_missing:
                present -= 1
            else:
                raise InvalidJson(name, _MISSES)
        if len(found) != present:
            raise _unknown_field(next(key for key in value if key not in names), names)
        return record(**found)

    return read_record


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Which of the known names somebody may mean who writes this one."""
    as_long = [each for each in known if abs(len(each) - len(name)) <= _SLIPPED]  # the search takes time
    return next(iter(get_close_matches(name, as_long, n=1)), None)


def _unknown_field(key: object, names: Iterable[str]) -> InvalidJson:
    # What doesn't look like a field's name may be content that has slipped.
    if isinstance(key, str) and _AVRO_NAME.fullmatch(key):
        near = nearest(key, names)
        return InvalidJson(
            key, f"is not a field of this record; {f'write {near}' if near else 'take it out'}"
        )
    return InvalidJson("", "has a field whose name no record has; take it out")


def _reader(record: str, field: str, schema: object) -> Reader:
    """The reader for values of an Avro type in a field of a record."""
    limited = is_limited(record)
    match schema:
        case "string":
            return _text_reader(record, field)
        case "boolean":
            return _read_boolean
        case "bytes":
            return _read_bytes
        case {"logicalType": "date"}:
            return _day_reader(day_within if limited else parse_day)
        case {"logicalType": "timestamp-millis"}:
            return _instant_reader(instant_within if limited else parse_instant)
        case {"type": "enum", "symbols": symbols}:
            return _symbol_reader(symbols)
        case {"type": "array", "items": items}:
            return _list_reader(_reader(record, field, items), MOST_ITEMS.get(field) if limited else None)
        case {"type": "map", "values": ["null", values]}:
            read = _reader(record, field, values)
            return _map_reader(lambda value: None if value is None else read(value))
        case {"type": "map", "values": values}:
            return _map_reader(_reader(record, field, values))
        case dict() as part if part["type"] == "record":
            nested = _NESTED[CLASSES[record], field] = CLASSES[part["name"]]
            return _record_reader(nested, part)
    if limits := range_in(record, schema):
        return _number_reader(*limits)
    raise NotImplementedError(f"There is no JSON form for the Avro type {schema}; add one here.")


_READERS: Final = {record: _record_reader(record, schema) for record, schema in SCHEMA_OF.items()}
