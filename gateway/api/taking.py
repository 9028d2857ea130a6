"""Takes messages once each: what has come before is told from what is new, and from what only looks alike."""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final, Literal

from msgspec import Struct

from gateway.api.posting import Posting, TooMany
from gateway.api.problems import Problem
from gateway.engine.log import Draft, LogError
from gateway.reading.filling import digest
from gateway.reading.view import View

#: How many messages are remembered here until they have been read back from the log.
REMEMBERED: Final = 50_000

#: A provider and the id of its message.
Name = tuple[str, str]


class Message(Struct, frozen=True):
    """A message for the log. mark: what tells it from any other with its id."""

    po_number: str
    mark: bytes
    draft: Draft


class _Put(Struct, frozen=True):
    """One that this process puts on the log, with others, all or none."""

    po_number: str
    mark: bytes
    there: "_There"


class _There:
    """Tells those who wait for it when something is on the log. Nearly always nobody waits."""

    __slots__ = ("_done", "_failed", "_waiting")

    def __init__(self) -> None:
        self._done = False
        self._failed: Problem | None = None
        self._waiting: asyncio.Event | None = None

    async def wait(self) -> None:
        """Wait until it is there. Raises Problem where that fails."""
        if not self._done:
            self._waiting = self._waiting or asyncio.Event()
            await self._waiting.wait()
        if self._failed is not None:
            raise self._failed

    def tell(self, failed: Problem | None = None) -> None:
        """It is there, or has failed."""
        self._done, self._failed = True, failed
        if self._waiting is not None:
            self._waiting.set()


def message(po_number: str, draft: Draft) -> Message:
    """A message of a record for the log."""
    return Message(po_number, digest(draft.value or b""), draft)


def on_the_log(view: View, name: Name, new: Message) -> Literal["NEW", "SAME", "OTHER"]:
    """Whether the log has this very message, or another of the same name."""
    provider_id, message_id = name
    sent = view.message([provider_id], message_id)
    return compared(new, None, None) if sent is None else compared(new, sent.po_number, sent.digest)


def compared(new: Message, about: str | None, mark: bytes | None) -> Literal["NEW", "SAME", "OTHER"]:
    """Whether a message is the one that came under its name before.

    about: what that is about; None: none came. mark: its mark. One that is not known yet belongs to a message
    that another process put there this moment.
    """
    if about is None:
        return "NEW"
    return "SAME" if about == new.po_number and mark in {new.mark, None} else "OTHER"


class Taking:
    """Puts messages on the log, and knows those that are under way."""

    def __init__(self, posting: Posting) -> None:
        self._posting = posting
        self._put: OrderedDict[Name, _Put] = OrderedDict()
        self._watching: list[set[Name]] = []

    def under_way(self, name: Name, new: Message) -> Literal["NEW", "SAME", "OTHER"]:
        """Whether this process has put this very message, or another of the same name."""
        put = self._put.get(name)
        if put is None:
            return "NEW"
        return "SAME" if (put.po_number, put.mark) == (new.po_number, new.mark) else "OTHER"

    def po_number_of(self, name: Name) -> str | None:
        """What a message that is under way is about."""
        put = self._put.get(name)
        return None if put is None else put.po_number

    def read_back(self, names: Collection[Name]) -> None:
        """These are in the projection now, which knows them from here on, and when they are forgotten."""
        for name in names:
            self._put.pop(name, None)
        for came in self._watching:
            came.update(names)

    @contextmanager
    def watching(self) -> Iterator[set[Name]]:
        """What is read back meanwhile: one that was not in the projection before may be there now."""
        came: set[Name] = set()
        self._watching.append(came)
        try:
            yield came
        finally:
            self._watching.remove(came)

    async def until_there(self, name: Name) -> None:
        """Wait until a message that another request puts is on the log. Raises Problem where that fails."""
        if put := self._put.get(name):
            await put.there.wait()

    async def put(self, messages: Mapping[Name, Message]) -> None:
        """Put messages on the log, all or none. Raises Problem.

        They are under way from the moment of the call: nothing is awaited before that.
        """
        there = _There()
        for name, each in messages.items():
            self._put[name] = _Put(each.po_number, each.mark, there)
        try:
            await durably(self._posting, [each.draft for each in messages.values()])
        except BaseException as error:
            for name in messages:
                self._put.pop(name, None)
            there.tell(error if isinstance(error, Problem) else not_sure())
            raise
        there.tell()
        while len(self._put) > REMEMBERED:
            self._put.popitem(last=False)


async def durably(posting: Posting, drafts: list[Draft]) -> None:
    """Put records on the log, all or none. Raises Problem."""
    try:
        await posting.put(drafts)
    except TooMany:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "More is coming in than can be taken; send it again with the same Idempotency-Key.",
            code="TRY_AGAIN",
            headers={"Retry-After": "1"},
        ) from None
    except LogError:
        raise not_sure() from None


def not_sure() -> Problem:
    """What is answered where a message may be on the log or not."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "It is not sure that it was taken; send it again with the same Idempotency-Key.",
        code="TRY_AGAIN",
        headers={"Retry-After": "1"},
    )
