"""`POST /v1/uploads`: many records at once; all are checked before one is taken."""

import asyncio
import codecs
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from math import ceil
from typing import Final

from aiohttp import web
from msgspec import Struct, to_builtins
from msgspec.structs import replace

from consumers import InUpload
from gateway.api.answering import APPLIED, PREFER, wait_s_of
from gateway.api.headers import best_of
from gateway.api.idempotency import Message, Name, durably
from gateway.api.operation import CSV, FILE, JSON, TEXT, Answer, Operation, header
from gateway.api.problems import PROBLEM, Problem
from gateway.api.rate import Rate
from gateway.api.rendering import message_path, referral_path, upload_path
from gateway.api.requests import PROVIDER, caller_of, content_type_of, not_a_form, providers_of, read_body
from gateway.api.responses import answer, csv_file
from gateway.api.security import forbidden, none_of_theirs
from gateway.api.sending import refuse_where_nothing_can_be_posted
from gateway.api.services import Services
from gateway.api.slots import Slots
from gateway.api.taking import draft_of
from gateway.api.upload_outcomes import Outcomes, upload_id_of
from gateway.api.views import TakenView, UploadView
from gateway.engine.log import LogError
from gateway.engine.partitioner import partition_for
from gateway.intake.uploads.export import mistakes_csv
from gateway.intake.uploads.template import template_csv
from gateway.intake.uploads.upload import (
    MOST_MISTAKES,
    Kind,
    Mistakes,
    Uploaded,
    read_upload,
)
from gateway.intake.uploads.uploaded_record import Mistake
from gateway.reading.model import Source
from gateway.reading.view import View

BYTES: Final = "application/octet-stream"
#: By its media type, how an upload is read; None: as what it looks like.
KINDS: Final[dict[str, Kind | None]] = {
    "text/csv": "csv",
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
    "application/x-jsonlines": "jsonl",
    # What a client that was generated sends, whose generator knows only a few media types.
    BYTES: None,
}

POST_UPLOAD: Final = Operation(
    id="postUpload",
    method="POST",
    path="/v1/uploads",
    tag="messages",
    summary="Send many records at once",
    about="As CSV with a row, or as JSON lines with a line, for each. All are checked before one is "
    "taken. As `application/octet-stream`, what begins with `{` is read as JSON lines, anything else as CSV. "
    "Mistakes come as problem details, or with `Accept: text/csv` as a file. At most 8 MiB and "
    "10,000 records. With `Prefer: wait=5` the answer says what came of them, where that is known in time.",
    parameters=(PREFER, PROVIDER),
    takes={kind: FILE if kind == BYTES else TEXT for kind in KINDS},
    answers={
        200: Answer("All are decided.", UploadView, APPLIED),
        202: Answer("All are on the log and will be decided.", UploadView, APPLIED),
    },
    problems={
        409: ("READ_ONLY",),
        415: ("NOT_AN_UPLOAD",),
        422: ("UPLOAD_HAS_MISTAKES",),
        429: ("TOO_MANY_UPLOADS",),
        503: ("CLOCK_LEAPT", "TRY_AGAIN"),
    },
    links={
        "first": ("getMessage", "id", "$response.body#/messages/0/message_id"),
        "outcomes": ("getUpload", "id", "$response.body#/upload_id"),
    },
    files=True,
)
GET_TEMPLATE: Final = Operation(
    id="getUploadTemplate",
    method="GET",
    path="/v1/uploads/template",
    tag="messages",
    summary="An upload to begin with, as CSV",
    answers={
        200: Answer(
            "All columns, and an example of each record.",
            {CSV: TEXT},
            {"Content-Disposition": header("The file's name.")},
        )
    },
)


class Ready(Struct, frozen=True):
    """A record of an upload, ready to be put. new: nothing has come with its id yet."""

    line: int
    name: Name
    po_number: str
    message: Message
    new: bool


class _Upload(Struct, frozen=True):
    """An upload, ready to be put. known: whether some of it is on the log under this id, or will be."""

    upload_id: str
    records: tuple[Ready, ...]
    known: bool


class _Wrong(Struct, frozen=True):
    """Why nothing of an upload is taken.

    not_theirs: whether some of it is about referrals that the caller doesn't have; anothers: whether another
    provider has one of these. names_another: whether it names another provider.
    """

    mistakes: tuple[Mistake, ...]
    not_theirs: bool = False
    anothers: bool = False
    names_another: bool = False


