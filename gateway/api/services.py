"""What the routes of /v1 work with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeVar

from aiohttp import web

from gateway.api.idempotency import Idempotency
from gateway.api.limits import DEFAULT, Limits
from gateway.api.posting import Posting
from gateway.api.problems import Problem
from gateway.api.requests import caller_of
from gateway.api.slots import Turns
from gateway.engine.clock_watch import ClockWatch
from gateway.engine.log import LogError
from gateway.reading.asking import Asking
from gateway.reading.model import ReadModel
from gateway.reading.view import View

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes work with.

    read_only: the log's time is that of its records, so nothing can be posted. clock: what watches the wall
    clock; None: time is not that.
    """

    asking: Asking
    model: ReadModel
    posting: Posting
    idempotency: Idempotency
    read_only: bool
    limits: Limits = DEFAULT
    clock: ClockWatch | None = None
    turns: Turns = field(default_factory=Turns)

    async def ask(self, request: web.Request, question: Callable[[View], T]) -> T:
        """Ask the read model for a caller, who has one question answered at a time and rests after long ones.

        So whatever one asks, another waits for no more than what is being answered. Raises ConnectionError
        where nobody waits for the answer any more.
        """
        async with self.turns.of(caller_of(request)) as turn:
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError
            return await self.asking.ask(turn.timed(question))

    async def reach(self, topics: Sequence[str]) -> None:
        """Return when the read model has all that is on these topics now. Raises Problem."""
        try:
            await self.model.reach(topics)
        except (LogError, TimeoutError):
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The log could not be read as far as needed yet; send the request again.",
                code="TRY_AGAIN",
                headers={"Retry-After": "1"},
            ) from None
