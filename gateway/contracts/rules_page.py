"""docs/rules.md, made from the rules: `python -m gateway.contracts.rules_page > docs/rules.md`."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from gateway.rules import guidance
from gateway.rules.calendar import date_of
from gateway.rules.case import Check, Row
from gateway.rules.deadlines import DEADLINES
from gateway.rules.decide import (
    HELD_DETAIL,
    ROWS,
    SEEN,
    SHARED,
    UNKNOWN_DETAIL,
    UNKNOWN_REFERRAL,
)
from gateway.rules.failures import FAILURE_TYPES
from gateway.rules.messages import INBOUND, TOPIC_OF, Referral
from gateway.rules.policy import Limits, shipped
from gateway.rules.referrals import CHECKS, MANDATORY, VOLUNTARY

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

_R13: Final = (
    "the rest of it is new; the appeal and the restriction only where this revision differs in them from the "
    "last one; Instruction REFERRAL_UPDATED; a new restriction then acts as in U4"
)
_R14: Final = (
    "OPEN; PRaP ACKNOWLEDGE; Instruction ACCEPT_REFERRAL, due 2 working days after the date of `at`. After "
    "its outcome, what was held for it is decided in order of arrival, each by its own `at`, as if the "
    "referral had been in time"
)
#: What the first revision of a referral does, and a later one; a Referral has no Row of its own.
_APPLIED: Final = (
    ("R13", "otherwise, the referral is known", _R13, guidance.REFERRED),
    ("R14", "otherwise, it is the first", _R14, guidance.ACCEPTANCE),
)

_F1: Final = f"""\
**F1**: a mandatory participant did not attend, or did not take part. Had they been told, a sanction
notification is RAISED, unless one is active for this session. Had they not, Instruction CONFIRM_NOTIFICATION
asks for proof, and the failure waits for it (P6).

The notification goes to a decision maker. It says that there is a doubt, and decides nothing. It is never
called failure to attend ({guidance.FAILED}).
"""
_SILENCE: Final = """\
What happens because nobody sent anything. A deadline falls due only when every message that arrived before it
has been decided. At one instant the order is: messages that were held for too long, and F2; then all T1, all
T2 and so on to T5; then messages. Within each of these the order is by `po_number`.
"""
_AFTER_DEADLINES: Final = f"""\
A breach is CLEARED when a record that comes later shows that the limit was met: T1 by P1, T2 by P8 or P10, T4
by P11. Each is raised once at most, and cleared once at most.

