"""`GET /v1/sessions/{id}`: who was booked, and who came (GSG ¶32)."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from aiohttp import web

from gateway.api.desk import PROVIDER, Desk, answer, providers_of
from gateway.api.operation import Answer, Operation, in_path
from gateway.api.problems import Problem
from gateway.api.rendering import session_list
from gateway.api.views import SessionList

#: A session of more people than a hall holds is shown in part.
MOST_BOOKINGS: Final = 1_000

GET_SESSION: Final = Operation(
    id="getSession",
    method="GET",
    path="/v1/sessions/{id}",
    tag="sessions",
    summary="Who was booked on a session, and who came",
    parameters=(in_path("id", "The session's id.", "S1"), PROVIDER),
    answers={200: Answer("The session.", SessionList)},
    problems={404: ("UNKNOWN_SESSION",)},
)


def routes(desk: Desk) -> Sequence[web.RouteDef]:
    """What providers ask of a session."""

    async def one(request: web.Request) -> web.Response:
        """Who was booked on a session, in all of the caller's referrals."""
        providers = providers_of(request)
        session_id = request.match_info["id"]
        found = desk.view.session(sorted(providers), session_id, MOST_BOOKINGS + 1)
        if not found:
            raise Problem(
                HTTPStatus.NOT_FOUND,
                "No referral of yours is booked on a session with this id; check it.",
                code="UNKNOWN_SESSION",
            )
        # The newest referral's policy: a group of people who were referred under two has no other.
        limits = max((each.referral for each in found), key=lambda referral: referral.referred_on).limits
        return answer(request, session_list(session_id, found, limits, MOST_BOOKINGS))

    return [GET_SESSION.route(one)]
