"""`GET /v1/referrals` and `GET /v1/referrals/{po}`, with the latter's history and sessions by pages."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from http import HTTPStatus
from typing import Final, TypeVar, cast, get_args

from aiohttp import web
from msgspec import json, msgpack

from gateway.api.operation import TEXT, Answer, Operation, Parameter, in_path, whole_number
from gateway.api.pages import CURSOR, Pages, of_this_history
from gateway.api.problems import Problem
from gateway.api.rendering import MOST_SHOWN, entries, session, summary, whole
from gateway.api.requests import PROVIDER, providers_of
from gateway.api.responses import ETAG, IF_NONE_MATCH, VARY, answer, has_already
from gateway.api.security import none_of_theirs
from gateway.api.services import Services
from gateway.api.views import HistoryPage, ReferralList, ReferralView, SessionPage
from gateway.reading.view import EventPlace, Place, Stamp, View, Wanted
from gateway.rules.events import place_in_time
from gateway.rules.referral import Status
from schemas.limits import LONGEST_ID
from schemas.times import NotADay, NotAnInstant, parse_day, parse_instant

T = TypeVar("T")

PAGE: Final = 50
LARGEST_PAGE: Final = 200
STATUSES: Final[tuple[Status, ...]] = get_args(Status)

PO: Final = in_path("po", "The purchase order's number.", "UC-MANDATORY")
_ID: Final = TEXT | {"minLength": 1, "maxLength": LONGEST_ID}
STATUS: Final = Parameter("query", "status", "Only those of this status.", TEXT | {"enum": [*STATUSES]})
ACCEPTED: Final = Parameter(
    "query", "accepted", "Only those that you have accepted, or have not.", TEXT | {"enum": ["true", "false"]}
)
JOBCENTRE: Final = Parameter("query", "jobcentre_id", "Only those of this Jobcentre.", _ID)
OF_AREA: Final = Parameter("query", "contract_package_area", "Only those of this area.", _ID)
DUE_BEFORE: Final = Parameter(
    "query",
    "due_before",
    "Only those on which you have something to do before this day, in London; what is overdue counts.",
    TEXT | {"format": "date"},
    example="2016-03-22",
)
CHANGED_SINCE: Final = Parameter(
    "query",
    "changed_since",
    "Only those on which something was decided at this instant or later.",
    TEXT | {"format": "date-time"},
    example="2016-03-14T09:00:00Z",
)
REFERENCE: Final = Parameter("query", "reference", "Only those with this reference of your own.", _ID)
LIMIT: Final = whole_number("limit", "How many at the most.", least=1, most=LARGEST_PAGE, default=PAGE)
PART_LIMIT: Final = whole_number("limit", "How many at the most.", least=1, most=MOST_SHOWN, default=PAGE)
LIST_REFERRALS: Final = Operation(
    id="listReferrals",
    method="GET",
    path="/v1/referrals",
    tag="referrals",
    summary="Your referrals, the newest first",
    about="By the day of referral, and those of one day by number, both backwards. By pages; a cursor "
    "stays right when referrals come in meanwhile.",
    parameters=(
        STATUS,
        ACCEPTED,
        JOBCENTRE,
        OF_AREA,
        REFERENCE,
        DUE_BEFORE,
        CHANGED_SINCE,
        CURSOR,
        LIMIT,
        PROVIDER,
    ),
    answers={200: Answer("A page.", ReferralList)},
    problems={400: ("BAD_CURSOR",), 410: ("CURSOR_OF_ANOTHER_HISTORY",)},
    links={"first": ("getReferral", "po", "$response.body#/referrals/0/po_number")},
)
GET_REFERRAL: Final = Operation(
    id="getReferral",
    method="GET",
    path="/v1/referrals/{po}",
    tag="referrals",
    summary="A referral with all that is known of it",
    about="The participant, the sessions, the deadlines, and what was decided, with the paragraph that "
    "says so.",
    parameters=(PO, PROVIDER, IF_NONE_MATCH),
    answers={
        200: Answer("The referral.", ReferralView, ETAG),
        304: Answer("It is still what you have.", None, ETAG),
    },
    problems={404: ("UNKNOWN_REFERRAL",)},
)
LIST_HISTORY: Final = Operation(
    id="listHistory",
    method="GET",
    path="/v1/referrals/{po}/history",
    tag="referrals",
    summary="What was decided on a referral, from the first on",
    parameters=(PO, CURSOR, PART_LIMIT, PROVIDER),
    answers={200: Answer("A page.", HistoryPage)},
    problems={400: ("BAD_CURSOR",), 404: ("UNKNOWN_REFERRAL",), 410: ("CURSOR_OF_ANOTHER_HISTORY",)},
)
LIST_SESSIONS: Final = Operation(
    id="listSessions",
    method="GET",
    path="/v1/referrals/{po}/sessions",
    tag="referrals",
    summary="A referral's sessions, in the order of booking",
    parameters=(PO, CURSOR, PART_LIMIT, PROVIDER),
    answers={200: Answer("A page.", SessionPage)},
    problems={400: ("BAD_CURSOR",), 404: ("UNKNOWN_REFERRAL",), 410: ("CURSOR_OF_ANOTHER_HISTORY",)},
)

_LISTED: Final = Pages(msgpack.Decoder(tuple[Place, Stamp]))
_EVENTS: Final = Pages(msgpack.Decoder(tuple[EventPlace, Stamp]))
_SESSIONS: Final = Pages(msgpack.Decoder(tuple[tuple[int], Stamp]))


def routes(services: Services) -> Sequence[web.RouteDef]:
    """What providers ask of their referrals."""

    async def all_of_them(request: web.Request) -> web.Response:
        """The caller's referrals, the newest first."""
        wanted = _wanted(request)
        limit = LIMIT.number_of(request)
        begin = _LISTED.parse(CURSOR.text_of(request))
        providers = providers_of(request)

        def page(view: View) -> bytes:
            found = view.referrals(providers, wanted, begin and begin[0], limit + 1)
            following = None
            if len(found) > limit:
                last = found[limit - 1]
                following = _LISTED.next((last.referred_on, last.po_number), view.stamp())
            return json.encode(
                ReferralList(referrals=[summary(each) for each in found[:limit]], next=following)
            )

        body = await services.ask(request, lambda view: of_this_history(view, begin, page))
        return answer(request, body)

    async def one(request: web.Request) -> web.Response:
        """A referral with all that is known of it."""
        po_number = request.match_info["po"]

        def question(view: View) -> tuple[str, bytes] | None:
            known = view.referral(po_number)
            if known is None:
                return None
            history, left_out = view.newest_history(po_number, MOST_SHOWN)
            events = left_out + len(history)
            shown = entries(view, history)
            # On a log on Kafka a message may be read after what came of it.
            answered = sum(each.answers is not None and each.answers.type is not None for each in shown)
            version = f"{po_number} {known.order.events_at} {known.order.events} {events} {answered}"
            etag = sha256(version.encode()).hexdigest()[:20]
            if has_already(request, etag):
                return etag, b""
            return etag, json.encode(whole(known, shown, left_out))

        version, body = await _of_theirs(services, request, question)
        # Weak: the bytes are others where they are compressed.
        headers = {"ETag": f'W/"{version}"', "Cache-Control": "no-cache, private", "Vary": VARY}
        if not body:
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        return answer(request, body, headers=headers)

    async def history(request: web.Request) -> web.Response:
        """A page of what was decided on a referral."""
        po_number, limit = request.match_info["po"], PART_LIMIT.number_of(request)
        begin = _EVENTS.parse(CURSOR.text_of(request))

        def page(view: View) -> bytes:
            found = view.history(po_number, limit + 1, *([begin[0]] if begin else []))
            more = len(found) > limit
            following = _EVENTS.next(place_in_time(found[limit - 1]), view.stamp()) if more else None
            return json.encode(HistoryPage(history=entries(view, found[:limit]), next=following))

        body = await _of_theirs(services, request, lambda view: of_this_history(view, begin, page))
        return answer(request, body)

    async def sessions(request: web.Request) -> web.Response:
        """A page of a referral's sessions."""
        po_number, limit = request.match_info["po"], PART_LIMIT.number_of(request)
        begin = _SESSIONS.parse(CURSOR.text_of(request))

        def page(view: View) -> bytes | None:
            known = view.referral(po_number)
            if known is None:
                return None
            first = max(begin[0][0], 0) if begin else 0
            referral = known.referral
            end, there = first + limit, referral.sessions
            following = _SESSIONS.next((end,), view.stamp()) if end < len(there) else None
            shown = [session(referral, each) for each in there[first:end]]
            return json.encode(SessionPage(sessions=shown, next=following))

        body = await _of_theirs(services, request, lambda view: of_this_history(view, begin, page))
        return answer(request, body)

    return [
        LIST_REFERRALS.route(all_of_them),
        GET_REFERRAL.route(one),
        LIST_HISTORY.route(history),
        LIST_SESSIONS.route(sessions),
    ]