T3 cites {guidance.ATTENDED} where a session was attended. Where none was, it cites {guidance.TIME_LIMITS} for
a mandatory participant and {guidance.VOLUNTARY_NOT_STARTED} for a voluntary one.
"""
_POLICY: Final = """\
The policy that is shipped. `GATEWAY_POLICY` names a file with others. A referral keeps the policy in force on
D.
"""

#: What each limit is for.
_LIMITS: Final = {
    "session_within_days": "calendar days from D for the session (T2; advisory SESSION_AFTER_15_DAYS)",
    "wp11_within_days": "calendar days from D for the interview that a WP11 follows (W3, T3)",
    "attach_within_days": "calendar days from D for the attachment (W8, T4)",
    "accept_within_working_days": "working days from the arrival of the referral to accept it (R14, T1)",
    "hold_unmatched_days": "calendar days for which a message waits for its referral (G2)",
    "forget_after_days": "calendar days from D after which the referral is forgotten (T5)",
    "session_minutes": "a longer session gets the advisory LONGER_THAN_AN_HOUR (P3, P4)",
    "group_optimum": "people in a group at best; decides nothing",
    "group_invitations": "people invited to a group at most; decides nothing",
    "clock_skew_s": "seconds by which a sender's clock may be fast (G4)",
}

#: Guidance that an event of a row cites, beside that of the row's outcome.
_BY_EVENTS: Final = (
    ("P8", guidance.MANDATORY_ABSENCE),
    ("P10", guidance.ATTENDED),
    ("P10", guidance.MANDATORY_ABSENCE),
    ("R13", guidance.SUITABLE),
    ("F1", guidance.FAILED),
    ("F1", guidance.REQUIREMENT_TOLD),
    ("F1", guidance.CANNOT_ATTEND),
    ("T3", guidance.ATTENDED),
    ("T3", guidance.VOLUNTARY_NOT_STARTED),
)

_SOURCES: Final = {
    "WP19": "Work Programme Provider Guidance, chapter 19. It wins where others disagree",
    "UCGS": "Universal Credit, Group sessions: Guidance; cited by heading, since it has no paragraph numbers",
    "JSAGIS": "Jobseeker's Allowance, Group Information Sessions",
    "GSG": "Group Session Guidance",
    "WRAG": "Guidance to staff on appeals for the Support Group, as published on request",
}


def render() -> str:
    """The whole page."""
    parts = [
        _INTRODUCTION,
        _every_message(),
        _referrals(),
        *(_section(topic) for topic in INBOUND if topic in _TITLES),
        _failures(),
        _deadlines(),
        _limits(),
        _guidance(),
    ]
    return "\n".join(parts)


def _every_message() -> str:
    held = (
        "G2",
        "there is no referral for its `po_number` (not for a Referral)",
        "HELD, through day 28 after the date of `at`; then REFUSED `" + UNKNOWN_REFERRAL + "`",
        f"{HELD_DETAIL} Then: {UNKNOWN_DETAIL}",
        "",
    )
    shared = [_check(check) for check in SHARED]
    return "\n".join(
        (
            "## Every message\n",
            "Each message of every topic, before its own table. A Referral has G4 in its own table.\n",
            _table(("row", "when", "then", "told", "guidance"), [_check(SEEN), held, *shared]),
        )
    )


def _referrals() -> str:
    applied = [(row, when, f"**APPLIED**: {then}", "", _cite(rule)) for row, when, then, rule in _APPLIED]
    return "\n".join(
        (
            "## Referrals\n",
            f"`Referral`, on `{TOPIC_OF[Referral]}`: one revision of a purchase order.\n",
            _table(
                ("row", "when", "then", "told", "guidance"), [*(_check(check) for check in CHECKS), *applied]
            ),
        )
    )


def _section(topic: str) -> str:
    lines = [f"## {_TITLES[topic]}\n", f"On `{topic}`.\n"]
    for row in ROWS.values():
        if TOPIC_OF[row.record] != topic:
            continue
        about = (row.record.__doc__ or "").strip()
        cells = _rows_of(row)
        head: tuple[str, ...] = ("row", "when", "then", "told", "guidance")
        name = row.record.__name__
        if len({first for first, *_ in cells}) == 1:
            name, head, cells = f"{row.row} {name}", head[1:], [rest for _, *rest in cells]
        lines += [f"### {name}\n", f"{about}\n", _table(head, cells)]
    return "\n".join(lines)


def _rows_of(row: Row[Any]) -> list[Sequence[str]]:
    return [
        *(_check(check) for check in row.checks),
        (row.row, "otherwise" if row.checks else "always", f"**APPLIED**: {row.then}", "", _cite(row.rule)),
    ]


def _check(check: Check[Any]) -> tuple[str, ...]:
    then = f"{check.status} `{check.code}`" if check.code else check.status
    if check.also is not None:
        then += f", and {_ALSO[check.row]}"
    return check.row, check.when, then, check.detail or "", _cite(check.rule)


#: What happens beside a refusal, by the row that has it.
_ALSO: Final = {
    "R1": "nothing of it is kept, not even its `message_id`; where the referral is known, its personal data "
    "is erased",
    "P3": "Instruction OFFER_ONE_TO_ONE",
    "P11": "PRaP BACK_OUT_ATTACHMENT and Instruction BACK_OUT_ATTACHMENT",
}


def _failures() -> str:
    rows = [(benefit, f"`{failure}`") for benefit, failure in FAILURE_TYPES.items()]
    return "\n".join(("## Failures\n", _F1, _table(("benefit", "failure type"), rows)))


def _deadlines() -> str:
    held = ("G2", "day 28 after the date of `at`", "no referral came", f"REFUSED `{UNKNOWN_REFERRAL}`", "")
    rows = [held, *((row.row, row.limit, row.condition, row.then, _cite(row.rule)) for row in DEADLINES)]
    head = ("row", "limit", "if", "then", "guidance")
    return "\n".join(("## Deadlines\n", _SILENCE, _table(head, rows), _AFTER_DEADLINES))


def _limits() -> str:
    policies = shipped()
    lines = ["## Limits\n", _POLICY]
    for from_day, limits in zip(policies.from_days, policies.limits, strict=True):
        rows = [(f"`{name}`", f"{getattr(limits, name)}", _LIMITS[name]) for name in Limits.__struct_fields__]
        civil = date_of(from_day)
        lines += [
            f"From {civil.day} {civil:%B %Y}:\n",
            _table(("limit", "value", "what for"), rows),
        ]
    return "\n".join(lines)


def _guidance() -> str:
    cited = _cited_by()
    sources = [(source, f"{title}.") for source, title in _SOURCES.items()]
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
    for check in (SEEN, *SHARED, *CHECKS):
        yield check.row, check.rule
    for name, _, _, rule in _APPLIED:
        yield name, rule
    for row in ROWS.values():
        for check in row.checks:
            yield check.row, check.rule
        yield row.row, row.rule
    for deadline in DEADLINES:
        yield deadline.row, deadline.rule
    yield from _BY_EVENTS


def _cite(rule: str | None) -> str:
    return rule or ""


def _table(head: tuple[str, ...], rows: Iterable[Sequence[str]]) -> str:
    lines = [_line(head), "|" + "---|" * len(head)]
    lines += [_line(row) for row in rows]
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    sys.stdout.write(render())
