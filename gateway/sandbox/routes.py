"""`/sandbox`: the clock that the caller moves, messages from everybody, and what is ready-made."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import quote

from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from gateway.api.answering import DECIDED, PREFER, TAKEN, answer_with, wait_s_of
from gateway.api.operation import JSON, Answer, Operation, in_path
from gateway.api.operation import refusals as codes_of
from gateway.api.problems import Problem
from gateway.api.rendering import decided, pending
from gateway.api.requests import read_object
from gateway.api.responses import answer
from gateway.api.services import Services
from gateway.api.views import Instant, MessageView
from gateway.engine.workers import Workers
from gateway.rules.events import Outcome
from gateway.rules.messages import INBOUND, Message
from gateway.sandbox.messages import Messages, Sent
from gateway.sandbox.refusals import Refusal, refusals
from gateway.sandbox.scenes import groups, moved
from schemas.json import InvalidJson, NotAnInstant, format_instant, parse, parse_instant

#: From here on a limit in days could lead past the last date that there is.
_TOO_LATE: Final = parse_instant("9900-01-01T00:00:00Z")
_FIELDS: Final = ("topic", "type", "value")
#: How long is waited for all to be decided.
SETTLED_S: Final = 30.0


class Timed(Protocol):
    """A log whose time can be moved."""

    async def time(self) -> int:
        """What its clock says, UTC milliseconds."""

    async def move_time(self, now: int) -> int:
        """Move it forward, and return what it says then."""


class ClockView(Struct, frozen=True, kw_only=True):
    """What the sandbox's clock says."""

    at: Instant


class RefusalView(Struct, frozen=True, kw_only=True):
    """How to get a refusal: `send` is posted to `to`."""

    code: str
    po_number: str
    to: str
    send: dict[str, Any]
    only_until: Instant | None


class ReadyView(Struct, frozen=True, kw_only=True):
    """A ready-made referral."""

    po_number: str
    about: str


class SandboxView(Struct, frozen=True, kw_only=True):
    """What there is in the sandbox."""

    at: Instant
    referrals: list[ReadyView]
    refusals: list[RefusalView]


GET_SANDBOX: Final = Operation(
    id="getSandbox",
    method="GET",
    path="/sandbox",
    tag="sandbox",
    summary="What is ready-made, and how to get each refusal",
    answers={200: Answer("Referrals and refusals.", SandboxView)},
    problems={503: ("STARTING", "PROJECTION_UNREADABLE", "TRY_AGAIN")},
)
GET_CLOCK: Final = Operation(
    id="getSandboxClock",
    method="GET",
    path="/sandbox/clock",
    tag="sandbox",
    summary="What the sandbox's clock says",
    answers={200: Answer("Its time.", ClockView)},
)
MOVE_CLOCK: Final = Operation(
    id="moveSandboxClock",
    method="POST",
    path="/sandbox/clock",
    tag="sandbox",
    summary="Move the clock forward",
    about="Answered when all that was due by then has been decided.",
    takes={JSON: "ClockMove"},
    answers={200: Answer("What it says now.", ClockView)},
    problems={
        400: ("INVALID_MESSAGE",),
        409: ("CLOCK_GOES_BACK",),
        503: ("STARTING", "PROJECTION_UNREADABLE", "TRY_AGAIN"),
    },
)
POST_MESSAGE: Final = Operation(
    id="postSandboxMessage",
    method="POST",
    path="/sandbox/messages",
    tag="sandbox",
    summary="Send a message of any topic",
    about="It arrives at the sandbox's time, and is answered as a provider's record is.",
    parameters=(PREFER,),
    takes={JSON: "SandboxMessage"},
    answers={200: DECIDED, 202: TAKEN},
    problems={
        400: ("INVALID_MESSAGE",),
        422: tuple(codes_of(INBOUND)),
        503: ("PROJECTION_UNREADABLE", "TRY_AGAIN"),
    },
    links={"outcome": ("getSandboxMessage", "id", "$response.body#/message_id")},
)
GET_MESSAGE: Final = Operation(
    id="getSandboxMessage",
    method="GET",
    path="/sandbox/messages/{id}",
    tag="sandbox",
    summary="What came of a message that was sent here",
    parameters=(in_path("id", "The message_id that it came with.", "jcp-1"),),
    answers={200: Answer("The message, and its outcome where that is known.", MessageView)},
    problems={404: ("UNKNOWN_MESSAGE",), 503: ("PROJECTION_UNREADABLE",)},
)


