"""Values go out and come in in Confluent's wire format: by a real registry, and with Confluent's clients."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from msgspec import to_builtins

from gateway.backends.kafka.log import KafkaLog
from gateway.backends.kafka.schema_registry import SchemaRegistry
from gateway.dead_letters.handling import DeadLetterFilter, choose, dead_letters, put_back
from gateway.engine.log import Draft, LogBusy, Record
from gateway.rules.messages import TOPIC_OF, Message
from gateway.sample import programme
from schemas.catalogue import SCHEMAS
from schemas.codec import encode, header_of
from schemas.registered import text
from tests.broker.registry import Registry
from tests.cli.running import spawn
from tests.contracts.generators.tools import fetched_jars, run
from tests.engine.letters import referral
from tests.kafka.deciding import came, deciding, letters, make, outcomes
from tests.kafka.feeding import make as make_topics
from tests.kafka.feeding import put as feed
from tests.kafka.gateways import running
from tests.kafka.plain_consumer import read
from tests.kafka.registered import Clients, deserializer, put, registered_log, serializer
from tests.kafka.test_programme import END, OUTBOUND, assert_cloud_events, came_out, expected
from tests.patience import PATIENCE_S, in_the_end

SERDE = Path(__file__).parent / "serde"
REFERRALS = "prap.referrals"
OUTCOMES = "gateway.outcomes"


def fields(message: Message) -> dict[str, Any]:
    """A record's fields, as a producer in another language has them: dates as days."""
    built: dict[str, Any] = to_builtins(message)
    return built


def draft(message: Message) -> Draft:
    return Draft(TOPIC_OF[type(message)], message.po_number.encode(), encode(message))


def evolved(record: str, doc: str = "Of another version.") -> dict[str, Any]:
    """Another version of a schema: it lacks fields that have a default, and has one that nobody knows."""
    schema = deepcopy(SCHEMAS[record]) | {"doc": doc}
    kept = [field for field in schema["fields"] if field["name"] != "special_customer_record"]
    schema["fields"] = [*kept, {"name": "colour", "type": "string", "default": "grey"}]
    return schema


@pytest.fixture
def clients(registry: Registry) -> Iterator[Clients]:
    clients = Clients(registry.url)
    yield clients
    clients.close()


@pytest.fixture
async def log(bootstrap: str, topic_prefix: str, registry: Registry) -> AsyncIterator[KafkaLog]:
    await make(bootstrap, topic_prefix)
    log = registered_log(bootstrap, topic_prefix, registry.url, look_again_s=0.2, forget_s=0.2)
    yield log
    await log.close()


def read_in_java(bootstrap: str, prefix: str, registry: Registry, work: Path) -> list[str]:
    """Topic and id of all that has gone out, by a serde for Java."""
    libraries = fetched_jars(SERDE / "pom.xml", "serde")
    run(["javac", "-d", work / "classes", "-cp", f"{libraries}/*", SERDE / "Events.java"], work)
    reader: list[str | Path] = ["java", "-cp", f"{work / 'classes'}:{libraries}/*", "Events", bootstrap]
    its_own = registry.url.replace("/ccompat/v7", "/registry/v2")
    return run([*reader, its_own, *(prefix + topic for topic in OUTBOUND)], work).splitlines()


def test_serdes_for_python_and_java_read_all_that_goes_out_as_replay_decides_it(
    bootstrap: str, topic_prefix: str, registry: Registry, clients: Clients, tmp_path: Path
) -> None:
    """And so do the gateway's own commands, with the registry and, by the headers, without it."""
    lines = list(programme(20, seed=3))
    make_topics(bootstrap, topic_prefix, 2)
    feed(bootstrap, topic_prefix, lines)
    settings = {"schema_registry_url": registry.url}
    arguments = ("--clock", "log", "--until", END)
    with running(tmp_path, bootstrap, topic_prefix, *arguments, **settings) as gateway:
        assert gateway.ended() == 0, gateway.said
    seen = read(bootstrap, topic_prefix, OUTBOUND, deserializer(clients))
    assert came_out(seen) == expected(lines)
    assert_cloud_events(seen)
    assert sorted(read_in_java(bootstrap, topic_prefix, registry, tmp_path)) == sorted(
        f"{topic_prefix}{each.topic} {each.value['event_id']}" for each in seen
    )
    environment = {
        "GATEWAY_LOG_URL": f"kafka://{bootstrap}",
        "GATEWAY_TOPIC_PREFIX": topic_prefix,
        "GATEWAY_SCHEMA_REGISTRY_URL": registry.url,
    }
    registry.pause()
    told = spawn("tail", "--from-start", "--no-follow", cwd=tmp_path, environment=environment)
    assert told.status == 0, told.err
    assert len(told.lines) == len(seen)


