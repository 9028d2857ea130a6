"""Dead letters: what could not be decoded, why, and since when; put back or discarded, with a reason."""

from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web

from gateway.console.desk import OPERATOR, Desk, go
from gateway.dead_letters.handling import discard, fails_again, put_back_one
from gateway.engine.log import AUDIT, STATE, LogError
from gateway.reading.letters import DISCARDED, REPLAYED, Act, KnownLetter, acts_on, letter, letters
from gateway.reading.view import View
from schemas.limits import wrong_with_id

LONGEST_REASON: Final = 500
_PATH: Final = "/console/dead-letters"


def routes(desk: Desk) -> Sequence[web.RouteDef]:
    """The list, one letter, and what is done with it."""

    say = structlog.get_logger("gateway")

    async def show_all(request: web.Request) -> web.Response:
        found = await desk.ask(letters)
        return desk.page(
            request,
            "dead_letters.html",
            title="Dead letters",
            count=sum(each.count for each in found.codes),
            codes=found.codes,
            waiting=found.newest,
            handled=found.handled,
        )

    async def show(request: web.Request) -> web.Response:
        return await _show(desk, request, request.query.get("id", ""))

    async def handle(request: web.Request) -> web.Response:
        form = await request.post()
        name, act, reason = (str(form.get(each, "")) for each in ("id", "act", "reason"))
        reason = " ".join(reason.split())
        if wrong := _wrong_with(act, reason):
            return await _show(desk, request, name, wrong=wrong, reason=reason[:LONGEST_REASON])
        found, _ = await _found(desk, name)
        if found.handled is not None:
            return await _show(desk, request, name, wrong="It was handled before. Nothing was done.")
        # Before it is done: what is done by hand never goes without a trace.
        kept = REPLAYED if act == "replay" else DISCARDED
        await desk.audit(request, kept, {"reason": reason}, name)
        operator = request[OPERATOR].id
        if act == "replay":
            say.info("console.dead_letter_replayed", operator=operator, letter=name)
            await put_back_one(desk.log, found.dead)
        else:
            say.info("console.dead_letter_discarded", operator=operator, letter=name)
            await discard(desk.log, [name])
        with suppress(LogError, TimeoutError):  # it is done, and will be shown
            await desk.model.reach((AUDIT, STATE))
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


async def _found(desk: Desk, name: str) -> tuple[KnownLetter, list[Act]]:
    """A letter, and what was done with it by hand."""
    if wrong_with_id(name):
        raise web.HTTPNotFound

    def question(view: View) -> tuple[KnownLetter | None, list[Act]]:
        return letter(view, name), acts_on(view, name)

    found, acts = await desk.ask(question)
    if found is None:
        raise web.HTTPNotFound
    return found, acts


async def _show(
    desk: Desk, request: web.Request, name: str, *, wrong: str | None = None, reason: str = ""
) -> web.Response:
    found, acts = await _found(desk, name)
    value = await desk.log.unframed(found.dead.value)
    return desk.page(
        request,
        "dead_letter.html",
        HTTPStatus.OK if wrong is None else HTTPStatus.UNPROCESSABLE_ENTITY,
        title=f"Dead letter {name}",
        letter=found,
        again=fails_again(found.dead, value),
        acts=acts,
        wrong=wrong,
        reason=reason,
        longest=LONGEST_REASON,
        me=request[OPERATOR].name,
    )
