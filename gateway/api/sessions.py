"""`GET /v1/sessions?on=`, and `GET /v1/sessions/{id}`: who was booked, and who came (GSG ¶32)."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from aiohttp import web
from msgspec import json, msgpack

from gateway.api.operation import TEXT, Answer, Operation, Parameter, in_path, whole_number
from gateway.api.pages import CURSOR, Pages, of_this_history
from gateway.api.problems import Problem
from gateway.api.rendering import session_list, session_of_day
from gateway.api.requests import PROVIDER, providers_of
from gateway.api.responses import answer
from gateway.api.services import Services
from gateway.api.views import DayOfSessions, SessionList
from gateway.reading.view import BookingPlace, DayPlace, Stamp, View
from schemas.times import NotADay, format_day, parse_day

PAGE: Final = 50
LARGEST_PAGE: Final = 100
LIMIT: Final = whole_number(
    "limit", "How many bookings at the most.", least=1, most=LARGEST_PAGE, default=PAGE
)
DAY_LIMIT: Final = whole_number("limit", "How many at the most.", least=1, most=LARGEST_PAGE, default=PAGE)
GET_SESSION: Final = Operation(
    id="getSession",
    method="GET",
    path="/v1/sessions/{id}",
    tag="sessions",
    summary="Who was booked on a session, and who came",
    about="The numbers are of all bookings, which come by pages.",
    parameters=(in_path("id", "The session's id.", "S1"), CURSOR, LIMIT, PROVIDER),
    answers={200: Answer("The session.", SessionList)},
    problems={400: ("BAD_CURSOR",), 404: ("UNKNOWN_SESSION",), 410: ("CURSOR_OF_ANOTHER_HISTORY",)},
)
ON: Final = Parameter(
    "query", "on", "The day, in London.", TEXT | {"format": "date"}, required=True, example="2016-03-22"
)
LIST_DAY: Final = Operation(
    id="listSessionsOfDay",
    method="GET",
    path="/v1/sessions",
    tag="sessions",
    summary="The sessions of a day",
    about="By id, each as its first booking has it that was not cancelled.",
    parameters=(ON, CURSOR, DAY_LIMIT, PROVIDER),
    answers={200: Answer("A page.", DayOfSessions)},
    problems={400: ("BAD_CURSOR",), 410: ("CURSOR_OF_ANOTHER_HISTORY",)},
    links={"first": ("getSession", "id", "$response.body#/sessions/0/session_id")},
)
_DAYS: Final = Pages(msgpack.Decoder(tuple[DayPlace, Stamp]))
_PAGES: Final = Pages(msgpack.Decoder(tuple[BookingPlace, Stamp]))


def routes(services: Services) -> Sequence[web.RouteDef]:
    """What providers ask of a session."""

    async def one(request: web.Request) -> web.Response:
        """Who was booked on a session, in all of the caller's referrals."""
        providers = sorted(providers_of(request))
        session_id, limit = request.match_info["id"], LIMIT.number_of(request)
        begin = _PAGES.parse(CURSOR.text_of(request))

        def page(view: View) -> bytes | None:
            booking = view.booking(providers, session_id)
            if booking is None:
                return None
            found = view.session(providers, session_id, limit + 1, *([begin[0]] if begin else []))
            following = None
            if len(found) > limit:
                last = found[limit - 1]
                following = _PAGES.next((last.referral.provider_id, last.po_number), view.stamp())
            return json.encode(session_list(session_id, booking, found[:limit], following))

        body = await services.ask(request, lambda view: of_this_history(view, begin, page))
        if body is None:
            raise Problem(
                HTTPStatus.NOT_FOUND,
                "No referral of yours is booked on a session with this id; check it.",
                code="UNKNOWN_SESSION",
            )
        return answer(request, body)

    async def day(request: web.Request) -> web.Response:
        """The sessions of a day, in all of the caller's referrals."""
        providers, limit = providers_of(request), DAY_LIMIT.number_of(request)
        on = _day_of(request)
        begin = _DAYS.parse(CURSOR.text_of(request))

        def page(view: View) -> bytes:
            found = view.sessions_on(providers, on, begin[0] if begin else ("", ""), limit + 1)
            following = None
            if len(found) > limit:
                last = found[limit - 1]
                following = _DAYS.next((last.provider_id, last.session.session_id), view.stamp())
            shown = [session_of_day(each) for each in found[:limit]]
            return json.encode(DayOfSessions(on=format_day(on), sessions=shown, next=following))

        return answer(request, await services.ask(request, lambda view: of_this_history(view, begin, page)))

    return [LIST_DAY.route(day), GET_SESSION.route(one)]


def _day_of(request: web.Request) -> int:
    """The day that is asked for. Raises Problem."""
    try:
        return parse_day(ON.text_of(request) or "")
    except NotADay:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "on is no date; expected one such as 2016-03-22.",
            code="BAD_PARAMETER",
            field="on",
        ) from None
