"""Reports: what was decided in a period, as CSV for spreadsheets."""

from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from aiohttp import web

from gateway.console.desk import Desk
from gateway.engine.log import LogError
from gateway.reading.reports import REPORTS, Period, csv_of
from schemas.json import NotADay, parse_day

#: So many are made at a time: each reads the log.
MOST_AT_ONCE: Final = 2
_PATH: Final = "/console/reports"


def routes(desk: Desk) -> Sequence[web.RouteDef]:
    """The page, and the reports."""

    making: list[str] = []

    def page(
        request: web.Request, status: int = HTTPStatus.OK, wrong: str | None = None, at: str = "first"
    ) -> web.Response:
        asked = {name: request.query.get(name, "") for name in ("report", "first", "last")}
        return desk.page(
            request, "reports.html", status, title="Reports", reports=REPORTS, asked=asked, wrong=wrong, at=at
        )

    async def show(request: web.Request) -> web.Response:
        return page(request)

    async def download(request: web.Request) -> web.StreamResponse:
        name = request.query.get("report", "")
        if name not in REPORTS:
            return page(request, HTTPStatus.UNPROCESSABLE_ENTITY, "Choose a report.", "report")
        try:
            period = Period(_day(request, "first"), _day(request, "last"))
        except NotADay:
            wrong = "A day is not a date. Enter one such as 2016-04-05."
            return page(request, HTTPStatus.UNPROCESSABLE_ENTITY, wrong)
        if len(making) >= MOST_AT_ONCE:
            wrong = f"{MOST_AT_ONCE} reports are being made. Try again when one of them is done."
            return page(request, HTTPStatus.TOO_MANY_REQUESTS, wrong)
        making.append(name)
        try:
            return await _send(desk, request, name, period)
        finally:
            making.remove(name)

    return [web.get(_PATH, show), web.get(f"{_PATH}/csv", download)]


def _day(request: web.Request, name: str) -> int | None:
    text = request.query.get(name, "")
    return parse_day(text) if text else None


async def _send(desk: Desk, request: web.Request, name: str, period: Period) -> web.StreamResponse:
    """Send a report part by part, so that it may be of any length."""
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{name}.csv"',
            "Cache-Control": "no-store",
        }
    )
    parts = csv_of(desk.log, name, period)
    # What can't be read at all is a page that says so, as long as nothing is sent.
    part = await anext(parts, None)
    with suppress(ConnectionError):  # the browser has gone
        try:
            while part is not None:
                if not response.prepared:
                    await response.prepare(request)
                await response.write(part)
                part = await anext(parts, None)
            await response.write_eof()
        except LogError:
            # Half of it must not look like all.
            if request.transport is not None:
                request.transport.abort()
        finally:
            await parts.aclose()
    return response
