"""Sessions of a day: how many are booked on each, beside the optimum and the limit of GSG ¶32."""

from collections.abc import Sequence
from typing import Final

import structlog
from aiohttp import web

from gateway.console.charts import columns
from gateway.console.desk import OPERATOR, Desk, day_in
from gateway.reading.operators import DaySession, nearest_session_day, sessions_on
from gateway.reading.view import View
from gateway.rules.calendar import london_day

#: So many sessions of a day are listed, and so many are drawn, the largest.
MOST_LISTED: Final = 500
_MOST_DRAWN: Final = 40
#: So many bookings of a session are looked at for its name, and for who needs an interpreter.
MOST_BOOKED: Final = 100


def routes(desk: Desk) -> Sequence[web.RouteDef]:
    """A day's sessions, and one of them."""

    say = structlog.get_logger("gateway")

    async def show(request: web.Request) -> web.Response:
        today = london_day(await desk.time())
        wanted = day_in(request, "day", -1)

        def question(view: View) -> tuple[int, list[DaySession]]:
            day = wanted
            if day < 0:
                nearest = nearest_session_day(view, today)
                day = today if nearest is None else nearest
            return day, sessions_on(view, day, MOST_LISTED)

        day, found = await desk.ask(question)
        limits = desk.policies.on(day)
        drawn = [(each.session_id, each.booked) for each in found[:_MOST_DRAWN]]
        lines = [("optimum", limits.group_optimum), ("limit", limits.group_invitations)]
        return desk.page(
            request,
            "sessions.html",
            title="Sessions",
            day=day,
            today=today,
            found=found,
            most=MOST_LISTED,
            limits=limits,
            chart=columns(drawn, "People booked", lines) if drawn else None,
            drawn=len(drawn),
        )

    async def one(request: web.Request) -> web.Response:
        provider, session_id = request.query.get("provider", ""), request.query.get("id", "")
        booking, booked = await desk.ask(
            lambda view: (
                view.booking([provider], session_id),
                view.session([provider], session_id, MOST_BOOKED),
            )
        )
        if booking is None:
            raise web.HTTPNotFound
        sees_people = request[OPERATOR].sees_people
        if sees_people:
            about = {"provider_id": provider, "session_id": session_id}
            await desk.audit(request, "INTERPRETERS_SEEN", about)
            say.info("console.interpreters_seen", operator=request[OPERATOR].id, **about)
        return desk.page(
            request,
            "session.html",
            title=f"Session {session_id}",
            provider=provider,
            session_id=session_id,
            booking=booking,
            booked=booked,
            sees_people=sees_people,
            most=MOST_BOOKED,
        )

    return [web.get("/console/sessions", show), web.get("/console/sessions/session", one)]
