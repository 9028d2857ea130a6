"""Somebody else's consumer: confluent-kafka, fastavro and the published schemas, nothing of the gateway."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import fastavro
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from fastavro.schema import fingerprint, to_parsing_canonical_form

from tests.patience import PATIENCE_S

SCHEMAS: Final = Path(__file__).parents[2] / "schemas"
#: Before the body of a single-object encoding, and before the schema's fingerprint in its 8 bytes.
MARKER: Final = b"\xc3\x01"


class Seen(NamedTuple):
    """A record as somebody outside sees it. value: in the JSON form of the contract."""

    topic: str
    partition: int
    key: str
    type: str
    headers: dict[str, str]
    value: dict[str, Any]


def published() -> dict[bytes, Any]:
    """All published schemas, by their fingerprint as it stands in a record."""
    schemas = {}
    for path in SCHEMAS.glob("*.avsc"):
        schema = json.loads(path.read_text("utf-8"))
        mark = bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))
        schemas[mark] = fastavro.parse_schema(schema)
    return schemas


#: From a topic and a value to the record's fields.
Decode = Callable[[str, bytes], dict[str, Any]]


def read(bootstrap: str, prefix: str, topics: tuple[str, ...], decode: Decode | None = None) -> list[Seen]:
    """All that is committed on the topics now, in order within each partition.

    decode: what decodes values; None: by the published schemas, in single-object encoding.
    """
    decode = decode or _by_fingerprint()
    with _consumer(bootstrap) as consumer:
        return [_seen(message, prefix, decode) for message in _messages(consumer, prefix, topics)]


def _by_fingerprint() -> Decode:
    schemas = published()

    def decode(_: str, value: bytes) -> dict[str, Any]:
        assert value[:2] == MARKER
        body = io.BytesIO(value[10:])
        decoded = cast(dict[str, Any], fastavro.schemaless_reader(body, schemas[value[2:10]], None))
        assert not body.read(), "there is more behind the record"
        return decoded

    return decode


def undecided(bootstrap: str, group: str, prefix: str, topics: tuple[str, ...]) -> int:
    """What a tool that shows lag would show for a group: ends of topics less the offsets it has committed.

    A transaction's end takes an offset too, so one such may be left on each partition, and is not counted.
    """
    with _consumer(bootstrap, group) as consumer:
        places = [
            TopicPartition(prefix + topic, number)
            for topic in topics
            for number in _numbers(consumer, prefix + topic)
        ]
        lag = 0
        for place in consumer.committed(places, timeout=PATIENCE_S):
            _, end = consumer.get_watermark_offsets(place, timeout=PATIENCE_S)
            lag += max(end - max(place.offset, 0) - 1, 0)
        return lag


@contextmanager
def _consumer(bootstrap: str, group: str = "somebody-else") -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()


def _numbers(consumer: Consumer, topic: str) -> list[int]:
    return [*consumer.list_topics(topic, timeout=PATIENCE_S).topics[topic].partitions]


def _messages(consumer: Consumer, prefix: str, topics: tuple[str, ...]) -> Iterator[Message]:
    left = {(prefix + topic, number) for topic in topics for number in _numbers(consumer, prefix + topic)}
    consumer.assign([TopicPartition(topic, number, 0) for topic, number in left])
    while left:
        message = consumer.poll(PATIENCE_S)
        assert message is not None, f"nothing more comes of {left}"
        if (error := message.error()) is None:
            yield message
        else:
            assert error.code() == KafkaError._PARTITION_EOF, error
            left.discard((str(message.topic()), int(message.partition() or 0)))


def _seen(message: Message, prefix: str, decode: Decode) -> Seen:
    key, value = message.key(), message.value()
    assert isinstance(key, bytes)
    assert isinstance(value, bytes)
    decoded = decode(str(message.topic()), value)
    headers = {name: said.decode() for name, said in cast(list[tuple[str, bytes]], message.headers() or [])}
    return Seen(
        str(message.topic()).removeprefix(prefix),
        int(message.partition() or 0),
        key.decode(),
        headers["ce_type"],
        headers,
        {name: _as_json(said) for name, said in decoded.items()},
    )


def _as_json(value: object) -> object:
    """A decoded value as the contract has it in JSON."""
    match value:
        case datetime():
            precision = "milliseconds" if value.microsecond else "seconds"
            assert value.utcoffset() == timedelta(0)
            return value.isoformat(timespec=precision).replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case list():
            return [_as_json(item) for item in value]
        case dict():
            return {name: _as_json(item) for name, item in value.items()}
    return value
