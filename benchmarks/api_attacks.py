"""What one caller's excess costs another caller: python -m benchmarks.api_attacks.

A gateway of its own for each run, on a copy of one embedded log: first without an attack, then under each of
them, by turns. A well-behaved caller reads and posts at a fixed rate meanwhile, from a process of its own.
So does the attacker, which gives way to the others: a real one has a machine of its own.
The 99th percentile of what it waits and the gateway's peak memory go to benchmarks/api.md, and their ratios
to the run without an attack of the same round.
"""

import asyncio
import json as standard_json
import os
import random
import shutil
import socket
import statistics
import struct
import sys
import time
from argparse import ArgumentParser
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from msgspec import Struct, json

from benchmarks.processes import Commands

_DISK: Final = Path(__file__).parent.parent / ".benchmarks"
_FIGURES: Final = Path(__file__).with_name("api.md")
_MARK: Final = "<!-- What follows is written by benchmarks/api_attacks.py. -->\n"
_PORT: Final = 18_735
_URL: Final = f"http://127.0.0.1:{_PORT}"
#: Where attackers call from: an address has only so many connections, and the other caller has another one.
_OUTSIDE: Final = "127.0.0.2"
_PATIENCE_S: Final = 120
#: How nice an attacker is to the other processes, in the system's sense.
_GIVES_WAY: Final = 19
_WARM_S: Final = 3.0
#: How many referrals each of the two providers has.
_REFERRALS: Final = 10_000
#: The referral that is fetched again and again.
_LONG: Final = "LONG"
_SESSIONS: Final = 400
_TEXT: Final = "x" * 190
#: How often the well-behaved caller reads, and how often it posts.
_EACH_S: Final = 0.04
_NOW: Final = datetime.now(UTC).replace(microsecond=0)


class Measured(Struct, frozen=True):
    """What a well-behaved caller waits for, 99 times in 100, in ms, and the gateway's peak memory in MiB."""

    read_ms: float
    post_ms: float
    memory_mib: float
    failed: int


def main() -> int:
    """Run without and under each attack, by turns, and write what came of it."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=0.25, help="how long each run is (default: 0.25)")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", nargs="*", choices=ATTACKS, default=[*ATTACKS], help="these attacks only")
    parser.add_argument(
        "--keep", action="store_true", help="print the figures; leave benchmarks/api.md as it is"
    )
    parser.add_argument("--well-behaved", nargs=2, help="for the command itself: a token, and seconds")
    parser.add_argument("--attack", nargs=2, help="for the command itself: an attack, and a token")
    given = parser.parse_args()
    if given.attack:
        name, token = given.attack
        os.nice(_GIVES_WAY)
        asyncio.run(_attack(ATTACKS[name], token))
        return 0
    if given.well_behaved:
        token, seconds = given.well_behaved
        sys.stdout.buffer.write(json.encode(asyncio.run(_well_behaved(token, float(seconds)))))
        return 0
    _DISK.mkdir(exist_ok=True)
    runs: dict[str, list[Measured]] = {name: [] for name in ("idle", *given.only)}
    with TemporaryDirectory(dir=_DISK, prefix="work-") as name:
        folder = Path(name)
        _make_log(folder)
        for _ in range(given.rounds):
            for what, measured in runs.items():
                found = asyncio.run(_run(folder, what, given.minutes * 60))
                measured.append(found)
                print(f"{what}: {found}", flush=True)
    table = "".join(_table(runs))
    print(table)
    if not given.keep:
        _write(table, given.minutes, given.rounds)
    return 0


def _table(runs: dict[str, list[Measured]]) -> Iterator[str]:
    yield "| run | a read | ratio | a record with its outcome | ratio | peak memory | ratio | failed |\n"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|\n"
    for what, measured in runs.items():
        row = f"| {what} |"
        for unit, of in (
            ("ms", lambda each: each.read_ms),
            ("ms", lambda each: each.post_ms),
            ("MiB", lambda each: each.memory_mib),
        ):
            pairs = zip(measured, runs["idle"], strict=True)
            ratio = statistics.median(of(each) / of(idle) for each, idle in pairs)
            row += f" {statistics.median(map(of, measured)):.0f} {unit} | {ratio:.2f} |"
        yield f"{row} {sum(each.failed for each in measured)} |\n"


def _write(table: str, minutes: float, rounds: int) -> None:
    """Replace what the figures' page says of this."""
    before, _, _ = _FIGURES.read_text("utf-8").partition(_MARK)
    said = (
        "\n## Under attack\n\n"
        "What does one caller's excess cost another? "
        f"From {_NOW:%Y-%m-%d}: {rounds} rounds, {minutes:g} minutes a run,\n"
        f"medians of the rounds, on {os.cpu_count()} cores shared by the gateway, the attacker and the\n"
        "well-behaved caller, who waits so long 99 times in 100. The aims are 1.5 times the wait of the\n"
        "idle run, and 1.1 times its memory.\n\n"
    )
    _FIGURES.write_text(f"{before}{_MARK}{said}{table}", "utf-8")


