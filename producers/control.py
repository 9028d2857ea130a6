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
#: Before the id of a webhook, and before that and a partition number.
WEBHOOKS: Final = "webhook/"
PROGRESS: Final = "webhook-progress/"


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


#: What a webhook delivers.
Delivered = Literal["instructions", "outcomes", "events"]


class Webhook(Struct, frozen=True):
    """That events of some parties, providers or Jobcentres, are delivered to a URL.

    of: which events. topics: of events for Jobcentres, those that are wanted. made_at: UTC milliseconds.
    place: the cursor's offsets from which to deliver; empty: from the first on. sought: how many times such a
    place was given after the first. resumed: how many times it was told to go on after a pause.
    """

    of: Delivered
    parties: tuple[str, ...]
    topics: tuple[str, ...]
    url: str
    made_at: int
    place: tuple[int, ...] = ()
    sought: int = 0
    resumed: int = 0


class Progress(Struct, frozen=True):
    """How far a webhook is on a partition number. Whoever owns that writes it.

    place: by topic, the offset of the next event. sought, resumed: those of the webhook that it stands for.
    failing_since: UTC milliseconds; None: the last delivery was taken. attempts: how many have failed since.
    failure: why the last one has. paused: why nothing more is delivered.
    """

    place: tuple[int, ...]
    sought: int = 0
    resumed: int = 0
    failing_since: int | None = None
    attempts: int = 0
    failure: str | None = None
    paused: Literal["GONE", "FAILED_TOO_LONG"] | None = None


def webhook(webhook_id: str, made: Webhook | None) -> Draft:
    """The record of a webhook. made: None: it is deleted."""
    return Draft(TOPIC, webhook_key(webhook_id).encode(), None if made is None else json.encode(made))


def webhook_key(webhook_id: str) -> str:
    """The key of that record."""
    return f"{WEBHOOKS}{webhook_id}"


def read_webhook(value: bytes) -> Webhook:
    """What such a record says."""
    return json.decode(value, type=Webhook)


def progress(webhook_id: str, partition: int, reached: Progress | None) -> Draft:
    """The record of how far a webhook is. reached: None: it is deleted."""
    key = f"{progress_key(webhook_id)}{partition}"
    return Draft(TOPIC, key.encode(), None if reached is None else json.encode(reached))


def progress_key(webhook_id: str) -> str:
    """What the keys of these records begin with, before the partition number."""
    return f"{PROGRESS}{webhook_id}/"


def read_progress(value: bytes) -> Progress:
    """What such a record says."""
    return json.decode(value, type=Progress)
