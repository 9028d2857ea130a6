"""`GET /v1/uploads/{id}`: what came of the records of an upload.

Nothing is registered: each record says on the log with which upload it came, and on which line. An upload's
id is made of its caller and its content, so the same file sent again has the same id.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from http import HTTPStatus
from typing import Final

from aiohttp import web

from gateway.api.answering import APPLIED, PREFER, wait_s_of
from gateway.api.callers import Caller
from gateway.api.headers import best_of
from gateway.api.operation import CSV, JSON, TEXT, Answer, Operation, header, in_path
from gateway.api.problems import Problem
from gateway.api.rendering import guidance, message_path, upload_path
from gateway.api.requests import PROVIDER, providers_of
from gateway.api.responses import answer, csv_file
from gateway.api.services import Services
from gateway.api.views import RefusedRow, UploadOutcomes
from gateway.engine.log import LogError
from gateway.intake.uploads.export import csv_bytes
from gateway.reading.view import UploadRow, View
from gateway.rules.messages import PROVIDERS_TOPIC

#: How many rows are read at once: the other callers' questions come in between.
AT_ONCE: Final = 500
_PATTERN: Final = r"^[0-9a-f]{32}-[0-9]{1,6}$"
_DIGEST_BYTES: Final = 16

GET_UPLOAD: Final = Operation(
    id="getUpload",
    method="GET",
    path="/v1/uploads/{id}",
    tag="messages",
    summary="What came of an upload",
    about="How many of its records were applied, refused, or are not decided yet, and each refusal with its "
    "line. With `Accept: text/csv` the refusals come as a file. `Prefer: wait=5` waits until all is decided.",
    parameters=(
        in_path("id", "`upload_id` of the upload's answer.", f"{'0' * 32}-2", pattern=_PATTERN),
        PREFER,
        PROVIDER,
    ),
    answers={
        200: Answer(
            "The upload, as far as it is decided.",
            {JSON: UploadOutcomes, CSV: TEXT},
            APPLIED | {"Content-Disposition": header("The file's name, where it is one.", always=False)},
        )
    },
    problems={404: ("UNKNOWN_UPLOAD",), 503: ("TRY_AGAIN",)},
)
_HEADER: Final = ("line", "message_id", "po_number", "code", "detail", "rule")


def upload_id_of(caller: Caller, kind: str, body: bytes, records: int) -> str:
    """The id of an upload: a digest of who sends it and of what it says, and how many records it has."""
    digest = blake2b(f"{caller.id}\0{kind}\0".encode(), digest_size=_DIGEST_BYTES)
    digest.update(body)
    return f"{digest.hexdigest()}-{records}"


class Outcomes:
    """Knows what came of uploads."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> Sequence[web.RouteDef]:
        """Where they are asked for."""
        return [GET_UPLOAD.route(self._upload)]

    async def of(
        self, request: web.Request, providers: frozenset[str], upload_id: str, wait_s: int
    ) -> UploadOutcomes | None:
        """What came of an upload, once all is decided, or so many seconds have passed; None: there is none.

        Raises LogError or TimeoutError where it is not known what of it is on the log.
        """
        # Another process may have put it there.
        await self._services.model.reach([PROVIDERS_TOPIC])
        rows = await self._rows(request, providers, upload_id)
        if wait_s:
            await self._wait(request, rows, wait_s)
        return _outcomes(upload_id, rows) if rows else None

    async def _rows(
        self, request: web.Request, providers: frozenset[str], upload_id: str
    ) -> dict[int, UploadRow]:
        """Its records, by line."""
        rows: dict[int, UploadRow] = {}
        last = 0
        while True:
            found = await self._services.ask(
                request, partial(_part, providers=providers, upload_id=upload_id, after=last)
            )
            for row in found:
                rows.setdefault(row.line, row)
            if len(found) < AT_ONCE:
                return rows
            last = found[-1].line

    async def _wait(self, request: web.Request, rows: dict[int, UploadRow], wait_s: int) -> None:
        """Wait until all rows are decided, and put what came of them in their place."""
        waiting = [row for row in rows.values() if not row.decided]
        with (
            suppress(TimeoutError),
            self._services.model.woken_by(*{row.po_number for row in waiting}) as woken,
        ):
            async with asyncio.timeout(wait_s):
                while waiting:
                    for first in range(0, len(waiting), AT_ONCE):
                        some = waiting[first : first + AT_ONCE]
                        found = await self._services.ask(request, partial(_as_decided, rows=some))
                        rows.update((row.line, row) for row in found)
                    waiting = [rows[row.line] for row in waiting if not rows[row.line].decided]
                    if waiting:
                        await woken.wait()
                        woken.clear()

    async def _upload(self, request: web.Request) -> web.Response:
        """What came of an upload."""
        wait_s = wait_s_of(request)
        try:
            found = await self.of(request, providers_of(request), request.match_info["id"], wait_s)
        except (LogError, TimeoutError):
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The log could not be read as far as this upload yet; ask again.",
                code="TRY_AGAIN",
                headers={"Retry-After": "1"},
            ) from None
        if found is None:
            raise Problem(
                HTTPStatus.NOT_FOUND,
                "There is no upload of yours with this id; check it.",
                code="UNKNOWN_UPLOAD",
            )
        applied = {"Preference-Applied": f"wait={wait_s}"} if wait_s else {}
        if best_of(request, (JSON, CSV)) == CSV:
            rows = (
                (row.line, row.message_id, row.po_number, row.code, row.detail, row.rule or "")
                for row in found.refusals
            )
            return csv_file(csv_bytes(_HEADER, rows), "refused.csv", headers=applied)
        return answer(request, found, headers=applied)


def _part(view: View, providers: frozenset[str], upload_id: str, after: int) -> list[UploadRow]:
    return view.upload(providers, upload_id, after, AT_ONCE)


def _as_decided(view: View, rows: Sequence[UploadRow]) -> list[UploadRow]:
    return [view.as_decided(row) for row in rows]


def _outcomes(upload_id: str, rows: dict[int, UploadRow]) -> UploadOutcomes:
    """As it is shown."""
    counts = Counter("PENDING" if row.outcome is None else row.outcome.status for row in rows.values())
    records = int(upload_id.partition("-")[2])
    return UploadOutcomes(
        upload_id=upload_id,
        self=upload_path(upload_id),
        records=records,
        applied=counts["APPLIED"],
        duplicate=counts["DUPLICATE"],
        refused=counts["REFUSED"],
        pending=counts["PENDING"] + counts["HELD"],
        left_out=records - len(rows),
        refusals=[
            RefusedRow(
                line=line,
                message_id=row.message_id,
                po_number=row.po_number,
                code=row.outcome.code or "",
                detail=row.outcome.detail or "",
                rule=row.outcome.rule,
                guidance=guidance(row.outcome.rule, row.outcome.code),
                self=message_path(row.message_id),
            )
            for line, row in sorted(rows.items())
            if row.outcome is not None and row.outcome.status == "REFUSED"
        ],
    )
