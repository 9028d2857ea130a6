"""What is wrong with the fields that fastavro has read: numbers out of range, texts beyond their limits.

That nothing is wrong, as nearly always, is one expression for each record, made as source from its schema.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from msgspec import Struct

from schemas.catalogue import Schema
from schemas.limits import (
    MOST_ITEMS,
    id_condition,
    is_id,
    is_limited,
    is_plain_id,
    longest,
    range_in,
    wrong_with_id,
)
from schemas.ranges import LONG

#: Whether a record's fields, as fastavro gives them, are within limits.
Fit = Callable[[Mapping[str, Any]], bool]

_NAMES: Final = {"is_plain_id": is_plain_id, "wrong_with_id": wrong_with_id}


class Checks(Struct, frozen=True):
    """fit: whether all fields of a record are. each: by which one and why not, in a sentence."""

    fit: Fit
    each: tuple[tuple[Fit, str], ...]

    def wrong(self, fields: Mapping[str, Any]) -> str:
        """What is wrong with fields that don't fit, with nothing of them."""
        return next(sentence for fit, sentence in self.each if not fit(fields))


def checks_of(schema: Schema) -> Checks:
    """The checks of a record's fields, and of the records within it. Numbers in arrays and maps have none."""
    conditions = [*_of_record(schema, "fields", "")]
    whole = " and ".join(f"({condition})" for condition, _ in conditions)
    return Checks(_fit(whole or "True"), tuple((_fit(each), sentence) for each, sentence in conditions))


def _fit(source: str) -> Fit:
    return cast(Fit, eval(f"lambda fields: {source}", dict(_NAMES)))


def _of_record(schema: Schema, record: str, unless: str) -> Iterator[tuple[str, str]]:
    """The source of each condition, and what to say where it isn't met.

    record: the expression that gives it. unless: what goes before, where it may be null. For a WP11 the first
    is what `id_condition` says of `fields['message_id']`, the last `-25567 <= fields['issued_on'] <= 376199`.
    """
    for field in schema["fields"]:
        name, branch = field["name"], field["type"]
        value, before = f"{record}[{name!r}]", unless
        if isinstance(branch, list):
            branch = branch[1]
            before += f"{value} is None or "
        if isinstance(branch, dict) and branch["type"] == "record":
            yield from _of_record(branch, value, before)
        else:
            for condition, problem in _of_value(schema["name"], name, branch, value):
                yield f"{before}{condition}", f"The field {name} {problem}."


def _of_value(record: str, name: str, branch: object, value: str) -> Iterator[tuple[str, str]]:
    most = longest(record, name)
    match branch:
        case "string" if is_limited(record) and is_id(name):
            yield id_condition(name, value), "is no id, or is somebody's National Insurance number"
        case "string" if is_limited(record):
            yield f"len({value}) <= {most}", f"has more than {most:,} characters"
        case {"type": "array", "items": "string"} if is_limited(record):
            if name in MOST_ITEMS:
                yield f"len({value}) <= {MOST_ITEMS[name]}", f"has more than {MOST_ITEMS[name]} items"
            yield (
                f"not any(len(text) > {most} for text in {value})",
                f"has a text of over {most:,} characters",
            )
        case _ if (limits := range_in(record, branch)) and limits != LONG:
            # fastavro reads no number that is wider than a long.
            yield f"{limits[0]} <= {value} <= {limits[1]}", "is out of range"
