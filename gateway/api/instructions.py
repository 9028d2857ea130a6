"""`GET /v1/instructions`: by cursor, by long poll, and as server-sent events."""

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp_sse import EventSourceResponse
from msgspec import json

from gateway.api.headers import best_of
from gateway.api.operation import (
    CURSOR_SCHEMA,
    JSON,
    TEXT,
    Answer,
    Operation,
    Parameter,
    whole_number,
)
from gateway.api.pages import another_history
from gateway.api.problems import Problem
from gateway.api.rendering import instruction
from gateway.api.requests import PROVIDER, caller_of, providers_of
from gateway.api.responses import VARY, answer
from gateway.api.services import Services
from gateway.api.slots import Slots
from gateway.api.views import InstructionList
from gateway.engine.log import LogError
from gateway.reading.cursor import Cursor, NotACursor, beginning, parse_cursor
from gateway.reading.tables import INSTRUCTIONS
from gateway.reading.view import Listed, View

PAGE: Final = 100
LARGEST_PAGE: Final = 500
LONGEST_WAIT_S: Final = 60
#: How often a stream says that it is alive.
ALIVE_S: Final = 15.0
#: After how long a browser that has lost its stream should come back.
BACK_MS: Final = 1_000
#: How long it may take until a stream or a long poll ends whose caller has gone.
GONE_S: Final = 1.0
#: How many streams and long polls one caller may have open.
MOST_OPEN: Final = 20
EVENT_STREAM: Final = "text/event-stream"

AFTER: Final = Parameter(
    "query", "after", "`next` of an earlier answer; without it, from the first on.", CURSOR_SCHEMA
)
LAST_EVENT_ID: Final = Parameter(
    "header",
    "Last-Event-ID",
    "In a stream, and only there, in place of `after`: the id of the last event that you had.",
    TEXT,
)
WAIT: Final = whole_number(
    "wait",
    "For how many seconds to wait where there is nothing yet.",
    least=0,
    most=LONGEST_WAIT_S,
    default=0,
)
LIMIT: Final = whole_number("limit", "How many at the most.", least=1, most=LARGEST_PAGE, default=PAGE)
LIST_INSTRUCTIONS: Final = Operation(
    id="listInstructions",
    method="GET",
    path="/v1/instructions",
    tag="instructions",
    summary="What you are to do next",
    about="In order, by cursor. `wait` waits for the next one. With `Accept: text/event-stream` they "
    "come as they are decided, each as an event `instruction` with its cursor as id.",
    parameters=(AFTER, WAIT, LIMIT, PROVIDER, LAST_EVENT_ID),
    answers={
        200: Answer(
            "Those behind the cursor; `next` is where to go on.",
            {JSON: InstructionList, EVENT_STREAM: TEXT},
        )
    },
    problems={
        400: ("BAD_CURSOR",),
        410: ("CURSOR_OF_ANOTHER_HISTORY",),
        429: ("TOO_MANY_STREAMS",),
        503: ("TRY_AGAIN",),
    },
    links={"referral": ("getReferral", "po", "$response.body#/instructions/0/po_number")},
)


