"""`POST /v1/referrals` and `POST /v1/prap-downloads`: what comes from PRaP, a referral or a zip of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from io import BufferedReader, BytesIO
from typing import Final, cast

from aiohttp import web
from msgspec import Struct

from gateway.api.answering import APPLIED, DECIDED, PREFER, TAKEN, wait_s_of
from gateway.api.callers import SEND_AS_PRAP
from gateway.api.idempotency import Message, Name
from gateway.api.operation import JSON, TEXT, Answer, Operation, refusals
from gateway.api.problems import Problem
from gateway.api.rate import Rate
from gateway.api.rendering import message_path
from gateway.api.requests import (
    caller_of,
    content_type_of,
    not_a_form,
    read_body,
    read_object,
    refuse_all_but_prap,
)
from gateway.api.responses import answer
from gateway.api.sending import (
    PRAP_KEY,
    idempotency_key,
    key_reused,
    message_in,
    refuse_where_nothing_can_be_posted,
    too_many_messages,
)
from gateway.api.services import Services
from gateway.api.taking import draft_of, take
from gateway.api.views import BadRowView, DownloadedView, DownloadView
from gateway.intake.prap import BadRow, InvalidDownload, PassedOver, read_download
from gateway.reading.view import View
from gateway.rules.calendar import london_day
from gateway.rules.events import Outcome
from gateway.rules.messages import INBOUND, Referral
from gateway.rules.policy import Policies
from producers import control

_REFERRALS: Final = "prap.referrals"
#: What a zip is called; the second by Windows.
ZIPS: Final = ("application/zip", "application/x-zip-compressed")
#: So many referrals, and rows of all kinds, may be in a download sent here; `gateway feed` takes more.
MOST_REFERRALS: Final = 10_000
MOST_ROWS: Final = 50_000
#: So many rows that can't be read are listed.
MOST_BAD_ROWS: Final = 1_000
#: So many messages are looked up in one question, while others wait for theirs.
_AT_ONCE: Final = 200

POST_REFERRAL: Final = Operation(
    id="postReferral",
    method="POST",
    path="/v1/referrals",
    tag="prap",
    who="prap",
    summary="Send a referral",
    about="One revision of a purchase order. For tokens with the scope `prap:send`. With `Prefer: wait=5` "
    "the answer is what came of it, where that is known in time.",
    parameters=(PRAP_KEY, PREFER),
    takes={JSON: "Referral"},
    answers={200: DECIDED, 202: TAKEN},
    problems={
        400: ("IDEMPOTENCY_KEY_MISSING", "BAD_IDEMPOTENCY_KEY", "INVALID_MESSAGE"),
        409: ("READ_ONLY", "TOO_MANY_RECORDS"),
        422: ("IDEMPOTENCY_KEY_REUSED", *refusals([_REFERRALS])),
        503: ("CLOCK_LEAPT", "TRY_AGAIN"),
    },
    links={"outcome": ("getMessage", "id", "$response.body#/message_id")},
)
POST_DOWNLOAD: Final = Operation(
    id="postPrapDownload",
    method="POST",
    path="/v1/prap-downloads",
    tag="prap",
    who="prap",
    summary="Send a download from PRaP",
    about="The zip as it is. Its referrals are put on the log, all or none; rows that can't be read are "
    "listed beside them. A referral that came before counts once. For tokens with the scope `prap:send`. At "
    f"most 8 MiB, {MOST_ROWS:,} rows and {MOST_REFERRALS:,} referrals.",
    parameters=(PRAP_KEY, PREFER),
    takes=dict.fromkeys(ZIPS, TEXT | {"contentMediaType": "application/zip"}),
    answers={
        200: Answer("All its referrals are decided.", DownloadView, APPLIED),
        202: Answer("Its referrals are on the log and will be decided.", DownloadView, APPLIED),
    },
    problems={
        400: ("IDEMPOTENCY_KEY_MISSING", "BAD_IDEMPOTENCY_KEY"),
        409: ("READ_ONLY",),
        415: ("NOT_A_DOWNLOAD",),
        422: ("IDEMPOTENCY_KEY_REUSED", "INVALID_DOWNLOAD"),
        503: ("CLOCK_LEAPT", "TRY_AGAIN"),
    },
    links={"first": ("getMessage", "id", "$response.body#/referrals/0/message_id")},
)


class _Download(Struct, frozen=True):
    """All that a download holds."""

    referrals: list[Referral]
    bad: list[BadRow]
    passed_over: int


class Prap:
    """Takes referrals, and downloads one after another."""

    def __init__(
        self, services: Services, rate: Rate, policies: Policies, now: Callable[[], Awaitable[int]]
    ) -> None:
        """now: what the log's clock says, UTC milliseconds."""
        self._services = services
        self._rate = rate
        self._policies = policies
        self._now = now
        self._reading = asyncio.Lock()

    def routes(self) -> Sequence[web.RouteDef]:
        """A path for one referral, and one for many."""
        return [POST_REFERRAL.route(self._take), POST_DOWNLOAD.route(self._take_download)]

    async def _take(self, request: web.Request) -> web.Response:
        """Take a referral."""
        refuse_all_but_prap(request, SEND_AS_PRAP)
        key = idempotency_key(request, of_prap=True)
        refuse_where_nothing_can_be_posted(self._services)
        wait_s = wait_s_of(request)
        referral = message_in(await read_object(request), INBOUND[_REFERRALS], key)
        message = Message(referral.po_number, None, draft_of(referral, request))
        messages = await self._services.ask(request, lambda view: view.messages(referral.po_number))
        await too_many_messages(self._services, request, key, message, messages)
        return await take(self._services, request, key, type(referral), message, wait_s)

    async def _take_download(self, request: web.Request) -> web.Response:
        """Take a download: all its referrals in one append, with its key.

        Its referrals have ids of their own, by which those that came before count once; they are put again
        all the same, since one that was refused may come again.
        """
        refuse_all_but_prap(request, SEND_AS_PRAP)
        key = idempotency_key(request, of_prap=True)
        refuse_where_nothing_can_be_posted(self._services)
        wait_s = wait_s_of(request)
        media_type, _ = content_type_of(request)
        if media_type not in ZIPS:
            raise Problem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"{not_a_form(media_type, 'the zip')}send it with Content-Type: {ZIPS[0]}.",
                code="NOT_A_DOWNLOAD",
            )
        async with self._reading:
            limits = self._services.limits
            body = await read_body(request, limits.largest_upload, limits.upload_s)
            today = london_day(await self._now())
            found = await asyncio.to_thread(_read, body, today, self._policies)
            caller, ask = caller_of(request), partial(self._services.ask, request)
            self._rate.take(caller, len(found.referrals), taken=1)  # by the request itself
            name = caller.id, key
            before = await self._before(request, name, found.referrals) if wait_s else []
            drafts = [draft_of(referral, request) for referral in found.referrals]
            sent = control.sent(*name, sha256(body).hexdigest().encode())
            if await self._services.idempotency.take({name: Message(None, None, sent, drafts)}, ask):
                raise key_reused("download")
        outcomes = await self._outcomes(request, found.referrals, before, wait_s) if wait_s else []
        outcomes += [None] * (len(found.referrals) - len(outcomes))
        applied = {"Preference-Applied": f"wait={wait_s}"} if wait_s else {}
        status = HTTPStatus.ACCEPTED if None in outcomes else HTTPStatus.OK
        return answer(request, _view(found, outcomes), status, applied)

    async def _before(self, request: web.Request, name: Name, referrals: Sequence[Referral]) -> list[int]:
        """How many outcomes each referral has already, which are not those that are waited for."""
        if await self._services.ask(request, lambda view: view.keyed(*name)) is not None:
            return [0] * len(referrals)  # it is not put again
        found: list[int] = []
        while len(found) < len(referrals):
            some = referrals[len(found) : len(found) + _AT_ONCE]
            found += await self._services.ask(request, partial(_counts, some))
        return found

    async def _outcomes(
        self, request: web.Request, referrals: Sequence[Referral], before: Sequence[int], wait_s: int
    ) -> list[Outcome | None]:
        """What came of the first referrals, up to one that was not decided in so many seconds.

        before: how many outcomes each had before.
        """
        found: list[Outcome | None] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while len(found) < len(referrals):
                    some = slice(len(found), len(found) + _AT_ONCE)
                    with self._services.model.woken_by(referrals[len(found)].po_number) as woken:
                        question = partial(_decided, referrals[some], before[some])
                        if known := await self._services.ask(request, question):
                            found += known
                        else:
                            await woken.wait()
        return found


