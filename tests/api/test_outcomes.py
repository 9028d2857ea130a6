"""What came of a provider's messages can be followed as instructions can: by cursor, long poll and stream."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.reading.tables import INSTRUCTIONS, OUTCOMES
from tests.api.running import Client, Sandbox, sandbox
from tests.api.streams import stream
from tests.cli.running import Json


async def outcomes(client: Client, query: str = "") -> list[Json]:
    answer = await client.get(f"/v1/outcomes?limit=500{query}")
    assert answer.status == 200, answer.body
    found: list[Json] = answer.json["outcomes"]
    return found


async def end(client: Client) -> str:
    return str((await client.get("/v1/outcomes?limit=500")).json["next"])


async def test_outcomes_come_in_order_with_what_a_message_says_of_them(provider: Client) -> None:
    begin = await end(provider)
    for key in ("a1", "a2", "a1"):
        await provider.record("UC-MANDATORY", key)
    first, second = await outcomes(provider, f"&after={begin}")
    assert (first["message_id"], first["status"], first["code"]) == ("a1", "APPLIED", None)
    assert (second["message_id"], second["status"], second["code"]) == ("a2", "REFUSED", "ALREADY_ACCEPTED")
    for each in (first, second):
        message = (await provider.get(each["message"])).json
        assert {name: message[name] for name in ("status", "code", "detail", "rule", "decided_at")} == {
            name: each[name] for name in ("status", "code", "detail", "rule", "decided_at")
        }
    assert await outcomes(provider, f"&after={first['cursor']}") == [second]
    assert await end(provider) == second["cursor"]


async def test_a_long_poll_returns_with_the_next_outcome_and_not_with_an_instruction(
    provider: Client,
) -> None:
    await provider.record("UC-MANDATORY", "a1")
    polling = asyncio.create_task(provider.get(f"/v1/outcomes?wait=30&after={await end(provider)}"))
    await provider.new_referral("PO-1")
    assert not polling.done()
    await provider.record("UC-MANDATORY", "a2")
    (found,) = (await polling).json["outcomes"]
    assert found["message_id"] == "a2"


async def test_outcomes_are_streamed_as_they_are_decided(provider: Client) -> None:
    begin = await end(provider)
    await provider.record("UC-MANDATORY", "a1")
    async with stream(provider, f"?after={begin}", kind="outcome") as streamed:
        (first,) = await streamed.events(1)
        await provider.record("UC-MANDATORY", "a2")
        (second,) = await streamed.events(1)
    assert [first, second] == await outcomes(provider, f"&after={begin}")
    async with stream(provider, kind="outcome", Last_Event_ID=first["cursor"]) as streamed:
        assert await streamed.events(1) == [second]


async def test_outcomes_are_for_their_provider_and_a_prime_contractor_has_all(served: Sandbox) -> None:
    prime, one, other = served.client("PRV01", "PRV02"), served.client(), served.client("PRV02")
    await one.new_referral("OF-PRV02", provider_id="PRV02")
    begin = await end(prime)
    await one.record("UC-MANDATORY", "a1")
    await other.record("OF-PRV02", "a2")
    for client, ids in ((one, ["a1"]), (other, ["a2"]), (prime, ["a1", "a2"])):
        found = await outcomes(client, f"&after={begin}")
        assert [each["message_id"] for each in found] == ids


async def test_a_cursor_of_instructions_is_none_of_outcomes(provider: Client) -> None:
    await provider.record("UC-MANDATORY", "a1")
    cursor = (await provider.get("/v1/instructions?limit=3")).json["next"]
    assert (await provider.get(f"/v1/outcomes?after={cursor}")).code == "CURSOR_OF_ANOTHER_HISTORY"


async def test_a_cursor_stays_when_its_referral_is_forgotten(provider: Client) -> None:
    await provider.record("UC-MANDATORY", "a1")
    cursor = await end(provider)
    await provider.new_referral("LATER")
    await provider.clock("2018-01-01T00:00:00Z")
    assert await outcomes(provider, f"&after={cursor}") == []
    assert await outcomes(provider) == []


@pytest.mark.parametrize("topic", [INSTRUCTIONS, OUTCOMES])
async def test_events_of_a_provider_are_found_by_an_index(topic: str, tmp_path: Path) -> None:
    async with sandbox(tmp_path / "gateway.db"):
        pass
    with closing(sqlite3.connect(tmp_path / "gateway.db")) as db:
        sql = (
            f"SELECT offset, value FROM outbound WHERE topic = '{topic}' AND provider_id = ?"
            " AND partition = ? AND offset >= ? ORDER BY offset LIMIT ?"
        )
        (plan,) = db.execute(f"EXPLAIN QUERY PLAN {sql}", ("PRV01", 0, 1, 9)).fetchall()
    index = {INSTRUCTIONS: "outbound_instruction", OUTCOMES: "outbound_outcome"}[topic]
    assert f"USING INDEX {index} (provider_id=? AND partition=? AND offset>?)" in plan[3]
