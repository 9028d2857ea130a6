"""An embedded log moved to Kafka: what is decided afterwards is what would have been decided on one log."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession

from gateway.backends.embedded.log import open_embedded
from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.log import KafkaLog
from gateway.backends.kafka.producer import discard, start_producer
from gateway.engine.log import Draft, LogError
from gateway.engine.moving import CannotMove
from gateway.processes.migrate import migrate
from gateway.reading.tables import LogTables
from gateway.sample import programme
from gateway.settings.settings import Settings
from producers.control import Webhook, webhook
from tests.api.running import Answer, Client, until_ready
from tests.api.tokens import AUDIENCE, ISSUER, token, usual_keys
from tests.broker.registry import Registry
from tests.cli.running import Json, json_lines, spawn
from tests.docs.pages import ROOT, blocks
from tests.intake.prap.downloads import order, zipped
from tests.kafka.feeding import make, put
from tests.kafka.gateways import Gateway, several
from tests.kafka.plain_consumer import read
from tests.kafka.test_api import ACCEPTED, BOOKED, TODAY, lines, token_for
from tests.kafka.test_programme import END, OUTBOUND, came_out, expected
from tests.patience import PATIENCE_S
from tests.ports import free_port

PARTITIONS = 3
#: Topics whose values are registered.
FRAMED = ("gateway.outcomes", "provider.instructions", "jobcentre.delivery-plans", "jobcentre.sessions")


class Killed(Exception):
    """Stands for a signal."""


def at(line: bytes) -> str:
    found: str = json.loads(line)["at"]
    return found


def fed_and_decided(folder: Path, lines: list[bytes]) -> Path:
    """An embedded log with these lines, decided up to the last one."""
    assert spawn("feed", "--keep-time", "-", cwd=folder, stdin=b"".join(lines)).status == 0
    assert spawn("run", "--clock", "log", "--until", at(lines[-1]), cwd=folder).status == 0
    return folder / "gateway.db"


def settings(bootstrap: str, prefix: str) -> Settings:
    return Settings(log_url=f"kafka://{bootstrap}", topic_prefix=prefix)


async def leave_open(bootstrap: str, prefix: str, partition: int, value: bytes) -> None:
    """What is left of a migration that was killed in the middle of a partition: an open transaction."""
    name = f"{prefix}gateway-{partition}"
    producer = await start_producer(BrokerConnection((bootstrap,)), name, transaction_s=600)
    await producer.begin_transaction()
    await producer.send_and_wait(f"{prefix}prap.referrals", value, partition=partition)
    await discard(producer)


def test_half_a_programme_goes_on_on_kafka_as_if_it_had_been_one_log(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    """Half is decided on the file, a quarter waits there undecided, and a quarter comes on Kafka.

    The migration ends after two of three partitions, in the middle of the third, and is started again.
    """
    lines = list(programme(40, seed=8))
    half, most = len(lines) // 2, 3 * len(lines) // 4
    path = fed_and_decided(tmp_path, lines[:half])
    assert spawn("feed", "--keep-time", "-", cwd=tmp_path, stdin=b"".join(lines[half:most])).status == 0
    make(bootstrap, topic_prefix, PARTITIONS)

    def killed(done: int, _: int) -> None:
        if done == 2:
            raise Killed

    to = settings(bootstrap, topic_prefix)
    with pytest.raises(Killed):
        asyncio.run(migrate(path, to, "create", killed))
    asyncio.run(leave_open(bootstrap, topic_prefix, 2, b"".join(lines[:1])))
    migrated = asyncio.run(migrate(path, to, "create"))
    assert migrated.whole, migrated
    put(bootstrap, topic_prefix, lines[most:])
    with several(2, tmp_path, bootstrap, topic_prefix, "--clock", "log", "--until", END) as gateways:
        assert [gateway.ended() for gateway in gateways] == [0, 0]
    assert came_out(read(bootstrap, topic_prefix, OUTBOUND)) == expected(lines)


@asynccontextmanager
async def serving(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[Client]:
    """A gateway that serves a provider, stopped in good order at the end."""
    (folder / "keys.json").write_bytes(usual_keys())
    port = free_port()
    identity = {
        "GATEWAY_JWT_ISSUER": ISSUER,
        "GATEWAY_JWT_AUDIENCE": AUDIENCE,
        "GATEWAY_JWKS_FILE": str(folder / "keys.json"),
        "GATEWAY_HTTP_PORT": str(port),
    }
    gateway = Gateway(folder, {**environment, **identity}, ["run"])
    try:
        async with ClientSession(f"http://127.0.0.1:{port}") as session, asyncio.timeout(PATIENCE_S):
            await until_ready(session)
            yield Client(session, token_for("PRV01"))
        gateway.terminate()
        assert gateway.ended() == 0
    finally:
        gateway.kill()
        gateway.process.wait()


ASKED = (
    "/v1/referrals?limit=200",
    "/v1/referrals/PO1",
    "/v1/referrals/PO1/history",
    "/v1/messages/a1",
)


async def answers(client: Client) -> dict[str, object]:
    """What is told of the referrals, but for the cursors."""
    found: dict[str, object] = {}
    for path in ASKED:
        answer = await client.get(path)
        assert answer.status == 200, answer.body
        found[path] = {name: value for name, value in answer.json.items() if name != "next"}
    return found


async def cursors(client: Client) -> list[str]:
    """Where somebody stands who has read a page of each list."""
    found = []
    for path in ("/v1/instructions?limit=2", "/v1/outcomes?limit=1", "/v1/referrals?limit=2"):
        answer = await client.get(path)
        assert answer.status == 200, answer.body
        name = "cursor" if "referrals" in path else "after"
        found.append(f"{path}&{name}={answer.json['next']}")
    return found


async def test_what_was_known_of_referrals_is_known_on_kafka(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    """Answers, idempotency keys and pauses go on; cursors do not, and say so; dead letters are dealt with
    before.
    """
    path = tmp_path / "gateway.db"
    assert spawn("feed", "-", cwd=tmp_path, stdin=json_lines(lines())).status == 0
    log = await open_embedded(path, tables=LogTables())
    await log.append(
        [
            Draft("jobcentre.wp11", b"PO1", b"nothing that can be read"),
            webhook("w", Webhook("outcomes", ("PRV01",), (), "https://receiver.example/", 0)),
        ]
    )
    await log.close()
    async with serving(tmp_path, {}) as client:
        while len((await client.get("/v1/referrals?limit=200")).json["referrals"]) < len(lines()):
            await client.get("/v1/instructions?wait=1")
        first = await client.record("PO1", "a1", ACCEPTED)
        before, old = await answers(client), await cursors(client)
        kafka = {"GATEWAY_LOG_URL": f"kafka://{bootstrap}", "GATEWAY_TOPIC_PREFIX": topic_prefix}
        to = settings(bootstrap, topic_prefix)
        with pytest.raises(LogError, match="another gateway runs on the log"):
            await migrate(path, to, "log")

    create, move, take_back = commands()
    assert spawn(*create, cwd=tmp_path, environment=kafka | {"GATEWAY_PARTITIONS": "2"}).status == 0
    with pytest.raises(CannotMove, match="dead letters wait"):
        await migrate(path, to, "log")
    discarded = spawn("dead-letters", "discard", "--code", "UNDECODABLE", "--yes", cwd=tmp_path)
    assert discarded.status == 0, discarded.err
    assert spawn("partitions", "pause", "0", "--reason", "moving", cwd=tmp_path).status == 0

    with pytest.raises(CannotMove, match="made with `--timestamps log`"):
        await migrate(path, to, "create")
    moved = spawn(*move, cwd=tmp_path, environment=kafka)
    assert moved.status == 0, moved.err
    table = {tuple(line.split()) for line in moved.out.decode().splitlines()}
    assert ("prap.referrals", "12", "12") in table
    assert not {"gateway.dead-letters", "gateway.control"} & {name for name, *_ in table}
    for command in (["run"], ["feed", "-"]):
        refused = spawn(*command, cwd=tmp_path, stdin=json_lines(lines()))
        assert (refused.status, "--take-back" in refused.sentence) == (1, True)
    with pytest.raises(LogError, match="was moved to"):
        await migrate(path, to, "log")

    on_kafka = KafkaLog(BrokerConnection((bootstrap,)), prefix=topic_prefix)
    assert not await on_kafka.keeps_time()
    assert {number: pause.reason for number, pause in (await on_kafka.pauses()).items()} == {
        0: "moving",
        1: "moving",
    }
    for number in range(2):
        assert await on_kafka.resume(number, "somebody", 0)
    await on_kafka.close()
    async with serving(tmp_path, kafka) as client:
        assert await answers(client) == before
        assert said(await client.record("PO1", "a1", ACCEPTED)) == said(first)
        for place in old:
            assert (await client.get(place)).code == "CURSOR_OF_ANOTHER_HISTORY", place

    assert spawn(*take_back, cwd=tmp_path).status == 0
    assert spawn("feed", "-", cwd=tmp_path, stdin=json_lines(lines())).status == 0
    with pytest.raises(CannotMove, match="begin anew"):
        await migrate(path, to, "log")


#: What callers register, send and mark, by who asks for it.
KNOWN = {
    "provider": (
        "/v1/calendars",
        "/v1/delivery-plans",
        "/v1/messages/u1",
        "/v1/worklist",
        f"/v1/sessions?on={TODAY}",
    ),
    "clerk": ("/v1/prap-actions?limit=200",),
    "prap": ("/v1/messages/prap-PO9000-1",),
}


def without_cursors(found: object) -> object:
    """An answer, but for places in the log and what these say of order: there are more partitions."""
    if isinstance(found, dict):
        return {name: without_cursors(each) for name, each in found.items() if name not in {"next", "cursor"}}
    return sorted(map(without_cursors, found), key=repr) if isinstance(found, list) else found


async def known(callers: Mapping[str, Client], *more: str) -> dict[str, object]:
    """What each caller is told. more: what else the provider asks for."""
    found: dict[str, object] = {}
    for who, paths in (KNOWN | {"provider": (*KNOWN["provider"], *more)}).items():
        for path in paths:
            answer = await callers[who].get(path)
            assert answer.status == 200, (path, answer.body)
            if answer.body.startswith(b"{"):
                found[path] = without_cursors(answer.json)
            else:
                found[path] = [line for line in answer.body.split(b"\r\n") if b"DTSTAMP" not in line]
    return found


def callers(client: Client) -> dict[str, Client]:
    """The provider, a clerk who enters actions on PRaP, and PRaP."""
    now_s = int(time.time())
    claims: Json = {"iat": now_s - 10, "exp": now_s + 600, "provider_id": None}
    clerk = token(**claims, scope="prap:actions", sub="clerk")
    prap = token(**claims, scope="prap:send", sub="prap")
    return {
        "provider": client,
        "clerk": Client(client.session, clerk),
        "prap": Client(client.session, prap),
    }


async def test_what_callers_registered_sent_and_marked_goes_on_also_with_a_schema_registry(
    bootstrap: str, topic_prefix: str, tmp_path: Path, registry: Registry
) -> None:
    """Calendars, plans, uploads, a download, marks, their keys, and the clock that was accepted."""
    assert spawn("feed", "-", cwd=tmp_path, stdin=json_lines(lines())).status == 0
    plan = {"formats": ["GROUP"], "timings": "Mondays", "effective_from": TODAY}
    upload = json_lines(
        [
            {
                "type": "GroupObjection",
                "raised_at": f"{TODAY}T12:00:00Z",
                "message_id": "u1",
                "po_number": "PO2",
            },
            {
                "type": "GroupObjection",
                "raised_at": f"{TODAY}T12:00:00Z",
                "message_id": "u2",
                "po_number": "PO3",
            },
        ]
    )
    download = zipped(order("PO9000", referred_on=TODAY))

    async def send(client: Client) -> list[tuple[int, object]]:
        """All that is sent, with keys: the first time, or again."""
        by = callers(client)
        as_json: dict[str, str | None] = {"Content_Type": "application/jsonl", "Prefer": "wait=20"}
        as_zip: dict[str, str | None] = {"Content_Type": "application/zip", "Prefer": "wait=20"}
        answers = [
            await client.record("PO1", "a1", ACCEPTED),
            await client.record("PO1", "b1", BOOKED),
            await client.send(
                "PUT", "/v1/delivery-plans/CPA01", plan | {"group_size": 1}, Idempotency_Key="p1"
            ),
            await client.ask("POST", "/v1/uploads", upload, Idempotency_Key="f", **as_json),
            await by["prap"].ask("POST", "/v1/prap-downloads", download, Idempotency_Key="d", **as_zip),
        ]
        return [(answer.status, without_cursors(answer.json)) for answer in answers]

    async with serving(tmp_path, {}) as client:
        async with asyncio.timeout(PATIENCE_S):  # until what was fed is decided
            while (await client.get("/v1/referrals/PO3")).status != 200:  # noqa: ASYNC110 - nobody wakes
                await asyncio.sleep(0.05)
        first = await send(client)
        assert [status for status, _ in first] == [200] * 5, first
        later = await client.send(
            "PUT", "/v1/delivery-plans/CPA01", plan | {"group_size": 2}, Idempotency_Key="p2"
        )
        assert later.status == 200
        calendar = (await client.send("POST", "/v1/calendars", None)).json
        by = callers(client)
        (action, *_) = (await by["clerk"].get("/v1/prap-actions?limit=200")).json["actions"]
        assert (await by["clerk"].ask("PUT", action["self"])).status == 200
        uploaded = first[3][1]
        assert isinstance(uploaded, dict)
        more = uploaded["self"], calendar["address"]
        before = await known(by, *more)
    assert spawn("clock", "accept", cwd=tmp_path).status == 0
    file = await open_embedded(tmp_path / "gateway.db")
    accepted = await file.clock_accepted()
    await file.close()

    kafka = {
        "GATEWAY_LOG_URL": f"kafka://{bootstrap}",
        "GATEWAY_TOPIC_PREFIX": topic_prefix,
        "GATEWAY_SCHEMA_REGISTRY_URL": registry.url,
    }
    create, move, _ = commands()
    assert spawn(*create, cwd=tmp_path, environment=kafka | {"GATEWAY_PARTITIONS": "3"}).status == 0
    moved = spawn(*move, cwd=tmp_path, environment=kafka)
    assert moved.status == 0, (moved.out, moved.err)
    on_kafka = KafkaLog(BrokerConnection((bootstrap,)), prefix=topic_prefix)
    assert accepted is not None
    assert await on_kafka.clock_accepted() == accepted
    plain = [record.value or b"" async for record in on_kafka.follow(FRAMED, from_start=True, wait=False)]
    assert plain
    assert {value[:1] for value in plain} == {b"\0"}, "they are in the wire format of the registry"
    await on_kafka.close()
    async with serving(tmp_path, kafka) as client:
        assert await known(callers(client), *more) == before
        assert await send(client) == first, "each key counts as sent"
        assert await known(callers(client), *more) == before, "so nothing has changed"
        assert (await callers(client)["clerk"].ask("DELETE", action["self"])).status == 204
        assert (await client.ask("DELETE", calendar["self"])).status == 204


def commands() -> list[list[str]]:
    """The commands that the page shows."""
    shown = [block.body for block in blocks(ROOT / "docs/operations/migrate.md") if block.info == "console"]
    return [body.removeprefix("$ gateway ").split() for body in shown]


def said(answer: Answer) -> tuple[int, object, object]:
    """What came of a message."""
    return answer.status, answer.json["status"], answer.json["message_id"]
