"""docs/events.md, made from the schemas: `python -m gateway.contracts.events_page > docs/events.md`."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import Struct

from gateway.rules import guidance
from gateway.rules.events import (
    ATTENDANCE_WORDS,
    NOTICE_WORDS,
    OUTBOUND,
    PRAP_WORDS,
    SESSION_WORDS,
    AttendanceEvent,
    CancellationEvent,
    Event,
    Notice,
    PrapAction,
    SanctionNotification,
    SessionEvent,
)
from schemas.catalogue import SCHEMAS

#: By event its topic.
OUTBOUND_TOPIC: Final = {event: topic for topic, event in OUTBOUND.items()}


class Kind(Struct, frozen=True):
    """One kind of an event. name: the value of the field that says the kind. rule: which guidance says so."""

    name: str
    means: str
    do: str
    rule: str


class Told(Struct, frozen=True):
    """An event that somebody is to act on. field: says its kind."""

    event: type[Event]
    field: str
    kinds: tuple[Kind, ...]


_INTRODUCTION: Final = """\
<!-- Made from the code. Change gateway/contracts/events_page.py or the schemas, not this page; then
     .venv/bin/python -m gateway.contracts.events_page > docs/events.md -->
# Events

What does each event mean, and what is its receiver to do? The first five are for the Jobcentre, over
[HTTP](subscribe.md) or on [topics](topics.md); the last is what people [enter on
PRaP](prap.md#enter-what-was-decided). How to take corrections and withdrawals is in
[corrections.md](corrections.md).

All have an `event_id`: skip one that you have. Those of one purchase order come in the order of decision. A
kind that you read as `OTHER` is one that a later version wrote: show the event to a person. `rule` has the
guidance that the decision followed; the tables name one that it may be.
"""

#: What a receiver is to do about each kind of each event.
TOLD: Final = (
    Told(
        SessionEvent,
        "change",
        (
            Kind(
                "BOOKED",
                SESSION_WORDS["BOOKED"],
                "Enter it in the diary. Where `requirement` is MANDATORY, the participant has to attend.",
                guidance.SESSION_IN_TIME,
            ),
            Kind(
                "CHANGED",
                SESSION_WORDS["CHANGED"],
                "Replace all that you have under this `session_id`: time, place, `requirement`, "
                "`notified_at`.",
                guidance.REQUIREMENT_TOLD,
            ),
            Kind(
                "CANCELLED",
                SESSION_WORDS["CANCELLED"],
                "Take it out of the diary; `because` says why. Nobody has to attend it. Another one may "
                "follow as an event of its own.",
                guidance.REQUIREMENT_TOLD,
            ),
            Kind(
                "CANNOT_ATTEND",
                SESSION_WORDS["CANNOT_ATTEND"],
                "Leave it in the diary and wait. Where it is MANDATORY, a SanctionNotification with the "
                "reason may follow once the session's time is over.",
                guidance.CANNOT_ATTEND,
            ),
        ),
    ),
    Told(
        AttendanceEvent,
        "outcome",
        (
            Kind(
                "ATTENDED",
                ATTENDANCE_WORDS["ATTENDED"],
                "Record it. Issue a WP11 if the participant comes to the interview in time and wants to "
                "join.",
                guidance.ATTENDED,
            ),
            Kind(
                "DID_NOT_ATTEND",
                ATTENDANCE_WORDS["DID_NOT_ATTEND"],
                "Record it. The doubt, if there is one, comes as a SanctionNotification: start none from "
                "this. You may ask for another session (AlternativeSessionRequested).",
                guidance.MANDATORY_ABSENCE,
            ),
            Kind(
                "DID_NOT_PARTICIPATE",
                ATTENDANCE_WORDS["DID_NOT_PARTICIPATE"],
                "The same.",
                guidance.MANDATORY_ABSENCE,
            ),
        ),
    ),
    Told(
        CancellationEvent,
        "reason",
        (
            Kind(
                "Did Not Start",
                "no WP11 came in time",
                "Close the referral as of `effective_on`, also where `attended` is true. A WP11 is "
                "refused from now on: who wants to join needs a new Work Programme referral.",
                guidance.TIME_LIMITS,
            ),
        ),
    ),
    Told(
        SanctionNotification,
        "status",
        (
            Kind(
                "RAISED",
                "there is a doubt",
                "Refer it to a decision maker with `failure_type`, `failure` and `reason_given`. It "
                "decides nothing.",
                guidance.FAILED,
            ),
            Kind(
                "WITHDRAWN",
                "the doubt no longer stands",
                "Withdraw the one that `withdraws` names, and tell the decision maker, whatever has been "
                "done on it.",
                guidance.FAILED,
            ),
        ),
    ),
    Told(
        Notice,
        "notice",
        (
            Kind(
                "NEW_REFERRAL_NEEDED",
                NOTICE_WORDS["NEW_REFERRAL_NEEDED"],
                "Make a new Work Programme referral if the participant still wants to join.",
                guidance.TIME_LIMITS,
            ),
            Kind(
                "ATTACHED",
                NOTICE_WORDS["ATTACHED"],
                "Record it, as of `on`.",
                guidance.TIME_LIMITS,
            ),
            Kind(
                "INCORRECT_ATTACHMENT",
                NOTICE_WORDS["INCORRECT_ATTACHMENT"],
                "Let the Department recover what was paid for the attachment of `on`. The provider is "
                "told to back it out.",
                guidance.RIGHT_REFERRAL,
            ),
            Kind(
                "ALTERNATIVE_NOT_POSSIBLE",
                NOTICE_WORDS["ALTERNATIVE_NOT_POSSIBLE"],
                "Ask for no other session; settle with the participant what comes next.",
                guidance.MANDATORY_ABSENCE,
            ),
        ),
    ),
    Told(
        PrapAction,
        "action",
        (
            Kind(
                "ACKNOWLEDGE",
                PRAP_WORDS["ACKNOWLEDGE"],
                "Acknowledge it on PRaP.",
                guidance.ACCEPTANCE,
            ),
            Kind("ACCEPT", PRAP_WORDS["ACCEPT"], "Accept it on PRaP.", guidance.ACCEPTANCE),
            Kind(
                "REJECT",
                PRAP_WORDS["REJECT"],
                "Reject it on PRaP, with the provider's reason in `reason`.",
                guidance.ACCEPTANCE,
            ),
            Kind(
                "CANCEL",
                PRAP_WORDS["CANCEL"],
                "Cancel it on PRaP with `reason`.",
                guidance.TIME_LIMITS,
            ),
            Kind(
                "BACK_OUT_ATTACHMENT",
                PRAP_WORDS["BACK_OUT_ATTACHMENT"],
                "Back the attachment out by the process that `reason` names.",
                guidance.RIGHT_REFERRAL,
            ),
        ),
    ),
)


def render() -> str:
    """The whole page."""
    return "\n".join([_INTRODUCTION, *(part for each in TOLD for part in _section(each))])


def _section(told: Told) -> Iterator[str]:
    schema = SCHEMAS[told.event.__name__]
    says = schema["doc"].removeprefix(f"Topic {OUTBOUND_TOPIC[told.event]}.").strip()
    yield f"## {told.event.__name__}\n"
    yield f"On `{OUTBOUND_TOPIC[told.event]}`.{f' {says}' if says else ''}\n"
    rows = [(f"`{each.name}`", each.means, each.do, each.rule) for each in told.kinds]
    yield _table((f"`{told.field}`", "it means", "do", "guidance"), rows)
    fields = [(f"`{each['name']}`", _type(each["type"]), each["doc"]) for each in schema["fields"]]
    yield _table(("field", "type", "what"), fields)


def _type(schema: Any) -> str:  # noqa: ANN401 - a schema is a text, a list or an object
    """A type in words: what there may be, and whether it may be null."""
    match schema:
        case list():
            (kind,) = (each for each in schema if each != "null")
            return f"{_type(kind)}, or null"
        case {"logicalType": "timestamp-millis"}:
            return "instant"
        case {"logicalType": "date"}:
            return "date"
        case {"type": "enum", "symbols": symbols}:
            return ", ".join(f"`{symbol}`" for symbol in symbols if symbol != "OTHER")
        case {"type": "array", "items": items}:
            return f"list of {_type(items)}"
        case "string":
            return "text"
        case "boolean":
            return "yes or no"
    return "number"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = (f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
