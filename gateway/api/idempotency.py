"""What is sent is taken once: what has come before is known, and what only has its key is refused."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Final, Protocol, TypeVar

from msgspec import Struct

from gateway.api.posting import Posting, TooMany
from gateway.api.problems import Problem
from gateway.engine.log import Draft, LogError
from gateway.reading.model import ReadModel
from gateway.reading.view import FORGOTTEN, Keyed, View
from schemas.codec import digest_of

#: How many messages are remembered here until they have been read back from the log.
REMEMBERED: Final = 50_000

#: A caller and the id of what it sends, which is its key.
Name = tuple[str, str]
#: Puts messages on the log, and returns once all of them are there. It raises Problem.
Put = Callable[[Sequence[tuple[Name, "Message"]]], Awaitable[None]]
T = TypeVar("T")


class Ask(Protocol):
    """Asks the read model."""

    def __call__(self, question: Callable[[View], T], /) -> Awaitable[T]:
        """The answer."""


class Message(Struct, frozen=True):
    """What is sent with a key, and what is put on the log of it.

    po_number: None: it is about no one purchase order, as a delivery plan or a download. provider_id: whose
    message it is; None: no provider's. more: what goes on the log with it.
    """

    po_number: str | None
    provider_id: str | None
    draft: Draft
    more: Sequence[Draft] = ()

    @property
    def digest(self) -> bytes:
        """What distinguishes it from any other with its key: a hash of its content."""
        return digest_of(self.draft.value or b"")


class _UnderWay(Struct):
    """One that this process takes, with others, all or none.

    there: set when all of them are on the log, or to the names with which something else came before.
    """

    po_number: str | None
    digest: bytes
    there: "asyncio.Future[frozenset[Name]] | None"

    def is_of(self, message: Message) -> bool:
        """Whether it is this message."""
        return (self.po_number, self.digest) == (message.po_number, message.digest)


class Idempotency:
    """Knows whether something has come with a key before, and puts on the log what has not."""

    def __init__(self, model: ReadModel, posting: Posting, *, remembered: int = REMEMBERED) -> None:
        """remembered: how many are known until they are read back."""
        self._posting = posting
        self._under_way: OrderedDict[Name, _UnderWay] = OrderedDict()
        self._holds_appends = model.holds_appends
        self._remembered = remembered
        if not model.holds_appends:
            model.read_back = self._read_back

    def po_number_of(self, name: Name) -> str | None:
        """What a message that is under way is about."""
        taken = self._under_way.get(name)
        return None if taken is None else taken.po_number

    async def take(
        self, messages: Mapping[Name, Message], ask: Ask, put: Put | None = None
    ) -> frozenset[Name]:
        """Put on the log what has not come before, all or none; returns once all of it is there.

        1. What else is under way with these keys, until it is known whether that was taken: nothing is held
           meanwhile, so that no two wait for each other.
        2. Under way: from here on nobody else takes what comes with these keys.
        3. Then what the log has: it can't come there meanwhile.
        4. The log: by `put`; None: in one append.

        Returns the names with which something else came before; where there are any, nothing was put. Raises
        Problem.
        """
        while undecided := self._undecided(messages):
            await asyncio.wait(undecided)
        there: asyncio.Future[frozenset[Name]] = asyncio.get_running_loop().create_future()
        mine: dict[Name, Message] = {}
        others: set[Name] = set()
        waiting: dict[Name, asyncio.Future[frozenset[Name]]] = {}
        for name, message in messages.items():
            taken = self._under_way.get(name)
            if taken is None:
                mine[name] = message
                self._under_way[name] = _UnderWay(message.po_number, message.digest, there)
            elif not taken.is_of(message):
                others.add(name)
            elif taken.there is not None:
                waiting[name] = taken.there
        try:
            before = await ask(partial(_keyed, mine))
            new: list[tuple[Name, Message]] = []
            for name, message in mine.items():
                keyed = before[name]
                if keyed is None:
                    new.append((name, message))
                elif keyed.po_number != message.po_number or keyed.digest not in {FORGOTTEN, message.digest}:
                    others.add(name)
            if not others and new:
                await (self._put if put is None else put)(new)
        except BaseException as error:
            self._forget(mine)
            there.set_exception(error if isinstance(error, Problem) else not_sure())
            there.exception()  # nobody need wait for it
            raise
        if others:
            self._forget(mine)
            there.set_result(frozenset(others))
            return frozenset(others)
        there.set_result(frozenset())
        if self._holds_appends:
            self._forget(mine)
        else:
            self._remember(mine)
        for name, each in waiting.items():
            refused = await asyncio.shield(each)
            if name in refused and not mine:
                others.add(name)
            elif refused:  # sent again, all of it is known
                raise not_sure()
        return frozenset(others)

    def _undecided(self, messages: Mapping[Name, Message]) -> set["asyncio.Future[frozenset[Name]]"]:
        """What has come with these keys, is something else, and may be refused yet."""
        found = set()
        for name, message in messages.items():
            taken = self._under_way.get(name)
            if taken is not None and taken.there is not None and not taken.is_of(message):
                found.add(taken.there)
        return found

    async def _put(self, messages: Sequence[tuple[Name, Message]]) -> None:
        await durably(
            self._posting, [draft for _, message in messages for draft in (message.draft, *message.more)]
        )

    def _remember(self, names: Collection[Name]) -> None:
        for name in names:
            if (taken := self._under_way.get(name)) is not None:
                taken.there = None
        while len(self._under_way) > self._remembered:
            self._under_way.popitem(last=False)

    def _read_back(self, names: Collection[Name]) -> None:
        """These can be asked for now: the read model knows them from here on, and when they are forgotten."""
        for name in names:
            taken = self._under_way.get(name)
            if taken is not None and taken.there is None:
                del self._under_way[name]

    def _forget(self, names: Collection[Name]) -> None:
        for name in names:
            self._under_way.pop(name, None)


def _keyed(messages: Mapping[Name, Message], view: View) -> dict[Name, Keyed | None]:
    return {
        name: view.keyed(*name, message.po_number, message.provider_id) for name, message in messages.items()
    }


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