def _outcomes_of(referral: Referral, view: View) -> list[Outcome]:
    """All that came of a referral, in order of decision: one that was refused may come again."""
    found = view.outcomes(referral.po_number, referral.message_id)
    return [outcome for outcome in found if outcome.topic == _REFERRALS]


def _counts(referrals: Sequence[Referral], view: View) -> list[int]:
    return [len(_outcomes_of(referral, view)) for referral in referrals]


def _decided(referrals: Sequence[Referral], before: Sequence[int], view: View) -> list[Outcome]:
    """What came of the first of these, up to one that has no more outcomes than before."""
    found: list[Outcome] = []
    for referral, already in zip(referrals, before, strict=True):
        outcomes = _outcomes_of(referral, view)
        if len(outcomes) <= already:
            break
        found.append(outcomes[-1])
    return found


def _read(body: bytes, today: int, policies: Policies) -> _Download:
    """All rows of a zip. Raises Problem."""
    referrals: list[Referral] = []
    bad: list[BadRow] = []
    passed_over = 0
    stream = cast("BufferedReader", BufferedReader(BytesIO(body)))
    try:
        for count, row in enumerate(read_download(stream, today=today, policies=policies), 1):
            match row:
                case BadRow():
                    bad.append(row)
                case PassedOver():
                    passed_over += 1
                case _:
                    referrals.append(row)
            if count > MOST_ROWS or len(referrals) > MOST_REFERRALS:
                raise Problem(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"The download has more than {MOST_ROWS:,} rows, or {MOST_REFERRALS:,} referrals; send "
                    "it in parts, or put it on the log with `gateway feed`.",
                    code="TOO_LARGE",
                )
    except InvalidDownload as error:
        said = str(error)
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"{said[0].upper()}{said[1:]}.", code="INVALID_DOWNLOAD"
        ) from None
    return _Download(referrals, bad, passed_over)


def _view(found: _Download, outcomes: Sequence[Outcome | None]) -> DownloadView:
    return DownloadView(
        referrals=[
            DownloadedView(
                po_number=referral.po_number,
                message_id=referral.message_id,
                status="PENDING" if outcome is None else outcome.status,
                code=None if outcome is None else outcome.code,
                self=message_path(referral.message_id),
            )
            for referral, outcome in zip(found.referrals, outcomes, strict=True)
        ],
        passed_over=found.passed_over,
        bad_rows=[
            BadRowView(file=row.file, line=row.line, po_number=row.po_number, problems=[*row.problems])
            for row in found.bad[:MOST_BAD_ROWS]
        ],
        bad_rows_left_out=max(len(found.bad) - MOST_BAD_ROWS, 0),
    )
