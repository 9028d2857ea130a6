"""`POST /v1/uploads`: many records at once, all of them or none."""

import asyncio
import codecs
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Final

from aiohttp import web
from msgspec import Struct, to_builtins

from gateway.api.headers import best_of
from gateway.api.idempotency import Message, Name
from gateway.api.operation import FILE, JSON, TEXT, Answer, Operation, header
from gateway.api.problems import PROBLEM, Problem
from gateway.api.rate import Rate
from gateway.api.records import draft_of
from gateway.api.rendering import message_path, referral_path
from gateway.api.requests import PROVIDER, caller_of, content_type_of, providers_of, read_body
from gateway.api.responses import answer
from gateway.api.security import forbidden, none_of_theirs
from gateway.api.sending import refuse_where_nothing_can_be_posted
from gateway.api.services import Services
from gateway.api.slots import Slots
from gateway.api.views import TakenView, UploadView
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
CSV: Final = "text/csv"
#: How long the next upload waits, at the most, until the records of the one before it are decided.
DECIDED_S: Final = 10.0

POST_UPLOAD: Final = Operation(
    id="postUpload",
    method="POST",
    path="/v1/uploads",
    tag="messages",
    summary="Send many records at once",
    about="As CSV with a row, or as JSON lines with a line, for each. All are checked before one is "
    "taken. As `application/octet-stream`, what begins with `{` is read as JSON lines, anything else as CSV. "
    "Mistakes come as problem details, or with `Accept: text/csv` as a file. At most 8 MiB and "
    "10,000 records.",
    parameters=(PROVIDER,),
    takes={kind: FILE if kind == BYTES else TEXT for kind in KINDS},
    answers={202: Answer("All are on the log and will be decided.", UploadView)},
    problems={
        409: ("READ_ONLY",),
        415: ("NOT_AN_UPLOAD",),
        422: ("UPLOAD_HAS_MISTAKES",),
        429: ("TOO_MANY_UPLOADS",),
        503: ("CLOCK_LEAPT", "TRY_AGAIN"),
    },
    links={"first": ("getMessage", "id", "$response.body#/messages/0/message_id")},
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
    """Reads uploads one after another, in a thread of their own, so that nobody else waits for them."""

    def __init__(self, services: Services, source: Source, rate: Rate) -> None:
        self._services = services
        self._limits = services.limits
        self._rate = rate
        self._view = View(source)
        self._reading = asyncio.Lock()
        self._waiting = 0
        self._of_caller = Slots(self._limits.uploads_of_caller)
        #: Ends when the records of the last upload have been decided.
        self._deciding: asyncio.Task[None] | None = None

    def routes(self) -> Sequence[web.RouteDef]:
        """Where to, and what a file looks like."""
        return [POST_UPLOAD.route(self._take), GET_TEMPLATE.route(self._template)]

    async def close(self) -> None:
        """Let go of the projection."""
        if self._deciding is not None:
            self._deciding.cancel()
            await asyncio.gather(self._deciding, return_exceptions=True)
        self._view.close()

    async def _take(self, request: web.Request) -> web.Response:
        """Take an upload: 202 with all its messages, or 422 with all its mistakes."""
        providers = providers_of(request)
        refuse_where_nothing_can_be_posted(self._services)
        media_type, charset = content_type_of(request)
        if media_type not in KINDS or charset not in {None, "utf-8", "utf8"}:
            raise Problem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"An upload is UTF-8, with a Content-Type of {', '.join(KINDS)}.",
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
            return await self._in_turn(request, body, kind, providers)

    async def _in_turn(
        self, request: web.Request, body: bytes, kind: Kind, providers: frozenset[str]
    ) -> web.Response:
        """Read an upload and put it, when what the one before it has put is decided.

        So no more than one is before anybody's single record on the log. Raises Problem.
        """
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
                if self._deciding is not None:
                    await asyncio.wait([self._deciding])
                found = await asyncio.to_thread(self._read, request, body, kind, providers)
                response = await self._put(request, found)
                if not isinstance(found, _Wrong) and response.status == HTTPStatus.ACCEPTED:
                    self._deciding = asyncio.create_task(self._decided(found[-1]))
                return response
        finally:
            self._waiting -= 1

    async def _decided(self, last: Ready) -> None:
        """Wait until something has come of an upload's last record, for a time."""
        provider_id = last.message.provider_id
        with suppress(TimeoutError), self._services.model.woken_by(last.po_number) as woken:
            async with asyncio.timeout(DECIDED_S):
                while not await self._services.asking.ask(
                    lambda view: view.outcome(last.po_number, provider_id, last.name[1])
                ):
                    await woken.wait()
                    woken.clear()

    def _read(
        self, request: web.Request, body: bytes, kind: Kind, providers: frozenset[str]
    ) -> list[Ready] | _Wrong:
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
        ready = [self._ready(each, request) for each in found]
        # What has come before is among the referral's messages already.
        of = Counter(each.po_number for each in ready if each.new)
        most = self._limits.records_of_referral
        full = {po for po, count in of.items() if self._view.messages(po) + count > most}
        if mistakes := [_too_many(each.line, most) for each in ready if each.po_number in full]:
            return _Wrong(tuple(mistakes[:MOST_MISTAKES]))
        return ready

    def _ready(self, uploaded: Uploaded, request: web.Request) -> Ready:
        record = uploaded.record
        of = record.po_number, record.provider_id
        name = caller_of(request).id, record.message_id
        message = Message(*of, draft_of(record, request))
        return Ready(uploaded.line, name, record.po_number, message, self._view.keyed(*name, *of) is None)

    async def _put(self, request: web.Request, found: list[Ready] | _Wrong) -> web.Response:
        """Put what is new, all of it or nothing."""
        if isinstance(found, _Wrong):
            if found.not_theirs:
                none_of_theirs(request, another=found.anothers)
            if found.names_another:
                forbidden(request, "body_names_another_provider")
            return _mistaken(request, found.mistakes)
        self._rate.take(caller_of(request), len(found), taken=1)  # by the request itself
        messages = {each.name: each.message for each in found}
        ask = partial(self._services.ask, request)
        if others := await self._services.idempotency.take(messages, ask):
            wrong = [Mistake(each.line, "message_id", _REUSED) for each in found if each.name in others]
            return _mistaken(request, tuple(wrong[:MOST_MISTAKES]))
        view = UploadView(records=len(found), messages=[_taken(each) for each in found])
        return answer(request, view, HTTPStatus.ACCEPTED)

    async def _template(self, request: web.Request) -> web.Response:
        """A CSV file with all columns, and an example of each record."""
        return _file(template_csv(), HTTPStatus.OK, "records.csv")


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
        return _file(mistakes_csv(mistakes), HTTPStatus.UNPROCESSABLE_ENTITY, "mistakes.csv")
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "Nothing of the upload was taken; correct what is listed, and send it again.",
        code="UPLOAD_HAS_MISTAKES",
        more={"mistakes": [to_builtins(mistake) for mistake in mistakes]},
    ).answer()


def _file(content: bytes, status: HTTPStatus, name: str) -> web.Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return web.Response(status=status, body=content, content_type=CSV, charset="utf-8", headers=headers)
