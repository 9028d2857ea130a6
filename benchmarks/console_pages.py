"""How long the console's pages take over a million referrals: `python -m benchmarks.console_pages`.

The log is made directly, table by table: to decide a million referrals takes longer, and pages read the same.
"""

import argparse
import asyncio
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aiohttp import ClientSession, web

from gateway.api.callers import OPERATE
from gateway.api.surroundings import Surroundings
from gateway.backends.embedded.file import EmbeddedFile
from gateway.backends.embedded.log import open_embedded
from gateway.backends.embedded.records import INSERT_OUTBOUND, outbound_row
from gateway.backends.embedded.seals import keys_of
from gateway.console.browsers import Browsers, Operator
from gateway.console.desk import Desk
from gateway.console.flow import Flow
from gateway.console.site import Console
from gateway.engine.log import DEAD_LETTERS, Record
from gateway.engine.purchase_orders import pack
from gateway.engine.workers import Workers
from gateway.processes.wiring import WIRING
from gateway.reading.asking import Asking
from gateway.reading.model import OwnLog
from gateway.reading.tables import LogTables, listing
from gateway.rules.calendar import DAY_MS, midnight
from gateway.rules.deadlines import next_due
from gateway.rules.events import Breach, Outcome
from gateway.rules.messages import Participant
from gateway.rules.policy import shipped
from gateway.rules.referral import PurchaseOrder, ReferralState, Session
from gateway.sealing.vault import Vault
from gateway.system.sql_rows import put_rows
from producers import breaches, dead_letters, outcomes
from schemas.codec import Unreadable

TODAY: Final = 17_000
_DAYS: Final = 400
_AREAS: Final = 18
PAGES: Final = (
    "/console/",
    "/console/referrals?po=PO5000",
    "/console/deadlines",
    "/console/sessions",
    "/console/providers",
    "/console/refusals",
    "/console/dead-letters",
    "/console/dead-letters/letter?id=prap.referrals-0-1000",
    "/console/rules",
    "/console/what-if",
    "/console/reports",
)
_AT_ONCE: Final = 5_000


def orders(count: int) -> Iterator[tuple[str, PurchaseOrder]]:
    """Referrals of the last 400 days, each with a session."""
    draw = random.Random(1)
    limits = shipped().on(TODAY)
    for number in range(count):
        referred_on = TODAY - number * _DAYS // count
        age = TODAY - referred_on
        area = draw.randrange(_AREAS)
        status = "OPEN" if age < 21 else draw.choice(("ATTACHED", "CANCELLED", "CANCELLED", "REJECTED"))
        on = referred_on + draw.randint(3, 15)
        session = Session(
            session_id=f"S{area}-{on}-{draw.randrange(12)}",
            session_name="Information session",
            starts_at=midnight(on) + 36_000_000,
            duration_minutes=60,
            location="The hall",
            format="GROUP",
            notified_at=midnight(referred_on),
            outcome_by=on + 2,
            outcome="ATTENDED" if on < TODAY and draw.random() < 0.7 else None,
        )
        referral = ReferralState(
            po_revision=1,
            ground=None,
            referred_on=referred_on,
            provider_id=f"PRV{area}-{draw.randrange(3)}",
            contract_package_area=f"CPA{area:02}",
            jobcentre_id="JCP-LEEDS",
            benefit="UC",
            claimant_group=None,
            participant=Participant(),
            appeal_pending=False,
            restriction=None,
            revision_appeal_pending=False,
            revision_restriction=None,
            limits=limits,
            accept_by=referred_on + 2,
            status=status,
            accepted=True,
            sessions=(session,),
        )
        due_at, rank = next_due(referral)
        yield (
            f"PO{number}",
            PurchaseOrder(due_at, rank, midnight(referred_on), 1, referral, seen=(f"M{number}",)),
        )


