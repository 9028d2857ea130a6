"""Instructions by cursor and by long poll: none is missed, and none comes twice."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from gateway.api.event_stream import LONGEST_WAIT_S, MOST_OPEN
from gateway.reading.model import ReadModel
from tests.api.running import Client, Sandbox, sandbox
from tests.cli.running import Json
from tests.patience import PATIENCE_S


@pytest.fixture(params=[1, 4], ids=["one partition", "four partitions"])
async def parted(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Sandbox]:
    """A sandbox in this process, of so many partitions."""
    async with sandbox(tmp_path / "gateway.db", partitions=request.param) as made:
        yield made


async def pages(client: Client, after: str = "", limit: int = 7) -> tuple[list[Json], str]:
    """All that is there, page by page, and the cursor behind it."""
    found: list[Json] = []
    cursor = f"&after={after}" if after else ""
    while True:
        answer = await client.get(f"/v1/instructions?limit={limit}{cursor}")
        assert answer.status == 200, answer.body
        page = answer.json
        assert len(page["instructions"]) <= limit
        if not page["instructions"]:
            return found, page["next"]
        found += page["instructions"]
        assert page["next"] == found[-1]["cursor"]
        cursor = f"&after={page['next']}"


def ids(instructions: list[Json]) -> list[str]:
    return [instruction["event_id"] for instruction in instructions]


async def written(served: Sandbox) -> int:
    """How many instructions there are on the log."""
    return len(await served.records("provider.instructions"))


async def test_pages_hold_each_instruction_once_though_more_come_between_them(parted: Sandbox) -> None:
    provider = parted.client()
    found: list[Json] = []
    cursor = ""
    for number in range(6):
        page = (await provider.get(f"/v1/instructions?limit=9{cursor}")).json
        found += page["instructions"]
        cursor = f"&after={page['next']}"
        await provider.new_referral(f"PO-{number}")
    rest, _ = await pages(provider, cursor.removeprefix("&after="))
    assert len(set(ids(found + rest))) == len(found + rest) == await written(parted)
    # Asked again from the beginning, the same are there; asked from anywhere, what is behind that.
    again, _ = await pages(provider, limit=500)
    assert set(ids(again)) == set(ids(found + rest))
    behind, _ = await pages(provider, found[10]["cursor"])
    assert sorted(ids(behind)) == sorted(ids((found + rest)[11:]))


async def test_instructions_of_one_purchase_order_keep_their_order(parted: Sandbox) -> None:
    provider = parted.client()
    await provider.clock("2016-04-12T00:00:00Z")
    found, _ = await pages(provider, limit=3)
    by_po: dict[str, list[str]] = {}
    for each in found:
        by_po.setdefault(each["po_number"], []).append(each["decided_at"])
    assert all(times == sorted(times) for times in by_po.values())
    assert {each["instruction"] for each in found if each["po_number"] == "UC-MANDATORY"} == {
        "ACCEPT_REFERRAL",
        "REFERRAL_CANCELLED",
    }


async def test_a_provider_that_was_away_for_a_week_misses_nothing(parted: Sandbox) -> None:
    provider = parted.client()
    before, cursor = await pages(provider)
    await provider.clock("2016-04-04T08:00:00Z")
    for number in range(3):
        await provider.new_referral(f"PO-{number}", referred_on="2016-04-04")
    await provider.clock("2016-04-11T08:00:00Z")
    after, end = await pages(provider, cursor)
    assert len(after) > 20
    assert not set(ids(before)) & set(ids(after))
    assert len(before) + len(after) == await written(parted)
    assert await pages(provider, end) == ([], end)


async def test_an_instruction_is_only_for_its_provider(parted: Sandbox) -> None:
    other = parted.client("PRV02")
    assert (await other.get("/v1/instructions")).json["instructions"] == []
    await other.new_referral("PO-OTHER", provider_id="PRV02")
    assert [each["po_number"] for each in (await pages(other))[0]] == ["PO-OTHER"]
    mine, _ = await pages(parted.client())
    assert {each["provider_id"] for each in mine} == {"PRV01"}


async def test_a_long_poll_wakes_when_something_comes(parted: Sandbox, waits: asyncio.Event) -> None:
    provider = parted.client()
    _, cursor = await pages(provider)
    polling = asyncio.create_task(provider.get(f"/v1/instructions?wait=60&after={cursor}"))
    await waits.wait()
    await provider.new_referral("PO-OTHER", provider_id="PRV02")
    assert not polling.done()
    await provider.new_referral("PO-MINE")
    answer = await polling
    assert [each["po_number"] for each in answer.json["instructions"]] == ["PO-MINE"]
    # What is there already is not waited for.
    again = await provider.get(f"/v1/instructions?wait=60&after={cursor}")
    assert again.body == answer.body


async def test_a_long_poll_that_nothing_comes_for_ends_where_it_began(provider: Client) -> None:
    _, cursor = await pages(provider)
    answer = await provider.get(f"/v1/instructions?wait=1&after={cursor}")
    assert answer.json == {"instructions": [], "next": cursor}


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "-1",
        "1.2",
        "1..",
        "0x1",
        "١",
        "9" * 20,
        "9223372036854775808",
        "1" * 7_000,
        "%00",
        "1e3",
        "+1",
        "17",
        "0-5d41402abc4b",
        "017-5d41402abc4b",
        "17-",
    ],
    ids=lambda cursor: cursor[:20],
)
async def test_a_cursor_that_is_none_is_refused(cursor: str, provider: Client) -> None:
    answer = await provider.get(f"/v1/instructions?after={cursor}")
    assert (answer.status, answer.code, answer.json["field"]) == (400, "BAD_CURSOR", "after")


async def test_a_cursor_of_another_log_is_refused_where_that_can_be_seen(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "gateway.db", partitions=4) as served:
        answer = await served.client().get("/v1/instructions?after=12")
        assert (answer.status, answer.code) == (400, "BAD_CURSOR")


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("limit=0", "BAD_PARAMETER", "limit"),
        ("limit=501", "BAD_PARAMETER", "limit"),
        ("limit=ten", "BAD_PARAMETER", "limit"),
        ("wait=61", "BAD_PARAMETER", "wait"),
        ("wait=-1", "BAD_PARAMETER", "wait"),
        ("limit=1&limit=2", "BAD_PARAMETER", "limit"),
        ("cursor=1", "UNKNOWN_PARAMETER", "cursor"),
    ],
)
async def test_a_parameter_that_is_wrong_is_refused(
    query: str, code: str, field: str | None, provider: Client
) -> None:
    answer = await provider.get(f"/v1/instructions?{query}")
    assert (answer.status, answer.code, answer.json.get("field")) == (400, code, field)


async def test_more_long_polls_than_are_allowed_are_too_many(served: Sandbox, provider: Client) -> None:
    _, cursor = await pages(provider)
    polling = [
        asyncio.create_task(provider.get(f"/v1/instructions?wait=60&after={cursor}"))
        for _ in range(MOST_OPEN + 1)
    ]
    first, _ = await asyncio.wait(polling, return_when=asyncio.FIRST_COMPLETED)
    (refused,) = [task.result() for task in first]
    assert (refused.status, refused.code) == (429, "TOO_MANY_STREAMS")
    assert int(refused.headers["Retry-After"]) > 0
    # Another caller's are counted apart, and what needs no waiting is answered.
    assert (await served.client("PRV02").get("/v1/instructions?wait=1")).status == 200
    assert (await provider.get("/v1/instructions")).status == 200
    await provider.new_referral("PO-1")
    assert {(await task).status for task in polling} == {200, 429}
    assert (await provider.get(f"/v1/instructions?wait=60&after={cursor}")).status == 200


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set as soon as a long poll waits."""
    begun, woken_for = asyncio.Event(), ReadModel.woken_for

    def watched(
        model: ReadModel, topics: Iterable[str], parties: Collection[str]
    ) -> AbstractContextManager[asyncio.Event]:
        begun.set()
        return woken_for(model, topics, parties)

    monkeypatch.setattr(ReadModel, "woken_for", watched)
    return begun