# The log, and the gateway on it.


def _make_log(folder: Path) -> None:
    made = folder / "made"
    made.mkdir()
    commands = Commands(made, http_port="0", log_level="warning")
    commands.gateway("feed", "-", stdin=_messages())
    commands.output("token", "--provider", "PRV01")


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _messages() -> Iterator[bytes]:
    """Referrals of two providers, and one of the first that has hundreds of long sessions."""
    at = _instant(_NOW)

    def line(topic: str, kind: str, **value: object) -> bytes:
        return json.encode({"at": at, "topic": topic, "type": kind, "value": value}) + b"\n"

    for number in range(2 * _REFERRALS + 1):
        provider = 1 + number % 2
        yield line(
            "prap.referrals",
            "Referral",
            message_id=f"referral-{number}",
            po_number=f"P{provider}-{number // 2:05}" if number < 2 * _REFERRALS else _LONG,
            po_revision=1,
            action_plan_annotation="Work Programme Information Session-Mandatory",
            referred_on=at[:10],
            provider_id=f"PRV{provider:02}",
            contract_package_area="CPA01",
            jobcentre_id="JCP-LEEDS",
            benefit="ESA",
            claimant_group="ESA_C_WRAG",
            participant={"forename": "Forename", "surname": "Surname", "postcode": "LS1 1AA"},
        )
    record = {"po_number": _LONG, "provider_id": "PRV01"}
    yield line(
        "provider.session-records", "ReferralAccepted", message_id="accepted", accepted_at=at, **record
    )
    for number in range(_SESSIONS):
        yield line(
            "provider.session-records",
            "SessionBooked",
            message_id=f"booked-{number}",
            session_id=f"S-{number}",
            session_name=_TEXT,
            starts_at=_instant(_NOW + timedelta(days=4 + number % 8, hours=number % 6)),
            duration_minutes=60,
            location=_TEXT,
            format="GROUP",
            **record,
        )
        yield line(
            "provider.session-records",
            "SessionCancelled",
            message_id=f"cancelled-{number}",
            session_id=f"S-{number}",
            reason=10 * _TEXT,
            cancelled_at=at,
            **record,
        )


async def _run(folder: Path, what: str, seconds: float) -> Measured:
    """One gateway, the well-behaved caller, and an attack."""
    here = folder / "run"
    shutil.rmtree(here, ignore_errors=True)
    shutil.copytree(folder / "made", here)
    commands = Commands(
        here, http_port=str(_PORT), rate_per_s="1000000", rate_burst="1000000", log_level="error"
    )
    tokens = [commands.output("token", "--provider", name).strip() for name in ("PRV01", "PRV02")]
    process = commands.started("run")
    attacker = None
    try:
        await _until_ready()
        if what in ATTACKS:
            attacker = await _itself("--attack", what, tokens[0])
        caller = await _itself("--well-behaved", tokens[1], str(seconds))
        said, _ = await caller.communicate()
        peak = _peak_mib(process.pid)
        if attacker is not None and attacker.returncode is not None:
            raise RuntimeError(
                f"the attack {what!r} ended with {attacker.returncode}; it should have gone on"
            )
        found = standard_json.loads(said)
        return Measured(found["read_ms"], found["post_ms"], peak, found["failed"])
    finally:
        if attacker is not None and attacker.returncode is None:
            attacker.kill()
            await attacker.wait()
        process.kill()
        process.wait()


