"""JSON text to values, and whether an object in it has a field twice: readers differ in which they take."""

from json import loads
from math import inf
from typing import Any, Final, NoReturn

from msgspec import DecodeError, ValidationError
from msgspec.json import Decoder

#: Longer whole numbers are not read as such; nobody's are as long, and it would take time.
_LONGEST_NUMBER: Final = 4_300

_decode: Final = Decoder(float_hook=float).decode


class _Twice(Exception):
    """A field is given twice."""


def decode_json(text: bytes) -> Any:  # noqa: ANN401 - whatever JSON can say
    """What a JSON text in UTF-8 says. A number beyond all that a float can hold is infinite.

    Raises DecodeError, UnicodeDecodeError, or RecursionError.
    """
    try:
        return _decode(text)
    except ValidationError:
        pass  # a whole number of thousands of digits: that is for those to refuse who know the field
    try:
        return loads(text, parse_int=_whole_number, parse_constant=_no_constant)
    except ValueError:
        raise DecodeError("JSON is malformed") from None


def _whole_number(text: str) -> float:
    return int(text) if len(text) <= _LONGEST_NUMBER else inf


def _no_constant(_: str) -> NoReturn:
    raise ValueError


def twice(body: bytes, value: object) -> bool:
    """Whether an object in a JSON text, at any depth, has a field twice.

    body: JSON in UTF-8. value: what it was decoded to. Raises RecursionError, as decoding does, where the
    text is nested too deeply to check; refuse it.
    """
    # Most texts have as many quotation marks as what they say needs: none is left over for a second field.
    if body.count(b'"') == _quotation_marks(value):
        return False
    try:
        loads(body, object_pairs_hook=_each_once, parse_int=str, parse_float=str)
    except _Twice:
        return True
    return False


def _quotation_marks(value: object) -> int:
    """How many a text has at the least that says this: a second field has more of them."""
    found, left = 0, [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            found += 2
        elif isinstance(each, dict):
            found += 2 * len(each)
            left += each.values()
        elif isinstance(each, list):
            left += each
    return found


def _each_once(fields: list[tuple[str, object]]) -> None:
    if len({name for name, _ in fields}) < len(fields):
        raise _Twice
