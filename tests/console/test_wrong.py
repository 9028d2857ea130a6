"""What is taken away or made wrong, one at a time: the console says which it is."""

import asyncio
import html
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from gateway.api.callers import OPERATE, PERSONAL_DATA
from gateway.api.callers.keyring import Keyring
from gateway.api.callers.sources import from_url
from gateway.api.surroundings import Surroundings
from gateway.backends.embedded.log import EmbeddedLog, open_embedded
from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.reach import reach
from gateway.console.browsers import Browsers, Operator
from gateway.console.desk import Desk
from gateway.console.flow import Flow
from gateway.console.owners import Owners
from gateway.console.site import Console
from gateway.engine.clock_watch import ClockWatch
from gateway.engine.log import LogBusy, PartitionOwner
from gateway.engine.workers import Workers
from gateway.processes.wiring import WIRING
from gateway.reading.asking import Asking
from gateway.reading.model import OwnLog
from gateway.reading.tables import LogTables
from gateway.rules.policy import shipped, to_toml
from tests.engine.letters import NINE
from tests.patience import in_the_end
from tests.ports import free_port

Wrong = Callable[[Path], Awaitable[tuple[Surroundings, int | None]]]


async def broker(_: Path) -> tuple[Surroundings, int | None]:
    """No broker is where one should be."""
    around = Surroundings()
    nowhere = BrokerConnection((f"127.0.0.1:{free_port()}",))
    looking = asyncio.create_task(around.watch(lambda: reach(nowhere)))
    await in_the_end(lambda: around.brokers)
    looking.cancel()
    return around, None


async def disk(path: Path) -> tuple[Surroundings, int | None]:
    """There is less room than there should be."""
    return Surroundings({"log": path}, little_room=2**62), None


async def keys(_: Path) -> tuple[Surroundings, int | None]:
    """Nothing answers where the identity provider's keys should be."""
    keyring = Keyring(from_url(f"http://127.0.0.1:{free_port()}/keys"))
    async with keyring:
        await in_the_end(lambda: keyring.trouble)
    return Surroundings(keyring=keyring), None


async def clock(_: Path) -> tuple[Surroundings, int | None]:
    """Somebody has set the clock, by a day."""
    return Surroundings(), 86_400_000


@asynccontextmanager
async def opened(
    path: Path,
    wrong: Wrong | None = None,
    partitions: int = 1,
    owners: Owners | None = None,
    *,
    filled: bool = True,
) -> AsyncIterator[tuple[ClientSession, EmbeddedLog]]:
    """A browser that is signed in at a process in which something may be wrong, and the process's log."""
    around, leap_ms = (Surroundings(), None) if wrong is None else await wrong(path)
    log = await open_embedded(path, tables=LogTables())
    model = OwnLog(log.file, partitions, complete=filled)
    now = [NINE]
    watch = ClockWatch(log, leap_ms=600_000, gap_ms=2**40, now=lambda: now[0], steady=lambda: 0)
    if leap_ms is not None:
        now[0] += leap_ms
        watch.look()

    async def time() -> int:
        return NINE

    browsers, asking = Browsers(secure=False), Asking(model.source, 1)
    workers = Workers(log, shipped(), WIRING)
    desk = Desk(log, model, asking, workers, shipped(), browsers, time, None, around, watch, owners)
    console = Console(desk, Flow(), None, None)

    async def sign_in(request: web.Request) -> web.Response:
        response = web.Response()
        browsers.sign_in(
            request, response, Operator("i", "s", "Somebody", frozenset({OPERATE, PERSONAL_DATA}))
        )
        return response

    app = web.Application(middlewares=[console.gate])
    app.add_routes([*console.routes(), web.get("/in", sign_in)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        async with ClientSession(f"http://{host}:{port}") as session:
            async with session.get("/in") as answer:
                found = [f"{each.key}={each.value}" for each in answer.cookies.values()]
            session.headers["Cookie"] = "; ".join(found)
            yield session, log
    finally:
        await runner.cleanup()
        asking.close()
        await log.close()


async def shown(session: ClientSession, path: str) -> str:
    """A page, as a person reads it."""
    async with session.get(path) as answer:
        assert answer.status == 200
        return html.unescape(await answer.text())


@asynccontextmanager
async def visited(
    path: Path, wrong: Wrong | None, partitions: int = 1, owners: Owners | None = None
) -> AsyncIterator[str]:
    """The first page of a process in which something is wrong."""
    async with opened(path, wrong, partitions, owners) as (session, _):
        yield await shown(session, "/console/")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (broker, "The broker 127.0.0.1:"),
        (disk, "The disk of the log has "),
        (keys, "The keys of callers' tokens can't be fetched"),
        (clock, "The clock of this machine leapt"),
    ],
)
async def test_what_is_taken_away_or_wrong_is_named_on_the_first_page(
    wrong: Wrong, says: str, tmp_path: Path
) -> None:
    async with visited(tmp_path / "gateway.db", wrong) as text:
        assert text.count('class="problem"') == 2  # that, and that nothing is decided yet
        assert says in text


