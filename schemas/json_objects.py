"""Whether an object of a JSON text has a field twice: readers differ in which of the two they take."""

from json import loads


class _Twice(Exception):
    """A field is given twice."""


def twice(body: bytes, value: object) -> bool:
    """Whether an object in a JSON text, at any depth, has a field twice.

    body: JSON in UTF-8. value: what it was decoded to. Raises RecursionError, as decoding does, where the
    text is nested so deeply that nobody can tell; refuse it.
    """
    # Most texts have as many quotation marks as what they say needs: none is left over for a second field.
    if body.count(b'"') == _quotation_marks(value):
        return False
    try:
        loads(body, object_pairs_hook=_each_once)
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