def _wanted(request: web.Request) -> Wanted:
    """Which referrals are asked for. Raises Problem."""
    for parameter in (STATUS, ACCEPTED):
        given, known = parameter.text_of(request), parameter.schema["enum"]
        if given is not None and given not in known:
            raise Problem(
                HTTPStatus.BAD_REQUEST,
                f"{parameter.name} is none that a referral has; expected one of {', '.join(known)}.",
                code="BAD_PARAMETER",
                field=parameter.name,
            )
    for parameter in (JOBCENTRE, OF_AREA, REFERENCE):
        if len(parameter.text_of(request) or "") > LONGEST_ID:
            raise Problem(
                HTTPStatus.BAD_REQUEST,
                f"{parameter.name} has more than {LONGEST_ID} characters.",
                code="BAD_PARAMETER",
                field=parameter.name,
            )
    accepted = ACCEPTED.text_of(request)
    return Wanted(
        status=cast(Status | None, STATUS.text_of(request)),
        accepted=None if accepted is None else accepted == "true",
        jobcentre_id=JOBCENTRE.text_of(request),
        contract_package_area=OF_AREA.text_of(request),
        reference=REFERENCE.text_of(request),
        due_before=_time_of(DUE_BEFORE, parse_day, request),
        changed_since=_time_of(CHANGED_SINCE, parse_instant, request),
    )