class Instructions:
    """What providers are to do next."""

    def __init__(self, services: Services, stop: asyncio.Event) -> None:
        """stop: set when the gateway was told to stop; streams end then."""
        self._services = services
        self._stop = stop
        self._open = Slots(MOST_OPEN)

    def routes(self) -> Sequence[web.RouteDef]:
        """One path for all three ways."""
        return [LIST_INSTRUCTIONS.route(self._instructions)]

    async def _instructions(self, request: web.Request) -> web.StreamResponse:
        providers = providers_of(request)
        streams = request.method != "HEAD" and best_of(request, (JSON, EVENT_STREAM)) == EVENT_STREAM
        limit = LIMIT.number_of(request)
        wait_s = WAIT.number_of(request)
        cursor, field = self._cursor(request, streams)
        found = await self._first(request, providers, cursor, 0 if streams else limit, field)
        if streams or (wait_s and not found):
            with self._open.one_of(caller_of(request)) as taken:
                if not taken:
                    raise Problem(
                        HTTPStatus.TOO_MANY_REQUESTS,
                        f"There are {MOST_OPEN} streams and long polls of this caller; close one of them.",
                        code="TOO_MANY_STREAMS",
                        headers={"Retry-After": "5"},
                    )
                if streams:
                    return await self._stream(request, providers, cursor)
                found = await self._wait(request, providers, cursor, limit, wait_s)
        last = found[-1].cursor if found else cursor
        return answer(
            request,
            InstructionList(instructions=[instruction(each) for each in found], next=str(last)),
            headers={"Vary": f"Accept, {VARY}"},
        )

    def _cursor(self, request: web.Request, streams: bool) -> tuple[Cursor, str]:
        """Behind which instruction to begin, and which field says so. Raises Problem."""
        partitions = self._services.model.partitions or 1
        # A browser that has lost its stream says where it was, and asks for the same URL.
        last, field = request.headers.get("Last-Event-ID") if streams else None, "Last-Event-ID"
        if not last:
            last, field = AFTER.text_of(request), "after"
        if last is None:
            return beginning(partitions), field
        try:
            return parse_cursor(last, partitions), field
        except NotACursor as error:
            raise Problem(
                HTTPStatus.BAD_REQUEST, f"{field} {error}.", code="BAD_CURSOR", field=field
            ) from None

    async def _first(
        self, request: web.Request, providers: frozenset[str], cursor: Cursor, limit: int, field: str
    ) -> list[Listed]:
        """What is behind a cursor. Raises Problem where that is of another history of the log."""

        def question(view: View) -> list[Listed] | None:
            return view.instructions(providers, cursor, limit) if view.is_at(cursor) else None

        found = await self._services.ask(request, question)
        if found is None:
            try:  # another process may have given it out, and this one has not read so far
                await self._services.model.reach([INSTRUCTIONS])
            except (LogError, TimeoutError):
                raise _not_read_yet() from None
            found = await self._services.ask(request, question)
        if found is None:
            raise another_history(field)
        return found

    async def _wait(
        self,
        request: web.Request,
        providers: frozenset[str],
        cursor: Cursor,
        limit: int,
        wait_s: float,
    ) -> list[Listed]:
        """What comes, or nothing when nothing has come for so long, or nobody waits for it any more."""

        def question(view: View) -> list[Listed]:
            return view.instructions(providers, cursor, limit)

        with self._services.model.woken_for(providers) as woken:
            stopping = asyncio.ensure_future(self._stop.wait())
            woken.set()  # by what is there already
            try:
                async with asyncio.timeout(wait_s):
                    # Where the read model is made anew, that may be of another log.
                    while self._services.model.filled.is_set() and not (
                        self._stop.is_set() or _has_gone(request)
                    ):
                        if woken.is_set():
                            woken.clear()
                            if found := await self._services.ask(request, question):
                                return found
                        waking = asyncio.ensure_future(woken.wait())
                        try:
                            await asyncio.wait(
                                {waking, stopping}, timeout=GONE_S, return_when=asyncio.FIRST_COMPLETED
                            )
                        finally:
                            waking.cancel()
            except TimeoutError:
                pass
            finally:
                stopping.cancel()
        return []

    async def _stream(
        self, request: web.Request, providers: frozenset[str], cursor: Cursor
    ) -> web.StreamResponse:
        """Server-sent events until the caller goes, the token ends, or the gateway stops."""
        # Whoever takes nothing of it is let go by the connection, as with every answer.
        response = EventSourceResponse(sep="\n", ping_interval=ALIVE_S, send_timeout=None)
        response.headers["Vary"] = "Accept"
        response.headers["Cache-Control"] = "no-store"  # the library's own would let caches keep it
        await response.prepare(request)
        try:
            async with response:
                with suppress(ConnectionError):  # the caller has gone
                    await self._send(request, response, providers, cursor)
        except sqlite3.Error as error:  # it ends here; the next request gets the error
            self._services.model.unreadable(error)
        return response

    async def _send(
        self,
        request: web.Request,
        response: EventSourceResponse,
        providers: frozenset[str],
        cursor: Cursor,
    ) -> None:
        """Send what is there, also where the token ends at once, and what comes.

        Raises ConnectionError where nobody listens any more.
        """
        ends_at = caller_of(request).ends_at
        now = asyncio.get_running_loop().time
        until_s = now() + max(ends_at - time.time(), 0)
        first = True
        while first or now() < until_s:
            first = False
            found = await self._wait(request, providers, cursor, PAGE, max(until_s - now(), 0.01))
            if not found:
                return
            for each in found:
                data = json.encode(instruction(each)).decode()
                cursor = each.cursor
                await response.send(data, id=str(cursor), event="instruction", retry=BACK_MS)


def _has_gone(request: web.Request) -> bool:
    """Whether the caller has closed the connection; aiohttp doesn't say so to a handler that only waits."""
    return request.transport is None or request.transport.is_closing()


def _not_read_yet() -> Problem:
    """What to raise where the log can't be read up to a cursor at the moment."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The log could not be read as far as this cursor yet; send it again.",
        code="TRY_AGAIN",
        headers={"Retry-After": "1"},
    )
