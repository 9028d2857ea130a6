"""Topic gateway.control, as far as callers write it: what they register or mark, each with its key.

The topic is compacted: of a key the last record counts, and one without a value takes it away. On an embedded
log it is a table.
"""

from typing import Final

from msgspec import Struct, json

from gateway.engine.log import CONTROL, Draft

TOPIC: Final = CONTROL
#: Before a caller and its key, in the key that says what came with these.
_SENT: Final = "sent"
#: Before the id of a calendar.
CALENDARS: Final = "calendar/"


def sent(caller: str, key: str, value: bytes) -> Draft:
    """The record that something which is no one message came with an Idempotency-Key. caller: whose."""
    return Draft(TOPIC, sent_key(caller, key).encode(), value)


def sent_key(caller: str, key: str) -> str:
    """The key of that record."""
    return f"{_SENT}/{caller}/{key}"


def sent_with(key: str) -> tuple[str, str] | None:
    """The caller and the Idempotency-Key that a record's key names; None: it is another kind of record."""
    kind, _, rest = key.partition("/")
    caller, _, named = rest.partition("/")
    return (caller, named) if kind == _SENT else None


class Calendar(Struct, frozen=True):
    """That a provider's sessions can be read as a calendar by whoever knows a secret.

    made_at: UTC milliseconds.
    """

    provider_id: str
    made_at: int


def calendar(calendar_id: str, made: Calendar | None) -> Draft:
    """The record of a calendar. calendar_id: a digest of its secret. made: None: it is revoked."""
    return Draft(TOPIC, calendar_key(calendar_id).encode(), None if made is None else json.encode(made))


def calendar_key(calendar_id: str) -> str:
    """The key of that record."""
    return f"{CALENDARS}{calendar_id}"


def read_calendar(value: bytes) -> Calendar:
    """What such a record says."""
    return json.decode(value, type=Calendar)
