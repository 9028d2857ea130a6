"""Connections that break before their answer is sent leave no memory behind."""

import asyncio
import random
import socket
import struct
from http import HTTPStatus
from pathlib import Path
from typing import Final

from aiohttp import ClientSession

from tests.api.running import ACCEPTED, NOW, Client, Process, booking, process, until_ready
from tests.forms import LONG

#: As many as were found to take all memory, or so many that as much a connection could not be missed.
COUNT: Final = 10_000 if LONG else 600
AT_ONCE: Final = 20
#: More than a process's memory goes up and down by itself; less than a quarter of what so many answers hold.
GROWS_MIB: Final = 10
MINE: Final = "UC-MANDATORY"


def memory_mib(made: Process) -> float:
    """What the gateway has at the moment."""
    assert made.process is not None
    said = Path(f"/proc/{made.process.pid}/status").read_text()
    return int(next(line for line in said.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


async def long_referral(provider: Client) -> int:
    """Give a referral many long sessions; how large it is in bytes."""
    assert (await provider.record(MINE, "accept", ACCEPTED)).status == 200
    for number in range(60):
        booked = booking(f"S{number:03}", f"2016-03-17T{8 + number % 8:02}:00:00Z", notified_at=None)
        cancelled = {"type": "SessionCancelled", "session_id": f"S{number:03}", "reason": "R" * 2_000}
        assert (await provider.record(MINE, f"b{number}", booked)).status == 200
        done = await provider.record(MINE, f"c{number}", cancelled | {"cancelled_at": NOW})
        assert done.status == 200
    return len((await provider.get(f"/v1/referrals/{MINE}")).body)


async def break_off(port: int, request: bytes, after_s: float) -> None:
    """Send a request, and break the connection with a reset."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    # Long enough to be read, to be answered, or neither: all of them happen.
    await asyncio.sleep(after_s)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def break_many(made: Process, token: str, count: int) -> None:
    """Break so many connections, some at a time."""
    request = (
        f"GET /v1/referrals/{MINE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()
    chance = random.Random(count)
    for _ in range(count // AT_ONCE):
        await asyncio.gather(*(break_off(made.port, request, chance.random() * 0.03) for _ in range(AT_ONCE)))


async def test_thousands_of_connections_that_break_before_their_answer_take_no_memory(tmp_path: Path) -> None:
    with process(tmp_path) as made:
        made.until("http.started")
        async with ClientSession(made.url) as session:
            provider = made.client(session)
            await until_ready(session)
            size = await long_referral(provider)
            await break_many(made, provider.token, 200)
            before_mib = memory_mib(made)
            await break_many(made, provider.token, COUNT)
            answered = await provider.get(f"/v1/referrals/{MINE}")
            while answered.status == HTTPStatus.TOO_MANY_REQUESTS:  # those that broke may still be waiting
                await asyncio.sleep(0.1)
                answered = await provider.get(f"/v1/referrals/{MINE}")
            assert answered.status == HTTPStatus.OK
            grown_mib = memory_mib(made) - before_mib
        assert grown_mib < GROWS_MIB < size * COUNT / 4 / 1024**2
