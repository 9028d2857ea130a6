"""docs/rules.md, made from the rules: `python -m gateway.contracts.rules_page > docs/rules.md`."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from textwrap import fill
from typing import Any, Final

from msgspec import structs

from gateway.rules import guidance
from gateway.rules.calendar import date_of
from gateway.rules.case import Applied, Check, Row
from gateway.rules.deadlines import DEADLINES, RAISED_BY, Deadline
from gateway.rules.decide import (
    HELD_DETAIL,
    ROWS,
    SEEN,
    SHARED,
    UNKNOWN_DETAIL,
    UNMATCHED,
    UNMATCHED_IS_HELD,
)
from gateway.rules.failures import FAILURE, FAILURE_TYPES
from gateway.rules.messages import INBOUND, TOPIC_OF, Referral
from gateway.rules.policy import purposes, shipped
from gateway.rules.referrals import MANDATORY, VOLUNTARY

_HEAD: Final[tuple[str, ...]] = ("row", "when", "then", "told", "guidance")
_INTRODUCTION: Final = f"""\
<!-- Made from the code. Change the rule, not this page; then
     .venv/bin/python -m gateway.contracts.rules_page > docs/rules.md -->
# Rules

What the gateway decides, and the guidance that says so. This page is made from the code in `gateway/rules/`,
so it is what runs. A test holds it current.

How to read it:

- A message goes down its table from the top. The first condition that holds decides, and nothing below it is
  looked at. The last row is what happens when none holds.
- **REFUSED** and **DUPLICATE** change nothing, unless the row says so; only the message's id is remembered.
  The code goes out in the message's outcome, with the sentence in the column *told*.
- **D** is `referred_on`, day 0. A limit of *n* days includes the day D+*n*. It has passed at 00:00 in London
  on the day after.
- **at** is the moment a message arrived: its timestamp in the log. Its date is the date in London.
- A referral is **mandatory** or voluntary by the annotation of its Action Plan:
  '{MANDATORY}' or '{VOLUNTARY}'.
- A referral is OPEN. With a WP11 it is JOINING, and then ATTACHED. Or it is CANCELLED, or REJECTED. It is
  **closed** when it is ATTACHED, CANCELLED or REJECTED.
