"""`POST /v1/referrals/{po}/records` and `GET /v1/messages/{id}`: a record, and what comes of it."""

from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final, cast

from aiohttp import web
from msgspec import UNSET
from msgspec.structs import asdict

from gateway.api.answering import DECIDED, PREFER, TAKEN, wait_s_of
from gateway.api.idempotency import Message
from gateway.api.operation import JSON, Answer, Operation, in_path, refusals
from gateway.api.problems import Problem
from gateway.api.referrals import PO, not_theirs
from gateway.api.rendering import decided, pending, record
from gateway.api.requests import PROVIDER, caller_of, providers_of, read_object
from gateway.api.responses import answer
from gateway.api.sending import (
    KEY,
    idempotency_key,
    invalid,
    refuse_other_provider,
    refuse_where_nothing_can_be_posted,
    too_many_messages,
)
from gateway.api.services import Services
from gateway.api.taking import draft_of, take
from gateway.api.views import MessagePage
from gateway.reading.view import Received, View
from gateway.rules.events import Outcome
from gateway.rules.messages import INBOUND, PROVIDERS_TOPIC, SessionRecord
from schemas.json import InvalidJson, format_instant, mistakes, parse
from schemas.limits import LONGEST_ID

TYPES: Final = frozenset(record.__name__ for record in INBOUND[PROVIDERS_TOPIC])

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
    who="anybody",
    summary="A message as it was sent, and what came of it",
    about="For whoever sent it, and for the provider whose message it is.",
    parameters=(in_path("id", "The message's id: the Idempotency-Key that it came with.", "prv-1"), PROVIDER),
    answers={200: Answer("The message, and its outcome where that is known.", MessagePage)},
    problems={404: ("UNKNOWN_MESSAGE",)},
    links={"referral": _TO_REFERRAL},
)


class Records:
    """Takes providers' records, each once, and knows what came of them."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> Sequence[web.RouteDef]:
        """What providers send, and what they ask of it."""
        return [POST_RECORD.route(self._take), GET_MESSAGE.route(self._message)]

    async def _take(self, request: web.Request) -> web.Response:
        """Take a record.

        1. Whose referral it is, before anybody hears what is wrong with the record.
        2. The record, read as it is from a topic.
        3. The log, and what came of it: see `take`.
        """
        providers = providers_of(request)
        key = idempotency_key(request)
        po_number = request.match_info["po"]
        provider_id, messages, reference = await self._owner(request, po_number, providers)
        refuse_where_nothing_can_be_posted(self._services)
        wait_s = wait_s_of(request)
        value = await read_object(request)
        refuse_other_provider(request, value, provider_id)
        record = _read(value, key, po_number, provider_id)
        message = Message(po_number, provider_id, draft_of(record, request))
        await too_many_messages(self._services, request, key, message, messages)
        return await take(self._services, request, key, type(record), message, wait_s, reference)

    async def _owner(
        self, request: web.Request, po_number: str, providers: frozenset[str]
    ) -> tuple[str, int, str | None]:
        """Whose referral it is, how many messages it has, and their own reference of it.

        Raises Problem where it is not theirs.
        """

        def question(view: View) -> tuple[str | None, int, str | None]:
            owner = view.owner(po_number)
            if owner not in providers:
                return owner, 0, None
            return owner, view.messages(po_number), view.reference(po_number)

        owner, messages, reference = await self._services.ask(request, question)
        if owner is None or owner not in providers:
            raise not_theirs(request, known=owner is not None)
        return owner, messages, reference

    async def _message(self, request: web.Request) -> web.Response:
        """What came of a message."""
        chosen = PROVIDER.text_of(request) is not None
        providers = sorted(providers_of(request) if chosen else caller_of(request).providers)
        caller = caller_of(request).id
        message_id = request.match_info["id"]
        found: list[tuple[str, Outcome | None]] = []
        received, shown = None, False
        references: dict[str, str | None] = {}

        def question(
            view: View,
        ) -> tuple[list[tuple[str, Outcome | None]], Received | None, bool, dict[str, str | None]]:
            found = view.messages_with(caller, providers, message_id)
            if not found:
                return found, None, False, {}
            about = found[0][0]
            theirs = {each: view.reference(each) for each, _ in found if view.owner(each) in providers}
            return found, view.received(about, providers, message_id), not view.is_special(about), theirs

        if len(message_id) <= LONGEST_ID:
            found, received, shown, references = await self._services.ask(request, question)
        if not found and (about := self._services.idempotency.po_number_of((caller, message_id))):
            found = [(about, None)]
        if not found:
            raise Problem(
                HTTPStatus.NOT_FOUND,
                "There is no message of yours with this id; check it.",
                code="UNKNOWN_MESSAGE",
            )
        first, *others = [
            pending(message_id, po_number, references.get(po_number))
            if outcome is None
            else decided(outcome, references.get(po_number))
            for po_number, outcome in found
        ]
        return answer(
            request,
            MessagePage(
                **asdict(first),
                type=None if received is None else type(received.message).__name__,
                received_at=None if received is None else format_instant(received.at),
                record=record(received.message) if received is not None and shown else None,
                others=others or UNSET,
            ),
        )


def _read(value: dict[str, Any], message_id: str, po_number: str, provider_id: str) -> SessionRecord:
    """The record of a body. Raises Problem with all that is wrong with its form."""
    found = [
        InvalidJson(name, f"comes from {whence}; take it out of the body")
        for name, whence in (
            ("message_id", "the header Idempotency-Key"),
            ("po_number", "the path"),
            ("provider_id", "the token"),
        )
        if name in value
    ]
    kind = value.get("type")
    fields = {key: item for key, item in value.items() if key != "type"}
    fields |= {"message_id": message_id, "po_number": po_number, "provider_id": provider_id}
    if isinstance(kind, str) and kind in TYPES:
        if not found:
            with suppress(InvalidJson):
                return cast(SessionRecord, parse(kind, fields))
        found += mistakes(kind, fields)
    else:
        expected = ", ".join(sorted(TYPES))
        found.append(InvalidJson("type", f"is not a provider's record; expected one of {expected}"))
    raise invalid("INVALID_RECORD", found)