class Sandbox:
    """Moves time, and takes messages from everybody. It asks for no token: nothing in it is real."""

    def __init__(
        self,
        log: Timed,
        workers: Workers,
        services: Services,
        *,
        days: int = 0,
        settled_s: float = SETTLED_S,
    ) -> None:
        """days: how many days later all is that is ready-made. settled_s: how long is waited for all to be
        decided.
        """
        self._days = days
        self._settled_s = settled_s
        self._log = log
        self._workers = workers
        self._services = services
        self._messages = Messages(services)
        self._moving = asyncio.Lock()

    def routes(self) -> Sequence[web.RouteDef]:
        """What there is only in a sandbox."""
        return [
            GET_SANDBOX.route(self._show),
            GET_CLOCK.route(self._get_clock),
            MOVE_CLOCK.route(self._move),
            POST_MESSAGE.route(self._take),
            GET_MESSAGE.route(self._message),
        ]

    async def _show(self, request: web.Request) -> web.Response:
        """What is ready-made, and how to get each refusal; answers when all of it can be asked for."""
        at = await self._log.time()
        await self._settled(at)
        view = SandboxView(
            at=format_instant(at),
            referrals=[ReadyView(po_number=scene.po_number, about=scene.about) for scene in groups()],
            refusals=[_refusal(refusal, self._days) for refusal in refusals()],
        )
        return answer(request, view)

    async def _get_clock(self, request: web.Request) -> web.Response:
        return answer(request, ClockView(at=format_instant(await self._log.time())))

    async def _move(self, request: web.Request) -> web.Response:
        """Move the clock forward; answers when all that was due by then has been decided, and can be seen."""
        value = await read_object(request)
        if value.keys() != {"at"} or not isinstance(value["at"], str):
            raise _wrong("at", 'The body must be {"at": INSTANT}, such as {"at": "2016-04-05T00:00:00Z"}.')
        try:
            at = parse_instant(value["at"])
        except NotAnInstant as error:
            raise _wrong("at", f"at {error}.") from None
        if at >= _TOO_LATE:
            raise _wrong("at", "at is after the year 9899; expected an instant before.")
        async with self._moving:
            self._refuse_where_nobody_decides()
            if at < await self._log.time():
                raise Problem(
                    HTTPStatus.CONFLICT,
                    "The sandbox's clock is ahead of that, and never goes back; begin a new sandbox.",
                    code="CLOCK_GOES_BACK",
                    field="at",
                )
            sent = self._messages.open()
            moved = await self._log.move_time(at)
            await self._settled(moved)
            self._messages.settled(sent)
        return answer(request, ClockView(at=format_instant(moved)))

    def _refuse_where_nobody_decides(self) -> None:
        if not self._workers.by_partition:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The gateway has just started; try again.",
                code="STARTING",
                headers={"Retry-After": "1"},
            )

    async def _settled(self, at: int) -> None:
        """Wait until everything up to an instant has been decided, committed, and can be asked for.

        Raises Problem, also where that takes too long: whoever waits for it holds up those behind them.
        """
        self._refuse_where_nobody_decides()
        try:
            async with asyncio.timeout(self._settled_s):
                for worker in [*self._workers.by_partition.values()]:
                    await worker.until_idle(at)
        except TimeoutError:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "Not all that is due by then has been decided yet; see /readyz, and send it again.",
                code="TRY_AGAIN",
                headers={"Retry-After": "1"},
            ) from None

    async def _take(self, request: web.Request) -> web.Response:
        """Take a message of any topic, which arrives at the sandbox's time."""
        wait_s = wait_s_of(request)
        message = _read(await read_object(request))
        sent = await self._messages.put(message)
        outcome = await self._messages.wait(sent, wait_s) if wait_s else None
        return answer_with(request, type(message), outcome, _pending(sent), wait_s)

    async def _message(self, request: web.Request) -> web.Response:
        """What came of a message that was sent here. A provider's own are under /v1, too."""
        message_id = request.match_info["id"]
        if last := self._messages.last(message_id):
            outcome = await self._messages.outcome(last)
            return answer(request, _pending(last) if outcome is None else _decided(outcome))
        outcome = await self._services.asking.ask(lambda view: view.outcome_of_anybody(message_id))
        if outcome is None:
            raise Problem(
                HTTPStatus.NOT_FOUND,
                "No message with this id has been decided; check it, or ask again.",
                code="UNKNOWN_MESSAGE",
            )
        return answer(request, _decided(outcome))


def _pending(sent: Sent) -> MessageView:
    return replace(pending(sent.message_id, sent.po_number), self=_path(sent.message_id))


def _decided(outcome: Outcome) -> MessageView:
    return replace(decided(outcome), self=_path(outcome.message_id))


def _read(value: dict[str, Any]) -> Message:
    """The message of a body. Raises Problem."""
    for name in value:
        if name not in _FIELDS:
            raise _wrong(None, f"The body has another field than {', '.join(_FIELDS)}; take it out.")
    topic = value.get("topic")
    if not isinstance(topic, str) or topic not in INBOUND:
        raise _wrong(
            "topic", f"topic is none that messages come in on; expected one of {', '.join(INBOUND)}."
        )
    names = [record.__name__ for record in INBOUND[topic]]
    kind = value.get("type", names[0] if len(names) == 1 else None)
    if kind not in names:
        raise _wrong("type", f"type is not a record of {topic}; expected one of {', '.join(names)}.")
    try:
        message = parse(str(kind), value.get("value"))
    except InvalidJson as error:
        problem = error.within("value")
        raise _wrong(problem.field, f"{problem}.") from None
    return message


def _refusal(refusal: Refusal, days: int) -> RefusalView:
    po_number = refusal.scene.po_number
    return RefusalView(
        code=refusal.code,
        po_number=po_number,
        to=f"/v1/referrals/{po_number}/records" if refusal.by == "PROVIDER" else "/sandbox/messages",
        send=moved(refusal.send, days),
        only_until=moved(refusal.only_until, days),
    )


def _path(message_id: str) -> str:
    return f"/sandbox/messages/{quote(message_id, safe='')}"


def _wrong(field: str | None, detail: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, detail, code="INVALID_MESSAGE", field=field)
