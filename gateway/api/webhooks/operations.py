"""What can be asked of webhooks, and what is answered."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from gateway.api.event_stream import LARGEST_PAGE, PAGE
from gateway.api.operation import (
    JSON,
    TEXT,
    Answer,
    Codes,
    Object,
    Operation,
    Parameter,
    in_path,
    whole_number,
)
from gateway.api.requests import PROVIDER
from gateway.api.views import Count, Instant
from gateway.api.webhooks.addresses import LONGEST_URL
from gateway.api.webhooks.feeds import FEEDS
from gateway.rules.events import FOR_JOBCENTRES
from gateway.system.withheld import Withheld
from producers.control import Delivered

#: How many webhooks those may have together who share a provider or a Jobcentre.
MOST: Final = 20
#: A cursor has an offset for each partition, of Jobcentres' events for each topic as well.
LONGEST_CURSOR: Final = 8_000
LONGEST_EVENT_ID: Final = 200


class WebhookView(Struct, frozen=True, kw_only=True):
    """A webhook, and how it stands."""

    id: str
    of: Annotated[Delivered, Meta(description="What is delivered, as under the path of that name.")]
    parties: Annotated[list[str], Meta(description="Whose: the providers, or the Jobcentres.")]
    topics: Annotated[list[str], Meta(description="Of `events`, the topics that are delivered.")]
    url: str
    made_at: Instant
    status: Annotated[
        Literal["ACTIVE", "FAILING", "PAUSED"],
        Meta(description="FAILING: what was not taken is tried again. PAUSED: until you resume it."),
    ]
    why: Annotated[
        Literal["GONE", "FAILED_TOO_LONG"] | None,
        Meta(description="Of PAUSED: it answered 410, or failed for three days."),
    ]
    failing_since: Instant | None
    attempts: Annotated[Count, Meta(description="How many have failed since then.")]
    failure: Annotated[
        str | None,
        Meta(
            description="Why the last one failed: STATUS_ and the status that was answered, TOO_SLOW, "
            "UNREACHABLE, NOT_A_PUBLIC_ADDRESS or CERTIFICATE_NOT_TRUSTED."
        ),
    ]
    position: Annotated[
        str, Meta(description="How far it is: what is behind this cursor has not been taken yet.")
    ]
    self: Annotated[str, Meta(description="Where it is; what to DELETE.")]


class WebhookMade(Withheld, WebhookView, frozen=True, kw_only=True):
    """A new webhook."""

    secret: Annotated[str, Meta(description="What deliveries are signed with; shown this once.")]


class WebhookList(Struct, frozen=True, kw_only=True):
    """The caller's webhooks, the oldest first."""

    webhooks: list[WebhookView]


class DeliveryView(Struct, frozen=True, kw_only=True):
    """An event of a webhook. cursor: behind it."""

    event_id: Annotated[str, Meta(description="What `webhook-id` has; the same whenever it is sent again.")]
    type: str
    po_number: str
    decided_at: Instant
    status: Annotated[
        Literal["TAKEN", "WAITING"],
        Meta(description="TAKEN: your receiver has answered 2xx, or you passed over it by a cursor."),
    ]
    cursor: str


class DeliveryList(Struct, frozen=True, kw_only=True):
    """Some of a webhook's events, in order. next: the cursor behind them."""

    deliveries: list[DeliveryView]
    next: str


class AttemptView(Struct, frozen=True, kw_only=True):
    """What came of sending one event again."""

    event_id: str
    taken: bool
    failure: Annotated[str | None, Meta(description="Why it was not taken, as in the webhook.")]


_ID: Final = in_path("id", "The webhook's id.", "5d41402abc4b2a76b9719d911017c592")
_CURSOR: Final[Object] = {"type": "string", "minLength": 1, "maxLength": LONGEST_CURSOR}
AFTER: Final = Parameter(
    "query",
    "after",
    "`next` of an earlier answer, or the webhook's `position` for what waits; without it, from the first on.",
    _CURSOR,
)
LIMIT: Final = whole_number("limit", "How many at the most.", least=1, most=LARGEST_PAGE, default=PAGE)
_ON_TOPICS: Final[Object] = {
    "type": "array",
    "items": {"type": "string", "enum": [*FOR_JOBCENTRES]},
    "minItems": 1,
    "maxItems": len(FOR_JOBCENTRES),
}
_TAKES_NEW: Final[Object] = {
    "type": "object",
    "required": ["of", "url"],
    "additionalProperties": False,
    "properties": {
        "of": {"type": "string", "enum": [*FEEDS], "description": "What to deliver."},
        "url": TEXT | {"minLength": 1, "maxLength": LONGEST_URL, "description": "Where to: https."},
        "topics": _ON_TOPICS | {"description": "Of `events` only: which. Without it, all."},
        "after": _CURSOR
        | {"description": "A cursor of that path, behind which to begin; without it, from the first on."},
    },
}
_TAKES_CURSOR: Final[Object] = {
    "type": "object",
    "required": ["after"],
    "additionalProperties": False,
    "properties": {"after": _CURSOR},
}
_TAKES_EVENT: Final[Object] = {
    "type": "object",
    "required": ["event_id"],
    "additionalProperties": False,
    "properties": {"event_id": TEXT | {"minLength": 1, "maxLength": LONGEST_EVENT_ID}},
}
_UNKNOWN: Final[Codes] = {403: ("NOT_A_JOBCENTRE",), 404: ("UNKNOWN_WEBHOOK",)}
_CHANGING: Final[Codes] = {409: ("READ_ONLY", "WEBHOOKS_OFF"), 503: ("CLOCK_LEAPT", "TRY_AGAIN")}
_CURSORS: Final[Codes] = {400: ("BAD_CURSOR",), 410: ("CURSOR_OF_ANOTHER_HISTORY",)}

