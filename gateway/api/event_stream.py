"""What somebody follows, such as instructions: by cursor, by long poll, and as server-sent events."""

import asyncio
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar

from aiohttp import web
from aiohttp_sse import EventSourceResponse
from msgspec import Struct, json

from gateway.api.exports import cells
from gateway.api.headers import best_of
from gateway.api.operation import (
    CSV,
    CURSOR_SCHEMA,
    JSON,
    TEXT,
    Operation,
    Parameter,
    whole_number,
)
from gateway.api.pages import another_history
from gateway.api.problems import Problem
from gateway.api.requests import PROVIDER, caller_of, providers_of
from gateway.api.responses import VARY, answer
from gateway.api.services import Services
from gateway.api.slots import Slots
from gateway.intake.uploads.export import csv_bytes
from gateway.reading.cursor import Cursor, CursorOfAnotherLog, NotACursor, beginning, parse_cursor
from gateway.reading.view import ActionsWanted, Listed, View
from gateway.rules.events import Event

E = TypeVar("E", bound=Event)
T = TypeVar("T")

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
#: Those of whatever can be followed.
FOLLOWING: Final = (AFTER, WAIT, LIMIT, LAST_EVENT_ID)
PARAMETERS: Final = (AFTER, WAIT, LIMIT, PROVIDER, LAST_EVENT_ID)
PROBLEMS: Final = {
    400: ("BAD_CURSOR",),
    410: ("CURSOR_OF_ANOTHER_HISTORY",),
    429: ("TOO_MANY_STREAMS",),
    503: ("TRY_AGAIN",),
}


class Page(Struct, frozen=True):
    """Some events as they are sent; b"": there are none. next: the cursor behind them."""

    next: Cursor
    body: bytes = b""


#: A question about what is behind a cursor; see `Feed.until`.
Behind = Callable[[View, Sequence[int]], T]


class Wish(Struct, frozen=True):
    """Whose events are asked for, providers, Jobcentres or PRaP's, and of which topics.

    which: of actions for PRaP. overdue_before: see `View.prap_actions`.
    """

    parties: frozenset[str]
    topics: tuple[str, ...]
    which: ActionsWanted = "all"
    overdue_before: int = 0


class Feed(ABC, Generic[E]):
    """What can be followed.

    operation: how it is asked for. topics: all that it has, in the order of its cursors. media_type: of a
    page. columns: those of a page as CSV, by the names of fields; empty: there is none.
    """

    operation: Operation
    topics: tuple[str, ...]
    media_type: str = JSON
    columns: tuple[str, ...] = ()

    @abstractmethod
    async def wish(self, request: web.Request) -> Wish:
        """What a request asks for. Raises Problem."""

    @abstractmethod
    def is_at(self, view: View, cursor: Cursor) -> bool:
        """Whether a cursor stands in this history of the log, as far as that has been read."""

    def until(self, view: View, wish: Wish, cursor: Cursor) -> Sequence[int]:
        """Of several topics, up to where there is something to list once all is here that is on them now.

        What was decided before may be read later, where they have no common order. Empty: there is nothing.
        """
        return ()

    @abstractmethod
    def ask(
        self, view: View, wish: Wish, cursor: Cursor, limit: int, until: Sequence[int]
    ) -> list[Listed[E]]:
        """The events behind a cursor, `limit` at the most. until: what the method of that name has said."""

    @abstractmethod
    def kind(self, event: E) -> str:
        """The name of an event in a stream."""

    @abstractmethod
    def shown(self, wish: Wish, listed: Listed[E]) -> object:
        """An event as it is answered."""

    @abstractmethod
    def page(self, shown: list[Any], following: str) -> object:
        """A page of events as it is answered. following: the cursor behind them."""