async def test_a_long_poll_ends_when_the_gateway_is_told_to_stop(
    tmp_path: Path, waits: asyncio.Event
) -> None:
    async with asyncio.timeout(LONGEST_WAIT_S - 5), sandbox(tmp_path / "gateway.db") as served:
        provider = served.client()
        _, cursor = await pages(provider)
        polling = asyncio.create_task(provider.get(f"/v1/instructions?wait={LONGEST_WAIT_S}&after={cursor}"))
        await waits.wait()
        served.stop.set()
        assert (await polling).json == {"instructions": [], "next": cursor}


async def test_long_polls_whose_callers_have_gone_make_room(served: Sandbox, provider: Client) -> None:
    end = (await provider.get("/v1/instructions?limit=500")).json["next"]
    head = (
        f"GET /v1/instructions?wait={LONGEST_WAIT_S}&after={end} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {provider.token}\r\n\r\n"
    ).encode()
    gone = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(MOST_OPEN)]
    for _, writer in gone:
        writer.write(head)
        await writer.drain()
    async with asyncio.timeout(PATIENCE_S):
        while (await provider.get(f"/v1/instructions?wait=1&after={end}")).status == 200:
            pass
    for _, writer in gone:
        writer.transport.abort()
    async with asyncio.timeout(LONGEST_WAIT_S / 2):  # sooner than they end by themselves
        while (await provider.get(f"/v1/instructions?wait=1&after={end}")).status == 429:
            pass
