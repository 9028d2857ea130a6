"""Refusals: which messages were refused lately, why, and how many of each code."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from gateway.console.desk import Desk
from gateway.reading.operators import MOST_LISTED, refusals
from gateway.rules.calendar import DAY_MS

_DAYS: Final = 28


def routes(desk: Desk) -> Sequence[web.RouteDef]:
    """The page, or only what has a code."""

    async def show(request: web.Request) -> web.Response:
        since = await desk.time() - _DAYS * DAY_MS
        found = await desk.ask(lambda view: refusals(view, since))
        code = request.query.get("code") or None
        by_code = Counter(each.code or "" for each in found)
        newest = {each.code: each for each in reversed(found)}
        return desk.page(
            request,
            "refusals.html",
            title="Refusals",
            days=_DAYS,
            code=code,
            most=MOST_LISTED,
            full=len(found) == MOST_LISTED,
            codes=[(each, count, newest[each]) for each, count in by_code.most_common()],
            found=[each for each in found if code in {None, each.code}],
        )

    return [web.get("/console/refusals", show)]
