"""Version 1 of the API, put together."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, nullcontext
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.api import instructions, outcomes, referrals, sessions, worklist
from gateway.api.calendars import Calendars
from gateway.api.callers import Authenticator
from gateway.api.event_stream import MOST_OPEN, EventStream
from gateway.api.events import EventFeed
from gateway.api.exports import Exports
from gateway.api.idempotency import Idempotency
from gateway.api.jobcentres import Jobcentres
from gateway.api.limits import DEFAULT, Limits
from gateway.api.plans import Plans
from gateway.api.posting import Appends, Posting
from gateway.api.prap import Prap
from gateway.api.prap_actions import ActionFeed, Marks, ToEnter
from gateway.api.problems import Problem
from gateway.api.rate import Rate
from gateway.api.records import Records
from gateway.api.requests import CALLER
from gateway.api.services import Services
from gateway.api.slots import Slots
from gateway.api.uploads import Uploads
from gateway.api.webhooks.counts import Counts
from gateway.api.webhooks.delivering import Clock, Deliveries
from gateway.api.webhooks.registering import Webhooks
from gateway.api.webhooks.sending import Sender
from gateway.engine.clock_watch import ClockWatch
from gateway.reading.asking import Asking
from gateway.reading.model import ReadModel
from gateway.rules.policy import Policies

PREFIX: Final = "/v1/"
OPENAPI: Final = "/v1/openapi.json"


class Api:
    """The API's routes, and what works behind them.

    log: what is posted is put on it. model: what answers come from. stop: set when the gateway was told to
    stop. policies: the limits by which a download is read. now: what the log's clock says, UTC milliseconds.
    enter_within: in how many working days actions are to be entered on PRaP; see ToEnter. read_only: the
    log's time is that of its records, so nothing can be posted. clock: what watches the wall clock, where
    time is that. sender: what delivers to webhooks; None: nothing does. assigned: the partitions on which
    this process delivers. webhook_clock: when it tries again; None: by this machine's.
    """

    def __init__(
        self,
        log: Appends,
        model: ReadModel,
        authenticator: Authenticator,
        rate: Rate,
        stop: asyncio.Event,
        *,
        policies: Policies,
        now: Callable[[], Awaitable[int]],
        enter_within: int,
        read_only: bool,
        limits: Limits = DEFAULT,
        clock: ClockWatch | None = None,
        sender: Sender | None = None,
        assigned: Callable[[], Collection[int]] = tuple,
        webhook_clock: Clock | None = None,
    ) -> None:
        self._posting = Posting(log)
        self._model = model
        self._authenticator = authenticator
        self._rate = rate
        asking, idempotency = Asking(model.source), Idempotency(model, self._posting)
        self.services = Services(asking, model, self._posting, idempotency, read_only, limits, clock)
        self._uploads = Uploads(self.services, model.source, rate)
        slots = Slots(MOST_OPEN)
        self.to_enter = ToEnter(enter_within, now, model, asking)
        self._streams = (
            EventStream(instructions.FEED, self.services, stop, slots),
            EventStream(outcomes.FEED, self.services, stop, slots),
            EventStream(EventFeed(), self.services, stop, slots),
            EventStream(ActionFeed(self.to_enter), self.services, stop, slots),
        )
        self._prap = Prap(self.services, rate, policies, now)
        self._marks = Marks(self.services, self.to_enter, now)
        self._calendars = Calendars(self.services, now)
        self._deliveries = (
            None
            if sender is None or read_only
            else Deliveries(model, asking, self._posting, sender, assigned, webhook_clock)
        )
        self._webhooks = Webhooks(self.services, self._deliveries)

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """All of /v1."""
        return [
            *referrals.routes(self.services),
            *Records(self.services).routes(),
            *(stream.route() for stream in self._streams),
            *sessions.routes(self.services),
            *worklist.routes(self.services),
            *self._calendars.routes(),
            *self._webhooks.routes(),
            *Plans(self.services).routes(),
            *self._uploads.routes(),
            *Exports(self.services).routes(),
            *Jobcentres(self.services).routes(),
            *self._prap.routes(),
            *self._marks.routes(),
        ]

    @property
    def webhooks(self) -> Counts | None:
        """What is counted of webhooks; None: nothing is delivered."""
        return None if self._deliveries is None else self._deliveries.counts

    @property
    def gate(self) -> Middleware:
        """What a request to /v1 passes first: who asks, how often, and whether there is something to ask."""

        @web.middleware
        async def let_in(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path.startswith(PREFIX) and request.path != OPENAPI:
                caller = request[CALLER] = await self._authenticator.caller(request)
                self._rate.take(caller)
                # Half of it would look like all, and what comes again would look like what is new.
                if not self._model.filled.is_set():
                    raise Problem(
                        HTTPStatus.SERVICE_UNAVAILABLE,
                        "The gateway has just started and is reading its log, or that is away; try again.",
                        code="STARTING",
                        headers={"Retry-After": "1"},
                    )
            try:
                return await handler(request)
            except sqlite3.Error as error:
                self._model.unreadable(error)
                raise Problem(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    "The file that answers come from can't be read at the moment; try again.",
                    code="PROJECTION_UNREADABLE",
                    headers={"Retry-After": "1"},
                ) from None

        return let_in

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Put on the log what comes, for as long as the block lasts."""
        posting = asyncio.create_task(self._posting.run())
        try:
            async with self._deliveries.at_work() if self._deliveries is not None else nullcontext():
                yield
        finally:
            posting.cancel()
            await asyncio.gather(posting, return_exceptions=True)
            await self._uploads.close()
            self.services.asking.close()
