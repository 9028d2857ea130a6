"""`/v1/prap-actions`: what people are to enter on PRaP, in order, and who has entered it."""

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

import structlog
from aiohttp import web

from gateway.api.callers import ENTER_ON_PRAP
from gateway.api.event_stream import EVENT_STREAM, FOLLOWING, PROBLEMS, Feed, Wish
from gateway.api.idempotency import durably
from gateway.api.operation import CSV, JSON, TEXT, Answer, Operation, Parameter, in_path
from gateway.api.problems import Problem
from gateway.api.rendering import prap_action
from gateway.api.requests import caller_of, refuse_all_but_prap
from gateway.api.responses import answer
from gateway.api.sending import refuse_where_nothing_can_be_posted
from gateway.api.services import Services
from gateway.api.views import PrapActionList, PrapActionView
from gateway.engine.log import CONTROL, LogError
from gateway.reading.asking import Asking
from gateway.reading.cursor import Cursor
from gateway.reading.model import PRAP, ReadModel
from gateway.reading.tables import PRAP_ACTIONS
from gateway.reading.view import ActionsWanted, Listed, View
from gateway.rules.calendar import late_before, london_day, midnight
from gateway.rules.events import PrapAction
from producers.control import Mark, act_of_marking, mark

_MARKED: Final[tuple[ActionsWanted, ...]] = ("true", "false", "overdue")
MARKED: Final = Parameter(
    "query",
    "marked",
    "`true`: only what is marked as entered. `false`: only what is not. `overdue`: only what is not, "
    "although its `enter_by` has passed. Without it, all.",
    TEXT | {"enum": [*_MARKED]},
)
_EVENT_ID: Final = in_path("event_id", "The action's id.", "UC-MANDATORY-1457946000000-1", maxLength=400)
#: Of a page as CSV: what a person needs first.
COLUMNS: Final = (
    *("po_number", "action", "reason", "enter_by", "overdue", "entered_by", "entered_at", "provider_id"),
    *("decided_at", "rule", "guidance", "event_id", "cursor"),
)
_ABOUT: Final = "For tokens with the scope `prap:actions`. "

LIST_ACTIONS: Final = Operation(
    id="listPrapActions",
    method="GET",
    path="/v1/prap-actions",
    tag="prap",
    who="prap",
    summary="What to enter on PRaP",
    about=f"{_ABOUT}Of all providers, in order, by cursor. `wait` waits for the next one that is decided. "
    "With `Accept: text/csv` a page is for a spreadsheet, and its last row has the cursor to go on with. "
    "With `Accept: text/event-stream` they come as they are decided, each as an event `prap-action`. What is "
    "marked, or no longer is, does not come again: to see what is left, ask for `marked=false` from the "
    "first on.",
    parameters=(MARKED, *FOLLOWING),
    answers={
        200: Answer(
            "Those behind the cursor; `next` is where to go on.",
            {JSON: PrapActionList, CSV: TEXT, EVENT_STREAM: TEXT},
        )
    },
    problems=PROBLEMS,
    links={"mark": ("markPrapAction", "event_id", "$response.body#/actions/0/event_id")},
)
_PROBLEMS: Final = {404: ("UNKNOWN_ACTION",), 409: ("READ_ONLY",), 503: ("CLOCK_LEAPT", "TRY_AGAIN")}
MARK_ACTION: Final = Operation(
    id="markPrapAction",
    method="PUT",
    path="/v1/prap-actions/{event_id}/mark",
    tag="prap",
    who="prap",
    summary="Mark an action as entered",
    about=f"{_ABOUT}The mark has the token's subject and the time. Where there is one, it stays.",
    parameters=(_EVENT_ID,),
    answers={200: Answer("The action, with its mark.", PrapActionView)},
    problems=_PROBLEMS,
)
UNMARK_ACTION: Final = Operation(
    id="unmarkPrapAction",
    method="DELETE",
    path="/v1/prap-actions/{event_id}/mark",
    tag="prap",
    who="prap",
    summary="Take the mark of an action away",
    about=f"{_ABOUT}For what was marked by mistake. That it was is kept on `gateway.audit`.",
    parameters=(_EVENT_ID,),
    answers={204: Answer("It has none.")},
    problems=_PROBLEMS,
)


def overdue_before(within: int, now: int) -> int:
    """What was decided earlier is overdue unless it is marked, UTC milliseconds; see ToEnter."""
    return midnight(late_before(london_day(now), within)) if within else -(2**62)


