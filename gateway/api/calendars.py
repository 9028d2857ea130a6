"""`/v1/calendars`: a provider's sessions at an address of its own, to which calendar programs subscribe.

They can't send a token, so the address is the secret: the one exception to no secrets in URLs. It is shown
once, only a digest of it is kept, and it can be revoked. Source: RFC 5545 (iCalendar).
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web

from gateway.api.idempotency import durably
from gateway.api.operation import TEXT, Answer, Operation, in_path
from gateway.api.problems import Problem
from gateway.api.requests import PROVIDER, provider_of, providers_of
from gateway.api.responses import answer
from gateway.api.sending import refuse_where_nothing_can_be_posted
from gateway.api.services import Services
from gateway.api.views import CalendarList, CalendarMade, CalendarView
from gateway.engine.log import CONTROL, LogError
from gateway.reading.view import OnDay, View
from gateway.rules.calendar import london_day
from producers.control import Calendar, calendar
from schemas.json import format_instant

#: How many a provider may have.
MOST: Final = 20
#: The sessions that are shown: from so many days ago, to so many ahead, and so many in all.
DAYS_BEFORE: Final = 31
DAYS_AHEAD: Final = 366
MOST_SESSIONS: Final = 1_000
_SECRET_BYTES: Final = 32
_LONGEST_LINE: Final = 75
ICS: Final = "text/calendar"
_ID: Final = in_path("id", "The calendar's id.", "5d41402abc4b2a76b9719d911017c592")

MAKE_CALENDAR: Final = Operation(
    id="makeCalendar",
    method="POST",
    path="/v1/calendars",
    tag="sessions",
    summary="Make a calendar of your sessions",
    about="Its `address` is for calendar programs, which can't send a token. Whoever knows it reads the "
    f"sessions' times and places: give it to nobody else. It is shown this once. {MOST} a provider at the "
    "most.",
    parameters=(PROVIDER,),
    answers={200: Answer("The calendar.", CalendarMade)},
    problems={
        400: ("PROVIDER_NEEDED",),
        409: ("READ_ONLY", "TOO_MANY_CALENDARS"),
        503: ("CLOCK_LEAPT", "TRY_AGAIN"),
    },
)
LIST_CALENDARS: Final = Operation(
    id="listCalendars",
    method="GET",
    path="/v1/calendars",
    tag="sessions",
    summary="Your calendars",
    about="Without their addresses.",
    parameters=(PROVIDER,),
    answers={200: Answer("All there are.", CalendarList)},
)
REVOKE_CALENDAR: Final = Operation(
    id="revokeCalendar",
    method="DELETE",
    path="/v1/calendars/{id}",
    tag="sessions",
    summary="Revoke a calendar",
    about="From then on its address is unknown.",
    parameters=(_ID, PROVIDER),
    answers={204: Answer("It is revoked.")},
    problems={404: ("UNKNOWN_CALENDAR",), 409: ("READ_ONLY",), 503: ("CLOCK_LEAPT", "TRY_AGAIN")},
)
READ_CALENDAR: Final = Operation(
    id="readCalendar",
    method="GET",
    path="/calendars/{secret}.ics",
    tag="sessions",
    summary="The sessions as iCalendar",
    about="For calendar programs; the address is what lets them in. Each session has its id, its times, how "
    "many are booked, and, where it is for a group, its place: nothing about a participant. From "
    f"{DAYS_BEFORE} days ago to {DAYS_AHEAD} days ahead, {MOST_SESSIONS:,} at the most.",
    parameters=(in_path("secret", "What `address` has there.", "x" * 43),),
    answers={200: Answer("iCalendar (RFC 5545).", {ICS: TEXT})},
    problems={404: ("UNKNOWN_CALENDAR",), 503: ("STARTING", "PROJECTION_UNREADABLE")},
)


class Calendars:
    """Makes calendars, shows them, and revokes them. now: what the log's clock says, UTC milliseconds."""

    def __init__(self, services: Services, now: Callable[[], Awaitable[int]]) -> None:
        self._services = services
        self._now = now
        #: Whoever knows an address is no caller whose requests are counted; so one is answered at a time.
        self._reading = asyncio.Lock()

    def routes(self) -> Sequence[web.RouteDef]:
        """All of them."""
        return [
            MAKE_CALENDAR.route(self._make),
            LIST_CALENDARS.route(self._list),
            REVOKE_CALENDAR.route(self._revoke),
            READ_CALENDAR.route(self._read),
        ]

    async def _make(self, request: web.Request) -> web.Response:
        provider_id = provider_of(request)
        refuse_where_nothing_can_be_posted(self._services)
        there = await self._services.ask(request, lambda view: view.calendars([provider_id]))
        if len(there) >= MOST:
            raise Problem(
                HTTPStatus.CONFLICT,
                f"There are {MOST} calendars, and no more are made; revoke one first.",
                code="TOO_MANY_CALENDARS",
            )
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        calendar_id, made = _id_of(secret), Calendar(provider_id, await self._now())
        await self._put(calendar_id, made)
        structlog.get_logger("gateway").info("calendar.made", calendar=calendar_id, provider_id=provider_id)
        return answer(
            request,
            CalendarMade(
                id=calendar_id,
                provider_id=provider_id,
                made_at=format_instant(made.made_at),
                self=f"/v1/calendars/{calendar_id}",
                address=f"/calendars/{secret}.ics",
            ),
        )

    async def _list(self, request: web.Request) -> web.Response:
        providers = providers_of(request)
        found = await self._services.ask(request, lambda view: view.calendars(providers))
        return answer(
            request,
            CalendarList(
                calendars=[
                    CalendarView(
                        id=calendar_id,
                        provider_id=made.provider_id,
                        made_at=format_instant(made.made_at),
                        self=f"/v1/calendars/{calendar_id}",
                    )
                    for calendar_id, made in found
                ]
            ),
        )

    async def _revoke(self, request: web.Request) -> web.Response:
        providers, calendar_id = providers_of(request), request.match_info["id"]
        refuse_where_nothing_can_be_posted(self._services)
        made = await self._services.ask(request, lambda view: view.calendar(calendar_id))
        if made is None or made.provider_id not in providers:
            raise _unknown()
        await self._put(calendar_id, None)
        structlog.get_logger("gateway").info(
            "calendar.revoked", calendar=calendar_id, provider_id=made.provider_id
        )
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _put(self, calendar_id: str, made: Calendar | None) -> None:
        """Put it on the log, and wait until it can be asked for; where that takes long, it will be."""
        await durably(self._services.posting, [calendar(calendar_id, made)])
        with suppress(LogError, TimeoutError):
            await self._services.model.reach([CONTROL])

    async def _read(self, request: web.Request) -> web.Response:
        """The sessions of whoever made the calendar."""
        if not self._services.model.filled.is_set():
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The gateway has just started and is reading its log, or that is away; try again.",
                code="STARTING",
                headers={"Retry-After": "1"},
            )
        calendar_id, now = _id_of(request.match_info["secret"]), await self._now()
        today = london_day(now)

        def question(view: View) -> list[OnDay] | None:
            made = view.calendar(calendar_id)
            if made is None:
                return None
            days = today - DAYS_BEFORE, today + DAYS_AHEAD
            return view.sessions_between(made.provider_id, *days, MOST_SESSIONS)

        async with self._reading:
            found = await self._services.asking.ask(question)
        if found is None:
            raise _unknown()
        body = "".join(f"{line}\r\n" for line in _lines(found, now))
        return web.Response(text=body, content_type=ICS, charset="utf-8")


