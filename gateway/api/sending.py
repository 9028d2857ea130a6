"""What all that a provider sends has in common: its key, its trace, whose it is, and that it can be taken."""

import re
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from gateway.api.operation import Object, Parameter
from gateway.api.problems import Problem
from gateway.api.security import forbidden
from gateway.api.services import Services
from producers import traceparent_of
from schemas.limits import LONGEST_ID, PRAP_ID, is_message_id, wrong_with_id

#: Visible characters of ASCII without a quotation mark; two such marks may stand around them. Dots alone
#: would be lost from a path, and some ids are for messages that a provider does not send.
_KEY_SCHEMA: Final[Object] = {
    "type": "string",
    "pattern": rf'^(?!"?(\.{{1,2}}"?$|{PRAP_ID}))("[!#-~]{{1,{LONGEST_ID}}}"|[!#-~]{{1,{LONGEST_ID}}})$',
}
KEY: Final = Parameter(
    "header",
    "Idempotency-Key",
    "The record's id, chosen by you, for all that you send, whichever provider it is for. Sent again with "
    "the same body, the answer is the same and nothing happens twice; with another body it is refused.",
    _KEY_SCHEMA,
    required=True,
)
PLAN_KEY: Final = Parameter(
    "header", "Idempotency-Key", "The plan's id, chosen by you; without it, one is made.", _KEY_SCHEMA
)
#: Written bare or as a string of RFC 9651.
_KEY: Final = re.compile(r'("?)([^"]*)\1')


def refuse_where_nothing_can_be_posted(services: Services) -> None:
    """Raises Problem."""
    if services.read_only:
        raise Problem(
            HTTPStatus.CONFLICT,
            "This gateway decides by the time of the messages on its log; put them there with `feed`.",
            code="READ_ONLY",
        )
    if services.clock is not None and services.clock.look() is not None:
        # It would arrive at a time that never was.
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The gateway's clock has leapt, and operators have to look at it; send the same again later.",
            code="CLOCK_LEAPT",
            headers={"Retry-After": "60"},
        )


def idempotency_key(request: web.Request) -> str:
    """The id that the caller gives the message. Raises Problem."""
    keys = request.headers.getall("Idempotency-Key", [])
    found = _KEY.fullmatch(keys[0]) if len(keys) == 1 else None
    if found is None or not is_message_id(found[2]):
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "The header Idempotency-Key must be an id of 1 to 100 visible ASCII characters, such as a UUID.",
            code="IDEMPOTENCY_KEY_MISSING" if not keys else "BAD_IDEMPOTENCY_KEY",
            field="Idempotency-Key",
        )
    if problem := wrong_with_id(found[2]):
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            f"The header Idempotency-Key {problem}.",
            code="BAD_IDEMPOTENCY_KEY",
            field="Idempotency-Key",
        )
    if found[2].startswith(PRAP_ID):
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            f"Ids that begin with {PRAP_ID} are for messages from PRaP; give the record another one.",
            code="BAD_IDEMPOTENCY_KEY",
            field="Idempotency-Key",
        )
    return found[2]


def key_reused(what: str) -> Problem:
    """What to raise where something else came with a key before. what: a record, or a plan."""
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"Another {what} came with this Idempotency-Key before; give each {what} a key of its own.",
        code="IDEMPOTENCY_KEY_REUSED",
        field="Idempotency-Key",
    )


def refuse_other_provider(request: web.Request, value: dict[str, Any], provider_id: str) -> None:
    """Raises Problem where a body names another provider than the one that it is for."""
    if value.get("provider_id", provider_id) != provider_id:
        forbidden(request, "body_names_another_provider")
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "The body names another provider; leave provider_id out, it comes from the token.",
            code="ANOTHER_PROVIDER",
            field="provider_id",
        )


def trace_of(request: web.Request) -> str | None:
    """The trace context of a request; None: it has no valid one."""
    given = request.headers
    if "traceparent" not in given:
        return None
    return traceparent_of(
        tuple(
            (name, value.encode(errors="surrogateescape"))
            for name in ("traceparent", "tracestate")
            for value in given.getall(name, ())
        )
    )