class ToEnter:
    """By when actions are to be entered, and how many are not marked.

    within: so many working days; 0: without a limit. now: what the log's clock says, UTC milliseconds.
    counted: how many actions are not marked, and how many of them are overdue, as of the last look.
    """

    def __init__(
        self, within: int, now: Callable[[], Awaitable[int]], model: ReadModel, asking: Asking
    ) -> None:
        self.within = within
        self._now = now
        self._model = model
        self._asking = asking
        self.counted = (0, 0)

    async def overdue_before(self) -> int:
        """What was decided earlier is overdue unless it is marked, UTC milliseconds."""
        return overdue_before(self.within, await self._now())

    async def look(self) -> None:
        """Count anew, where all is here that there is; else what was counted stays."""
        if self._model.filled.is_set():
            with suppress(LogError, sqlite3.Error):  # whoever asks for the actions hears of it
                before = await self.overdue_before()
                self.counted = await self._asking.ask(lambda view: view.open_actions(before))


class ActionFeed(Feed[PrapAction]):
    """All actions for PRaP."""

    operation = LIST_ACTIONS
    topics = (PRAP_ACTIONS,)
    columns = COLUMNS

    def __init__(self, to_enter: ToEnter) -> None:
        self._to_enter = to_enter

    async def wish(self, request: web.Request) -> Wish:
        """All, or those that the query names. Raises Problem."""
        refuse_all_but_prap(request, ENTER_ON_PRAP)
        named = MARKED.text_of(request)
        which: ActionsWanted | None = (
            "all" if named is None else next((x for x in _MARKED if x == named), None)
        )
        if which is None:
            raise Problem(
                HTTPStatus.BAD_REQUEST,
                f"marked is none of {', '.join(_MARKED)}; name one of them, or leave it out.",
                code="BAD_PARAMETER",
                field=MARKED.name,
            )
        return Wish(frozenset({PRAP}), self.topics, which, await self._to_enter.overdue_before())

    def is_at(self, view: View, cursor: Cursor) -> bool:
        """Whether the records before the cursor are those of this log."""
        return view.is_at(PRAP_ACTIONS, cursor)

    def ask(
        self, view: View, wish: Wish, cursor: Cursor, limit: int, until: Sequence[int]
    ) -> list[Listed[PrapAction]]:
        """The actions behind a cursor."""
        return view.prap_actions(wish.which, wish.overdue_before, cursor, limit)

    def kind(self, event: PrapAction) -> str:
        """All have one."""
        return "prap-action"

    def shown(self, wish: Wish, listed: Listed[PrapAction]) -> PrapActionView:
        """An action with its mark, its limit and its cursor."""
        within = self._to_enter.within
        return prap_action(listed.event, listed.mark, within, wish.overdue_before, listed.cursor)

    def page(self, shown: list[Any], following: str) -> PrapActionList:
        """A page with `next`."""
        return PrapActionList(actions=shown, next=following)


class Marks:
    """Marks actions, and takes marks away."""

    def __init__(self, services: Services, to_enter: ToEnter, now: Callable[[], Awaitable[int]]) -> None:
        self._services = services
        self._to_enter = to_enter
        self._now = now

    def routes(self) -> Sequence[web.RouteDef]:
        """Both."""
        return [MARK_ACTION.route(self._mark), UNMARK_ACTION.route(self._unmark)]

    async def _mark(self, request: web.Request) -> web.Response:
        action, made = await self._action(request)
        if made is None:
            made = Mark(caller_of(request).subject, await self._now())
            await self._put(request, action, made)
        before = await self._to_enter.overdue_before()
        return answer(request, prap_action(action, made, self._to_enter.within, before))

    async def _unmark(self, request: web.Request) -> web.Response:
        action, made = await self._action(request)
        if made is not None:
            await self._put(request, action, None)
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _action(self, request: web.Request) -> tuple[PrapAction, Mark | None]:
        """The action that a request is about, and its mark. Raises Problem."""
        refuse_all_but_prap(request, ENTER_ON_PRAP)
        refuse_where_nothing_can_be_posted(self._services)
        event_id = request.match_info["event_id"]
        found = await self._services.ask(request, lambda view: view.prap_action(event_id))
        if found is None:
            raise Problem(
                HTTPStatus.NOT_FOUND,
                "There is no action with this event_id; take it from GET /v1/prap-actions.",
                code="UNKNOWN_ACTION",
            )
        return found

    async def _put(self, request: web.Request, action: PrapAction, made: Mark | None) -> None:
        """Put it on the log, and wait until it can be asked for; where that takes long, it will be."""
        caller, event_id = caller_of(request), action.event_id
        act = act_of_marking(event_id, caller.subject, await self._now(), entered=made is not None)
        await durably(self._services.posting, [mark(event_id, made), act])
        say = structlog.get_logger("gateway")
        if made is not None:
            say.info("prap.marked", event_id=event_id, caller=caller.id)
        else:
            say.info("prap.unmarked", event_id=event_id, caller=caller.id)
        with suppress(LogError, TimeoutError):
            await self._services.model.reach([CONTROL])
