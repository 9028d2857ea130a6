"""`gateway run` on an embedded log: the process that was started, and the one that decides."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aiohttp import ClientSession

from gateway.backends.embedded.log import open_sqlite
from gateway.rules.events import Outcome
from schemas.codec import decode
from tests.api.running import Answer, Client, Process, draft, records_of, referral, until_ready
from tests.cli.running import Json
from tests.patience import PATIENCE_S, eventually

REFERRALS: Final = 4
#: A message that is sent again is the same.
_OBJECTION: Final[Json] = {
    "type": "GroupObjection",
    "raised_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
}


@contextmanager
def gateway(folder: Path, **settings: str) -> Iterator[Process]:
    """One that runs by the wall clock. What it leaves behind is killed."""
    made = Process(folder, ("run",), alone=True, settings=settings)
    try:
        made.start()
        yield made
    finally:
        made.kill()
        for line in made.told:
            if line["event"] == "deciders.started" and is_alive(line["pid"]):
                os.kill(line["pid"], signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


def deciders(made: Process) -> int:
    """The number of the process that decides."""
    made.until("deciders.started")
    return [int(line["pid"]) for line in made.told if line["event"] == "deciders.started"][-1]


async def refer(path: Path, numbers: Iterable[int] = range(REFERRALS)) -> None:
    """Refer some people, today."""
    today = datetime.now(UTC).date().isoformat()
    log = await open_sqlite(path)
    drafts = [
        draft("prap.referrals", "Referral", referral(f"PO-{number}", referred_on=today)) for number in numbers
    ]
    await log.append(drafts)
    await log.close()


def writer(made: Process) -> int:
    """The number of the process that writes large steps."""
    apart = deciders(made)
    (found,) = Path(f"/proc/{apart}/task/{apart}/children").read_text("ascii").split()
    return int(found)


async def post(provider: Client, number: int, *, wait: int | None = None) -> Answer:
    """Post the record of a number, always about the same referral."""
    return await provider.record(f"PO-{number % 4}", f"k-{number}", _OBJECTION, wait=wait)


async def known(made: Process, session: ClientSession) -> Client:
    """A provider whose referrals are known."""
    await until_ready(session)
    provider = made.client(session)

    async def all_are() -> bool:
        asked = [await provider.get(f"/v1/referrals/PO-{number}") for number in range(REFERRALS)]
        return {answer.status for answer in asked} == {200}

    await until_it_says(all_are)
    return provider


async def outcomes(path: Path) -> Counter[str]:
    """How many outcomes there are on a log, by the message that they are of."""
    return Counter(
        event.message_id
        for each in await records_of(path, "gateway.outcomes")
        if isinstance(event := decode(each.value, frozenset({"Outcome"})), Outcome)
    )


async def until_it_says(holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask until that holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


def until_gone(pid: int) -> None:
    """Wait until a process has ended."""
    eventually(lambda: not is_alive(pid))
