"""What all that is sent has in common: its key, form and trace, whose it is, and that it can be taken."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from msgspec import to_builtins

from gateway.api.idempotency import Message as Sent
from gateway.api.operation import Object, Parameter
from gateway.api.problems import Problem
from gateway.api.requests import caller_of
from gateway.api.security import forbidden
from gateway.api.services import Services
from gateway.intake.uploads.uploaded_record import Mistake
from gateway.rules.messages import Message
from schemas.json import InvalidJson, mistakes, parse
from schemas.limits import LONGEST_ID, PRAP_ID, is_message_id, wrong_with_id

#: So many mistakes of a body are listed.
MOST_MISTAKES: Final = 100


#: Visible characters of ASCII without a quotation mark; two such marks may stand around them. Dots alone
#: would be lost from a path, and some ids are for messages that a provider does not send.
def _key_schema(reserved: str = "") -> Object:
    """reserved: what a key may not be, or begin with."""
    key = f"[!#-~]{{1,{LONGEST_ID}}}"
    return {"type": "string", "pattern": rf'^(?!"?(\.{{1,2}}"?${reserved}))("{key}"|{key})$'}


_KEY_SCHEMA: Final = _key_schema(reserved=f"|{PRAP_ID}")
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
PRAP_KEY: Final = Parameter(
    "header",
    "Idempotency-Key",
    "The id of what you send, chosen by you. Sent again with the same body, the answer is the same and "
    "nothing happens twice; with another body it is refused.",
    _key_schema(),
    required=True,
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


def idempotency_key(request: web.Request, *, of_prap: bool = False) -> str:
    """The id that the caller gives the message. of_prap: it may be one of PRaP's. Raises Problem."""
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
    if found[2].startswith(PRAP_ID) and not of_prap:
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


def message_in(value: dict[str, Any], records: Sequence[type[Message]], message_id: str) -> Message:
    """The message of a body. records: what it may be; `type` says which, where there are several.

    Raises Problem with all that is wrong with its form.
    """
    names = [record.__name__ for record in records]
    kind = value.get("type") if len(names) > 1 else names[0]
    if kind not in names:
        raise invalid(
            "INVALID_MESSAGE",
            [InvalidJson("type", f"is none of the records; expected one of {', '.join(names)}")],
        )
    given = {name: item for name, item in value.items() if name != "type" or len(names) == 1}
    found = mistakes(kind, given | {"message_id": message_id})
    if "message_id" in given:
        found.insert(0, InvalidJson("message_id", "comes from the header Idempotency-Key; take it out"))
    if found:
        raise invalid("INVALID_MESSAGE", found)
    return parse(kind, given | {"message_id": message_id})


def invalid(code: str, found: Sequence[InvalidJson]) -> Problem:
    """What to raise for all that is wrong with the form of a body. Its sentence is about the first."""
    first = found[0]
    listed = [Mistake(0, each.field, each.problem) for each in found[:MOST_MISTAKES]]
    return Problem(
        HTTPStatus.BAD_REQUEST,
        f"{first.field or 'The body'} {first.problem}.",
        code=code,
        field=first.field or None,
        more={"mistakes": to_builtins(listed)},
    )


async def too_many_messages(
    services: Services, request: web.Request, key: str, message: Sent, messages: int
) -> None:
    """Raises Problem where a referral has as many messages as are taken, and this is another one.

    messages: how many it has.
    """
    caller, of = caller_of(request).id, (message.po_number, message.provider_id)
    most = services.limits.records_of_referral
    if messages >= most and await services.ask(request, lambda view: view.keyed(caller, key, *of)) is None:
        raise Problem(
            HTTPStatus.CONFLICT,
            f"This referral has {most:,} messages, and no more are taken; ask the operators.",
            code="TOO_MANY_RECORDS",
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
