"""`GET /v1/exports/{what}`: all referrals, sessions, outcomes or instructions of a provider, as CSV.

A file is read and sent part by part, so that it may be of any length, and others are answered in between.
"""

import sqlite3
from codecs import BOM_UTF8
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from msgspec import Struct

from gateway.api.operation import CSV, TEXT, Answer, Operation, Parameter, header
from gateway.api.problems import Problem
from gateway.api.rendering import instruction, outcome, session, summary
from gateway.api.requests import PROVIDER, caller_of, providers_of
from gateway.api.services import Services
from gateway.api.slots import Slots
from gateway.api.views import InstructionView, OutcomeView, SessionView, Summary
from gateway.intake.uploads.export import csv_rows
from gateway.reading.cursor import Cursor, beginning
from gateway.reading.view import Place, SessionPlace, View, Wanted

#: How many rows are read at once.
AT_ONCE: Final = 500
#: How many exports one caller may have under way.
MOST_OPEN: Final = 2

#: From the view, the providers, the number of partitions and the place where the last part ended (None: there
#: was none) to the rows of the next part and where it ends; None: there is nothing more.
Part = Callable[[View, frozenset[str], int, Any], tuple[list[list[str | int]], Any] | None]


class Export(Struct, frozen=True):
    """What can be exported. columns: the names of the first row."""

    columns: tuple[str, ...]
    part: Part


def _columns(view: type[Struct], *left_out: str) -> tuple[str, ...]:
    return tuple(name for name in view.__struct_fields__ if name not in left_out)


_REFERRAL: Final = _columns(Summary, "self")
_SESSION: Final = ("session_id", "po_number", "provider_id", *_columns(SessionView, "session_id"))
_OUTCOME: Final = _columns(OutcomeView, "cursor", "message")
_INSTRUCTION: Final = _columns(InstructionView, "cursor")


def cells(columns: Sequence[str], shown: object, **more: str) -> list[str | int]:
    """A row: what has the columns' names, of what is shown or of `more`, as people read it."""
    return [_cell(more[name] if name in more else getattr(shown, name)) for name in columns]


def _cell(value: object) -> str | int:
    """A value as people read it: what there is not is empty, and a list is separated by blanks."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return value
        case list():
            return " ".join(map(str, value))
    return str(value)


def _referrals(
    view: View, providers: frozenset[str], partitions: int, after: Place | None
) -> tuple[list[list[str | int]], Place] | None:
    found = view.referrals(providers, Wanted(), after, AT_ONCE)
    if not found:
        return None
    return [cells(_REFERRAL, summary(each)) for each in found], (found[-1].referred_on, found[-1].po_number)


def _sessions(
    view: View, providers: frozenset[str], partitions: int, after: SessionPlace | None
) -> tuple[list[list[str | int]], SessionPlace] | None:
    found = view.bookings(providers, after or ("", "", ""), AT_ONCE)
    if not found:
        return None
    rows = [
        cells(
            _SESSION,
            session(each.referral, each.session),
            po_number=each.po_number,
            provider_id=each.referral.provider_id,
        )
        for _, each in found
    ]
    session_id, last = found[-1]
    return rows, (last.referral.provider_id, session_id, last.po_number)


def _outcomes(
    view: View, providers: frozenset[str], partitions: int, after: Cursor | None
) -> tuple[list[list[str | int]], Cursor] | None:
    found = view.outcomes_of(providers, after or beginning(partitions), AT_ONCE)
    return ([cells(_OUTCOME, outcome(each)) for each in found], found[-1].cursor) if found else None


def _instructions(
    view: View, providers: frozenset[str], partitions: int, after: Cursor | None
) -> tuple[list[list[str | int]], Cursor] | None:
    found = view.instructions(providers, after or beginning(partitions), AT_ONCE)
    return ([cells(_INSTRUCTION, instruction(each)) for each in found], found[-1].cursor) if found else None


EXPORTS: Final = {
    "instructions": Export(_INSTRUCTION, _instructions),
    "outcomes": Export(_OUTCOME, _outcomes),
    "referrals": Export(_REFERRAL, _referrals),
    "sessions": Export(_SESSION, _sessions),
}
GET_EXPORT: Final = Operation(
    id="getExport",
    method="GET",
    path="/v1/exports/{what}",
    tag="referrals",
    summary="All referrals, sessions, outcomes or instructions, as CSV",
    about="For spreadsheets: every cell is quoted, and before what might be a formula stands an apostrophe. "
    "Referrals come the newest first, sessions by id with a row for each booking, the others in order. No "
    "field of the participant is in it.",
    parameters=(
        Parameter(
            "path", "what", "What to export.", TEXT | {"enum": [*EXPORTS]}, required=True, example="referrals"
        ),
        PROVIDER,
    ),
    answers={200: Answer("All of them.", {CSV: TEXT}, {"Content-Disposition": header("The file's name.")})},
    problems={404: ("UNKNOWN_EXPORT",), 429: ("TOO_MANY_STREAMS",)},
)


class Exports:
    """Sends what can be exported."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._open = Slots(MOST_OPEN)

    def routes(self) -> Sequence[web.RouteDef]:
        """One for all of them."""
        return [GET_EXPORT.route(self._export)]

    async def _export(self, request: web.Request) -> web.StreamResponse:
        """Send an export, from the first row to the last."""
        providers, what = providers_of(request), request.match_info["what"]
        export = EXPORTS.get(what)
        if export is None:
            raise Problem(
                HTTPStatus.NOT_FOUND,
                f"There is no such export; ask for one of {', '.join(EXPORTS)}.",
                code="UNKNOWN_EXPORT",
            )
        with self._open.one_of(caller_of(request)) as taken:
            if not taken:
                raise Problem(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    f"There are {MOST_OPEN} exports of this caller under way; wait for one of them.",
                    code="TOO_MANY_STREAMS",
                    headers={"Retry-After": "5"},
                )
            return await self._send(request, providers, what, export)

    async def _send(
        self, request: web.Request, providers: frozenset[str], what: str, export: Export
    ) -> web.StreamResponse:
        # What can't be read at all is a problem, which is answered before anything is sent.
        part = await self._part(request, providers, export, None)
        response = web.StreamResponse(
            headers={
                "Content-Type": f"{CSV}; charset=utf-8",
                "Content-Disposition": f'attachment; filename="{what}.csv"',
                "Cache-Control": "no-store",
            }
        )
        await response.prepare(request)
        try:
            if request.method == "HEAD":
                return response
            with suppress(ConnectionError):  # the caller has gone
                await response.write(BOM_UTF8 + csv_rows([export.columns]))
                while part is not None:
                    rows, place = part
                    await response.write(csv_rows(rows))
                    part = await self._part(request, providers, export, place)
                await response.write_eof()
        except (sqlite3.Error, Problem) as error:
            if isinstance(error, sqlite3.Error):
                self._services.model.unreadable(error)
            # Half of it must not look like all.
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _part(
        self, request: web.Request, providers: frozenset[str], export: Export, after: object
    ) -> tuple[list[list[str | int]], Any] | None:
        """The next part. Raises Problem where the read model is being made anew."""
        partitions = self._services.model.partitions or 1
        found = await self._services.ask(
            request, lambda view: export.part(view, providers, partitions, after)
        )
        if not self._services.model.filled.is_set():
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The gateway is reading its log anew; try again.",
                code="STARTING",
                headers={"Retry-After": "1"},
            )
        return found