async def test_a_producer_with_confluents_serializer_is_read_beside_one_without_a_registry(
    log: KafkaLog, bootstrap: str, registry: Registry, clients: Clients
) -> None:
    framed = serializer(clients, text("Referral"))
    topic = log.brokers.named(REFERRALS)
    async with deciding(log):
        put(bootstrap, topic, ("PO1", framed(topic, fields(referral("PO1", "r1")))))
        put(bootstrap, topic, ("PO2", encode(referral("PO2", "r2"))))
        assert await outcomes(log, 2) == ["r1", "r2"]


async def test_two_versions_of_a_schema_at_once_are_resolved_by_avros_rules(
    log: KafkaLog, bootstrap: str, registry: Registry, clients: Clients
) -> None:
    """One of them under two ids: the same but for what people read."""
    topic = log.brokers.named(REFERRALS)
    now = serializer(clients, text("Referral"))
    others = [serializer(clients, json.dumps(evolved("Referral", doc))) for doc in ("One.", "Two.")]
    values = [
        now(topic, fields(referral("PO1", "r1"))),
        *(
            framed(topic, fields(referral(f"PO{number}", f"r{number}")) | {"colour": "red"})
            for number, framed in enumerate(others, 2)
        ),
    ]
    assert len({value[:5] for value in values}) == 3
    async with deciding(log):
        put(bootstrap, topic, *((f"PO{number}", value) for number, value in enumerate(values, 1)))
        assert await outcomes(log, 3) == ["r1", "r2", "r3"]


async def test_an_id_that_the_registry_does_not_have_makes_a_dead_letter_that_can_be_put_back(
    log: KafkaLog, bootstrap: str, registry: Registry, clients: Clients
) -> None:
    """It keeps the bytes as they came; when the schema has been registered, it is decided."""
    topic = log.brokers.named(REFERRALS)
    client = SchemaRegistry(registry.url)
    async with deciding(log):
        await log.append([draft(referral("PO0", "r0"))])
        assert await outcomes(log, 1) == ["r0"]  # it has registered its own schemas
        next_id = await client.register(f"{topic}-last", json.dumps(evolved("Referral", topic))) + 1
        value = b"\0" + next_id.to_bytes(4, "big") + encode(referral("PO1", "r1"))[10:]
        put(bootstrap, topic, ("PO1", value))
        put(bootstrap, topic, ("PO2", encode(referral("PO2", "r2"))))
        (letter,) = await letters(log, 1)
        assert (letter.code, letter.value) == ("UNKNOWN_SCHEMA", value)
        assert await outcomes(log, 2) == ["r0", "r2"]
        (shown,) = [entry async for entry in dead_letters(log, DeadLetterFilter())]
        assert shown.value == value
        registered = SCHEMAS["Referral"] | {"doc": f"Registered late: {topic}"}
        assert await client.register(f"{topic}-late", json.dumps(registered)) == next_id
        while shown.value == value:  # for a moment it is not asked for again
            (shown,) = [entry async for entry in dead_letters(log, DeadLetterFilter())]
        assert shown.value == encode(referral("PO1", "r1"))
        done = await put_back(log, await choose(log, DeadLetterFilter()), anyway=False)
        assert (done.done, done.left) == (1, {})
        assert await outcomes(log, 3) == ["r0", "r2", "r1"]
    await client.close()


async def test_who_waits_for_an_id_is_answered_however_late_they_look(registry: Registry) -> None:
    """Else a partition would wait for ever, where the answer is forgotten before it is read again."""
    log = registered_log("127.0.0.1:1", "", registry.url, forget_s=0)
    framing = log.brokers.framing
    assert framing is not None
    unknown = Record(REFERRALS, 0, 0, 0, b"PO1", b"\0\x7f\xff\xff\xff\x02")
    assert framing.unframed(unknown) is None
    async with asyncio.timeout(PATIENCE_S):
        assert await framing.unframed_value(unknown.value) == unknown.value
    assert framing.unframed(unknown) is None, "it is asked for again"
    await log.close()


