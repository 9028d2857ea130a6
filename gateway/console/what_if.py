"""What if: what another policy would have decided of the messages that the log still has. Nothing is written.

A comparison takes from seconds to minutes, so it goes on beside the page, which shows how far it is. A
process makes one at a time, and keeps the last one until another is asked for.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from aiohttp import web

from gateway.console.desk import OPERATOR, Desk, go
from gateway.replay.diff import described
from gateway.replay.what_if import Found, Otherwise, Question, what_if
from gateway.rules import policy
from gateway.rules.calendar import midnight
from gateway.system.errors import UserError
from schemas.json import NotADay, parse_day

#: So many referrals that would have been decided otherwise are listed, and so many changes of each.
MOST_LISTED: Final = 100
MOST_CHANGES: Final = 50
#: So many messages are compared at the most, which takes a minute or two.
MOST_MESSAGES: Final = 500_000
_PATH: Final = "/console/what-if"


@dataclass(slots=True)
class Comparison:
    """What was asked for, by whom, and how far it is. trouble: why it could not be made."""

    question: Question
    by: str
    found: Found = field(default_factory=Found)
    listed: list[Otherwise] = field(default_factory=list)
    complete: bool = False
    trouble: str | None = None
    task: "asyncio.Task[None] | None" = None

    @property
    def runs(self) -> bool:
        """Whether it is under way."""
        return self.task is not None and not self.task.done()

    async def make(self, desk: Desk) -> None:
        """Read the log, and compare."""
        try:
            async with aclosing(what_if(desk.log, self.question, self.found)) as differing:
                async for each in differing:
                    if len(self.listed) < MOST_LISTED:
                        self.listed.append(Otherwise(each.po_number, each.changes[:MOST_CHANGES]))
            self.complete = True
        except UserError as error:
            self.trouble = str(error)
        except asyncio.CancelledError:
            self.trouble = "it was stopped; ask again"


def routes(desk: Desk, most: int = MOST_MESSAGES) -> Sequence[web.RouteDef]:
    """The page. most: how many messages are compared at the most."""

    last: list[Comparison] = []

    def page(request: web.Request, text: str, since: str = "", wrong: str | None = None) -> web.Response:
        comparison = last[0] if last else None
        return desk.page(
            request,
            "what_if.html",
            HTTPStatus.OK if wrong is None else HTTPStatus.UNPROCESSABLE_ENTITY,
            title="What if",
            text=text,
            since=since,
            wrong=wrong,
            comparison=comparison,
            described=described,
            most=MOST_LISTED,
            most_changes=MOST_CHANGES,
            kinds=[] if comparison is None else _kinds(comparison.found),
        )

    async def show(request: web.Request) -> web.Response:
        shown = last[0].question.other if last else desk.policies
        return page(request, policy.to_toml(shown))

    async def compare(request: web.Request) -> web.Response:
        form = await request.post()
        text, since, act = (str(form.get(name, "")) for name in ("policy", "since", "act"))
        if act == "stop":
            if last and last[0].task is not None:
                last[0].task.cancel()
            return go(_PATH)
        if last and last[0].runs:
            wrong = "Another comparison is being made. Wait for it, or stop it."
            return page(request, text, since, wrong)
        try:
            other = policy.parse(text)
        except policy.PolicyError as error:
            return page(request, text, since, f"This is {error}. Correct it.")
        try:
            begin = midnight(parse_day(since)) if since else None
        except NotADay:
            return page(request, text, since, "The day is not a date. Enter one such as 2016-04-05.")
        question = Question(desk.policies, other, begin, await desk.time(), most)
        comparison = Comparison(question, request[OPERATOR].name)
        comparison.task = asyncio.create_task(comparison.make(desk))
        last[:] = [comparison]
        return go(_PATH)

    return [web.get(_PATH, show), web.post(_PATH, compare)]


def _kinds(found: Found) -> list[tuple[str, str, int, int]]:
    """Topic and kind of the events that differ, with how many there are only now and only then."""
    kinds = sorted(found.before.keys() | found.after.keys())
    return [(topic, kind, found.before[topic, kind], found.after[topic, kind]) for topic, kind in kinds]
