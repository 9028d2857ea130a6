"""`GET /v1/outcomes`: what came of a provider's messages, however they came in."""

from typing import Final, cast

from msgspec import Struct

from gateway.api.event_stream import EVENT_STREAM, PARAMETERS, PROBLEMS, ProviderFeed
from gateway.api.operation import JSON, TEXT, Answer, Operation
from gateway.api.rendering import outcome
from gateway.api.views import OutcomeList, OutcomeView
from gateway.reading.tables import OUTCOMES
from gateway.reading.view import View

LIST_OUTCOMES: Final = Operation(
    id="listOutcomes",
    method="GET",
    path="/v1/outcomes",
    tag="messages",
    summary="What came of your messages, in order",
    about="By cursor, also of messages that came by an upload or a topic. `wait` waits for the next one. "
    "With `Accept: text/event-stream` they come as they are decided, each as an event `outcome` with its "
    "cursor as id. A message that is HELD comes again when it is decided.",
    parameters=PARAMETERS,
    answers={
        200: Answer(
            "Those behind the cursor; `next` is where to go on.", {JSON: OutcomeList, EVENT_STREAM: TEXT}
        )
    },
    problems=PROBLEMS,
    links={"message": ("getMessage", "id", "$response.body#/outcomes/0/message_id")},
)


def _page(shown: list[Struct], following: str) -> OutcomeList:
    return OutcomeList(outcomes=cast(list[OutcomeView], shown), next=following)


FEED: Final = ProviderFeed(
    LIST_OUTCOMES, OUTCOMES, kind="outcome", ask=View.outcomes_of, shown=outcome, page=_page
)