def _id_of(secret: str) -> str:
    """What a calendar is known by, from which its secret can't be found."""
    return blake2b(secret.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _unknown() -> Problem:
    return Problem(
        HTTPStatus.NOT_FOUND,
        "There is no such calendar of yours, or it was revoked; check it, or make a new one.",
        code="UNKNOWN_CALENDAR",
    )


def _lines(sessions: Sequence[OnDay], now: int) -> Iterator[str]:
    """The calendar, folded. Where a one-to-one session is stays out: it may be the participant's home."""
    yield from (
        *("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//information-session-gateway//EN"),
        *("X-WR-CALNAME:Information sessions", "REFRESH-INTERVAL;VALUE=DURATION:PT15M"),
    )
    for each in sessions:
        session = each.session
        yield "BEGIN:VEVENT"
        yield from _folded(f"UID:{_text(f'{each.provider_id}/{session.session_id}')}")
        yield f"DTSTAMP:{_instant(now)}"
        yield f"DTSTART:{_instant(session.starts_at)}"
        yield f"DTEND:{_instant(session.ends_at)}"
        yield from _folded(f"SUMMARY:{_text(f'Session {session.session_id} ({each.booked} booked)')}")
        if session.format == "GROUP":
            yield from _folded(f"LOCATION:{_text(session.location)}")
        yield f"STATUS:{'CONFIRMED' if each.booked else 'CANCELLED'}"
        yield "END:VEVENT"
    yield "END:VCALENDAR"


def _instant(at: int) -> str:
    return format_instant(at - at % 1_000).translate(_NO_MARKS)


_NO_MARKS: Final = str.maketrans("", "", "-:")
#: What has a meaning in a text, and control characters, which have no place in one (RFC 5545, 3.3.11).
_ESCAPED: Final = dict.fromkeys((*range(32), 127)) | {
    ord("\\"): "\\\\",
    ord(";"): "\\;",
    ord(","): "\\,",
    ord("\n"): "\\n",
}


def _text(text: str) -> str:
    return text.translate(_ESCAPED)


def _folded(line: str) -> Iterator[str]:
    """A line in parts of 75 bytes at the most, of which no character is torn (RFC 5545, 3.1)."""
    part = ""
    for character in line:
        if len((part + character).encode()) > _LONGEST_LINE:
            yield part
            part = " "
        part += character
    yield part
