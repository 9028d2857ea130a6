"""Instructions as server-sent events: who comes back goes on where it was, and nobody holds anything up."""

import asyncio
import gc
import json
import socket
from pathlib import Path

from aiohttp import ClientSession

from gateway.api.instructions import MOST_OPEN
from tests.api.running import Client, Sandbox, draft, process, referral, sandbox, until_ready
from tests.api.streams import stream
from tests.cli.running import Json
from tests.patience import PATIENCE_S

#: At 400 bytes each, many times what the system is set to keep for a connection.
MANY = 2_000
#: More than the gateway may keep for one that nobody reads, in bytes; and far less than all of them take.
TOO_MUCH = 200_000


async def all_of_them(provider: Client) -> list[Json]:
    answer = await provider.get("/v1/instructions?limit=500")
    found: list[Json] = answer.json["instructions"]
    assert len(found) < 500
    return found


async def test_what_is_there_is_streamed_and_then_what_comes(served: Sandbox, provider: Client) -> None:
    before = await all_of_them(provider)
    async with stream(provider) as one:
        assert await one.events(len(before)) == before
        for number in range(3):
            await provider.new_referral(f"PO-{number}")
            (event,) = await one.events(1)
            assert event["po_number"] == f"PO-{number}"
            # What was streamed is what is there.
            assert (await all_of_them(provider))[-1] == event


async def test_who_comes_back_misses_nothing_and_gets_nothing_twice(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "gateway.db", partitions=4) as served:
        provider = served.client()
        found: list[Json] = []
        last: dict[str, str] = {}
        for number in range(5):
            async with stream(provider, **last) as one:
                found += await one.events(7)
            last = {"Last_Event_ID": found[-1]["cursor"]}
            await provider.new_referral(f"PO-{number}")
        expected = await all_of_them(provider)
        async with stream(provider, **last) as one:
            found += await one.events(len(expected) - len(found))
        ids = [each["event_id"] for each in found]
        assert len(set(ids)) == len(ids)
        assert set(ids) == {each["event_id"] for each in expected}


async def test_a_browser_that_comes_back_asks_for_the_same_url_and_says_where_it_was(
    provider: Client,
) -> None:
    expected = await all_of_them(provider)
    async with stream(provider, f"?after={expected[2]['cursor']}") as one:
        assert await one.events(1) == expected[3:4]
    async with stream(
        provider, f"?after={expected[2]['cursor']}", Last_Event_ID=expected[7]["cursor"]
    ) as one:
        assert await one.events(1) == expected[8:9]


async def test_a_last_event_id_that_is_none_is_refused(provider: Client) -> None:
    answer = await provider.get("/v1/instructions", Accept="text/event-stream", Last_Event_ID="x")
    assert (answer.status, answer.code, answer.json["field"]) == (400, "BAD_CURSOR", "Last-Event-ID")


async def test_head_has_no_body_whatever_it_accepts(provider: Client) -> None:
    async with asyncio.timeout(PATIENCE_S):
        head = await provider.ask("HEAD", "/v1/instructions", Accept="text/event-stream")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Type"].startswith("application/json")


async def test_a_stream_ends_with_its_token(served: Sandbox) -> None:
    async with stream(served.client(valid_for_s=10)) as one:
        assert len(await one.events()) == len(await all_of_them(served.client()))


async def test_streams_and_long_polls_end_when_the_gateway_is_told_to_stop(tmp_path: Path) -> None:
    with process(tmp_path) as gateway:
        async with ClientSession(gateway.url) as session:
            await until_ready(session)
            provider = gateway.client(session)
            there = await all_of_them(provider)
            polling = asyncio.create_task(
                provider.get(f"/v1/instructions?wait=60&after={there[-1]['cursor']}")
            )
            async with stream(provider) as one:
                assert await one.events(len(there)) == there
                gateway.terminate()
                assert await one.events() == []
            assert (await polling).json["instructions"] == []
        assert gateway.ended() == 0
        assert "gateway.gave_up" not in gateway.said


async def test_more_streams_than_are_allowed_are_too_many_until_one_is_closed(
    served: Sandbox, provider: Client
) -> None:
    there = len(await all_of_them(provider))
    async with asyncio.TaskGroup() as group:
        leave = asyncio.Event()

        async def hold() -> None:
            async with stream(provider) as one:
                await one.events(there)
                held.release()
                await leave.wait()

        held = asyncio.Semaphore(0)
        for _ in range(MOST_OPEN):
            group.create_task(hold())
        for _ in range(MOST_OPEN):
            await held.acquire()
        refused = await provider.get("/v1/instructions", Accept="text/event-stream")
        assert (refused.status, refused.code) == (429, "TOO_MANY_STREAMS")
        leave.set()
    # The gateway sees that they have gone when it next says something to them.
    await provider.new_referral("PO-1")
    async with asyncio.timeout(PATIENCE_S):
        while (await provider.get(f"/v1/instructions?wait=1&after={2**62}")).status == 429:
            await provider.new_referral("PO-2")
    async with stream(provider) as one:
        await one.events(1)


async def test_a_stream_that_nobody_reads_takes_no_more_memory_than_one_that_is_read(
    served: Sandbox, provider: Client
) -> None:
    """The gateway waits for its reader, and the reader finds all when it goes on."""
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", served.port))
        reader.setblocking(False)
        loop = asyncio.get_running_loop()
        head = f"Accept: text/event-stream\r\nAuthorization: Bearer {provider.token}"
        await loop.sock_sendall(reader, f"GET /v1/instructions HTTP/1.0\r\n{head}\r\n\r\n".encode())
        assert await loop.sock_recv(reader, 12) == b"HTTP/1.0 200"
        kept = served_to(reader)
        kept.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        # Another stream is read meanwhile, so that it is known when all has been sent.
        async with stream(provider) as one:
            await served.log.append(
                draft("prap.referrals", "Referral", referral(f"PO-{number}")) for number in range(MANY)
            )
            sent: set[str] = set()
            while len(sent) < MANY:
                (event,) = await one.events(1)
                if event["po_number"].startswith("PO-"):
                    sent.add(event["po_number"])
        assert 0 < kept.get_write_buffer_size() < TOO_MUCH
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)  # from here on it takes what it can
        places: set[str] = set()
        rest = b""
        async with asyncio.timeout(PATIENCE_S):
            while len(places) < MANY:
                got = rest + await loop.sock_recv(reader, 2**20)
                assert got != rest
                *whole, rest = got.split(b"\n")
                places |= {
                    po_number
                    for line in whole
                    if line.startswith(b"data: ")
                    and (po_number := json.loads(line[6:])["po_number"]).startswith("PO-")
                }


def served_to(reader: socket.socket) -> asyncio.WriteTransport:
    """This process's end of a connection."""
    (found,) = [
        thing
        for thing in gc.get_objects()
        if isinstance(thing, asyncio.Transport) and thing.get_extra_info("peername") == reader.getsockname()
    ]
    return found


async def test_a_token_that_is_only_just_taken_gets_what_is_there(served: Sandbox) -> None:
    """It has ended, but for what clocks may differ by; and so does the stream."""
    async with stream(served.client(valid_for_s=-2)) as one:
        assert await one.events() == await all_of_them(served.client())
