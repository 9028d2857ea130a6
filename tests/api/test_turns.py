"""Whatever one caller asks, others are answered: much comes by pages, and each has one question at a time."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gateway.api.callers import Caller
from gateway.api.idempotency import Idempotency
from gateway.api.posting import Posting
from gateway.api.problems import Problem
from gateway.api.rendering import MOST_SHOWN
from gateway.api.requests import CALLER
from gateway.api.services import Services
from gateway.api.slots import Turns
from gateway.reading.asking import Asking
from gateway.reading.model import OwnLog
from gateway.reading.view import View
from tests.api.running import ACCEPTED, NOW, Client, Sandbox, booking, sandbox
from tests.cli.running import Json
from tests.patience import PATIENCE_S

MINE = "UC-MANDATORY"
MANY = MOST_SHOWN + 20


class Connected(asyncio.Transport):
    """A connection. gone: whether its other end has closed it."""

    def __init__(self, gone: bool = False) -> None:
        super().__init__()
        self._gone = gone

    def is_closing(self) -> bool:
        """Whether nobody waits any more."""
        return self._gone


def asks(provider: str, *, gone: bool = False) -> web.Request:
    """A request of somebody who speaks for this provider."""
    request = make_mocked_request("GET", "/", transport=Connected(gone))
    request[CALLER] = Caller(frozenset({provider}), frozenset(), provider, 0)
    return request


async def test_one_callers_questions_are_answered_one_at_a_time_and_anothers_between_them(
    served: Sandbox,
) -> None:
    model, posting = OwnLog(served.log.file, 1), Posting(served.log)
    asking = Asking(model.source, threads=2)
    services = Services(asking, model, posting, Idempotency(model, posting), read_only=False)
    go_on, under_way, most = threading.Event(), 0, 0

    def long(_: View) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        assert go_on.wait(PATIENCE_S)
        under_way -= 1

    waiting = [asyncio.create_task(services.ask(asks("PRV01"), long)) for _ in range(10)]
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(10):
            assert await services.ask(asks("PRV02"), lambda view: view.owner(MINE)) == "PRV01"
    assert not any(task.done() for task in waiting)
    go_on.set()
    await asyncio.gather(*waiting)
    assert most == 1
    asking.close()


async def test_a_question_that_nobody_waits_for_any_more_is_not_asked(served: Sandbox) -> None:
    model, posting = OwnLog(served.log.file, 1), Posting(served.log)
    asking = Asking(model.source)
    services = Services(asking, model, posting, Idempotency(model, posting), read_only=False)
    with pytest.raises(ConnectionError):
        await services.ask(asks("PRV01", gone=True), lambda _: pytest.fail("it was asked"))
    asking.close()


async def test_so_many_of_one_caller_wait_and_no_more() -> None:
    """Also those whose connection has broken meanwhile."""
    turns, caller, go_on = Turns(most_waiting=3), asks("PRV01")[CALLER], asyncio.Event()

    async def one() -> None:
        async with turns.of(caller):
            await go_on.wait()

    under_way = [asyncio.create_task(one()) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(Problem) as refused:
        await one()
    assert refused.value.code == "TOO_MANY_REQUESTS"
    async with turns.of(asks("PRV02")[CALLER]):
        pass
    go_on.set()
    await asyncio.gather(*under_way)
    await one()


async def test_after_a_long_turn_a_caller_rests_and_others_do_not() -> None:
    turns, first = Turns(), asks("PRV01")[CALLER]
    async with turns.of(first) as turn:
        turn.spent_s = 1_000.0

    async def again() -> None:
        async with turns.of(first):
            pass

    waiting = asyncio.create_task(again())
    for _ in range(10):
        async with turns.of(asks("PRV02")[CALLER]):
            await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


async def test_a_rest_ends_and_short_turns_need_none() -> None:
    turns, caller = Turns(rest=2.0), asks("PRV01")[CALLER]
    async with asyncio.timeout(PATIENCE_S):
        for spent_s in (0.0, 0.001, 0.005, 0.0):
            async with turns.of(caller) as turn:
                turn.spent_s = spent_s


async def test_what_a_turn_takes_of_a_processor_is_noted_and_not_what_it_waits() -> None:
    async with Turns().of(asks("PRV01")[CALLER]) as turn:

        def long(count: int) -> int:
            return sum(range(count))

        assert turn.timed(long)(1_000_000) == 499_999_500_000
        took_s = turn.spent_s
        assert took_s > 0
        turn.timed(threading.Event().wait)(took_s)
        assert turn.spent_s < 2 * took_s
        before_s = turn.spent_s
        with pytest.raises(TypeError):
            turn.timed(long)("none")  # type: ignore[arg-type]
        assert turn.spent_s > before_s


async def paged(client: Client, path: str, name: str, limit: int = 7) -> list[Json]:
    """All of a list, page by page."""
    found: list[Json] = []
    cursor = ""
    while True:
        answer = await client.get(f"{path}?limit={limit}{cursor}")
        assert answer.status == 200, answer.body
        assert len(answer.json[name]) <= limit
        found += answer.json[name]
        if answer.json["next"] is None:
            return found
        cursor = f"&cursor={answer.json['next']}"


async def test_of_a_referral_with_much_the_newest_is_shown_and_all_of_it_by_pages(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "gateway.db") as served:
        provider = served.client()
        assert (await provider.record(MINE, "accept", ACCEPTED)).status == 200
        for number in range(MANY):
            day = f"2016-03-{17 + number % 10}T{8 + number % 8:02}:00:00Z"
            booked = booking(f"S{number:03}", day, notified_at=None)
            assert (await provider.record(MINE, f"b{number}", booked)).status == 200
            cancelled = {
                "type": "SessionCancelled",
                "session_id": f"S{number:03}",
                "reason": "R",
                "cancelled_at": NOW,
            }
            assert (await provider.record(MINE, f"c{number}", cancelled)).status == 200
        path = f"/v1/referrals/{MINE}"
        whole = (await provider.get(path)).json
        sessions = await paged(provider, f"{path}/sessions", "sessions")
        history = await paged(provider, f"{path}/history", "history")
        assert [each["session_id"] for each in sessions] == [f"S{number:03}" for number in range(MANY)]
        assert (whole["sessions"], whole["sessions_left_out"]) == (sessions[-MOST_SHOWN:], 20)
        assert whole["history"] == history[-MOST_SHOWN:]
        assert whole["history_left_out"] == len(history) - MOST_SHOWN > 0
        ids = [each["event"]["event_id"] for each in history]
        assert len(set(ids)) == len(ids)
        for part in ("sessions", "history"):
            answer = await provider.get(f"{path}/{part}?cursor=kgGA")
            assert (answer.status, answer.code) == (400, "BAD_CURSOR")
            assert (await served.client("PRV02").get(f"{path}/{part}")).code == "UNKNOWN_REFERRAL"


async def test_who_was_booked_on_a_session_comes_by_pages_and_all_are_counted(provider: Client) -> None:
    for number in range(5):
        await provider.new_referral(f"PO-{number}")
        await provider.record(f"PO-{number}", f"a{number}", ACCEPTED)
        assert (await provider.record(f"PO-{number}", f"b{number}", booking("SHARED"))).status == 200
    first = (await provider.get("/v1/sessions/SHARED?limit=2")).json
    assert (first["booked"], first["attended"], len(first["bookings"])) == (5, 0, 2)
    found = await paged(provider, "/v1/sessions/SHARED", "bookings", 2)
    assert [each["po_number"] for each in found] == [f"PO-{number}" for number in range(5)]


async def test_nothing_of_anothers_referral_is_read_but_whose_it_is(served: Sandbox) -> None:
    """So it takes as long as where there is none: were its state read, this one's could not be."""
    other = served.client("PRV02")
    with sqlite3.connect(served.path) as log:
        log.execute("UPDATE state SET state = x'00' WHERE po_number = ?", (MINE,))
    for path in (f"/v1/referrals/{MINE}", f"/v1/referrals/{MINE}/history", f"/v1/referrals/{MINE}/sessions"):
        assert (await other.get(path)).code == "UNKNOWN_REFERRAL"
    assert (await other.record(MINE, "a")).code == "UNKNOWN_REFERRAL"
    line = b'{"type":"GroupObjection","message_id":"m1","po_number":"UC-MANDATORY","raised_at":"%b"}'
    body = line % str(ACCEPTED["accepted_at"]).encode()
    refused = await other.ask("POST", "/v1/uploads", data=body, Content_Type="application/jsonl")
    assert [each["field"] for each in refused.json["mistakes"]] == ["po_number"]
