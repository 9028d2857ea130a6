"""A cursor belongs to one history of one log: what was restored from a backup is another from there on."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.api.running import Answer, Client, sandbox
from tests.api.streams import stream

#: Where the cursors are taken from: a path, and the parameter that takes one.
LISTS = {
    "instructions": ("/v1/instructions?limit=500", "after"),
    "the worklist": ("/v1/worklist?limit=1", "cursor"),
    "referrals": ("/v1/referrals?limit=1", "cursor"),
    "a referral's history": ("/v1/referrals/PO-1/history?limit=1", "cursor"),
    "a session": ("/v1/sessions/S1?limit=1", "cursor"),
}


async def more(client: Client, number: int) -> None:
    """A referral with a session that others have, too."""
    po_number = f"PO-{number}"
    await client.new_referral(po_number)
    await client.record(po_number, f"accept-{number}")
    booked = {
        "type": "SessionBooked",
        "session_id": "S1",
        "session_name": "Session",
        "starts_at": "2016-03-17T10:00:00Z",
        "duration_minutes": 60,
        "location": "Hall",
        "format": "GROUP",
        "notified_at": "2016-03-14T09:00:00Z",
    }
    assert (await client.record(po_number, f"book-{number}", booked)).status == 200


async def cursor_of(client: Client, name: str) -> str:
    path, _ = LISTS[name]
    answer = await client.get(path)
    assert answer.status == 200, answer.body
    return str(answer.json["next"])


async def ask(client: Client, name: str, cursor: str) -> Answer:
    path, parameter = LISTS[name]
    return await client.get(f"{path}&{parameter}={cursor}")


def is_of_another(answer: Answer, field: str) -> None:
    assert (answer.status, answer.code) == (410, "CURSOR_OF_ANOTHER_HISTORY")
    assert answer.json["field"] == field
    assert "begin again without one" in answer.json["detail"]


def backed_up(path: Path, to: Path) -> None:
    """A copy, made while the log is used."""
    with sqlite3.connect(path) as log, sqlite3.connect(to) as copy:
        log.backup(copy)


def put_in_place(copy: Path, path: Path) -> None:
    for old in path.parent.glob(f"{path.name}*"):
        if not old.name.endswith((".key", ".keys", ".wrapping-key")):
            old.unlink()
    shutil.copy(copy, path)


@pytest.mark.parametrize("name", LISTS)
async def test_a_cursor_from_after_the_backup_is_refused_and_one_from_before_goes_on(
    name: str, tmp_path: Path
) -> None:
    """Whatever has come since, be it the very same."""
    path, copy = tmp_path / "gateway.db", tmp_path / "copy"
    async with sandbox(path) as served:
        for number in range(3):
            await more(served.client(), number)
        before = await cursor_of(served.client(), name)
        backed_up(path, copy)
        for number in range(3, 6):
            await more(served.client(), number)
        after = await cursor_of(served.client(), name)
    put_in_place(copy, path)
    async with sandbox(path) as served:
        client = served.client()
        is_of_another(await ask(client, name, after), LISTS[name][1])
        assert (await ask(client, name, before)).status == 200
        for number in range(3, 7):
            await more(client, number)
        is_of_another(await ask(client, name, after), LISTS[name][1])
        assert (await ask(client, name, before)).status == 200
        # Begun again, nothing is missing.
        assert (await ask(client, name, await cursor_of(client, name))).status == 200


@pytest.mark.parametrize("name", LISTS)
async def test_a_cursor_of_a_log_that_is_gone_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with sandbox(path) as served:
        for number in range(3):
            await more(served.client(), number)
        cursor = await cursor_of(served.client(), name)
    for old in tmp_path.glob("gateway.db*"):
        old.unlink()
    async with sandbox(path) as served:
        for number in range(3):
            await more(served.client(), number)
        is_of_another(await ask(served.client(), name, cursor), LISTS[name][1])


async def test_a_cursor_goes_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    cursors = {}
    async with sandbox(path) as served:
        for number in range(3):
            await more(served.client(), number)
        for name in LISTS:
            cursors[name] = await cursor_of(served.client(), name)
    for number in range(3, 5):
        async with sandbox(path) as served:
            for name, cursor in cursors.items():
                assert (await ask(served.client(), name, cursor)).status == 200, name
            await more(served.client(), number)
            behind = await ask(served.client(), "instructions", cursors["instructions"])
            assert f"PO-{number}" in {each["po_number"] for each in behind.json["instructions"]}


async def test_a_stream_is_not_gone_on_with_behind_an_event_of_another_history(tmp_path: Path) -> None:
    path, copy = tmp_path / "gateway.db", tmp_path / "copy"
    async with sandbox(path) as served:
        backed_up(path, copy)
        await more(served.client(), 1)
        cursor = await cursor_of(served.client(), "instructions")
        async with stream(served.client(), Last_Event_ID=cursor) as events:
            await served.client().new_referral("PO-NEXT")
            assert [each["po_number"] for each in await events.events(1)] == ["PO-NEXT"]
    put_in_place(copy, path)
    async with sandbox(path) as served:
        refused = await served.client().get(
            "/v1/instructions", Accept="text/event-stream", Last_Event_ID=cursor
        )
        is_of_another(refused, "Last-Event-ID")
