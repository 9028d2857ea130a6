"""Who opens connections and doesn't read what comes on them holds up nobody else."""

import asyncio
import gc
import io
import socket
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
from aiohttp import ClientSession, web

from gateway.api.connection import Network, Room
from gateway.api.limits import DEFAULT, Limits
from gateway.api.requests import read_body
from gateway.api.server import application, serving
from tests.api.conftest import lines
from tests.patience import PATIENCE_S, in_the_end
from tests.ports import free_port

#: More than fits what the kernel keeps for a connection.
MUCH = b"x" * (16 * 2**20)


@asynccontextmanager
async def served(limits: Limits = DEFAULT, trusted: Sequence[Network] = ()) -> AsyncIterator[int]:
    """A server of much; its port."""

    async def much(_: web.Request) -> web.Response:
        return web.Response(body=MUCH)

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(MUCH)

    async def little(_: web.Request) -> web.Response:
        return web.Response(body=b"little")

    port = free_port()
    routes = [web.get("/much", much), web.get("/endless", endless), web.get("/little", little)]
    routes += [web.get("/livez", little), web.get("/readyz", little)]
    async with serving(application(routes, limits=limits), "127.0.0.1", port, trusted=trusted):
        yield port


def asked(port: int, sent: bytes) -> socket.socket:
    """A connection on which this has been asked; nobody reads from it."""
    made = socket.create_connection(("127.0.0.1", port))
    made.sendall(sent)
    return made


def head(path: str, more: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode()


async def answered(port: int, path: str = "/little") -> bool:
    """Whether somebody else who connects now is let in."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head(path, "Connection: close\r\n"))
        answer = await reader.read()
    except ConnectionError:
        return False
    writer.close()
    return answer.endswith(b"little")


async def until_answered(port: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await answered(port):  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "sent",
    [
        head("/much"),
        head("/much") * 100,
        head("/little") * 50_000,
        head("/much", "Connection: close\r\n"),
        head("/endless"),
        head("/much") + b"no HTTP\r\n\r\n",
    ],
    ids=["one", "many", "many small ones", "the last one", "a stream", "one, and then no HTTP"],
)
async def test_who_takes_no_answers_is_let_go_and_makes_room(sent: bytes) -> None:
    async with served(Limits(connections=1, for_health=0, stalled_s=0.1)) as port:
        held = await asyncio.to_thread(asked, port, sent[:1])
        with held:
            assert not await answered(port)
            held.setblocking(False)
            sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(held, sent[1:]))
            await until_answered(port)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def test_who_takes_an_answer_slowly_gets_all_of_it() -> None:
    async with served(Limits(stalled_s=0.001, least_taken=0)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head("/much", "Connection: close\r\n"))
        found = 0
        async with asyncio.timeout(PATIENCE_S):
            while part := await reader.read(2**17):
                found += len(part)
                await asyncio.sleep(0.001)
        assert found > len(MUCH)
        writer.close()


async def test_more_connections_than_there_is_room_for_are_closed_at_once(logged: io.StringIO) -> None:
    """It is logged once, not each time; and when one of them has gone there is room."""
    async with served(Limits(connections=3, for_health=0)) as port:
        held = [await asyncio.to_thread(asked, port, head("/little")) for _ in range(3)]
        for _ in range(5):
            assert not await answered(port)
        (line,) = lines(logged, "http.full")
        assert (line["level"], line["connections"]) == ("warning", 3)
        for _ in range(2):
            held.pop().close()
            await until_answered(port)
        for each in held:
            each.close()


async def test_what_a_broken_connection_has_sent_is_freed_without_looking_for_cycles() -> None:
    """Else a thousand of them would keep a thousand bodies until enough objects are there to look."""
    begun: list[weakref.ref[web.Request]] = []

    async def take(request: web.Request) -> web.Response:
        begun.append(weakref.ref(request))
        return web.Response(body=await read_body(request, 2**20, PATIENCE_S))

    port = free_port()
    gc.collect()
    gc.disable()
    try:
        async with serving(application([web.post("/", take)]), "127.0.0.1", port):
            for number in range(5):
                sent = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50_000
                with await asyncio.to_thread(asked, port, sent):
                    await in_the_end(lambda number=number: len(begun) > number)  # type: ignore[misc]
            await in_the_end(lambda: not any(each() for each in begun))
    finally:
        gc.enable()


@pytest.mark.parametrize("limits", [Limits(connections=2), Limits(an_address=2)])
async def test_who_takes_all_connections_leaves_room_for_health(limits: Limits, logged: io.StringIO) -> None:
    """Be they all there are, or all that one address may have."""
    async with served(limits) as port:
        held = [await asyncio.to_thread(asked, port, b"GET / HTTP/1.1\r\nX-") for _ in range(2)]
        for _ in range(10):
            assert await answered(port, "/livez")
            assert await answered(port, "/readyz")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head("/little"))
        refused = await reader.read()  # and the connection ends
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"TOO_MANY_CONNECTIONS" in refused
        writer.close()
        for each in held:
            each.close()
        await until_answered(port)
    assert len(lines(logged, "http.full") + lines(logged, "http.crowded")) == 1


async def test_a_trusted_proxy_may_have_all_connections() -> None:
    async with served(Limits(an_address=1), [ip_network("127.0.0.0/8")]) as port:
        held = [await asyncio.to_thread(asked, port, head("/little")) for _ in range(5)]
        assert await answered(port)
        for each in held:
            each.close()


def test_addresses_are_counted_apart_and_half_of_an_ipv6_address_is_one() -> None:
    room = Room(Limits(an_address=1, for_health=0), [ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48")])

    def taken(peer: str) -> bool:
        return room.take(peer, 0) is not None

    assert [taken(peer) for peer in ("192.0.2.1", "192.0.2.1", "192.0.2.2")] == [True, False, True]
    assert [taken(peer) for peer in ("::ffff:192.0.2.3", "192.0.2.3")] == [True, False]
    assert [taken(peer) for peer in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")] == [True, False, True]
    assert all(taken(peer) for peer in ("10.1.2.3", "10.1.2.3", "::ffff:10.1.2.3", "2001:db8:1::1") * 2)
    assert [taken(peer) for peer in ("fe80::1%eth0", "fe80::2%eth0")] == [True, False]
    room.leave("any", "192.0.2.1")
    assert taken("192.0.2.1")


@pytest.mark.parametrize(
    ("host", "reached"), [("127.0.0.1", "127.0.0.1"), ("localhost", "localhost"), ("0.0.0.0", "127.0.0.1")]
)
async def test_the_log_says_where_to_ask(host: str, reached: str, logged: io.StringIO) -> None:
    port = free_port()
    async with serving(application([]), host, port, sandbox=True):
        (line,) = lines(logged, "http.started")
        assert line["url"] == f"http://{reached}:{port}"
        assert line["sandbox"] == f"http://{reached}:{port}/sandbox"
        async with ClientSession(line["url"]) as session, session.get("/") as answer:
            assert answer.status == 404
