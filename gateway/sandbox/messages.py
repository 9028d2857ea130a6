"""Messages that are sent to a sandbox, and what came of each.

Ids are unique on one purchase order, and even there a refused referral may come again under its own: so an
outcome is a message's own where it is new on that purchase order since the message was put.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from functools import partial
from http import HTTPStatus
from typing import Final
from weakref import WeakValueDictionary

from msgspec import Struct

from consumers import draft
from gateway.api.idempotency import durably
from gateway.api.problems import Problem
from gateway.api.services import Services
from gateway.reading.view import View
from gateway.rules.events import Outcome
from gateway.rules.messages import Message

#: How many of those sent last are remembered; what came of an older one is looked for among all there are.
REMEMBERED: Final = 10_000
#: How long an earlier message of the same id, or the projection, is waited for.
LONGEST_S: Final = 30.0


class Sent(Struct, frozen=True):
    """A message on the log. before: the event ids of the outcomes that its id had there already."""

    message_id: str
    po_number: str
    before: frozenset[str]


class Messages:
    """Puts messages on the log, and knows what came of each."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._sent: OrderedDict[str, Sent] = OrderedDict()
        self._open: set[str] = set()
        self._one_at_a_time: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def last(self, message_id: str) -> Sent | None:
        """The last message with this id that was sent here; None: none is remembered."""
        return self._sent.get(message_id)

    def open(self) -> frozenset[str]:
        """The ids of which it is not known yet what came of the message sent last."""
        return frozenset(self._open)

    def settled(self, message_ids: Collection[str]) -> None:
        """What was sent with these ids is decided. It may be forgotten before anybody asks for it again."""
        self._open.difference_update(message_ids)

    async def put(self, message: Message) -> Sent:
        """Put a message on the log, when what came of the one before it with its id is known.

        Raises Problem.
        """
        message_id, po_number = message.message_id, message.po_number
        lock = self._one_at_a_time.setdefault(message_id, asyncio.Lock())
        try:
            async with asyncio.timeout(LONGEST_S):
                await lock.acquire()
        except TimeoutError:
            raise _not_now() from None
        try:
            await self._until_known(message_id)
            earlier = await self._services.asking.ask(partial(_outcomes, message))
            sent = Sent(message_id, po_number, frozenset(each.event_id for each in earlier))
            await durably(self._services.posting, [draft(message)])
            self._sent[message_id] = sent
            self._sent.move_to_end(message_id)
            self._open.add(message_id)
            if len(self._sent) > REMEMBERED:
                self._open.discard(self._sent.popitem(last=False)[0])
            return sent
        finally:
            lock.release()

    async def _until_known(self, message_id: str) -> None:
        before = self._sent.get(message_id) if message_id in self._open else None
        try:
            async with asyncio.timeout(LONGEST_S):
                await self._services.model.filled.wait()
        except TimeoutError:
            raise _not_now() from None
        if before is not None and await self._until(before, LONGEST_S, final=False) is None:
            raise _not_now()

    async def outcome(self, sent: Sent) -> Outcome | None:
        """What has come of a message, as far as its referral shows it; None: nothing yet."""
        return await self._services.asking.ask(partial(_outcome, sent))

    async def wait(self, sent: Sent, wait_s: float) -> Outcome | None:
        """Wait for what comes of a message in the end; HELD, or None: it takes longer."""
        return await self._until(sent, wait_s, final=True)

    async def _until(self, sent: Sent, wait_s: float, *, final: bool) -> Outcome | None:
        outcome = None
        with self._services.model.woken_by(sent.po_number) as woken:
            try:
                async with asyncio.timeout(wait_s):
                    while (outcome := await self.outcome(sent)) is None or (
                        final and outcome.status == "HELD"
                    ):
                        await woken.wait()
                        woken.clear()
            except TimeoutError:
                pass
        if outcome is not None and self._sent.get(sent.message_id) is sent:
            self._open.discard(sent.message_id)
        return outcome


def _outcomes(message: Message | Sent, view: View) -> list[Outcome]:
    """The outcomes of a purchase order's message with that id, in order of decision."""
    return view.outcomes(message.po_number, message.message_id)


def _outcome(sent: Sent, view: View) -> Outcome | None:
    new = [each for each in _outcomes(sent, view) if each.event_id not in sent.before]
    outcome = next((each for each in new if each.status != "HELD"), new[0] if new else None)
    if outcome is None or outcome.status == "HELD":
        return outcome
    return outcome if view.shows(sent.po_number, outcome) else None


def _not_now() -> Problem:
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "What came of an earlier message of this id is not known yet; nothing was taken, send it again.",
        code="TRY_AGAIN",
        headers={"Retry-After": "1"},
    )
