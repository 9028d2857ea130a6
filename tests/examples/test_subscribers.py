"""The subscribers in examples/ keep each event once, in order, whoever is killed and started meanwhile."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession

from gateway.rules.events import FOR_JOBCENTRES
from gateway.sample import programme
from tests.api.running import Client, until_ready
from tests.api.streams import stream
from tests.api.tokens import AUDIENCE, ISSUER, token, usual_keys
from tests.broker.registry import Registry
from tests.cli.running import Json, clean_environment
from tests.contracts.generators.tools import fetched_jars, run
from tests.docs.pages import ROOT
from tests.kafka.feeding import make, put
from tests.kafka.gateways import running
from tests.kafka.test_programme import END, expected
from tests.patience import eventually
from tests.ports import free_port

EXAMPLES = ROOT / "examples"
PARTITIONS = 2

#: An event by its id, type and purchase order.
Kept = tuple[str, str, str]


@pytest.fixture(scope="module")
def java_subscriber(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command of the one in Java, compiled."""
    libraries = fetched_jars(EXAMPLES / "java" / "pom.xml", "subscriber")
    classes = tmp_path_factory.mktemp("classes")
    javac: list[str | Path] = ["javac", "-Xlint:all,-try", "-Werror", "-proc:none"]
    run([*javac, "-d", classes, "-cp", f"{libraries}/*", EXAMPLES / "java" / "Subscriber.java"], classes)
    return ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{classes}:{libraries}/*", "Subscriber"]


@contextmanager
def following(command: Sequence[str], folder: Path, **environment: str) -> Iterator[None]:
    """A subscriber, killed when the block ends."""
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            command, cwd=folder, env=clean_environment() | environment, stdout=said, stderr=said
        )
        try:
            yield
            assert process.poll() is None, (folder / "said").read_text()
        finally:
            process.kill()
            process.wait()


def kept(database: Path, order: str) -> list[Kept]:
    """What a subscriber has, each event counted once; nothing where it has not begun."""
    if not database.exists():
        return []
    there = sqlite3.connect(database)
    try:
        rows = there.execute(f"SELECT event_id, type, po_number FROM events ORDER BY {order}").fetchall()
        counted = there.execute("SELECT ifnull(sum(events), 0) FROM tally").fetchone()[0]
    except sqlite3.OperationalError:  # it is about to make its tables
        return []
    finally:
        there.close()
    assert counted == len(rows)
    return rows


def by_order(found: list[Kept]) -> dict[str, list[Kept]]:
    """The events of each purchase order, in their order."""
    return {po: [each for each in found if each[2] == po] for po in {each[2] for each in found}}


@pytest.mark.slow
@pytest.mark.parametrize("registered", [False, True], ids=["single-object", "registry"])
async def test_each_way_to_subscribe_gives_the_same_events_once_and_in_the_same_order(
    registered: bool,
    java_subscriber: list[str],
    bootstrap: str,
    topic_prefix: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Gateway and subscribers are killed in the middle of a programme, and go on with the rest of it."""
    lines = list(programme(20, seed=3))
    middle = len(lines) // 2
    everything = [
        each for (_, topic), events in expected(lines).items() if topic in FOR_JOBCENTRES for each in events
    ]
    jobcentres = sorted({each["value"]["jobcentre_id"] for each in everything})[::2]
    (tmp_path / "keys.json").write_bytes(usual_keys())
    port = free_port()
    http = {"http_port": str(port), "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
    http |= {"jwks_file": str(tmp_path / "keys.json")}
    settings: dict[str, str] = {}
    schemas = ["--schemas", str(ROOT / "schemas")]
    if registered:
        registry: Registry = request.getfixturevalue("registry")
        settings = {"schema_registry_url": registry.url}
        schemas = ["--registry", registry.url]
    now_s = int(time.time())
    access = token(
        iat=now_s, exp=now_s + 600, provider_id=None, jobcentre_id=jobcentres, scope="jobcentre:subscribe"
    )
    url = f"http://127.0.0.1:{port}"
    options = [option for each in jobcentres for option in ("--jobcentre", each)]
    on_kafka = [sys.executable, str(EXAMPLES / "subscriber_kafka.py"), "--brokers", bootstrap]
    over_http = [sys.executable, str(EXAMPLES / "subscriber_http.py"), "--url", url]
    in_java = [*java_subscriber, bootstrap, topic_prefix, schemas[1], "events.db", ",".join(jobcentres)]
    commands = {
        "kafka": ([*on_kafka, "--prefix", topic_prefix, *options, *schemas], "--until-now"),
        "java": (in_java, "until-now"),
        "http": (over_http, "--until-now"),
    }
    for name in commands:
        (tmp_path / name).mkdir()
    databases = {name: tmp_path / name / "events.db" for name in commands}
    await asyncio.to_thread(make, bootstrap, topic_prefix, PARTITIONS)
    await asyncio.to_thread(put, bootstrap, topic_prefix, lines[:middle])
    by_log = ("--clock", "log")
    streamed: list[Json] = []
    with ExitStack() as stack:
        stack.enter_context(running(tmp_path, bootstrap, topic_prefix, *by_log, **http, **settings))
        for name, (command, _) in commands.items():
            stack.enter_context(following(command, tmp_path / name, GATEWAY_TOKEN=access))
        async with ClientSession(url) as session:
            await until_ready(session)
            client = Client(session, access)
            async with stream(client, "", "event") as one:
                streamed += await one.events(3)
        eventually(lambda: all(kept(each, "place") for each in databases.values()))
    await asyncio.to_thread(put, bootstrap, topic_prefix, lines[middle:])
    with running(tmp_path, bootstrap, topic_prefix, *by_log, "--until", END, **settings) as gateway:
        assert gateway.ended() == 0, gateway.said
    with running(tmp_path, bootstrap, topic_prefix, *by_log, **http, **settings):
        async with ClientSession(url) as session:
            await until_ready(session)
            for name, (command, until_now) in commands.items():
                run([*command, until_now], tmp_path / name, GATEWAY_TOKEN=access)
            over = kept(databases["http"], "place")
            async with stream(
                Client(session, access), "", "event", Last_Event_ID=streamed[-1]["cursor"]
            ) as one:
                streamed += await one.events(len(over) - len(streamed))
    wanted = {each["value"]["event_id"] for each in everything if each["value"]["jobcentre_id"] in jobcentres}
    assert {each[0] for each in over} == wanted
    assert len(over) == len(wanted) < len(everything)
    in_stream = [(each["id"], each["type"], each["subject"]) for each in streamed]
    decided = "po_number, decided_at_ms, number"
    for found in (in_stream, kept(databases["kafka"], decided), kept(databases["java"], decided)):
        assert len(found) == len(over)
        assert by_order(found) == by_order(over)
