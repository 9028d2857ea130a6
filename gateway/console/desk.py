"""What the pages work with: whom they ask, and who is at the browser."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Final, TypeVar

from aiohttp import web
from msgspec import json

from gateway.api.surroundings import Surroundings
from gateway.console.browsers import Browser, Browsers, Operator
from gateway.console.owners import Owners
from gateway.engine.clock_watch import ClockWatch
from gateway.engine.log import AUDIT, Columns, Draft, Log
from gateway.engine.workers import Workers
from gateway.reading.asking import Asking
from gateway.reading.model import ReadModel
from gateway.reading.view import View
from gateway.rules.calendar import date_of, day_of
from gateway.rules.policy import Policies

T = TypeVar("T")

BROWSER: Final = web.RequestKey("browser", Browser)
OPERATOR: Final = web.RequestKey("operator", Operator)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Desk:
    """What the pages work with.

    model: whether it is complete, and what answers come from. time: what the log's clock says, UTC
    milliseconds. now: the wall clock, where that is the log's. owners: of the partitions of all processes;
    None: there are no others.
    """

    log: Log
    model: ReadModel
    asking: Asking
    workers: Workers
    policies: Policies
    browsers: Browsers
    time: Callable[[], Awaitable[int]]
    now: Callable[[], int] | None
    around: Surroundings
    clock: ClockWatch | None
    owners: Owners | None = None

    async def ask(self, question: Callable[[View], T]) -> T:
        """Ask the read model."""
        return await self.asking.ask(question)

    def troubles(self) -> list[str]:
        """What is wrong beside the partitions, in sentences."""
        found = [self.around.brokers or "", *self.around.warnings()]
        if self.model.trouble is not None:
            found.append(f"what these pages are made of is not current: {self.model.trouble}")
        if self.clock is not None:
            found.append(self.clock.trouble or "")
        return [f"{each[:1].upper()}{each[1:].removesuffix('.')}." for each in found if each]

    def page(
        self, request: web.Request, template: str, status: int = HTTPStatus.OK, **context: object
    ) -> web.Response:
        """A page, made of a template."""
        browser = request.get(BROWSER)
        # Jinja is a twentieth of a start, and most gateways are started without anybody looking.
        from gateway.console.page_templates import TEMPLATES

        body = TEMPLATES.get_template(template).render(
            path=request.path,
            operator=request.get(OPERATOR),
            csrf="" if browser is None else browser.csrf,
            **context,
        )
        return web.Response(text=body, content_type="text/html", status=status)

    async def audit(
        self, request: web.Request, act: str, about: Mapping[str, object], letter: str | None = None
    ) -> None:
        """Keep that somebody does something by hand, before it is done; callers log it. Raises LogError.

        letter: the dead letter that it is about, by which it can be asked for.
        """
        operator = request[OPERATOR]
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        by = {"by": operator.subject, "issuer": operator.issuer, "name": operator.name}
        named = {} if letter is None else {"letter": letter}
        value = json.encode({"act": act, **named, **about, **by, "at": at})
        await self.log.append([Draft(AUDIT, act.encode(), value, columns=Columns(message_id=letter))])


def go(to: str) -> web.Response:
    """An answer that sends a browser elsewhere. to: a path of ours, or the identity provider's address."""
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": to})


def day_in(request: web.Request, name: str, otherwise: int) -> int:
    """The day that a query names; another one where it names none that is one."""
    text = request.query.get(name, "")
    if not _DATE.fullmatch(text):
        return otherwise
    try:
        return day_of(date.fromisoformat(text))
    except ValueError:
        return otherwise


def weeks(first: int, days: int) -> Sequence[Sequence[int]]:
    """Days as weeks from Monday to Sunday; first: a Monday."""
    return [range(day, day + 7) for day in range(first, first + days, 7)]


def monday(day: int) -> int:
    """The Monday of a day's week."""
    return day - date_of(day).weekday()
