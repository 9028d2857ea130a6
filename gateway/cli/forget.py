"""The command `gateway forget`."""

import asyncio
import uuid
from typing import Annotated, Final

import typer

from gateway.cli.on_log import Config, on_log, read_settings, reason_given, refuse_no_number, system_user
from gateway.cli.state import state_of
from gateway.engine.forgetting import Asked, pack_asked
from gateway.engine.log import AUDIT, CONTROL, Draft, Log, LogError
from gateway.engine.pausing import instant
from gateway.rules.deadlines import still_runs
from gateway.rules.referral import PurchaseOrder
from gateway.system.clock import wall_clock

#: So long a gateway that runs may take; it looks every few seconds.
ANSWERED_WITHIN_S: Final = 15.0
LOOK_AGAIN_S: Final = 0.2


def forget(
    po_number: Annotated[str, typer.Argument(help="The number of the purchase order.")],
    reason: Annotated[
        str, typer.Option(help="Why, for the audit. Name no person in it.", show_default=False)
    ],
    running: Annotated[
        bool, typer.Option("--open", help="Also where deadlines still run; they no longer fall due then.")
    ] = False,
    wait_s: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait for a gateway that runs.")
    ] = ANSWERED_WITHIN_S,
    config: Config = None,
) -> None:
    """Have a referral forgotten now, as all are 400 days after they were made. It can't be undone.

    A gateway that runs does it within seconds, else the next one that starts; nothing goes out. Your name and
    the reason are kept on gateway.audit.
    """
    settings = read_settings(config, must_exist=True)
    why = reason_given(reason, "say why it is to be forgotten")
    refuse_no_number(po_number)

    async def work(log: Log) -> bool:
        order = await state_of(log, po_number)
        if order is None or order.referral is None:
            raise LogError(
                f"no referral is known under this number on the log {settings.log_name}; check it. Messages "
                "that wait for one are refused in the end"
            )
        if still_runs(order.due_rank) and not running:
            raise LogError(
                f"something still falls due on this referral ({order.referral.status}). Once it is forgotten "
                "no deadline of it falls due, so no cancellation, notification or breach comes any more, and "
                "what arrives is about an unknown referral; wait, or name --open to lose that"
            )
        at = wall_clock()
        asked = Asked("FORGET", uuid.uuid4().hex, po_number, why, system_user(), instant(at), running)
        value = pack_asked(asked)
        await log.append([Draft(CONTROL, asked.key, value), Draft(AUDIT, asked.act.encode(), value)])
        if not await _is_answered(log, asked, wait_s):
            return False
        left = await state_of(log, po_number)
        if is_same(order, left):
            raise LogError(
                "it was not forgotten, because something has come to fall due on it since; wait, or ask "
                "again with --open"
            )
        return True

    if on_log(settings, work):
        print("the referral is forgotten")
    else:
        print(
            "no gateway has done it yet; it is kept, and done when one runs and has decided what came before"
        )
    if settings.on_kafka:
        print("what lies on the topics stays there until their retention")


def is_same(before: PurchaseOrder, after: PurchaseOrder | None) -> bool:
    """Whether it is still the referral of before: one that came anew has not seen the same messages."""
    return after is not None and after.referral is not None and after.seen[: len(before.seen)] == before.seen


async def _is_answered(log: Log, asked: Asked, wait_s: float) -> bool:
    clock = asyncio.get_running_loop().time
    end_s = clock() + wait_s
    while asked.id in {each.id for each in await log.asked()}:
        if clock() >= end_s:
            return False
        await asyncio.sleep(LOOK_AGAIN_S)
    return True
