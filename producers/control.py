"""Topic gateway.control, as far as callers write it: what they register or mark, each with its key.

The topic is compacted: of a key the last record counts, and one without a value takes it away. On an embedded
log it is a table.
"""

from typing import Final, Literal

from msgspec import Struct, json

from gateway.engine.log import AUDIT, CONTROL, Draft
from schemas.json import format_instant

TOPIC: Final = CONTROL
#: Before a caller and its key, in the key that says what came with these.
_SENT: Final = "sent"
#: Before the id of a calendar.
CALENDARS: Final = "calendar/"
#: Before the event_id of an action for PRaP.
MARKS: Final = "prap/"


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


class Mark(Struct, frozen=True):
    """That an action was entered on PRaP. by: whom the token was given to, or who ran the command.

    at: when that was said, UTC milliseconds.
    """

    by: str
    at: int


def mark(event_id: str, made: Mark | None) -> Draft:
    """The record that an action was entered. event_id: the action's. made: None: it was not, after all."""
    return Draft(TOPIC, f"{MARKS}{event_id}".encode(), None if made is None else json.encode(made))


def read_mark(value: bytes) -> Mark:
    """What such a record says."""
    return json.decode(value, type=Mark)


class _Act(Struct, frozen=True):
    act: Literal["prap.mark", "prap.unmark"]
    event_id: str
    by: str
    at: str


def act_of_marking(event_id: str, by: str, at: int, *, entered: bool) -> Draft:
    """The record of gateway.audit that somebody marked an action, or took a mark away."""
    act = _Act("prap.mark" if entered else "prap.unmark", event_id, by, format_instant(at))
    return Draft(AUDIT, act.act.encode(), json.encode(act))