class Uploads:
    """Takes uploads one after another: read in a thread, put in pieces with others' records between."""

    def __init__(self, services: Services, source: Source, rate: Rate) -> None:
        self._services = services
        self._limits = services.limits
        self._rate = rate
        self._outcomes = Outcomes(services)
        self._view = View(source)
        self._reading = asyncio.Lock()
        self._waiting = 0
        self._of_caller = Slots(self._limits.uploads_of_caller)
        #: Ends when the records of the piece that was put last have been decided.
        self._deciding: asyncio.Task[None] | None = None

    def routes(self) -> Sequence[web.RouteDef]:
        """Where to, and what a file looks like."""
        return [
            POST_UPLOAD.route(self._take),
            GET_TEMPLATE.route(self._template),
            *self._outcomes.routes(),
        ]

    async def close(self) -> None:
        """Let go of the projection."""
        if self._deciding is not None:
            self._deciding.cancel()
            await asyncio.gather(self._deciding, return_exceptions=True)
        self._view.close()

    async def _take(self, request: web.Request) -> web.Response:
        """Take an upload: 200 where all of it is decided, else 202; or 422 with all its mistakes."""
        providers = providers_of(request)
        refuse_where_nothing_can_be_posted(self._services)
        media_type, charset = content_type_of(request)
        if media_type not in KINDS or charset not in {None, "utf-8", "utf8"}:
            raise Problem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"{not_a_form(media_type, 'the file')}send it in UTF-8 with a Content-Type of "
                f"{', '.join(KINDS)}.",
                code="NOT_AN_UPLOAD",
            )
        with self._of_caller.one_of(caller_of(request)) as taken:
            if not taken:
                most = self._limits.uploads_of_caller
                raise Problem(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    f"There are {most} uploads of this caller on their way; wait for one of them.",
                    code="TOO_MANY_UPLOADS",
                    headers={"Retry-After": "5"},
                )
            body = await read_body(request, self._limits.largest_upload, self._limits.upload_s)
            kind = KINDS[media_type] or _kind_of(body)
            found = await self._in_turn(request, body, kind, providers)
        if isinstance(found, web.Response):
            return found
        return await self._answer(request, providers, found)

    async def _answer(
        self, request: web.Request, providers: frozenset[str], view: UploadView
    ) -> web.Response:
        """What is answered to an upload that was taken, when all is decided or it was waited for enough."""
        wait_s, outcomes, applied = wait_s_of(request), None, {}
        if wait_s:
            applied = {"Preference-Applied": f"wait={wait_s}"}
            with suppress(LogError, TimeoutError):  # it was taken all the same
                outcomes = await self._outcomes.of(request, providers, view.upload_id, wait_s)
        decided = outcomes is not None and not outcomes.pending
        return answer(
            request,
            replace(view, outcomes=outcomes),
            HTTPStatus.OK if decided else HTTPStatus.ACCEPTED,
            applied,
        )

    async def _in_turn(
        self, request: web.Request, body: bytes, kind: Kind, providers: frozenset[str]
    ) -> UploadView | web.Response:
        """Read an upload and put it, when the one before it has been put. Raises Problem."""
        if self._waiting >= self._limits.uploads_waiting:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "Many uploads are waiting to be read; send it again.",
                code="TRY_AGAIN",
                headers={"Retry-After": "5"},
            )
        self._waiting += 1
        try:
            async with self._reading:
                found = await asyncio.to_thread(self._read, request, body, kind, providers)
                return await self._put(request, found)
        finally:
            self._waiting -= 1

    async def _put_in_pieces(self, records: Sequence[tuple[Name, Message]]) -> None:
        """Put records a piece at a time, each once the one before it is decided.

        So no more than a piece is before anybody's single record. A piece is larger than it need be only
        where all would take too long otherwise: each costs an append and a commit, which on Kafka are slow.
        What is put stays: should a later piece fail, the upload is sent again, and the rest is taken then.
        Raises Problem.
        """
        loop = asyncio.get_running_loop()
        await self._until_decided()
        begun_s = piece_s = loop.time()
        size, at = self._limits.upload_piece, 0
        while at < len(records):
            piece = records[at : at + size]
            await durably(self._services.posting, [message.draft for _, message in piece])
            self._deciding = asyncio.create_task(self._decided(piece))
            at += size
            if at < len(records):
                await self._until_decided()
                now_s = loop.time()
                left_s = begun_s + self._limits.put_s - now_s
                took_s, piece_s = now_s - piece_s, now_s
                left = len(records) - at
                size = max(
                    self._limits.upload_piece, ceil(left * min(took_s / left_s, 1)) if left_s > 0 else left
                )

    async def _until_decided(self) -> None:
        if self._deciding is not None:
            await asyncio.wait([self._deciding])

    async def _decided(self, piece: Sequence[tuple[Name, Message]]) -> None:
        """Wait until something has come of a piece's last record on each partition, for a time."""
        partitions = self._services.model.partitions or 1
        last = {partition_for(str(each.po_number).encode(), partitions): (name, each) for name, each in piece}
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.put_s):
                for (_, message_id), message in last.values():
                    await self._outcome(str(message.po_number), message.provider_id, message_id)

    async def _outcome(self, po_number: str, provider_id: str | None, message_id: str) -> None:
        """Wait for what comes of a record."""
        with self._services.model.woken_by(po_number) as woken:
            while not await self._services.asking.ask(
                lambda view: view.outcome(po_number, provider_id, message_id)
            ):
                await woken.wait()
                woken.clear()

    def _read(
        self, request: web.Request, body: bytes, kind: Kind, providers: frozenset[str]
    ) -> _Upload | _Wrong:
        """All that takes time; in the thread."""
        others: list[bool] = []
        named: set[str] = set()

        def provider_of(po_number: str) -> str | None:
            owner = self._view.owner(po_number)
            if owner in providers:
                return owner
            others.append(owner is not None)
            return None

        found = read_upload(body, kind, provider_of=provider_of, names_provider=named.add)
        if isinstance(found, Mistakes):
            return _Wrong(found.listed, bool(others), any(others), not named <= providers)
        upload_id = upload_id_of(caller_of(request), kind, body, len(found))
        ready = [self._ready(each, request, upload_id) for each in found]
        # What has come before is among the referral's messages already.
        of = Counter(each.po_number for each in ready if each.new)
        most = self._limits.records_of_referral
        full = {po for po, count in of.items() if self._view.messages(po) + count > most}
        if mistakes := [_too_many(each.line, most) for each in ready if each.po_number in full]:
            return _Wrong(tuple(mistakes[:MOST_MISTAKES]))
        known = any(each.new for each in ready) or self._view.has_upload(upload_id)
        return _Upload(upload_id, tuple(ready), known)

    def _ready(self, uploaded: Uploaded, request: web.Request, upload_id: str) -> Ready:
        record = uploaded.record
        of = record.po_number, record.provider_id
        name = caller_of(request).id, record.message_id
        message = Message(*of, draft_of(record, request, InUpload(upload_id, uploaded.line)))
        return Ready(uploaded.line, name, record.po_number, message, self._view.keyed(*name, *of) is None)

    async def _put(self, request: web.Request, found: _Upload | _Wrong) -> UploadView | web.Response:
        """Put what is new, where nothing is wrong with any of it; a response says what is."""
        if isinstance(found, _Wrong):
            if found.not_theirs:
                none_of_theirs(request, another=found.anothers)
            if found.names_another:
                forbidden(request, "body_names_another_provider")
            return _mistaken(request, found.mistakes)
        records = found.records
        self._rate.take(caller_of(request), len(records), taken=1)  # by the request itself
        messages = {each.name: each.message for each in records}
        ask = partial(self._services.ask, request)
        if others := await self._services.idempotency.take(messages, ask, self._put_in_pieces):
            wrong = [Mistake(each.line, "message_id", _REUSED) for each in records if each.name in others]
            return _mistaken(request, tuple(wrong[:MOST_MISTAKES]))
        return UploadView(
            upload_id=found.upload_id,
            self=upload_path(found.upload_id) if found.known else None,
            records=len(records),
            messages=[_taken(each) for each in records],
            outcomes=None,
        )

    async def _template(self, request: web.Request) -> web.Response:
        """A CSV file with all columns, and an example of each record."""
        return csv_file(template_csv(), "records.csv")


def _kind_of(body: bytes) -> Kind:
    """What an upload is by its first character that is not blank: no header of CSV begins with a brace."""
    return "jsonl" if body.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"{" else "csv"


_REUSED: Final = "is that of another record which came before; give each record an id of its own"


def _too_many(line: int, most: int) -> Mistake:
    problem = f"has more than {most:,} messages with these; ask the operators"
    return Mistake(line, "po_number", problem)


def _taken(ready: Ready) -> TakenView:
    return TakenView(
        line=ready.line,
        message_id=ready.name[1],
        po_number=ready.po_number,
        self=message_path(ready.name[1]),
        referral=referral_path(ready.po_number),
    )


def _mistaken(request: web.Request, mistakes: tuple[Mistake, ...]) -> web.Response:
    """All that is wrong: problem details, or for people a CSV file."""
    if best_of(request, (JSON, PROBLEM, CSV)) == CSV:
        return csv_file(mistakes_csv(mistakes), "mistakes.csv", HTTPStatus.UNPROCESSABLE_ENTITY)
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "Nothing of the upload was taken; correct what is listed, and send it again.",
        code="UPLOAD_HAS_MISTAKES",
        more={"mistakes": [to_builtins(mistake) for mistake in mistakes]},
    ).answer()
