"""`GET /v1/events`: what a Jobcentre is to know, as CloudEvents.

Source: CloudEvents 1.0.2, JSON event format, "JSON batch format".
"""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from gateway.api.callers import SUBSCRIBE_AS_JOBCENTRE
from gateway.api.event_stream import EVENT_STREAM, LAST_EVENT_ID, LIMIT, PROBLEMS, WAIT, Feed, Wish
from gateway.api.operation import TEXT, Answer, Object, Operation, Parameter
from gateway.api.problems import Problem
from gateway.api.requests import jobcentres_of
from gateway.reading.cursor import Cursor
from gateway.reading.view import Listed, View
from gateway.rules.events import FOR_JOBCENTRES, Event
from producers.cloud_event import in_json

CLOUD_EVENTS: Final = "application/cloudevents-batch+json"
#: Of a cursor: it has an offset of up to ten digits for each partition of each topic.
_CURSOR: Final[Object] = {"type": "string", "minLength": 1, "maxLength": 8_000}

_ONE: Final = "|".join(FOR_JOBCENTRES).replace(".", r"\.")
_SEVERAL: Final = f"^({_ONE})(,({_ONE})){{0,{len(FOR_JOBCENTRES) - 1}}}$"

TOPICS: Final = Parameter(
    "query",
    "topics",
    f"Which topics, separated by commas: {', '.join(f'`{topic}`' for topic in FOR_JOBCENTRES)}. Without it, "
    "all. While a topic is left out, a cursor stays on it where it stood.",
    TEXT | {"pattern": _SEVERAL},
    example="jobcentre.attendance,jobcentre.sanction-notifications",
)
_AFTER: Final = Parameter(
    "query", "after", "The `cursor` of the last event that you had; without it, from the first on.", _CURSOR
)

LIST_EVENTS: Final = Operation(
    id="listEvents",
    method="GET",
    path="/v1/events",
    tag="jobcentres",
    who="jobcentre",
    summary="What happened with your referrals, in order",
    about="For tokens with the claim `jobcentre_id` and the scope `jobcentre:subscribe`: the events that "
    "name one of its Jobcentres, as CloudEvents in JSON. Those of a purchase order come in the order in "
    "which they were decided. `wait` waits for the next one. With `Accept: text/event-stream` they come as "
    "they are decided, each under its `type`, with its cursor as id.",
    parameters=(TOPICS, _AFTER, WAIT, LIMIT, LAST_EVENT_ID),
    answers={
        200: Answer(
            "Those behind the cursor; go on with the `cursor` of the last one.",
            {
                CLOUD_EVENTS: {"type": "array", "items": {"$ref": "#/components/schemas/CloudEvent"}},
                EVENT_STREAM: TEXT,
            },
        )
    },
    problems=PROBLEMS,
)


class EventFeed(Feed[Event]):
    """The events for Jobcentres, of all topics that have such."""

    operation = LIST_EVENTS
    topics = FOR_JOBCENTRES
    media_type = CLOUD_EVENTS

    async def wish(self, request: web.Request) -> Wish:
        """Those of the caller's Jobcentres, on the topics that the query names. Raises Problem."""
        jobcentres = jobcentres_of(request, SUBSCRIBE_AS_JOBCENTRE)
        named = TOPICS.text_of(request)
        if named is None:
            return Wish(jobcentres, FOR_JOBCENTRES)
        if not re.fullmatch(_SEVERAL, named):
            raise Problem(
                HTTPStatus.BAD_REQUEST,
                f"topics names what is none, or too many; it takes {', '.join(FOR_JOBCENTRES)}.",
                code="BAD_PARAMETER",
                field=TOPICS.name,
            )
        return Wish(jobcentres, tuple(dict.fromkeys(named.split(","))))

    def is_at(self, view: View, cursor: Cursor) -> bool:
        """Whether the event before the cursor is one of this log."""
        return view.is_among_events(cursor)

    def until(self, view: View, wish: Wish, cursor: Cursor) -> Sequence[int]:
        """The place behind all events that are here."""
        return view.end_of_events(wish.parties, wish.topics, cursor)

    def ask(
        self, view: View, wish: Wish, cursor: Cursor, limit: int, until: Sequence[int]
    ) -> list[Listed[Event]]:
        """The Jobcentres' events behind a cursor."""
        return view.events_for(wish.parties, wish.topics, cursor, limit, until)

    def kind(self, event: Event) -> str:
        """The name of its record."""
        return type(event).__name__

    def shown(self, wish: Wish, listed: Listed[Event]) -> object:
        """A CloudEvent, with the cursor behind it as an attribute of ours."""
        return in_json(listed.event) | {"cursor": str(listed.cursor)}

    def page(self, shown: list[Any], following: str) -> object:
        """A batch, which has nothing but events in it."""
        return shown
