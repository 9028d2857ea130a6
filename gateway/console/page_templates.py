"""How the pages are written."""

from datetime import date
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from gateway.console.static_files import versioned
from gateway.rules.calendar import day_of, day_text, instant_text
from gateway.rules.guidance import SAYS
from gateway.rules.words import came
from gateway.system.terminal import printable
from schemas.json import format_day, format_instant

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


def _templates() -> Environment:
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
        css=versioned("console.css"),
        js=versioned("console.js"),
        icon=versioned("icon.svg"),
    )
    return made


#: In them whatever comes from outside is escaped.
TEMPLATES: Final = _templates()
