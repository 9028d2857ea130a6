"""A Jobcentre's subscriber on Kafka: keeps each event once, and its positions in the same transaction.

    python3 subscriber_kafka.py --brokers localhost:9092 --jobcentre JCP-LEEDS

Events go into a SQLite file, with what is made of them: how many of each type a Jobcentre has had. Read them
in the order of IN_ORDER: Kafka has no order across topics. It may be stopped at any moment and begun anew.
With --until-now it ends when there is nothing more. It needs Python 3.11 and
confluent-kafka[avro,schemaregistry], and without --registry the schemas of the gateway's release.
"""

import argparse
import io
import json
import sqlite3
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from fastavro.schema import fingerprint, to_parsing_canonical_form

Record = dict[str, Any]
#: From a topic and a value to the record.
Decode = Callable[[str, bytes], Record]

TOPICS = (
    "jobcentre.sessions",
    "jobcentre.attendance",
    "jobcentre.cancellations",
    "jobcentre.sanction-notifications",
    "jobcentre.notices",
)
TABLES = """
CREATE TABLE IF NOT EXISTS events (
    place INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, po_number TEXT NOT NULL,
    jobcentre_id TEXT NOT NULL, decided_at_ms INTEGER NOT NULL, number INTEGER NOT NULL, data TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS tally (
    jobcentre_id TEXT NOT NULL, type TEXT NOT NULL, events INTEGER NOT NULL, PRIMARY KEY (jobcentre_id, type)
);
CREATE TABLE IF NOT EXISTS positions (
    topic TEXT NOT NULL, number INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (topic, number)
);
"""
#: In which order events were decided. Behind the last hyphen of an event_id is its number within an instant.
IN_ORDER = "SELECT * FROM events ORDER BY po_number, decided_at_ms, number"


def by_registry(url: str) -> Decode:
    """With a schema registry: values are in Confluent's wire format."""
    deserialize = AvroDeserializer(SchemaRegistryClient({"url": url}))
    return lambda topic, value: dict(deserialize(value, SerializationContext(topic, MessageField.VALUE)))


def by_schemas(folder: Path) -> Decode:
    """Without: a value is C3 01, the fingerprint of its schema (8 bytes), and the body."""
    schemas = {}
    for path in folder.rglob("*.avsc"):
        schema = json.loads(path.read_text("utf-8"))
        mark = fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")
        schemas[bytes.fromhex(mark)] = fastavro.parse_schema(schema)

    def decode(topic: str, value: bytes) -> Record:
        if value[:2] != b"\xc3\x01" or value[2:10] not in schemas:
            sys.exit(
                f"{topic} has a record of another schema; get those of the gateway's release, or a registry"
            )
        found = fastavro.schemaless_reader(io.BytesIO(value[10:]), schemas[value[2:10]], None)
        assert isinstance(found, dict)
        return found

    return decode


def keep(database: sqlite3.Connection, kind: str, event: Record) -> None:
    """Keep an event and count it, unless it is there: who begins again without positions sees all again."""
    event_id, jobcentre_id = event["event_id"], event["jobcentre_id"]
    decided_at_ms = round(event["decided_at"].timestamp() * 1000)
    number = int(event_id.rpartition("-")[2])
    row = (event_id, kind, event["po_number"], jobcentre_id, decided_at_ms, number)
    added = database.execute(
        "INSERT INTO events (event_id, type, po_number, jobcentre_id, decided_at_ms, number, data) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (*row, json.dumps(event, default=str)),
    )
    if added.rowcount:
        database.execute(
            "INSERT INTO tally VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET events = events + 1",
            (jobcentre_id, kind),
        )


def keep_all(
    database: sqlite3.Connection, messages: Iterable[Message], decode: Decode, jobcentres: frozenset[str]
) -> None:
    """Keep the events that name these Jobcentres, and go on behind all of them from now on."""
    with database:  # one transaction: all of it is on disk, or none
        for message in messages:
            topic, value = str(message.topic()), message.value()
            event = decode(topic, value if isinstance(value, bytes) else b"")
            headers = dict(cast("list[tuple[str, bytes]]", message.headers()))
            if event["jobcentre_id"] in jobcentres:
                keep(database, headers["ce_type"].decode(), event)
            at = (topic, message.partition(), (message.offset() or 0) + 1)
            database.execute("INSERT OR REPLACE INTO positions VALUES (?, ?, ?)", at)


def follow(
    consumer: Consumer,
    database: sqlite3.Connection,
    topics: Iterable[str],
    decode: Decode,
    jobcentres: frozenset[str],
    until_now: bool,
) -> None:
    """Keep what comes. Raises KafkaException."""
    positions = {
        (topic, number): next_ for topic, number, next_ in database.execute("SELECT * FROM positions")
    }
    places = [
        TopicPartition(topic, number, positions.get((topic, number), OFFSET_BEGINNING))
        for topic in topics
        for number in consumer.list_topics(topic, timeout=30).topics[topic].partitions
    ]
    consumer.assign(places)  # and no group: where to go on stands in the database, and nowhere else
    left = {(place.topic, place.partition) for place in places}
    while left:
        messages = []
        for message in consumer.consume(500, timeout=1):
            error = message.error()
            if error is None:
                messages.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                left.discard((str(message.topic()), int(message.partition() or 0)))
            else:
                raise KafkaException(error)
        keep_all(database, messages, decode, jobcentres)


def main() -> None:
    """Follow until stopped."""
    parser = argparse.ArgumentParser(description="Keep a Jobcentre's events, each once.")
    parser.add_argument("--brokers", default="localhost:9092", help="HOST:PORT of one or more")
    parser.add_argument("--prefix", default="", help="what stands before the names of the topics")
    parser.add_argument("--jobcentre", action="append", required=True, help="whose events; may be repeated")
    parser.add_argument("--registry", help="the URL of a schema registry, where the gateway has one")
    parser.add_argument("--schemas", type=Path, default=Path("schemas"), help="the folder of the schemas")
    parser.add_argument("--database", default="events.db", help="the SQLite file")
    parser.add_argument("--until-now", action="store_true", help="end when there is nothing more")
    options = parser.parse_args()
    decode = by_registry(options.registry) if options.registry else by_schemas(options.schemas)
    database = sqlite3.connect(options.database)
    database.executescript(TABLES)
    consumer = Consumer(
        {
            "bootstrap.servers": options.brokers,
            "group.id": "unused",  # the client wants one
            "isolation.level": "read_committed",  # only what is committed is decided
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": options.until_now,
        }
    )
    topics = [options.prefix + topic for topic in TOPICS]
    try:
        follow(consumer, database, topics, decode, frozenset(options.jobcentre), options.until_now)
    finally:
        consumer.close()
    for jobcentre_id, kind, events in database.execute("SELECT * FROM tally ORDER BY 1, 2"):
        print(f"{jobcentre_id} {kind} {events}")


if __name__ == "__main__":
    main()
