"""The broker that the tests use is a real one, and nothing is left of it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from confluent_kafka.admin import AdminClient

from tests.broker.broker import Broker
from tests.broker.jars import CACHE, NoBroker, missing
from tests.patience import PATIENCE_S, eventually

ROOT = Path(__file__).parents[2]


async def make(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def put(bootstrap: str, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await producer.send_and_wait(topic, value)


async def read(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    partition = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        return [(await consumer.getone()).value for _ in range(count)]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"
PROPERTIES = {
    "listener.name.named.sasl.enabled.mechanisms": "PLAIN",
    "listener.name.named.plain.sasl.jaas.config": f'{MODULE} required user_clerk="open sesame";',
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, java: None) -> Iterator[Broker]:
    """One that nobody else uses, with a listener of its own that asks for a password."""
    folder = tmp_path_factory.mktemp("broker")
    with Broker(folder, properties=PROPERTIES, listeners={"NAMED": "SASL_PLAINTEXT"}) as own:
        own.start()
        yield own


async def test_a_record_comes_back(bootstrap: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}there-and-back"
    await make(bootstrap, topic)
    await put(bootstrap, topic, b"a record")
    assert await read(bootstrap, topic, 1) == [b"a record"]


async def test_records_are_kept_when_it_is_stopped_and_when_it_is_killed(broker: Broker) -> None:
    address = broker.bootstrap
    await make(address, "kept")
    await put(address, "kept", b"before")
    broker.stop()
    assert not broker.running
    broker.start()
    await put(address, "kept", b"between")
    broker.kill()
    assert not broker.running
    broker.start()
    assert broker.bootstrap == address
    assert await read(address, "kept", 2) == [b"before", b"between"]


async def test_a_paused_one_answers_nothing_until_it_goes_on(broker: Broker) -> None:
    await make(broker.bootstrap, "paused")
    broker.pause()
    putting = asyncio.create_task(put(broker.bootstrap, "paused", b"late"))
    done, _ = await asyncio.wait([putting], timeout=1)
    assert not done
    assert broker.running
    broker.resume()
    await putting
    assert await read(broker.bootstrap, "paused", 1) == [b"late"]


def test_a_broker_has_the_listeners_and_the_properties_that_it_is_given(broker: Broker) -> None:
    client = AdminClient(
        {
            "bootstrap.servers": broker.address("NAMED"),
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "clerk",
            "sasl.password": "open sesame",
        }
    )
    (node,) = client.list_topics(timeout=PATIENCE_S).brokers.values()
    assert broker.address("NAMED") == f"{node.host}:{node.port}"


@pytest.mark.usefixtures("java")
def test_one_that_can_not_start_says_why(tmp_path: Path) -> None:
    with (
        Broker(tmp_path, properties={"transaction.state.log.num.partitions": "many"}) as own,
        pytest.raises(NoBroker, match=r"transaction\.state\.log\.num\.partitions"),
    ):
        own.start()


#: Has the broker of a folder until standard input ends, and prints its process.
HAS_IT = """
import sys
from pathlib import Path
from tests.broker.broker import Broker

with Broker(Path(sys.argv[1])) as broker:
    broker.start()
    print(broker.pid, flush=True)
    sys.stdin.read()
"""


def someone_with_it(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HAS_IT, str(folder)], cwd=ROOT, stdin=PIPE, stdout=PIPE, text=True
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.usefixtures("java")
def test_all_processes_have_the_same_one_and_the_last_to_be_killed_takes_it_along(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    with someone_with_it(folder) as one, someone_with_it(folder) as other:
        pid = int(first_line(one))
        assert int(first_line(other)) == pid
        one.kill()
        one.wait()
        with Broker(folder) as ours:
            assert ours.running
            other.kill()
            other.wait()
            assert ours.running
        eventually(lambda: gone(pid))
        eventually(lambda: not (folder / "data").exists())
        with Broker(folder) as anew:
            assert not anew.running


@pytest.mark.usefixtures("java")
def test_make_broker_prints_the_address_of_one_that_goes_on_by_itself() -> None:
    def make(target: str) -> str:
        return subprocess.run(
            ["make", "--silent", target],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        ).stdout

    started_by_hand = Broker(CACHE / "broker", outlives=True).running
    address = make("broker").strip()
    AdminClient({"bootstrap.servers": address}).list_topics(timeout=PATIENCE_S)
    assert make("broker").strip() == address
    if not started_by_hand:
        assert not make("broker-stop")
        assert not Broker(CACHE / "broker", outlives=True).running


@pytest.mark.parametrize(
    ("commands", "says"),
    [
        ({}, "Java is missing: install Java 17"),
        ({"java": 'openjdk version "11.0.2" 2019-01-15'}, "too old: install Java 17"),
    ],
)
def test_what_the_machine_lacks_is_said_with_what_to_do(
    commands: dict[str, str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, version in commands.items():
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{version}' >&2\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert says in (missing() or "")
