"""Dead letters: what could not be decoded, why, and since when; put back or discarded, with a reason."""

from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import msgspec
import structlog
from aiohttp import web

from gateway.console.desk import OPERATOR, Desk, go
from gateway.dead_letters.handling import (
    DeadLetterEntry,
    DeadLetterFilter,
    dead_letter,
    dead_letters,
    discard,
    fails_again,
    put_back,
)
from gateway.engine.log import AUDIT
from gateway.system.errors import UsageError
from schemas.limits import wrong_with_id

#: So many are listed, the newest.
MOST_LISTED: Final = 200
LONGEST_REASON: Final = 500
_PATH: Final = "/console/dead-letters"


class Act(msgspec.Struct, frozen=True):
    """What somebody has done with a letter."""

    act: str
    at: str
    letter: str = ""
    reason: str = ""
    by: str = ""
    name: str = ""


_act: Final = msgspec.json.Decoder(Act).decode


def routes(desk: Desk) -> Sequence[web.RouteDef]:
    """The list, one letter, and what is done with it."""

    say = structlog.get_logger("gateway")

    async def show_all(request: web.Request) -> web.Response:
        waiting: list[DeadLetterEntry] = []
        codes: Counter[str] = Counter()
        since: dict[str, int] = {}
        handled = 0
        async for each in dead_letters(desk.log, DeadLetterFilter()):
            if each.handled is not None:
                handled += 1
                continue
            waiting.append(each)
            del waiting[:-MOST_LISTED]
            codes[each.dead.code] += 1
            since.setdefault(each.dead.code, each.dead.decided_at)
        return desk.page(
            request,
            "dead_letters.html",
            title="Dead letters",
            waiting=waiting[::-1],
            count=codes.total(),
            codes=[(code, count, since[code]) for code, count in codes.most_common()],
            handled=handled,
        )

    async def show(request: web.Request) -> web.Response:
        return await _show(desk, request, request.query.get("id", ""))

    async def handle(request: web.Request) -> web.Response:
        form = await request.post()
        name, act, reason = (str(form.get(each, "")) for each in ("id", "act", "reason"))
        reason = " ".join(reason.split())
        if wrong := _wrong_with(act, reason):
            return await _show(desk, request, name, wrong=wrong, reason=reason[:LONGEST_REASON])
        letter = await _found(desk, name)
        if letter.handled is not None:
            return await _show(desk, request, name, wrong="It was handled before. Nothing was done.")
        # Before it is done: what is done by hand never goes without a trace.
        kept = "DEAD_LETTER_REPLAYED" if act == "replay" else "DEAD_LETTER_DISCARDED"
        await desk.audit(request, kept, {"letter": name, "reason": reason})
        operator = request[OPERATOR].id
        if act == "replay":
            say.info("console.dead_letter_replayed", operator=operator, letter=name)
            await put_back(desk.log, [name], anyway=True)
        else:
            say.info("console.dead_letter_discarded", operator=operator, letter=name)
            await discard(desk.log, [name])
        return go(f"{_PATH}/letter?id={name}")

    return [
        web.get(_PATH, show_all),
        web.get(f"{_PATH}/letter", show),
        web.post(f"{_PATH}/letter", handle),
    ]


def _wrong_with(act: str, reason: str) -> str | None:
    if act not in {"replay", "discard"}:
        return "Choose whether to replay or to discard the letter."
    if not reason:
        return "Enter a reason."
    if len(reason) > LONGEST_REASON:
        return f"The reason is too long. Use {LONGEST_REASON} characters at most."
    return None


async def _found(desk: Desk, name: str) -> DeadLetterEntry:
    if wrong_with_id(name):
        raise web.HTTPNotFound
    try:
        return await dead_letter(desk.log, name)
    except UsageError:
        raise web.HTTPNotFound from None


async def _show(
    desk: Desk, request: web.Request, name: str, *, wrong: str | None = None, reason: str = ""
) -> web.Response:
    letter = await _found(desk, name)
    return desk.page(
        request,
        "dead_letter.html",
        HTTPStatus.OK if wrong is None else HTTPStatus.UNPROCESSABLE_ENTITY,
        title=f"Dead letter {name}",
        letter=letter,
        again=fails_again(letter.dead, letter.value),
        acts=await _acts(desk, name),
        wrong=wrong,
        reason=reason,
        longest=LONGEST_REASON,
        me=request[OPERATOR].name,
    )


async def _acts(desk: Desk, name: str) -> list[Act]:
    """What was done with a letter by hand, and by whom."""
    found = []
    async for record in desk.log.follow((AUDIT,), from_start=True, wait=False):
        try:
            act = _act(record.value or b"")
        except msgspec.DecodeError:
            continue  # an act of another kind
        if act.letter == name:
            found.append(act)
    return found