class ProviderFeed(Feed[E]):
    """The events of a topic that are for a provider."""

    def __init__(
        self,
        operation: Operation,
        topic: str,
        *,
        kind: str,
        ask: Callable[[View, frozenset[str], Cursor, int], list[Listed[E]]],
        shown: Callable[[Listed[E]], Struct],
        page: Callable[[list[Any], str], Struct],
    ) -> None:
        """kind: the name of its events in a stream. ask, shown, page: what the methods of these names do."""
        self.operation = operation
        self.topics = (topic,)
        self._kind = kind
        self._ask = ask
        self._shown = shown
        self._page = page

    async def wish(self, request: web.Request) -> Wish:
        """Those of the caller's providers, or of the one that the query names. Raises Problem."""
        return Wish(providers_of(request), self.topics)

    def is_at(self, view: View, cursor: Cursor) -> bool:
        """Whether the records before the cursor are those of this log."""
        return view.is_at(self.topics[0], cursor)

    def ask(
        self, view: View, wish: Wish, cursor: Cursor, limit: int, until: Sequence[int]
    ) -> list[Listed[E]]:
        """The providers' events behind a cursor."""
        return self._ask(view, wish.parties, cursor, limit)

    def kind(self, event: E) -> str:
        """All have one."""
        return self._kind

    def shown(self, wish: Wish, listed: Listed[E]) -> object:
        """An event as it is answered."""
        return self._shown(listed)

    def page(self, shown: list[Any], following: str) -> object:
        """A page with `next`."""
        return self._page(shown, following)


