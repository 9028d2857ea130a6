"""`GET /v1/referrals` and `GET /v1/referrals/{po}`."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from http import HTTPStatus
from typing import Final, get_args

from aiohttp import web
from msgspec import MsgspecError, msgpack

from gateway.api.desk import (
    ETAG,
    IF_NONE_MATCH,
    PROVIDER,
    VARY,
    Desk,
    answer,
    has_already,
    providers_of,
)
from gateway.api.operation import (
    CURSOR_SCHEMA,
    TEXT,
    Answer,
    Operation,
    Parameter,
    in_path,
    whole_number,
)
from gateway.api.problems import Problem
from gateway.api.rendering import summary, whole
from gateway.api.security import none_of_theirs
from gateway.api.views import ReferralList, ReferralView
from gateway.reading.view import Known, Place
from gateway.rules.referral import Status

PAGE: Final = 50
LARGEST_PAGE: Final = 200
STATUSES: Final[tuple[Status, ...]] = get_args(Status)

PO: Final = in_path("po", "The purchase order's number.", "UC-MANDATORY")
STATUS: Final = Parameter("query", "status", "Only those of this status.", TEXT | {"enum": [*STATUSES]})
CURSOR: Final = Parameter("query", "cursor", "`next` of the page before.", CURSOR_SCHEMA)
LIMIT: Final = whole_number("limit", "How many at the most.", least=1, most=LARGEST_PAGE, default=PAGE)
LIST_REFERRALS: Final = Operation(
    id="listReferrals",
    method="GET",
    path="/v1/referrals",
    tag="referrals",
    summary="Your referrals, the newest first",
    about="By the day of referral, and those of one day by number, both backwards. By pages; a cursor "
    "stays right when referrals come in meanwhile.",
    parameters=(STATUS, CURSOR, LIMIT, PROVIDER),
    answers={200: Answer("A page.", ReferralList)},
    problems={400: ("BAD_CURSOR",)},
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

_place: Final = msgpack.Decoder(tuple[int, str]).decode


def routes(desk: Desk) -> Sequence[web.RouteDef]:
    """What providers ask of their referrals."""

    async def all_of_them(request: web.Request) -> web.Response:
        """The caller's referrals, the newest first."""
        status = STATUS.text_of(request)
        if status is not None and status not in STATUSES:
            raise Problem(
                HTTPStatus.BAD_REQUEST,
                f"status is none that a referral has; expected one of {', '.join(STATUSES)}.",
                code="BAD_PARAMETER",
                field="status",
            )
        limit = LIMIT.number_of(request)
        place = _parse(CURSOR.text_of(request))
        providers = providers_of(request)
        found = desk.view.referrals(providers, status, place, limit + 1)
        more = len(found) > limit
        page = found[:limit]
        body = ReferralList(
            referrals=[summary(known) for known in page], next=_format(page[-1]) if more else None
        )
        return answer(request, body)

    async def one(request: web.Request) -> web.Response:
        """A referral with all that is known of it."""
        known = referral_of(request, desk)
        history = desk.view.history(known.po_number)
        version = f"{known.po_number} {known.order.events_at} {known.order.events} {len(history)}"
        version = sha256(version.encode()).hexdigest()[:20]
        # Weak: the bytes are others where they are compressed.
        headers = {"ETag": f'W/"{version}"', "Cache-Control": "no-cache, private", "Vary": VARY}
        if has_already(request, version):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        return answer(request, whole(known, history), headers=headers)

    return [LIST_REFERRALS.route(all_of_them), GET_REFERRAL.route(one)]


def referral_of(request: web.Request, desk: Desk) -> Known:
    """The referral that the path names. Another provider's is not there, and that takes the same time.

    Raises Problem.
    """
    po_number, providers = request.match_info["po"], providers_of(request)
    # Nothing is unpacked of what is not theirs.
    owner = desk.view.owner(po_number)
    known = desk.view.referral(po_number) if owner and owner.provider_id in providers else None
    if known is None:
        raise not_theirs(request, known=owner is not None)
    return known


def not_theirs(request: web.Request, *, known: bool) -> Problem:
    """What to raise where there is no referral, or, `known`, another provider's: the same to whoever asks."""
    none_of_theirs(request, another=known)
    return Problem(
        HTTPStatus.NOT_FOUND,
        "There is no referral of yours with this number; check it.",
        code="UNKNOWN_REFERRAL",
    )


def _format(last: Known) -> str:
    packed = msgpack.encode((last.referral.referred_on, last.po_number))
    return urlsafe_b64encode(packed).decode().rstrip("=")


def _parse(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    try:
        if len(cursor) > 1_000:
            raise ValueError
        day, po_number = _place(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if abs(day) >= 2**62:
            raise ValueError
        po_number.encode()
    except (ValueError, MsgspecError):
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "This is no cursor; give `next` of an earlier answer, or leave it out for the first page.",
            code="BAD_CURSOR",
            field="cursor",
        ) from None
    return day, po_number