- A session is **open** when it is booked, has no outcome and was not cancelled.
- A participant was **told** when `notified_at` is set and lies before `starts_at`.
- The rows have names, such as G1 or W3, so that people can talk about them.
"""

_TITLES: Final = {
    "jobcentre.wp11": "WP11",
    "jobcentre.updates": "Jobcentre updates",
    "provider.session-records": "Provider records",
}

_SILENCE: Final = """\
What happens because nobody sent anything. A deadline falls due only when every message that arrived before it
has been decided."""
_POLICY: Final = """\
The policy that is shipped. `GATEWAY_POLICY` names a file with others. A referral keeps the policy in force on
D.
"""


def render() -> str:
    """The whole page."""
    parts = [
        _INTRODUCTION,
        _every_message(),
        _referrals(),
        *(_section(topic) for topic in INBOUND if topic != TOPIC_OF[Referral]),
        _failures(),
        _deadlines(),
        _limits(),
        _guidance(),
    ]
    return "\n".join(parts)


def _every_message() -> str:
    says = f"{HELD_DETAIL} Then: {UNKNOWN_DETAIL}"
    held = (UNMATCHED_IS_HELD.row, UNMATCHED_IS_HELD.when, _limited(UNMATCHED_IS_HELD.then), says, "")
    return "\n".join(
        (
            "## Every message\n",
            "Each message of every topic, before its own table. A Referral has G4 in its own table.\n",
            _table(_HEAD, [_check(SEEN), held, *(_check(check) for check in SHARED)]),
        )
    )


def _referrals() -> str:
    return "\n".join(
        (
            "## Referrals\n",
            f"`Referral`, on `{TOPIC_OF[Referral]}`: one revision of a purchase order.\n",
            _table(_HEAD, _rows_of(ROWS[Referral])),
        )
    )


def _section(topic: str) -> str:
    lines = [f"## {_TITLES.get(topic, topic)}\n", f"On `{topic}`.\n"]
    for row in ROWS.values():
        if TOPIC_OF[row.record] != topic:
            continue
        about = (row.record.__doc__ or "").strip()
        cells = _rows_of(row)
        head = _HEAD
        name = row.record.__name__
        if len({first for first, *_ in cells}) == 1:
            name, head, cells = f"{row.row} {name}", head[1:], [rest for _, *rest in cells]
        lines += [f"### {name}\n", f"{about}\n", _table(head, cells)]
    return "\n".join(lines)


def _rows_of(row: Row[Any]) -> list[Sequence[str]]:
    return [
        *(_check(check) for check in row.checks),
        *(
            (each.row, each.when, f"**APPLIED**: {_limited(each.then)}", "", each.rule or "")
            for each in row.applied
        ),
    ]


def _check(check: Check[Any]) -> tuple[str, ...]:
    then = f"{check.status} `{check.code}`" if check.code else check.status
    if check.also is not None:
        then += f", and {check.also.says}"
    return check.row, _limited(check.when), then, check.detail or "", check.rule or ""


def _limited(words: str) -> str:
    """Words with the limits of the shipped policy, the newest, where they name them in braces."""
    return words.format_map(structs.asdict(shipped().limits[-1]))


def _failures() -> str:
    rows = [(benefit, f"`{failure}`") for benefit, failure in FAILURE_TYPES.items()]
    says = f"**{FAILURE.row}**: {FAILURE.when}. {FAILURE.then}."
    return "\n".join(
        ("## Failures\n", *map(_filled, says.split("\n")), _table(("benefit", "failure type"), rows))
    )


def _deadlines() -> str:
    rows = [
        (row.row, _limited(row.limit), row.condition, row.then, row.rule) for row in (UNMATCHED, *DEADLINES)
    ]
    silence = _filled(
        f"{_SILENCE} At one instant the order is: {_order()}, then messages. Within each of these the order "
        "is by `po_number`."
    )
    cleared = ", ".join(f"{row.row} by {' or '.join(row.cleared_by)}" for row in RAISED_BY.values())
    breaches = (
        f"A breach is CLEARED when a record that comes later shows that the limit was met: {cleared}. "
        "Each is raised once at most, and cleared once at most."
    )
    more = [
        breaches,
        *(f"{row.row} cites {row.cites_when}." for row in DEADLINES if row.cites_when),
    ]
    head = ("row", "limit", "if", "then", "guidance")
    return "\n".join(("## Deadlines\n", silence, _table(head, rows), *map(_filled, more)))


def _order() -> str:
    """What falls due at one instant, in order."""
    at_place: defaultdict[int, list[str]] = defaultdict(list)
    for row in (UNMATCHED, *DEADLINES):
        at_place[row.place].append(row.row)
    return ", then ".join(" and ".join(at_place[place]) for place in sorted(at_place))


def _filled(paragraph: str) -> str:
    return fill(paragraph, 110, break_long_words=False, break_on_hyphens=False) + "\n"


def _limits() -> str:
    policies = shipped()
    lines = ["## Limits\n", _POLICY]
    for from_day, limits in zip(policies.from_days, policies.limits, strict=True):
        rows = [(f"`{name}`", f"{getattr(limits, name)}", what) for name, what in purposes().items()]
        civil = date_of(from_day)
        lines += [
            f"From {civil.day} {civil:%B %Y}:\n",
            _table(("limit", "value", "what for"), rows),
        ]
    return "\n".join(lines)


def _guidance() -> str:
    cited = _cited_by()
    sources = [(source, f"{title}.") for source, title in guidance.SOURCES.items()]
    rows = [(rule, says, ", ".join(cited[rule])) for rule, says in guidance.SAYS.items() if cited[rule]]
    return "\n".join(
        (
            "## Guidance\n",
            _table(("cited as", "document"), sources),
            "What each paragraph says, in this project's words, and the rows above that cite it:\n",
            _table(("paragraph", "says", "rows"), rows),
        )
    )


def _cited_by() -> defaultdict[str, list[str]]:
    cited: defaultdict[str, list[str]] = defaultdict(list)

    def cite(rule: str | None, row: str) -> None:
        if rule and row not in cited[rule]:
            cited[rule].append(row)

    for row, rule in _all_rules():
        cite(rule, row)
    return cited


def _all_rules() -> Iterator[tuple[str, str | None]]:
    for check in (SEEN, *SHARED):
        yield check.row, check.rule
    for row in ROWS.values():
        for check in row.checks:
            yield check.row, check.rule
        for applied in row.applied:
            yield from _rules_of(applied)
    for stated in (FAILURE, UNMATCHED, *DEADLINES):
        yield from _rules_of(stated)


def _rules_of(stated: Applied | Deadline) -> Iterator[tuple[str, str | None]]:
    for rule in (stated.rule, *stated.cites):
        yield stated.row, rule


def _table(head: tuple[str, ...], rows: Iterable[Sequence[str]]) -> str:
    lines = [_line(head), "|" + "---|" * len(head)]
    lines += [_line(row) for row in rows]
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    sys.stdout.write(render())
