"""`POST /v1/referrals/{po}/records` and `GET /v1/messages/{id}`: a record, and what comes of it."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final, cast

from aiohttp import web

from gateway.api.answering import DECIDED, PREFER, TAKEN, answer_with, wait_s_of
from gateway.api.desk import PROVIDER, Desk, answer, providers_of, read_object
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
from gateway.api.taking import Message, Name, compared, message
from gateway.api.views import MessageView
from gateway.engine.log import Draft
from gateway.reading.view import Expected, has_come_to
from gateway.rules.events import Outcome
from gateway.rules.messages import INBOUND, PROVIDERS_TOPIC, ProviderRecord
from schemas.codec import encode
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
        503: ("TRY_AGAIN",),
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

        1. Whose referral it is, before anything of the record is told to be wrong.
        2. The record, read as it is from a topic.
        3. Whether it has come before: then the answer is what it was.
        4. The log. What is there will be decided, whatever happens to this process.
        """
        providers = providers_of(request)
        key = idempotency_key(request)
        po_number = request.match_info["po"]
        expected = self._expected(request, po_number, key, providers)
        refuse_where_nothing_can_be_posted(self._desk)
        wait_s = wait_s_of(request)
        at_hand = request.content.is_eof()
        value = await read_object(request)
        if not at_hand:  # the same may have come meanwhile, in another request
            expected = self._expected(request, po_number, key, providers)
        provider_id = expected.provider_id
        refuse_other_provider(request, value, provider_id)
        record = _read(value, key, po_number, provider_id)
        await self._once((provider_id, key), message(po_number, draft_of(record, request)), expected)
        outcome = await outcome_of(self._desk, provider_id, key, po_number, wait_s) if wait_s else None
        return answer_with(request, outcome, pending(key, po_number), wait_s)

    def _expected(
        self, request: web.Request, po_number: str, key: str, providers: frozenset[str]
    ) -> Expected:
        """What is known of a message of this key. Raises Problem where the referral is not theirs."""
        expected = self._desk.view.expected(po_number, key)
        if expected is None or expected.provider_id not in providers:
            raise not_theirs(request, known=expected is not None)
        return expected

    async def _once(self, name: Name, new: Message, expected: Expected) -> None:
        """Put a message on the log where it isn't there yet. Raises Problem.

        Nothing is awaited between the look at what is known, `expected`, and that.
        """
        taking = self._desk.taking
        before = taking.under_way(name, new)
        if before == "NEW":
            before = compared(new, expected.about, expected.digest)
        if before == "OTHER":
            raise key_reused("record")
        if before == "SAME":
            await taking.until_there(name)
            return
        if expected.messages >= MOST_RECORDS:
            raise Problem(
                HTTPStatus.CONFLICT,
                f"This referral has {MOST_RECORDS:,} messages, and no more are taken; ask the operators.",
                code="TOO_MANY_RECORDS",
            )
        await taking.put({name: new})

    async def _message(self, request: web.Request) -> web.Response:
        """What came of a message."""
        providers = providers_of(request)
        message_id = request.match_info["id"]
        sent = self._desk.view.message(sorted(providers), message_id) if len(message_id) <= 1_000 else None
        if sent is not None:
            view = pending(message_id, sent.po_number) if sent.outcome is None else decided(sent.outcome)
            return answer(request, view)
        for provider in providers:
            if po_number := self._desk.taking.po_number_of((provider, message_id)):
                return answer(request, pending(message_id, po_number))
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
    with desk.following.woken_by(po_number) as woken:
        try:
            async with asyncio.timeout(wait_s):
                while True:
                    sent = desk.view.message([provider_id], message_id)
                    outcome = None if sent is None else sent.outcome
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


def _read(value: dict[str, Any], message_id: str, po_number: str, provider_id: str) -> ProviderRecord:
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
        return cast(ProviderRecord, parse(kind, fields))
    except InvalidJson as error:
        raise Problem(
            HTTPStatus.BAD_REQUEST, f"{error}.", code="INVALID_RECORD", field=error.field or None
        ) from None


def draft_of(record: ProviderRecord, request: web.Request) -> Draft:
    """A provider's record for the log, with the trace that the request is part of."""
    trace = trace_of(request)
    headers = () if trace is None else (("traceparent", trace.encode()),)
    return Draft(PROVIDERS_TOPIC, record.po_number.encode(), encode(record), headers)