async def test_an_outage_harms_no_known_schema_and_another_one_waits_for_its_end(
    bootstrap: str, topic_prefix: str, registry: Registry, clients: Clients
) -> None:
    """What waits is no dead letter, what is behind it on its partition waits as well, and it is said why."""
    await make(bootstrap, topic_prefix)
    log = registered_log(bootstrap, topic_prefix, registry.url)
    topic = log.brokers.named(REFERRALS)
    known = serializer(clients, text("Referral"))
    other = serializer(clients, json.dumps(evolved("Referral", topic)))
    unknown = other(topic, fields(referral("PO3", "r3")) | {"colour": "red"})
    async with deciding(log) as workers:
        put(bootstrap, topic, ("PO1", known(topic, fields(referral("PO1", "r1")))))
        assert await outcomes(log, 1) == ["r1"]
        registry.pause()
        put(bootstrap, topic, ("PO2", known(topic, fields(referral("PO2", "r2")))), ("PO3", unknown))
        put(bootstrap, topic, ("PO4", known(topic, fields(referral("PO4", "r4")))))
        assert await outcomes(log, 2) == ["r1", "r2"]
        await in_the_end(lambda: "schema registry does not answer" in (workers.trouble(0) or ""))
        with pytest.raises(LogBusy, match="the schema registry does not answer"):
            async for _ in log.follow((REFERRALS,), from_start=True, wait=False):
                pass
        registry.resume()
        assert await outcomes(log, 4) == ["r1", "r2", "r3", "r4"]
        assert workers.trouble(0) is None
    assert [
        record async for record in log.follow(("gateway.dead-letters",), from_start=True, wait=False)
    ] == []
    await log.close()


async def test_a_registry_that_has_lost_all_gets_the_schemas_again_and_what_was_written_is_still_read(
    log: KafkaLog, bootstrap: str, registry: Registry, clients: Clients
) -> None:
    """Its ids may mean something else now; what goes out from then on can be read by its new ids."""
    registry.kill()
    registry.start()
    client = SchemaRegistry(registry.url)
    # So that the gateway's schemas have other ids than those that it gets in an empty registry.
    await client.register(f"{log.brokers.prefix}first", json.dumps(evolved("Referral", "Nobody's.")))
    await client.close()
    framing = log.brokers.framing
    assert framing is not None
    outcome = header_of(SCHEMAS["Outcome"])
    async with deciding(log):
        await log.append([draft(referral("PO1", "r1"))])
        assert await outcomes(log, 1) == ["r1"]
        before = framing.framed(OUTCOMES, outcome)
        registry.kill()
        await asyncio.to_thread(registry.start)
        await in_the_end(lambda: framing.framed(OUTCOMES, outcome) != before)
        await log.append([draft(referral("PO2", "r2"))])
        assert await outcomes(log, 2) == ["r1", "r2"]
        records = await came(log, [OUTCOMES], 2)
        decode = deserializer(clients)
        assert decode("", records[1].original or b"")["message_id"] == "r2"
    # A process that starts now knows nothing of the ids before.
    later = registered_log(bootstrap, log.brokers.prefix, registry.url)
    assert await outcomes(later, 2) == ["r1", "r2"]
    await later.close()


async def test_without_the_registry_a_gateway_waits_before_it_decides_anything(
    log: KafkaLog, registry: Registry
) -> None:
    registry.pause()
    async with deciding(log) as workers:
        await in_the_end(lambda: "schema registry does not answer" in (workers.trouble(0) or ""))
        await log.append([draft(referral("PO1", "r1"))])
        registry.resume()
        assert await outcomes(log, 1) == ["r1"]


def test_the_schemas_are_registered_and_checked_by_commands(
    topic_prefix: str, registry: Registry, tmp_path: Path
) -> None:
    """Under subjects of topic and record, with the topic's prefix."""
    environment = {
        "GATEWAY_LOG_URL": "kafka://127.0.0.1:1",
        "GATEWAY_TOPIC_PREFIX": topic_prefix,
        "GATEWAY_SCHEMA_REGISTRY_URL": registry.url,
    }
    missing = spawn("schemas", "check", cwd=tmp_path, environment=environment)
    assert missing.status == 1
    assert f"the schema registry lacks {len(SCHEMAS)} schemas" in missing.sentence
    made = spawn("schemas", "register", cwd=tmp_path, environment=environment)
    assert made.status == 0, made.err
    lines = made.out.decode().splitlines()
    assert len(lines) == len(SCHEMAS)
    name = f"{topic_prefix}jobcentre.sessions-workprogramme.SessionEvent"
    assert any(line.startswith(f"registered {name} with id ") for line in lines)
    checked = spawn("schemas", "check", cwd=tmp_path, environment=environment)
    assert checked.status == 0
    assert checked.out.decode().count(" is registered with id ") == len(SCHEMAS)
    assert spawn("schemas", "register", cwd=tmp_path, environment=environment).out == checked.out
