"""Referrals: find one by its purchase order, and what happened to it, with the guidance that says so."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from gateway.api.rendering import whole
from gateway.console.desk import OPERATOR, Desk
from gateway.reading.operators import Told, told
from gateway.reading.view import Known
from gateway.rules.deadlines import Deadline, row_due
from gateway.rules.referral import PurchaseOrder

#: As long as an id may be.
_LONGEST: Final = 100


def routes(desk: Desk) -> Sequence[web.RouteDef]:
    """The search, and the page of one referral."""

    async def search(request: web.Request) -> web.Response:
        wanted = request.query.get("po", "").strip()[:_LONGEST]
        if not wanted:
            return desk.page(request, "referrals.html", title="Referrals", wanted=None)
        found = await desk.ask(lambda view: told(view, wanted))
        if found is None:
            return desk.page(request, "referrals.html", status=404, title="Referrals", wanted=wanted)
        return _show(desk, request, wanted, found)

    return [web.get("/console/referrals", search)]


def _show(desk: Desk, request: web.Request, po_number: str, found: Told) -> web.Response:
    order = found.order
    referral = None if order is None else order.referral
    view = None
    if order is not None and referral is not None:
        view = whole(Known(po_number, order, referral), [], found.left_out)
    return desk.page(
        request,
        "referral.html",
        title=f"Purchase order {po_number}",
        po_number=po_number,
        story=found.story,
        left_out=found.left_out,
        referral=referral,
        view=view,
        next=None if order is None else _next(order),
        due_at=None if order is None else order.due_at,
        sees_people=request[OPERATOR].sees_people,
        rules=sorted(
            {effect.rule for each in found.story.happenings for effect in each.effects if effect.rule}
            | ({each.rule for each in view.deadlines} if view else set())
        ),
    )


def _next(order: PurchaseOrder) -> Deadline | None:
    """The row that falls due next on a referral; None: it has none, and messages wait for it."""
    return row_due(order.due_rank) if order.referral is not None else None
