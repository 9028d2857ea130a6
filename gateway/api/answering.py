"""How long an outcome is waited for, and what is answered to a message."""

from http import HTTPStatus
from typing import Final

from aiohttp import web
from msgspec import to_builtins
from msgspec.structs import replace

from gateway.api.headers import preference
from gateway.api.operation import TEXT, Answer, Parameter, header
from gateway.api.problems import Problem
from gateway.api.rendering import decided
from gateway.api.responses import answer
from gateway.api.views import MessageView
from gateway.rules.decide import field_at_fault
from gateway.rules.events import Outcome
from gateway.rules.messages import Message

LONGEST_WAIT_S: Final = 30
_DIGITS: Final = 6
PREFER: Final = Parameter(
    "header",
    "Prefer",
    f"`wait=5`: wait up to so many seconds, {LONGEST_WAIT_S} at the most, for what comes of it (RFC 7240).",
    TEXT | {"examples": ["wait=5"]},
)
APPLIED: Final = {"Preference-Applied": header("For how long was waited at the most.", always=False)}
DECIDED: Final = Answer("Decided: APPLIED, or DUPLICATE.", MessageView, APPLIED)
TAKEN: Final = Answer(
    "It is on the log and will be decided, whatever happens to the gateway; HELD: it waits for its referral.",
    MessageView,
    {"Location": header("Where its outcome will be.")} | APPLIED,
)


def wait_s_of(request: web.Request) -> int:
    """How long the caller would wait for the outcome (RFC 7240), in seconds."""
    wait = preference(request, "wait") or ""
    is_number = wait.isascii() and wait.isdecimal() and len(wait) <= _DIGITS
    return min(int(wait), LONGEST_WAIT_S) if is_number else 0


def answer_with(
    request: web.Request, record: type[Message], outcome: Outcome | None, unknown: MessageView, wait_s: int
) -> web.Response:
    """What is answered to a message. record: its kind. outcome: None: it is not known, and `unknown` is what
    there is to say. HELD is not the last word either.

    Raises Problem where it was refused.
    """
    applied = {"Preference-Applied": f"wait={wait_s}"} if wait_s else {}
    view = unknown if outcome is None else replace(decided(outcome, unknown.reference), self=unknown.self)
    if outcome is None or outcome.status == "HELD":
        return answer(request, view, HTTPStatus.ACCEPTED, {"Location": view.self, **applied})
    if outcome.status == "REFUSED":
        raise _refused(record, view, applied)
    return answer(request, view, headers=applied)


def _refused(record: type[Message], view: MessageView, headers: dict[str, str]) -> Problem:
    """A refusal, with the rulebook's code and the paragraph that it follows."""
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        view.detail,
        code=view.code,
        field=field_at_fault(record, view.code),
        headers=headers,
        more={"rule": view.rule, "guidance": view.guidance, "message": to_builtins(view)},
    )