def _time_of(parameter: Parameter, parse: Callable[[str], int], request: web.Request) -> int | None:
    """The day or the instant that is asked for. Raises Problem."""
    text = parameter.text_of(request)
    try:
        return None if text is None else parse(text)
    except (NotADay, NotAnInstant) as error:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            f"{parameter.name} {error}.",
            code="BAD_PARAMETER",
            field=parameter.name,
        ) from None


async def _of_theirs(services: Services, request: web.Request, question: Callable[[View], T | None]) -> T:
    """The answer to a question about the referral that the path names.

    Of another provider's nothing is read but whose it is, so that it takes as long as where there is none.
    Raises Problem.
    """
    po_number, providers = request.match_info["po"], providers_of(request)

    def asked(view: View) -> tuple[str | None, T | None]:
        owner = view.owner(po_number)
        return owner, question(view) if owner in providers else None

    owner, found = await services.ask(request, asked)
    if found is None:
        raise not_theirs(request, known=owner is not None and owner not in providers)
    return found


def not_theirs(request: web.Request, *, known: bool) -> Problem:
    """What to raise where there is no referral, or, `known`, another provider's: the same to whoever asks."""
    none_of_theirs(request, another=known)
    return Problem(
        HTTPStatus.NOT_FOUND,
        "There is no referral of yours with this number; check it.",
        code="UNKNOWN_REFERRAL",
    )
