"""What the pages work with: whom they ask, how they are written, and who is at the browser."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from http import HTTPStatus
from importlib.resources import files
from typing import Final, TypeVar

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from msgspec import json

from gateway.api.surroundings import Surroundings
from gateway.console.browsers import Browser, Browsers, Operator
from gateway.engine.clock_watch import ClockWatch
from gateway.engine.log import AUDIT, Draft, Log
from gateway.engine.workers import Workers
from gateway.reading.asking import Asking
from gateway.reading.model import ReadModel
from gateway.reading.view import View
from gateway.rules.calendar import date_of, day_of, day_text, instant_text
from gateway.rules.guidance import SAYS
from gateway.rules.policy import Policies
from gateway.rules.words import came
from gateway.system.terminal import printable
from schemas.json import format_day, format_instant

T = TypeVar("T")

BROWSER: Final = web.RequestKey("browser", Browser)
OPERATOR: Final = web.RequestKey("operator", Operator)
#: The pages, by their names in the navigation.
PAGES: Final = (
    ("/console/", "Now"),
    ("/console/referrals", "Referrals"),
    ("/console/deadlines", "Deadlines"),
    ("/console/sessions", "Sessions"),
    ("/console/providers", "Providers"),
    ("/console/refusals", "Refusals"),
    ("/console/dead-letters", "Dead letters"),
    ("/console/rules", "Rules"),
    ("/console/what-if", "What if"),
    ("/console/reports", "Reports"),
)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _static(name: str) -> bytes:
    return files("gateway.console").joinpath("static", name).read_bytes()


#: The files beside the pages, each with its type.
STATIC: Final[Mapping[str, tuple[bytes, str]]] = {
    "console.css": (_static("console.css"), "text/css"),
    "console.js": (_static("console.js"), "text/javascript"),
    "icon.svg": (_static("icon.svg"), "image/svg+xml"),
}


def _versioned(name: str) -> str:
    """The address of a file, another one for each content, so that browsers may keep it."""
    return f"/console/static/{name}?v={sha256(STATIC[name][0]).hexdigest()[:12]}"


def _ago(seconds: float) -> str:
    """A length of time as people say it."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    count = int(seconds)
    return f"{count} second{'' if count == 1 else 's'}"


def _words(code: str) -> str:
    """A code as words, such as Session late."""
    return code.replace("_", " ").capitalize().replace("Wp11", "WP11")


def _number(value: float) -> str:
    return f"{value:,}"


def environment() -> Environment:
    """The templates, in which whatever comes from outside is escaped."""
    made = Environment(
        loader=PackageLoader("gateway.console"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        instant=instant_text,
        iso=format_instant,
        day=day_text,
        date=lambda text: day_text(day_of(date.fromisoformat(text))),
        iso_day=format_day,
        ago=_ago,
        words=_words,
        number=_number,
        printable=printable,
        says=lambda rule: SAYS.get(rule, "see there"),
    )
    made.globals.update(
        came=came,
        pages=PAGES,
        css=_versioned("console.css"),
        js=_versioned("console.js"),
        icon=_versioned("icon.svg"),
    )
    return made


@dataclass(frozen=True, slots=True)
class Desk:
    """What the pages work with.

    model: whether it is complete, and what answers come from. time: what the log's clock says, UTC
    milliseconds. now: the wall clock, where that is the log's.
    """

    log: Log
    model: ReadModel
    asking: Asking
    workers: Workers
    policies: Policies
    browsers: Browsers
    templates: Environment
    time: Callable[[], Awaitable[int]]
    now: Callable[[], int] | None
    around: Surroundings
    clock: ClockWatch | None

    async def ask(self, question: Callable[[View], T]) -> T:
        """Ask the read model."""
        return await self.asking.ask(question)

    def page(
        self, request: web.Request, template: str, status: int = HTTPStatus.OK, **context: object
    ) -> web.Response:
        """A page, made of a template."""
        browser = request.get(BROWSER)
        body = self.templates.get_template(template).render(
            path=request.path,
            operator=request.get(OPERATOR),
            csrf="" if browser is None else browser.csrf,
            **context,
        )
        return web.Response(text=body, content_type="text/html", status=status)

    async def audit(self, request: web.Request, act: str, about: Mapping[str, object]) -> None:
        """Keep that somebody does something by hand, before it is done; callers log it. Raises LogError."""
        operator = request[OPERATOR]
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        by = {"by": operator.subject, "issuer": operator.issuer, "name": operator.name}
        value = json.encode({"act": act, **about, **by, "at": at})
        await self.log.append([Draft(AUDIT, act.encode(), value)])


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