MAKE_WEBHOOK: Final = Operation(
    id="makeWebhook",
    method="POST",
    path="/v1/webhooks",
    tag="webhooks",
    who="anybody",
    summary="Have events delivered to a URL",
    about="`instructions` and `outcomes` are for providers, `events` for tokens with a `jobcentre_id` and "
    "the scope `jobcentre:subscribe`. Deliveries are signed as Standard Webhooks says, with `secret`, which "
    f"is shown this once. Events are CloudEvents in structured mode. {MOST} webhooks at the most.",
    parameters=(PROVIDER,),
    takes={JSON: _TAKES_NEW},
    answers={200: Answer("The webhook, with its secret.", WebhookMade)},
    problems={
        400: ("BAD_CURSOR", "BAD_WEBHOOK", "BAD_WEBHOOK_URL"),
        403: ("NOT_A_JOBCENTRE",),
        409: ("READ_ONLY", "TOO_MANY_WEBHOOKS", "WEBHOOKS_OFF"),
        410: ("CURSOR_OF_ANOTHER_HISTORY",),
        422: ("WEBHOOK_NOT_WELCOME",),
        503: ("CLOCK_LEAPT", "TRY_AGAIN"),
    },
)
LIST_WEBHOOKS: Final = Operation(
    id="listWebhooks",
    method="GET",
    path="/v1/webhooks",
    tag="webhooks",
    who="anybody",
    summary="Your webhooks",
    about="Of the providers and Jobcentres of the token, and how each stands.",
    answers={200: Answer("All there are.", WebhookList)},
)
GET_WEBHOOK: Final = Operation(
    id="getWebhook",
    method="GET",
    path="/v1/webhooks/{id}",
    tag="webhooks",
    who="anybody",
    summary="A webhook, and how it stands",
    parameters=(_ID,),
    answers={200: Answer("The webhook.", WebhookView)},
    problems={404: ("UNKNOWN_WEBHOOK",)},
)
DELETE_WEBHOOK: Final = Operation(
    id="deleteWebhook",
    method="DELETE",
    path="/v1/webhooks/{id}",
    tag="webhooks",
    who="anybody",
    summary="Delete a webhook",
    about="Nothing more is delivered to it. For another URL or secret, make a new one behind its `position`.",
    parameters=(_ID,),
    answers={204: Answer("It is deleted.")},
    problems={**_CHANGING, **_UNKNOWN},
)
RESUME_WEBHOOK: Final = Operation(
    id="resumeWebhook",
    method="POST",
    path="/v1/webhooks/{id}/resume",
    tag="webhooks",
    who="anybody",
    summary="Deliver again after a pause",
    about="It goes on where it was. One that fails is tried at once.",
    parameters=(_ID,),
    answers={200: Answer("The webhook.", WebhookView)},
    problems={**_CHANGING, **_UNKNOWN},
)
REWIND_WEBHOOK: Final = Operation(
    id="rewindWebhook",
    method="POST",
    path="/v1/webhooks/{id}/rewind",
    tag="webhooks",
    who="anybody",
    summary="Deliver again from a cursor",
    about="All that is behind the cursor is delivered, each under the id that it had.",
    parameters=(_ID,),
    takes={JSON: _TAKES_CURSOR},
    answers={200: Answer("The webhook.", WebhookView)},
    problems={**_CHANGING, **_UNKNOWN, **_CURSORS, 400: ("BAD_CURSOR", "BAD_WEBHOOK")},
)
LIST_DELIVERIES: Final = Operation(
    id="listDeliveries",
    method="GET",
    path="/v1/webhooks/{id}/deliveries",
    tag="webhooks",
    who="anybody",
    summary="What a webhook delivers, and whether it was taken",
    parameters=(_ID, AFTER, LIMIT),
    answers={200: Answer("Those behind the cursor; `next` is where to go on.", DeliveryList)},
    problems={**_UNKNOWN, **_CURSORS, 503: ("TRY_AGAIN",)},
)
SEND_AGAIN: Final = Operation(
    id="sendAgain",
    method="POST",
    path="/v1/webhooks/{id}/deliveries",
    tag="webhooks",
    who="anybody",
    summary="Send one event again",
    about="Once, now, whatever was taken before: also to try a receiver, or one that is paused.",
    parameters=(_ID,),
    takes={JSON: _TAKES_EVENT},
    answers={200: Answer("What came of it.", AttemptView)},
    problems={
        400: ("BAD_WEBHOOK",),
        403: ("NOT_A_JOBCENTRE",),
        404: ("UNKNOWN_EVENT", "UNKNOWN_WEBHOOK"),
        409: ("WEBHOOKS_OFF",),
    },
)
OPERATIONS: Final = (
    MAKE_WEBHOOK,
    LIST_WEBHOOKS,
    GET_WEBHOOK,
    DELETE_WEBHOOK,
    RESUME_WEBHOOK,
    REWIND_WEBHOOK,
    LIST_DELIVERIES,
    SEND_AGAIN,
)
