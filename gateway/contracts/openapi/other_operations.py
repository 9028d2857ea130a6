"""What operators ask of a gateway, and what everybody asks of a sandbox."""

from typing import Final

from gateway.api import views
from gateway.contracts.openapi import parameters as given
from gateway.contracts.openapi.codes import refusals
from gateway.contracts.openapi.operation import BODY, DECIDED, JSON, TAKEN, TEXT, Answer, Operation
from gateway.rules.messages import INBOUND
from gateway.sandbox import routes as sandbox

OF_OPERATORS: Final = (
    Operation(
        id="getLiveness",
        method="GET",
        path="/livez",
        tag="operation",
        summary="Whether the process is alive",
        answers={200: Answer("It is.", {"text/plain": TEXT})},
    ),
    Operation(
        id="getReadiness",
        method="GET",
        path="/readyz",
        tag="operation",
        summary="Whether the process decides what arrives",
        answers={
            200: Answer("It does.", views.ReadinessView),
            503: Answer("It doesn't, and why.", views.ReadinessView),
        },
    ),
    Operation(
        id="getMetrics",
        method="GET",
        path="/metrics",
        tag="operation",
        summary="What it has done, for Prometheus",
        answers={
            200: Answer(
                "As Prometheus or OpenMetrics asks.",
                dict.fromkeys(("text/plain", "application/openmetrics-text"), TEXT),
            )
        },
    ),
)
OF_SANDBOXES: Final = (
    Operation(
        id="getSandbox",
        method="GET",
        path="/sandbox",
        tag="sandbox",
        summary="What is ready-made, and how to get each refusal",
        answers={200: Answer("Referrals and refusals.", sandbox.SandboxView)},
        problems={503: ("STARTING", "PROJECTION_UNREADABLE", "TRY_AGAIN")},
    ),
    Operation(
        id="getSandboxClock",
        method="GET",
        path="/sandbox/clock",
        tag="sandbox",
        summary="What the sandbox's clock says",
        answers={200: Answer("Its time.", sandbox.ClockView)},
    ),
    Operation(
        id="moveSandboxClock",
        method="POST",
        path="/sandbox/clock",
        tag="sandbox",
        summary="Move the clock forward",
        about="Answered when all that was due by then has been decided.",
        takes={
            JSON: {
                "type": "object",
                "properties": {"at": {"$ref": "#/components/schemas/Instant"}},
                "required": ["at"],
                "additionalProperties": False,
            }
        },
        answers={200: Answer("What it says now.", sandbox.ClockView)},
        problems={
            **BODY,
            400: ("INVALID_MESSAGE", "NOT_JSON"),
            409: ("CLOCK_GOES_BACK",),
            503: ("STARTING", "PROJECTION_UNREADABLE", "TRY_AGAIN"),
        },
    ),
    Operation(
        id="postSandboxMessage",
        method="POST",
        path="/sandbox/messages",
        tag="sandbox",
        summary="Send a message of any topic",
        about="It arrives at the sandbox's time, and is answered as a provider's record is.",
        parameters=(given.PREFER,),
        takes={JSON: "SandboxMessage"},
        answers={200: DECIDED, 202: TAKEN},
        problems={
            **BODY,
            400: ("INVALID_MESSAGE", "NOT_JSON"),
            422: tuple(refusals(INBOUND)),
            503: ("PROJECTION_UNREADABLE", "TRY_AGAIN"),
        },
        links={"outcome": ("getSandboxMessage", "id", "$response.body#/message_id")},
    ),
    Operation(
        id="getSandboxMessage",
        method="GET",
        path="/sandbox/messages/{id}",
        tag="sandbox",
        summary="What came of a message that was sent here",
        parameters=(given.SANDBOX_MESSAGE,),
        answers={200: Answer("The message, and its outcome where that is known.", views.MessageView)},
        problems={404: ("UNKNOWN_MESSAGE",), 503: ("PROJECTION_UNREADABLE",)},
    ),
)
