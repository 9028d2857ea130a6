"""A log on topics of its own whose values go through a schema registry, and others' clients of both."""

from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient, topic_record_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.framing import Framing
from gateway.backends.kafka.log import KafkaLog
from gateway.backends.kafka.schema_registry import SchemaRegistry
from gateway.processes.framing import WRITTEN, subject
from producers.cloud_event import header_named
from schemas.registered import learn_registered
from tests.kafka.plain_consumer import Decode
from tests.patience import PATIENCE_S

Schema = dict[str, Any]


def registered_log(
    bootstrap: str, prefix: str, url: str, *, look_again_s: float = 60.0, forget_s: float = 10.0
) -> KafkaLog:
    """A log whose values are in the wire format of the registry at the URL."""
    framing = Framing(
        SchemaRegistry(url, timeout_s=2.0),
        prefix,
        [subject(*each) for each in WRITTEN],
        learn_registered,
        header_named,
        look_again_s=look_again_s,
        forget_s=forget_s,
    )
    return KafkaLog(BrokerConnection((bootstrap,)), prefix=prefix, grace_s=0, framing=framing)


class Clients:
    """Confluent's clients of a registry, each of which knows nothing at first."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._made: list[SchemaRegistryClient] = []

    def new(self) -> SchemaRegistryClient:
        """One that has asked for nothing yet."""
        self._made.append(SchemaRegistryClient({"url": self._url}))
        return self._made[-1]

    def close(self) -> None:
        """Let their connections go."""
        for client in self._made:
            client.close()


def deserializer(clients: Clients) -> Decode:
    """confluent-kafka's AvroDeserializer."""
    decode = AvroDeserializer(clients.new())
    return lambda topic, value: dict(decode(value, SerializationContext(topic, MessageField.VALUE)))


def serializer(clients: Clients, schema: str) -> Callable[[str, Mapping[str, Any]], bytes]:
    """confluent-kafka's AvroSerializer, with subjects by topic and record, which it registers."""
    encode = AvroSerializer(
        clients.new(),
        schema,
        conf={"subject.name.strategy": topic_record_subject_name_strategy},
    )

    def serialized(topic: str, record: Mapping[str, Any]) -> bytes:
        value = encode(dict(record), SerializationContext(topic, MessageField.VALUE))
        assert isinstance(value, bytes)
        return value

    return serialized


def put(bootstrap: str, topic: str, *records: tuple[str, bytes]) -> None:
    """Put keys and values on a topic, in order, as somebody else's producer does."""
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    for key, value in records:
        producer.produce(topic, key=key.encode(), value=value)
    assert producer.flush(PATIENCE_S) == 0
