"""What a field of a record may hold beyond its Avro type, on every way in (contracts: Limits of every text).

It goes by the field's name and type, so a new record has limits as soon as it has a schema. What the gateway
writes itself has none: it is made of what was within them.
"""

import re
from functools import lru_cache
from typing import Final

from gateway.rules.events import OUTBOUND, DeadLetter
from gateway.rules.nino import is_nino_in_disguise
from schemas.ranges import DATE, TIMESTAMP_MILLIS, range_of
from schemas.times import NotADay, NotAnInstant, parse_day, parse_instant

LONGEST_ID: Final = 100
#: What the ids of messages from PRaP begin with. A provider that gave a message of its own such an id could
#: have the one from PRaP taken for a repetition.
PRAP_ID: Final = "prap-"
#: One of dots alone would be lost from the path of its message.
_MESSAGE_ID: Final = re.compile(rf"(?!\.{{1,2}}$)[!#-~]{{1,{LONGEST_ID}}}")
LONGEST_TEXT: Final = 2_000
LONGEST_SHORT_TEXT: Final = 200
#: How many items a list may have, by the field's name; others have as many as they have.
MOST_ITEMS: Final = {"address": 10}
#: From 1900-01-01 to 2999-12-31.
DAYS: Final = (parse_day("1900-01-01"), parse_day("2999-12-31"))
INSTANTS: Final = (parse_instant("1900-01-01T00:00:00Z"), parse_instant("2999-12-31T23:59:59.999Z"))

_SHORT: Final = frozenset({"session_name", "location", "action_plan_annotation"})
_IDS: Final = frozenset({"po_number", "contract_package_area"})
_WITHOUT_LIMITS: Final = frozenset({*(event.__name__ for event in OUTBOUND.values()), DeadLetter.__name__})
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
#: An id as a regular expression of JSON Schema; that it is no NINO, it can't say.
ID_PATTERN: Final = r"^[^\u0000-\u001f\u007f-\u009f]*$"


def is_limited(record: str) -> bool:
    """Whether the record of this name comes in, and has limits."""
    return record not in _WITHOUT_LIMITS


def is_id(field: str) -> bool:
    """Whether a field is an id, by its name."""
    return field.endswith("_id") or field in _IDS


def longest(record: str, field: str) -> int:
    """How many characters a text has at the most."""
    if is_id(field):
        return LONGEST_ID
    return LONGEST_SHORT_TEXT if record == "Participant" or field in _SHORT else LONGEST_TEXT


@lru_cache(maxsize=16_384)  # most come again
def wrong_with_id(text: str) -> str | None:
    """What is wrong with an id; None: nothing is. It is shown and logged, so it must be nobody's."""
    if not 1 <= len(text) <= LONGEST_ID:
        return f"is no id; expected 1 to {LONGEST_ID} characters"
    if not text.isprintable() and _CONTROL.search(text):
        return "is no id; expected none with a control character"
    if is_nino_in_disguise(text):
        return "is no id but a National Insurance number; expected an id that is nobody's number"
    return None


def is_message_id(text: str) -> bool:
    """Whether a sender may name a message so: 1 to 100 visible characters of ASCII but quotation marks."""
    return _MESSAGE_ID.fullmatch(text) is not None


def wrong_with_text(record: str, field: str, text: str) -> str | None:
    """What is wrong with a text in a field of a record; None: nothing is."""
    if is_id(field):
        return wrong_with_id(text)
    most = longest(record, field)
    return None if len(text) <= most else f"is too long; expected at most {most:,} characters"


@lru_cache(maxsize=16_384)
def day_within(text: str) -> int:
    """Days since 1970 of a date that a record may have. Raises NotADay."""
    day = parse_day(text)
    if not DAYS[0] <= day <= DAYS[1]:
        raise NotADay("is out of range; expected a date from 1900-01-01 to 2999-12-31")
    return day


def instant_within(text: str) -> int:
    """UTC milliseconds since 1970 of a timestamp that a record may have. Raises NotAnInstant."""
    instant = parse_instant(text)
    if not INSTANTS[0] <= instant <= INSTANTS[1]:
        raise NotAnInstant("is out of range; expected a timestamp from 1900 to 2999")
    return instant


def range_in(record: str, schema: object) -> tuple[int, int] | None:
    """The least and the greatest number that a record's field of this schema may hold; None: no number."""
    found = range_of(schema)
    return (
        {DATE: DAYS, TIMESTAMP_MILLIS: INSTANTS}.get(found, found) if found and is_limited(record) else found
    )
