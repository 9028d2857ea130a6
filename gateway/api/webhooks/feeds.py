"""What a webhook can deliver: what can be followed by long poll, in the same order and the same form."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct, json, to_builtins

from gateway.api import instructions, outcomes, rendering
from gateway.api.event_stream import Feed
from gateway.api.events import EventFeed
from gateway.api.webhooks.sending import Message
from gateway.reading.cursor import Cursor, beginning
from gateway.reading.view import Listed, View
from gateway.rules.events import OUTBOUND, Event, Instruction, Outcome
from gateway.rules.messages import PROVIDERS_TOPIC
from producers.cloud_event import in_json
from producers.control import Delivered, Webhook
from schemas.json import format_instant

CLOUD_EVENT: Final = "application/cloudevents+json"
FEEDS: Final[dict[Delivered, Feed[Any]]] = {
    "instructions": instructions.FEED,
    "outcomes": outcomes.FEED,
    "events": EventFeed(),
}
#: So many events are read at once.
PAGE: Final = 50


class Next(Struct, frozen=True):
    """What is to be delivered next; message: None: a later version wrote it, and it is passed over.

    place: by topic, the offset behind it.
    """

    place: tuple[int, ...]
    message: Message | None


def end_of(view: View, hook: Webhook, partition: int, partitions: int, place: Sequence[int]) -> Sequence[int]:
    """Of several topics, up to where to read once all is here that is on them now; empty: no further."""
    if hook.of != "events":
        return ()
    return view.end_of_events(hook.parties, hook.topics, _cursor(place, partition, partitions), partition)


def following(
    view: View, hook: Webhook, partition: int, partitions: int, place: Sequence[int], until: Sequence[int]
) -> list[Next]:
    """What a webhook is to deliver of a partition behind a place. until: what `end_of` has said."""
    if hook.of == "events":
        cursor = _cursor(place, partition, partitions)
        listed = view.events_for(hook.parties, hook.topics, cursor, PAGE, until, partition)
        return [
            Next(each.cursor.place[partition::partitions], message_of(hook, each.event, None))
            for each in listed
        ]
    topic = FEEDS[hook.of].topics[0]
    rows = view.behind(topic, hook.parties, partition, place[0], PAGE)
    return [
        Next((offset + 1,), None if event is None else message_of(hook, event, reference))
        for offset, event, reference in rows
    ]


def message_of(hook: Webhook, event: Event, reference: str | None) -> Message:
    """An event as it is delivered: a CloudEvent in structured mode, or the item of the provider's list."""
    if hook.of == "events":
        return Message(event.event_id, CLOUD_EVENT, json.encode(in_json(event)))
    listed: Listed[Any] = Listed(beginning(1), event, reference)
    item = rendering.instruction(listed) if isinstance(event, Instruction) else rendering.outcome(listed)
    data = to_builtins(item)
    del data["cursor"]  # of all partitions, and a delivery is of one
    kind = FEEDS[hook.of].kind(event)
    shown = {"type": kind, "timestamp": format_instant(event.decided_at), "data": data}
    return Message(event.event_id, "application/json", json.encode(shown))


def is_for(hook: Webhook, event: Event) -> bool:
    """Whether a webhook delivers an event."""
    match hook.of:
        case "instructions":
            return isinstance(event, Instruction) and event.provider_id in hook.parties
        case "outcomes":
            # Another's message, such as a referral, may name a provider as well.
            mine = isinstance(event, Outcome) and event.topic == PROVIDERS_TOPIC
            return mine and getattr(event, "provider_id", None) in hook.parties
        case "events":
            wanted = any(isinstance(event, OUTBOUND[topic]) for topic in hook.topics)
            return wanted and getattr(event, "jobcentre_id", None) in hook.parties


def first_place(hook: Webhook, partition: int, partitions: int) -> tuple[int, ...]:
    """Where a webhook begins on a partition, by topic."""
    if not hook.place:
        return (0,) * len(FEEDS[hook.of].topics)
    return hook.place[partition::partitions]


def _cursor(place: Sequence[int], partition: int, partitions: int) -> Cursor:
    """A place on a partition as a cursor of all, which begins on the others."""
    offsets = [0] * (len(place) * partitions)
    offsets[partition::partitions] = place
    return Cursor(tuple(offsets), "")