class EventStream(Generic[E]):
    """Answers whoever follows a feed."""

    def __init__(self, feed: Feed[E], services: Services, stop: asyncio.Event, slots: Slots) -> None:
        """stop: set when the gateway was told to stop; streams end then. slots: of all streams."""
        self._feed = feed
        self._services = services
        self._stop = stop
        self._open = slots

    def route(self) -> web.RouteDef:
        """One path for all three ways."""
        return self._feed.operation.route(self._events)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        wish = await self._feed.wish(request)
        offered = (self._feed.media_type, EVENT_STREAM, *((CSV,) if self._feed.columns else ()))
        media_type = best_of(request, offered)
        if request.method == "HEAD" and media_type == EVENT_STREAM:
            media_type = self._feed.media_type
        streams = media_type == EVENT_STREAM
        limit = LIMIT.number_of(request)
        wait_s = WAIT.number_of(request)
        cursor, field = self._cursor(request, streams)

        def listed(view: View, until: Sequence[int]) -> Page:
            found = self._feed.ask(view, wish, cursor, limit, until)
            if not found:
                return Page(cursor)
            following = found[-1].cursor
            return Page(following, self._listing(wish, found, following, media_type))

        nothing = Page(cursor)
        found = await self._first(
            request, wish, cursor, (lambda _, __: nothing) if streams else listed, field
        )
        if streams or (wait_s and not found.body):
            with self._open.one_of(caller_of(request)) as taken:
                if not taken:
                    raise Problem(
                        HTTPStatus.TOO_MANY_REQUESTS,
                        f"There are {MOST_OPEN} streams and long polls of this caller; close one of them.",
                        code="TOO_MANY_STREAMS",
                        headers={"Retry-After": "5"},
                    )
                if streams:
                    return await self._stream(request, wish, cursor)
                found = await self._wait(request, wish, cursor, listed, wait_s) or found
        body = found.body or self._listing(wish, [], cursor, media_type)
        return answer(request, body, headers={"Vary": f"Accept, {VARY}"}, content_type=media_type)

    def _listing(self, wish: Wish, found: list[Listed[E]], following: Cursor, media_type: str) -> bytes:
        """A page of a list, as it is sent."""
        if media_type == CSV:
            columns = self._feed.columns
            return csv_bytes(columns, (cells(columns, self._feed.shown(wish, each)) for each in found))
        return json.encode(self._feed.page([self._feed.shown(wish, each) for each in found], str(following)))

    def _cursor(self, request: web.Request, streams: bool) -> tuple[Cursor, str]:
        """Behind which event to begin, and which field says so. Raises Problem."""
        offsets = (self._services.model.partitions or 1) * len(self._feed.topics)
        # A browser that has lost its stream says where it was, and asks for the same URL.
        last, field = request.headers.get("Last-Event-ID") if streams else None, "Last-Event-ID"
        if not last:
            last, field = AFTER.text_of(request), "after"
        if last is None:
            return beginning(offsets), field
        try:
            return parse_cursor(last, offsets, len(self._feed.topics)), field
        except CursorOfAnotherLog:
            raise another_history(field) from None
        except NotACursor as error:
            raise Problem(
                HTTPStatus.BAD_REQUEST, f"{field} {error}.", code="BAD_CURSOR", field=field
            ) from None

    async def _first(
        self, request: web.Request, wish: Wish, cursor: Cursor, behind: Behind[Page], field: str
    ) -> Page:
        """What is behind a cursor. Raises Problem where that is of another history of the log."""

        def standing(view: View, until: Sequence[int]) -> Page | None:
            return behind(view, until) if self._feed.is_at(view, cursor) else None

        found = await self._behind(request, wish, cursor, standing)
        if found is None:
            # Another process may have given it out, and this one has not read so far.
            await self._services.reach(self._feed.topics)
            found = await self._behind(request, wish, cursor, standing)
        if found is None:
            raise another_history(field)
        return found

    async def _behind(self, request: web.Request, wish: Wish, cursor: Cursor, behind: Behind[T]) -> T:
        """The answer to a question about what is behind a cursor. Raises Problem."""
        until: Sequence[int] = ()
        if len(self._feed.topics) > 1:
            until = await self._services.ask(request, lambda view: self._feed.until(view, wish, cursor))
            if until:
                await self._services.reach(self._feed.topics)
        return await self._services.ask(request, lambda view: behind(view, until))

    async def _wait(
        self,
        request: web.Request,
        wish: Wish,
        cursor: Cursor,
        behind: Behind[Page],
        wait_s: float,
    ) -> Page | None:
        """What comes, or None when nothing has come for so long, or nobody waits for it any more."""
        with self._services.model.woken_for(wish.topics, wish.parties) as woken:
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
                            found = await self._behind(request, wish, cursor, behind)
                            if found.body:
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
        return None

    async def _stream(self, request: web.Request, wish: Wish, cursor: Cursor) -> web.StreamResponse:
        """Server-sent events until the caller goes, the token ends, or the gateway stops."""
        # Whoever takes nothing of it is let go by the connection, as with every answer.
        response = EventSourceResponse(sep="\n", ping_interval=ALIVE_S, send_timeout=None)
        response.headers["Vary"] = "Accept"
        response.headers["Cache-Control"] = "no-store"  # the library's own would let caches keep it
        await response.prepare(request)
        try:
            async with response:
                # The caller has gone; or so much else of theirs waits that the stream ends, and comes again.
                with suppress(ConnectionError, Problem):
                    await self._send(request, response, wish, cursor)
        except sqlite3.Error as error:  # it ends here; the next request gets the error
            self._services.model.unreadable(error)
        return response

    async def _send(
        self,
        request: web.Request,
        response: EventSourceResponse,
        wish: Wish,
        cursor: Cursor,
    ) -> None:
        """Send what is there, also where the token ends at once, and what comes, a page at a time.

        Raises ConnectionError where nobody listens any more.
        """
        ends_at = caller_of(request).ends_at
        now = asyncio.get_running_loop().time
        until_s = now() + max(ends_at - time.time(), 0)
        # What is there has no limit of time: the token was good when it came.
        found: Page | None = await self._behind(request, wish, cursor, partial(self._sent, wish, cursor))
        while found is not None:
            cursor = found.next
            if found.body:
                await response.write(found.body)
            left_s = until_s - now()
            if left_s <= 0:
                return
            found = await self._wait(request, wish, cursor, partial(self._sent, wish, cursor), left_s)

    def _sent(self, wish: Wish, cursor: Cursor, view: View, until: Sequence[int]) -> Page:
        """A page of a stream: made where it is read, and sent at once."""
        found = self._feed.ask(view, wish, cursor, PAGE, until)
        body = b"".join(
            b"id: %b\nevent: %b\ndata: %b\nretry: %d\n\n"
            % (
                str(each.cursor).encode(),
                self._feed.kind(each.event).encode(),
                json.encode(self._feed.shown(wish, each)),
                BACK_MS,
            )
            for each in found
        )
        return Page(found[-1].cursor if found else cursor, body)


def _has_gone(request: web.Request) -> bool:
    """Whether the caller has closed the connection; aiohttp doesn't say so to a handler that only waits."""
    return request.transport is None or request.transport.is_closing()
