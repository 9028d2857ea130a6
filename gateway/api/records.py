"""`POST /v1/referrals/{po}/records` and `GET /v1/messages/{id}`: a record, and what comes of it."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final, cast

from aiohttp import web

from consumers import draft
from gateway.api.answering import DECIDED, PREFER, TAKEN, answer_with, wait_s_of
from gateway.api.desk import PROVIDER, Desk, answer, providers_of, read_object
from gateway.api.idempotency import Message
from gateway.api.operation import JSON, Answer, Operation, in_path, refusals
from gateway.api.problems import Problem
from gateway.api.referrals import PO, not_theirs
from gateway.api.rendering import decided, pending
from gateway.api.sending import (
    KEY,
    idempotency_key,
    key_reused,
    refuse_other_provider,
    refuse_where_nothing_can_be_posted,
    trace_of,
)
from gateway.api.views import MessageView
from gateway.engine.log import Draft
from gateway.reading.view import Owner, has_come_to
from gateway.rules.events import Outcome
from gateway.rules.messages import INBOUND, PROVIDERS_TOPIC, SessionRecord
from schemas.json import InvalidJson, parse

TYPES: Final = frozenset(record.__name__ for record in INBOUND[PROVIDERS_TOPIC])
#: No more are taken of one referral: nobody has as many, and each is kept for as long as the referral.
MOST_RECORDS: Final = 1_000

_TO_REFERRAL: Final = ("getReferral", "po", "$response.body#/po_number")
POST_RECORD: Final = Operation(
    id="postRecord",
    method="POST",
    path="/v1/referrals/{po}/records",
    tag="messages",
    summary="Send a record",
    about="With `Prefer: wait=5` the answer is what came of it, where that is known in time.",
    parameters=(PO, KEY, PREFER, PROVIDER),
    takes={JSON: "ProviderRecord"},
    answers={200: DECIDED, 202: TAKEN},
    problems={
        400: ("IDEMPOTENCY_KEY_MISSING", "BAD_IDEMPOTENCY_KEY", "INVALID_RECORD"),
        404: ("UNKNOWN_REFERRAL",),
        409: ("READ_ONLY", "TOO_MANY_RECORDS"),
        422: ("IDEMPOTENCY_KEY_REUSED", *refusals([PROVIDERS_TOPIC])),
        503: ("CLOCK_LEAPT", "TRY_AGAIN"),
    },
    links={"outcome": ("getMessage", "id", "$response.body#/message_id"), "referral": _TO_REFERRAL},
)
GET_MESSAGE: Final = Operation(
    id="getMessage",
    method="GET",
    path="/v1/messages/{id}",
    tag="messages",
    summary="What came of a message",
    parameters=(in_path("id", "The message's id: the Idempotency-Key that it came with.", "prv-1"), PROVIDER),
    answers={200: Answer("The message, and its outcome where that is known.", MessageView)},
    problems={404: ("UNKNOWN_MESSAGE",)},
    links={"referral": _TO_REFERRAL},
)


class Records:
    """Takes providers' records, each once, and knows what came of them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[web.RouteDef]:
        """What providers send, and what they ask of it."""
        return [POST_RECORD.route(self._take), GET_MESSAGE.route(self._message)]

    async def _take(self, request: web.Request) -> web.Response:
        """Take a record.

        1. Whose referral it is, before anybody hears what is wrong with the record.
        2. The record, read as it is from a topic.
        3. Whether it has come before: then the answer is what it was. If not, the log: what is there will be
           decided, whatever happens to this process.
        """
        providers = providers_of(request)
        key = idempotency_key(request)
        po_number = request.match_info["po"]
        owner = self._owner(request, po_number, providers)
        provider_id = owner.provider_id
        refuse_where_nothing_can_be_posted(self._desk)
        wait_s = wait_s_of(request)
        value = await read_object(request)
        refuse_other_provider(request, value, provider_id)
        record = _read(value, key, po_number, provider_id)
        if owner.messages >= MOST_RECORDS and self._desk.view.keyed(provider_id, key) is None:
            raise Problem(
                HTTPStatus.CONFLICT,
                f"This referral has {MOST_RECORDS:,} messages, and no more are taken; ask the operators.",
                code="TOO_MANY_RECORDS",
            )
        if await self._desk.idempotency.take(
            {(provider_id, key): Message(po_number, draft_of(record, request))}
        ):
            raise key_reused("record")
        outcome = await outcome_of(self._desk, provider_id, key, po_number, wait_s) if wait_s else None
        return answer_with(request, outcome, pending(key, po_number), wait_s)

    def _owner(self, request: web.Request, po_number: str, providers: frozenset[str]) -> Owner:
        """Whose referral it is. Raises Problem where it is not theirs."""
        owner = self._desk.view.owner(po_number)
        if owner is None or owner.provider_id not in providers:
            raise not_theirs(request, known=owner is not None)
        return owner

    async def _message(self, request: web.Request) -> web.Response:
        """What came of a message."""
        providers = providers_of(request)
        message_id = request.match_info["id"]
        found = self._desk.view.message(sorted(providers), message_id) if len(message_id) <= 1_000 else None
        if found is not None:
            po_number, outcome = found
            return answer(request, pending(message_id, po_number) if outcome is None else decided(outcome))
        for provider in providers:
            if about := self._desk.idempotency.po_number_of((provider, message_id)):
                return answer(request, pending(message_id, about))
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "There is no message of yours with this id; check it.",
            code="UNKNOWN_MESSAGE",
        )


async def outcome_of(
    desk: Desk, provider_id: str, message_id: str, po_number: str, wait_s: int
) -> Outcome | None:
    """Wait for what comes of a message, and until the referral shows it; HELD, or None: it takes longer."""
    held = None
    with desk.model.woken_by(po_number) as woken:
        try:
            async with asyncio.timeout(wait_s):
                while True:
                    outcome = desk.view.outcome(po_number, provider_id, message_id)
                    if outcome is not None and outcome.status == "HELD":
                        held = outcome
                    elif outcome is not None:
                        known = desk.view.referral(po_number)
                        if known is None or has_come_to(known.order, outcome):
                            return outcome
                    await woken.wait()
                    woken.clear()
        except TimeoutError:
            return held


def _read(value: dict[str, Any], message_id: str, po_number: str, provider_id: str) -> SessionRecord:
    """The record of a body. Raises Problem."""
    for name, whence in (
        ("message_id", "the header Idempotency-Key"),
        ("po_number", "the path"),
        ("provider_id", "the token"),
    ):
        if name in value:
            raise Problem(
                HTTPStatus.BAD_REQUEST,
                f"{name} comes from {whence}; take it out of the body.",
                code="INVALID_RECORD",
                field=name,
            )
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            f"type is not a provider's record; expected one of {', '.join(sorted(TYPES))}.",
            code="INVALID_RECORD",
            field="type",
        )
    fields = {key: item for key, item in value.items() if key != "type"}
    fields |= {"message_id": message_id, "po_number": po_number, "provider_id": provider_id}
    try:
        return cast(SessionRecord, parse(kind, fields))
    except InvalidJson as error:
        raise Problem(
            HTTPStatus.BAD_REQUEST, f"{error}.", code="INVALID_RECORD", field=error.field or None
        ) from None


def draft_of(record: SessionRecord, request: web.Request) -> Draft:
    """A provider's record for the log, with the trace that the request is part of."""
    trace = trace_of(request)
    return draft(record, () if trace is None else (("traceparent", trace.encode()),))