async def _itself(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.api_attacks", *arguments),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    )


async def _until_ready() -> None:
    give_up_at = time.monotonic() + _PATIENCE_S
    async with ClientSession(_URL) as session:
        while time.monotonic() < give_up_at:
            with suppress(ClientError):
                async with session.get("/readyz") as answer:
                    said = await answer.json()
                    lags = [each["lag_records"] for each in said.get("partitions", {}).values()]
                    if said["ready"] and not any(lags):
                        return
            await asyncio.sleep(0.2)
    raise TimeoutError("the gateway was not ready in time")


def _peak_mib(pid: int) -> float:
    (line,) = (
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1024


# The well-behaved caller.


async def _well_behaved(token: str, seconds: float) -> Measured:
    """Read and post at a fixed rate. Each wait counts from when it was to begin, so that none is left out."""
    waits: dict[str, list[float]] = {"read": [], "post": []}
    failed = 0
    chance = random.Random(0)
    begin_s = time.monotonic() + 0.1
    measured_from_s = begin_s + _WARM_S
    authorization = {"Authorization": f"Bearer {token}"}

    async def one(session: ClientSession, number: int, due_s: float) -> None:
        nonlocal failed
        await asyncio.sleep(due_s - time.monotonic())
        po = f"P2-{chance.randrange(_REFERRALS):05}"
        what = "post" if number % 2 else "read"
        if what == "read":
            request = session.get(f"/v1/referrals/{po}", headers=authorization)
        else:
            request = session.post(
                f"/v1/referrals/{po}/records",
                json={"type": "GroupObjection", "raised_at": _instant(_NOW)},
                headers={**authorization, "Prefer": "wait=5", "Idempotency-Key": f"well-{number}"},
            )
        try:
            async with request as answer:
                await answer.read()
                well = answer.status in {200, 422}
        except (ClientError, TimeoutError):
            well = False
        if due_s >= measured_from_s:
            failed += not well
            waits[what].append(time.monotonic() - due_s)

    async with ClientSession(_URL, timeout=ClientTimeout(total=30)) as session:
        count = round((_WARM_S + seconds) / _EACH_S * 2)
        async with asyncio.TaskGroup() as all_of_them:
            for number in range(count):
                due_s = begin_s + number * _EACH_S / 2
                await asyncio.sleep(max(0.0, due_s - 0.05 - time.monotonic()))
                all_of_them.create_task(one(session, number, due_s))
    ms = {what: 1_000 * statistics.quantiles(each, n=100)[98] for what, each in waits.items()}
    return Measured(ms["read"], ms["post"], 0.0, failed)


# The attacks: each goes on until it is cancelled. They are given the token of the first provider.

Attack = Callable[[str], Awaitable[None]]


async def _attack(attack: Attack, token: str) -> None:
    await attack(token)


@asynccontextmanager
async def _attacker(token: str) -> AsyncIterator[ClientSession]:
    async with ClientSession(
        _URL,
        connector=TCPConnector(limit=0, local_addr=(_OUTSIDE, 0)),
        headers={"Authorization": f"Bearer {token}"},
        timeout=ClientTimeout(total=None),
    ) as session:
        yield session


async def _at_once(count: int, one: Callable[[], Awaitable[None]]) -> None:
    """The same again and again, so many at a time; where the gateway ends it, a moment later."""

    async def again() -> None:
        while True:
            try:
                await one()
            except (ClientError, OSError):
                await asyncio.sleep(0.05)

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(again())


async def _fetch_long_referral(token: str) -> None:
    async with _attacker(token) as session:

        async def one() -> None:
            async with session.get(f"/v1/referrals/{_LONG}") as answer:
                await answer.read()

        await _at_once(8, one)


async def _stream_from_the_beginning(token: str) -> None:
    async with _attacker(token) as session:

        async def one() -> None:
            async with session.get("/v1/instructions", headers={"Accept": "text/event-stream"}) as answer:
                if answer.status != 200:
                    await asyncio.sleep(0.05)
                    return
                read, last = 0, f"P1-{_REFERRALS - 1:05}".encode()
                async for piece in answer.content.iter_any():
                    read += len(piece)
                    if last in piece:
                        return  # from the beginning again

        await _at_once(20, one)


async def _fill_upload_queue(token: str) -> None:
    count = 0

    async with _attacker(token) as session:

        async def one() -> None:
            nonlocal count
            count += 1
            body = b"".join(
                b'{"type":"GroupObjection","message_id":"u-%d-%d","po_number":"P1-%05d","raised_at":"%b"}\n'
                % (count, number, number % _REFERRALS, _instant(_NOW).encode())
                for number in range(10_000)
            )
            headers = {"Content-Type": "application/jsonl"}
            async with session.post("/v1/uploads", data=body, headers=headers) as answer:
                await answer.read()
                if answer.status != 202:
                    await asyncio.sleep(0.5)

        await _at_once(4, one)


async def _send_half_of_headers(_: str) -> None:
    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", _PORT, local_addr=(_OUTSIDE, 0))
        try:
            writer.write(b"GET /v1/referrals HTTP/1.1\r\nHost: localhost\r\nX-Half: ")
            await reader.read()  # until it is ended
        finally:
            writer.close()
        await asyncio.sleep(0.05)

    await _at_once(300, one)


async def _break_connections(token: str) -> None:
    request = (
        f"GET /v1/referrals/{_LONG} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()

    async def one() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", _PORT, local_addr=(_OUTSIDE, 0))
        break_off(writer, request)
        await asyncio.sleep(0.02)

    await _at_once(8, one)


def break_off(writer: asyncio.StreamWriter, request: bytes) -> None:
    """Send a request, and break the connection with a reset."""
    writer.write(request)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _look_too_often(_: str) -> None:
    async with _attacker("") as session:

        async def one() -> None:
            for path in ("/metrics", "/readyz"):
                async with session.get(path, headers={"Authorization": ""}) as answer:
                    await answer.read()

        await _at_once(4, one)


#: A provider's: the first three; an outsider's: the next two; an operator's mistake: the last.
ATTACKS: Final[dict[str, Attack]] = {
    "long referral": _fetch_long_referral,
    "event streams": _stream_from_the_beginning,
    "upload queue": _fill_upload_queue,
    "half-sent headers": _send_half_of_headers,
    "broken connections": _break_connections,
    "monitoring without a pause": _look_too_often,
}


if __name__ == "__main__":
    sys.exit(main())
