"""Now: what goes in and out, how the partitions stand, what is due, and what was missed."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from gateway.api.partitions import partitions
from gateway.console.charts import columns
from gateway.console.desk import Desk
from gateway.console.flow import Flow
from gateway.console.owners import Ownership
from gateway.reading.operators import breaches, due_by_day
from gateway.reading.view import View
from gateway.rules.calendar import DAY_MS, day_text, london_day

#: Breaches of so many days are counted, and what is due in so many days is shown.
_BREACH_DAYS: Final = 7
_DUE_DAYS: Final = 14


def routes(desk: Desk, flow: Flow) -> Sequence[web.RouteDef]:
    """The first page."""

    async def show(request: web.Request) -> web.Response:
        at = await desk.time()
        today = london_day(at)
        workers = desk.workers

        def question(view: View) -> tuple[dict[int, int], list[tuple[str, int]]]:
            found = Counter(
                f"{each.breach} {each.status}" for each in breaches(view, at - _BREACH_DAYS * DAY_MS)
            )
            return due_by_day(view, today, _DUE_DAYS), sorted(found.items())

        due, missed = await desk.ask(question)
        owned = partitions(workers, desk.now)
        waiting = [each.behind_s for each in owned if each.behind_s]
        taken, put = flow.last_minute()
        configured = desk.model.partitions or workers.configured
        elsewhere = sorted(set(range(configured)) - {each.number for each in owned})
        known = Ownership({}) if desk.owners is None else await desk.owners.look()
        days = [(_short(day), due.get(day, 0)) for day in range(today, today + _DUE_DAYS)]
        return desk.page(
            request,
            "now.html",
            title="Now",
            at=at,
            taken=taken,
            put=put,
            oldest_s=max(waiting, default=None),
            owned=owned,
            others=[(number, known.partitions.get(number)) for number in elsewhere],
            unknown=known.trouble if elsewhere else None,
            waiting_for=None if workers.assigned else workers.waiting_for,
            due_today=due.get(today, 0),
            due_tomorrow=due.get(today + 1, 0),
            today=today,
            due=columns(days, "Purchase orders due"),
            breaches=missed,
            troubles=desk.troubles(),
        )

    return [web.get("/console/", show)]


def _short(day: int) -> str:
    """A day without its year, for where there is little room."""
    return day_text(day).rpartition(" ")[0]
