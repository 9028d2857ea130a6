"""What is done with every message that is sent: the log takes it once, and the answer is what came of it."""

import asyncio
from functools import partial

from aiohttp import web

from consumers import InUpload, draft
from gateway.api.answering import answer_with
from gateway.api.idempotency import Message
from gateway.api.rendering import pending
from gateway.api.request_id import trace_of
from gateway.api.requests import caller_of
from gateway.api.sending import key_reused
from gateway.api.services import Services
from gateway.engine.log import Draft
from gateway.reading.view import FORGOTTEN, View
from gateway.rules import messages
from gateway.rules.events import Outcome
from producers import headers_of_trace


async def take(
    services: Services,
    request: web.Request,
    key: str,
    record: type[messages.Message],
    message: Message,
    wait_s: int,
    reference: str | None = None,
) -> web.Response:
    """Take a message about a purchase order, whose id is `key`.

    record: its kind. reference: the provider's own of the referral, as it was before the message.

    1. Whether it has come before: then the answer is what it was. If not, the log: what is there will be
       decided, whatever happens to this process.
    2. What came of it, where that is waited for: of the message that was decided, if that is this one.

    Raises Problem.
    """
    ask = partial(services.ask, request)
    if await services.idempotency.take({(caller_of(request).id, key): message}, ask):
        raise key_reused("record")
    outcome = None
    if wait_s:
        outcome, reference = await _outcome_of(services, request, key, message, wait_s, reference)
    unknown = pending(key, str(message.po_number), reference)
    return answer_with(request, record, outcome, unknown, wait_s)


async def _outcome_of(
    services: Services,
    request: web.Request,
    message_id: str,
    message: Message,
    wait_s: int,
    reference: str | None,
) -> tuple[Outcome | None, str | None]:
    """Wait for what comes of a message, and until the referral shows it; HELD, or None: it takes longer.

    With it the provider's own reference of the referral as it is then, where a provider asks.

    Raises Problem where another message was decided under its id, which came elsewhere at the same moment.
    """
    po_number = str(message.po_number)
    of = po_number, message.provider_id, message_id, message.draft.topic

    def question(view: View) -> tuple[Outcome | None, bytes | None, str | None]:
        outcome = view.outcome(*of)
        if outcome is None or outcome.status == "HELD" or not view.shows(po_number, outcome):
            return outcome, None, reference
        now = None if message.provider_id is None else view.reference(po_number)
        return outcome, view.decided(*of), now

    held = None
    with services.model.woken_by(po_number) as woken:
        try:
            async with asyncio.timeout(wait_s):
                while True:
                    outcome, decided, now = await services.ask(request, question)
                    if decided is not None:
                        break
                    if outcome is not None and outcome.status == "HELD":
                        held = outcome
                    await woken.wait()
                    woken.clear()
        except TimeoutError:
            return held, reference
    if decided not in {FORGOTTEN, message.digest}:
        raise key_reused("record")
    return outcome, now


def draft_of(message: messages.Message, request: web.Request, upload: InUpload | None = None) -> Draft:
    """A message for the log, with its caller and the trace that the request is part of."""
    return draft(message, headers_of_trace(trace_of(request)), caller=caller_of(request).id, upload=upload)
