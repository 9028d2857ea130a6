"""Deadlines: of how many referrals something falls due next, day by day, and of which."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from gateway.console.desk import Desk, day_in, monday, weeks
from gateway.reading.operators import due_by_day, due_on
from gateway.rules.calendar import london_day
from gateway.rules.deadlines import row_due

#: So many referrals of a day are listed.
MOST_LISTED: Final = 200
_DAYS: Final = 42


def routes(desk: Desk) -> Sequence[web.RouteDef]:
    """The calendar, with the list of the day that was chosen."""

    async def show(request: web.Request) -> web.Response:
        today = london_day(await desk.time())
        day = day_in(request, "day", today)
        first = monday(day_in(request, "from", today))
        by_day, found = await desk.ask(
            lambda view: (due_by_day(view, first, _DAYS), due_on(view, day, MOST_LISTED))
        )
        return desk.page(
            request,
            "deadlines.html",
            title="Deadlines",
            weeks=weeks(first, _DAYS),
            first=first,
            days=_DAYS,
            by_day=by_day,
            total=sum(by_day.values()),
            today=today,
            day=day,
            found=[(each, row_due(each.order.due_rank)) for each in found],
            most=MOST_LISTED,
        )

    return [web.get("/console/deadlines", show)]
