"""`GET /v1/referrals` and `GET /v1/referrals/{po}`."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from http import HTTPStatus
from typing import Final, get_args

from aiohttp import web
from msgspec import MsgspecError, msgpack

from gateway.api.desk import (
    Desk,
    answer,
    has_already,
    known_parameters,
    providers_of,
    query_of,
    whole_number,
)
from gateway.api.problems import Problem
from gateway.api.rendering import summary, whole
from gateway.api.security import none_of_theirs
from gateway.api.views import ReferralList
from gateway.reading.view import Known, Place
from gateway.rules.referral import Status

PAGE: Final = 50
LARGEST_PAGE: Final = 200
STATUSES: Final[tuple[Status, ...]] = get_args(Status)

_place: Final = msgpack.Decoder(tuple[int, str]).decode


def routes(desk: Desk) -> Sequence[web.RouteDef]:
    """What providers ask of their referrals."""

    async def all_of_them(request: web.Request) -> web.Response:
        """The caller's referrals, the newest first."""
        known_parameters(request, "status", "cursor", "limit", "provider_id")
        status = query_of(request).get("status")
        if status is not None and status not in STATUSES:
            raise Problem(
                HTTPStatus.BAD_REQUEST,
                f"status is none that a referral has; expected one of {', '.join(STATUSES)}.",
                code="BAD_PARAMETER",
                field="status",
            )
        limit = whole_number(request, "limit", PAGE, LARGEST_PAGE)
        place = _parse(query_of(request).get("cursor"))
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
        known_parameters(request, "provider_id")
        known = referral_of(request, desk)
        history = desk.view.history(known.po_number)
        version = f"{known.po_number} {known.order.events_at} {known.order.events} {len(history)}"
        etag = f'"{sha256(version.encode()).hexdigest()[:20]}"'
        headers = {"ETag": etag, "Cache-Control": "no-cache, private"}
        if has_already(request, etag):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        return answer(request, whole(known, history), headers=headers)

    return [web.get("/v1/referrals", all_of_them), web.get("/v1/referrals/{po:[^/]+}", one)]


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