def fill(path: Path, count: int, letters: int) -> None:
    """The tables of that many referrals, with a breach of every fifth and a refusal of every tenth.

    letters: how many dead letters wait, and how many were discarded beside them.
    """
    db = sqlite3.connect(path, isolation_level=None)
    # Made of all rows at the end: kept up to date row by row, they would take hours.
    db.execute("PRAGMA synchronous = OFF")
    indexes = db.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql NOT NULL"
    ).fetchall()
    for name, _ in indexes:
        db.execute(f"DROP INDEX {name}")
    tables, vault = LogTables(), EmbeddedFile(path).vault
    vault.store.open()
    batch: list[tuple[str, PurchaseOrder]] = []

    def put() -> None:
        db.execute("BEGIN")
        found = {po_number: listed for po_number, order in batch if (listed := listing(order)) is not None}
        tables.put(db, 0, found)
        keys = keys_of(db, vault, [po_number for po_number, _ in batch])
        db.executemany(
            "INSERT INTO state VALUES (0, ?, ?, ?, ?, ?)",
            [
                (
                    po_number,
                    vault.seal(keys[po_number], "state", po_number, pack(order)),
                    order.events_at,
                    order.due_at,
                    len(order.seen),
                )
                for po_number, order in batch
            ],
        )
        rows = [row for po_number, order in batch for row in _records(po_number, order)]
        put_rows(db, INSERT_OUTBOUND, rows)
        db.execute("COMMIT")
        batch.clear()

    for each in orders(count):
        batch.append(each)
        if len(batch) == _AT_ONCE:
            put()
    put()
    db.execute("BEGIN")
    key = keys_of(db, vault, ["PO1"])["PO1"]
    put_rows(db, INSERT_OUTBOUND, [_letter(vault, key, number) for number in range(2 * letters)])
    db.execute(
        "INSERT INTO handled SELECT message_id, 'DISCARDED', timestamp FROM outbound"
        f" WHERE topic = '{DEAD_LETTERS}' AND timestamp % 2"
    )
    db.execute("UPDATE outbound SET status = 'DISCARDED' WHERE message_id IN (SELECT letter FROM handled)")
    db.execute("COMMIT")
    for _, sql in indexes:
        db.execute(sql)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def _letter(vault: Vault, key: int, number: int) -> tuple[object, ...]:
    """A dead letter of a record that is as long as most are."""
    came = Record("prap.referrals", 0, number, midnight(TODAY) + number, b"PO1", b"\0" * 300)
    draft = dead_letters.draft(came, Unreadable("UNDECODABLE", "It is not."))
    sealed = vault.seal(key, "dead letter", "", draft.value or b"")
    return outbound_row(draft, 0, came.timestamp, sealed)


def _records(po_number: str, order: PurchaseOrder) -> Iterator[tuple[object, ...]]:
    referral, number = order.referral, int(po_number[2:])
    assert referral is not None
    at = min(order.events_at + 16 * DAY_MS, midnight(TODAY))
    if number % 10 == 0:
        refused = Outcome(
            event_id=f"{po_number}-{at}-1",
            message_id=f"R{number}",
            po_number=po_number,
            provider_id=referral.provider_id,
            topic="provider.session-records",
            status="REFUSED",
            code="SESSION_ALREADY_BOOKED",
            detail="Another session is booked.",
            decided_at=at,
            rule="WP19 ¶2",
        )
        draft = outcomes.draft(refused, None)
        yield outbound_row(draft, 0, at, draft.value)
    if number % 5 == 0:
        late = Breach(
            event_id=f"{po_number}-{at}-2",
            po_number=po_number,
            provider_id=referral.provider_id,
            breach="SESSION_LATE",
            status="RAISED",
            due_on=referral.session_by(),
            decided_at=at,
            rule="WP19 ¶2",
        )
        draft = breaches.draft(late, None)
        yield outbound_row(draft, 0, at, draft.value)


async def measure(path: Path, times: int) -> None:
    """Print how long each page takes, the first time and in the median of the others."""
    log = await open_embedded(path, tables=LogTables())
    model = OwnLog(log.file, 1)

    async def today() -> int:
        return midnight(TODAY) + 36_000_000

    browsers = Browsers(secure=False)
    workers = Workers(log, shipped(), WIRING)
    asking = Asking(model.source, 2)
    desk = Desk(log, model, asking, workers, shipped(), browsers, today, None, Surroundings(), None)
    console = Console(desk, Flow(), None, None)

    async def sign_in(request: web.Request) -> web.Response:
        response = web.Response()
        browsers.sign_in(request, response, Operator("i", "s", "Somebody", frozenset({OPERATE})))
        return response

    app = web.Application(middlewares=[console.gate])
    app.add_routes([*console.routes(), web.get("/in", sign_in)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    (host, port) = runner.addresses[0][:2]
    async with ClientSession(f"http://{host}:{port}") as session:
        async with session.get("/in") as answer:
            cookies = {each.key: each.value for each in answer.cookies.values()}
        for page in PAGES:
            took = []
            for _ in range(times + 1):
                begun = time.perf_counter()
                async with session.get(page, cookies=cookies) as answer:
                    size = len(await answer.read())
                    assert answer.status == 200, (page, answer.status)
                took.append(1_000 * (time.perf_counter() - begun))
            first, *others = took
            print(f"| `{page}` | {first:.0f} | {statistics.median(others):.0f} | {size / 1_000:,.0f} |")
    await runner.cleanup()
    asking.close()
    await log.close()


def main() -> None:
    """Make the log, and ask."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--referrals", type=int, default=1_000_000)
    arguments.add_argument("--letters", type=int, default=100_000)
    arguments.add_argument("--times", type=int, default=10)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gateway.db"

        async def make() -> None:
            await (await open_embedded(path, tables=LogTables())).close()

        asyncio.run(make())
        fill(path, given.referrals, given.letters)
        print("| page | first, ms | then, median, ms | kB |\n|---|---|---|---|")
        asyncio.run(measure(path, given.times))


if __name__ == "__main__":
    main()
