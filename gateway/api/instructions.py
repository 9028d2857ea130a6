"""`GET /v1/instructions`: what a provider is to do next."""

from typing import Final, cast

from msgspec import Struct

from gateway.api.event_stream import EVENT_STREAM, PARAMETERS, PROBLEMS, ProviderFeed
from gateway.api.operation import JSON, TEXT, Answer, Operation
from gateway.api.rendering import instruction
from gateway.api.views import InstructionList, InstructionView
from gateway.reading.tables import INSTRUCTIONS
from gateway.reading.view import View

LIST_INSTRUCTIONS: Final = Operation(
    id="listInstructions",
    method="GET",
    path="/v1/instructions",
    tag="instructions",
    summary="What you are to do next",
    about="In order, by cursor. `wait` waits for the next one. With `Accept: text/event-stream` they "
    "come as they are decided, each as an event `instruction` with its cursor as id.",
    parameters=PARAMETERS,
    answers={
        200: Answer(
            "Those behind the cursor; `next` is where to go on.",
            {JSON: InstructionList, EVENT_STREAM: TEXT},
        )
    },
    problems=PROBLEMS,
    links={"referral": ("getReferral", "po", "$response.body#/instructions/0/po_number")},
)


def _page(shown: list[Struct], following: str) -> InstructionList:
    return InstructionList(instructions=cast(list[InstructionView], shown), next=following)


FEED: Final = ProviderFeed(
    LIST_INSTRUCTIONS, INSTRUCTIONS, kind="instruction", ask=View.instructions, shown=instruction, page=_page
)
