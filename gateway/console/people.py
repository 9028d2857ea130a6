"""Whom a referral is about. Each look is kept on the audit and logged, without what was seen."""

from collections.abc import Sequence
from http import HTTPStatus

import structlog
from aiohttp import web

from gateway.api.rendering import whole
from gateway.console.desk import OPERATOR, Desk


def routes(desk: Desk) -> Sequence[web.RouteDef]:
    """The page of a participant."""

    say = structlog.get_logger("gateway")

    async def show(request: web.Request) -> web.Response:
        po_number = request.query.get("po", "")
        if not request[OPERATOR].sees_people:
            return desk.page(request, "no_people.html", HTTPStatus.FORBIDDEN, title="Not authorised")
        known = await desk.ask(lambda view: view.referral(po_number))
        if known is None:
            raise web.HTTPNotFound
        # Before the page is made: no look without a trace of it.
        await desk.audit(request, "PERSON_SEEN", {"po_number": po_number})
        say.info("console.person_seen", operator=request[OPERATOR].id, po_number=po_number)
        return desk.page(
            request,
            "participant.html",
            title=f"Participant of {po_number}",
            po_number=po_number,
            view=whole(known, [], 0),
        )

    return [web.get("/console/participant", show)]