async def test_partitions_that_this_process_does_not_have_are_listed_with_their_owner(tmp_path: Path) -> None:
    async def ask() -> list[PartitionOwner]:
        return [PartitionOwner(0, "gateway-b/17 (10.0.0.5)", 1_234), PartitionOwner(1, None, 5)]

    async with visited(tmp_path / "gateway.db", None, partitions=2, owners=Owners(ask)) as text:
        assert rows(text) == [
            "0 gateway-b/17 (10.0.0.5) 1,234 – – Assigned; that process's console says more.",
            "1 nobody 5 – – Trouble No process works on it. If that stays so, start one.",
        ]
        assert "Nothing is decided here" in text


async def test_where_brokers_do_not_say_who_owns_a_partition_that_is_what_is_shown(tmp_path: Path) -> None:
    async def ask() -> list[PartitionOwner]:
        raise LogBusy("the brokers do not answer; see that they run")

    async with visited(tmp_path / "gateway.db", None, partitions=1, owners=Owners(ask)) as text:
        assert rows(text) == ["0 not known – – –"]
        assert "is not known: the brokers do not answer; see that they run." in text


def rows(text: str) -> list[str]:
    """The rows of the table of partitions."""
    table = text[text.index("Lag and owner") : text.index("What falls due")]
    body = table[table.index("<tbody>") : table.index("</tbody>")]
    return [" ".join(re.sub("<[^>]+>", " ", row).split()) for row in body.split("</tr>")[:-1]]


async def test_brokers_are_asked_who_owns_what_when_somebody_looks_and_seldom() -> None:
    now_s, asked = [0.0], []

    async def ask() -> list[PartitionOwner]:
        asked.append(now_s[0])
        return [PartitionOwner(0, None, len(asked))]

    owners = Owners(ask, again_s=5, now_s=lambda: now_s[0])
    assert asked == []
    found = await asyncio.gather(*(owners.look() for _ in range(9)))
    assert {each.partitions[0].waiting for each in found} == {1}
    now_s[0] = 4.9
    await owners.look()
    now_s[0] = 5.0
    assert (await owners.look()).partitions[0].waiting == 2
    assert asked == [0.0, 5.0]


async def test_before_the_read_model_is_filled_a_page_says_what_that_waits_for(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with opened(path, broker, filled=False) as (session, _), session.get("/console/") as answer:
        assert answer.status == 503
        text = html.unescape(await answer.text())
    assert "has just started and is reading its log" in text
    assert "The broker 127.0.0.1:" in text


@pytest.mark.parametrize(
    "path",
    [
        "/console/",
        "/console/referrals?po=PO1",
        "/console/participant?po=PO1",
        "/console/deadlines",
        "/console/sessions",
        "/console/sessions/session?provider=PRV01&id=S1",
        "/console/providers",
        "/console/refusals",
        "/console/dead-letters",
        "/console/dead-letters/letter?id=prap.referrals-0-1",
    ],
)
async def test_a_page_of_a_file_that_can_not_be_read_says_so(tmp_path: Path, path: str) -> None:
    """And a page that needs nothing of the file is shown."""
    async with opened(tmp_path / "gateway.db") as (session, log):
        with (tmp_path / "gateway.db").open("r+b") as file:
            await log.file.run(lambda: log.file.db.execute("PRAGMA wal_checkpoint(TRUNCATE)"))
            file.write(bytes(range(256)) * (log.file.path.stat().st_size // 256))
        async with session.get(path) as answer:
            assert answer.status == 503
            text = html.unescape(await answer.text())
        said = "can't be read at the moment. Check its disk, and try again."
        assert said in text or "is damaged; restore it from a backup" in text
        assert 'aria-label="Pages"' in text, "the others can still be chosen"


async def test_a_comparison_that_takes_too_long_is_stopped_from_its_page(tmp_path: Path) -> None:
    path, may_go_on = "/console/what-if", threading.Event()
    async with opened(tmp_path / "gateway.db") as (session, log):
        reading = asyncio.create_task(log.file.run(may_go_on.wait))  # a comparison waits behind it
        try:
            found = re.search(r'name="csrf" value="([^"]+)"', await shown(session, path))
            assert found is not None
            form = {"csrf": found[1], "policy": to_toml(shipped()), "since": ""}
            async with session.post(path, data=form) as answer:
                assert 'value="stop"' in await answer.text()
            async with session.post(path, data=form | {"act": "stop"}) as answer:
                assert answer.status == 200
            text = await shown(session, path)
            assert "it was stopped; ask again" in text
            assert 'value="stop"' not in text
        finally:
            may_go_on.set()
            await reading
