"""What providers ask of the API."""

from typing import Final

from gateway.api import views
from gateway.api.instructions import EVENT_STREAM
from gateway.api.uploads import CSV, KINDS
from gateway.contracts.openapi import parameters as given
from gateway.contracts.openapi.codes import refusals
from gateway.contracts.openapi.operation import (
    BODY,
    DECIDED,
    JSON,
    TAKEN,
    TEXT,
    TO_MESSAGE,
    Answer,
    Operation,
)
from gateway.rules.messages import PROVIDERS_TOPIC

OF_PROVIDERS: Final = (
    Operation(
        id="listReferrals",
        method="GET",
        path="/v1/referrals",
        tag="referrals",
        summary="Your referrals, the newest first",
        about="By the day of referral, and those of one day by number, both backwards. By pages; a cursor "
        "stays right when referrals come in meanwhile.",
        parameters=(given.STATUS, given.CURSOR, given.LIMIT, given.PROVIDER),
        answers={200: Answer("A page.", views.ReferralList)},
        problems={400: ("BAD_CURSOR",)},
        links={"first": ("getReferral", "po", "$response.body#/referrals/0/po_number")},
    ),
    Operation(
        id="getReferral",
        method="GET",
        path="/v1/referrals/{po}",
        tag="referrals",
        summary="A referral with all that is known of it",
        about="The participant, the sessions, the deadlines, and what was decided, with the paragraph that "
        "says so.",
        parameters=(given.PO, given.PROVIDER, given.IF_NONE_MATCH),
        answers={
            200: Answer("The referral.", views.ReferralView, given.ETAG),
            304: Answer("It is still what you have.", None, given.ETAG),
        },
        problems={404: ("UNKNOWN_REFERRAL",)},
    ),
    Operation(
        id="postRecord",
        method="POST",
        path="/v1/referrals/{po}/records",
        tag="messages",
        summary="Send a record",
        about="With `Prefer: wait=5` the answer is what came of it, where that is known in time.",
        parameters=(given.PO, given.KEY, given.PREFER, given.PROVIDER),
        takes={JSON: "ProviderRecord"},
        answers={200: DECIDED, 202: TAKEN},
        problems={
            **BODY,
            400: ("IDEMPOTENCY_KEY_MISSING", "BAD_IDEMPOTENCY_KEY", "INVALID_RECORD", "NOT_JSON"),
            404: ("UNKNOWN_REFERRAL",),
            409: ("READ_ONLY", "TOO_MANY_RECORDS"),
            422: ("IDEMPOTENCY_KEY_REUSED", *refusals([PROVIDERS_TOPIC])),
            503: ("TRY_AGAIN",),
        },
        links=TO_MESSAGE,
    ),
    Operation(
        id="getMessage",
        method="GET",
        path="/v1/messages/{id}",
        tag="messages",
        summary="What came of a message",
        parameters=(given.MESSAGE, given.PROVIDER),
        answers={200: Answer("The message, and its outcome where that is known.", views.MessageView)},
        problems={404: ("UNKNOWN_MESSAGE",)},
        links={"referral": TO_MESSAGE["referral"]},
    ),
    Operation(
        id="postUpload",
        method="POST",
        path="/v1/uploads",
        tag="messages",
        summary="Send many records at once",
        about="As CSV with a row, or as JSON lines with a line, for each. All are checked before one is "
        "taken. Mistakes come as problem details, or with `Accept: text/csv` as a file. At most 8 MiB and "
        "10,000 records.",
        parameters=(given.PROVIDER,),
        takes=dict.fromkeys(KINDS, TEXT),
        answers={202: Answer("All are on the log and will be decided.", views.UploadView)},
        problems={
            409: ("READ_ONLY",),
            413: ("TOO_LARGE",),
            415: ("NOT_AN_UPLOAD",),
            422: ("UPLOAD_HAS_MISTAKES",),
            429: ("TOO_MANY_UPLOADS",),
            503: ("TRY_AGAIN",),
        },
        links={"first": ("getMessage", "id", "$response.body#/messages/0/message_id")},
        files=True,
    ),
    Operation(
        id="getUploadTemplate",
        method="GET",
        path="/v1/uploads/template",
        tag="messages",
        summary="An upload to begin with, as CSV",
        answers={200: Answer("All columns, and an example of each record.", {CSV: TEXT}, given.DISPOSITION)},
    ),
    Operation(
        id="listInstructions",
        method="GET",
        path="/v1/instructions",
        tag="instructions",
        summary="What you are to do next",
        about="In order, by cursor. `wait` waits for the next one. With `Accept: text/event-stream` they "
        "come as they are decided, each as an event `instruction` with its cursor as id.",
        parameters=(given.AFTER, given.WAIT, given.INSTRUCTION_LIMIT, given.PROVIDER, given.LAST_EVENT_ID),
        answers={
            200: Answer(
                "Those behind the cursor; `next` is where to go on.",
                {JSON: views.InstructionList, EVENT_STREAM: TEXT},
            )
        },
        problems={400: ("BAD_CURSOR",), 429: ("TOO_MANY_STREAMS",)},
        links={"referral": ("getReferral", "po", "$response.body#/instructions/0/po_number")},
    ),
    Operation(
        id="getSession",
        method="GET",
        path="/v1/sessions/{id}",
        tag="sessions",
        summary="Who was booked on a session, and who came",
        parameters=(given.SESSION, given.PROVIDER),
        answers={200: Answer("The session.", views.SessionList)},
        problems={404: ("UNKNOWN_SESSION",)},
    ),
    Operation(
        id="putDeliveryPlan",
        method="PUT",
        path="/v1/delivery-plan",
        tag="delivery plans",
        summary="Say how you plan to deliver the sessions (WP19 ¶24)",
        about="It takes the place of the plan before it.",
        parameters=(given.PLAN_KEY, given.PROVIDER),
        takes={JSON: "DeliveryPlan"},
        answers={200: Answer("The plan, as it was put.", views.DeliveryPlanView)},
        problems={
            **BODY,
            400: ("BAD_IDEMPOTENCY_KEY", "INVALID_PLAN", "NOT_JSON", "PROVIDER_NEEDED"),
            409: ("READ_ONLY",),
            422: ("IDEMPOTENCY_KEY_REUSED",),
            503: ("TRY_AGAIN",),
        },
    ),
    Operation(
        id="getDeliveryPlan",
        method="GET",
        path="/v1/delivery-plan",
        tag="delivery plans",
        summary="The plan that you have put",
        parameters=(given.PROVIDER,),
        answers={
            200: Answer("The plan in force, of each provider that you stand for.", views.DeliveryPlanList)
        },
    ),
    Operation(
        id="getOpenApi",
        method="GET",
        path="/v1/openapi.json",
        tag="document",
        summary="This document",
        parameters=(given.IF_NONE_MATCH,),
        answers={
            200: Answer("OpenAPI 3.1.", {JSON: {"type": "object"}}, given.ETAG),
            304: Answer("It is still what you have.", None, given.ETAG),
        },
    ),
)
