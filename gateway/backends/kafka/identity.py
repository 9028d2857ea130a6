"""What sets one log on Kafka apart from another: the cluster, and the id that a topic gets when it is made.

aiokafka asks for metadata in versions that have no topic ids yet, so the request is described here.
Source: Kafka protocol, Metadata request and response, version 12.
"""

from io import BytesIO
from typing import Final
from uuid import UUID

from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from gateway.backends.kafka.brokers import Brokers
from gateway.backends.kafka.topics import STATE_TOPIC, administering
from gateway.engine.log import LogBusy, LogError

_METADATA: Final = 3
_VERSION: Final = 12
_NO_ID: Final = UUID(int=0)


async def identity(brokers: Brokers) -> str:
    """The cluster's id, and the name and id of gateway.state, which no other topic ever has.

    Raises LogBusy where no broker answers, LogError where the topic is missing or brokers know no ids.
    """
    await brokers.count(STATE_TOPIC)
    name = brokers.named(STATE_TOPIC)
    async with administering(brokers.connection) as client:
        try:
            answer = await client._send_request(_MetadataRequest(name))  # noqa: SLF001 - no other way to ask
        except (IncompatibleBrokerVersion, NotImplementedError):  # aiokafka's, for brokers too old
            raise LogError("the brokers give topics no ids; Apache Kafka 4 is needed") from None
    found = answer.to_object()
    (topic,) = found["topics"]
    if topic["error_code"] or topic["topic_id"] == _NO_ID:
        raise LogBusy(f"the brokers don't give the id of the topic {name} at the moment; try again")
    return f"{found['cluster_id']}/{name}/{topic['topic_id']}"


class _Uuid(AbstractType[UUID]):
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


class _MetadataResponse(Response):
    API_KEY = _METADATA
    API_VERSION = _VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString()),
                ("port", Int32),
                ("rack", CompactString()),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString()),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString()),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _MetadataRequestV12(RequestStruct):
    API_KEY = _METADATA
    API_VERSION = _VERSION
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", CompactString()), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataRequestV12]):
    API_KEY = _METADATA

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[_MetadataRequestV12]) -> _MetadataRequestV12:
        return request_struct_class([(_NO_ID, self._topic, {})], False, False, {})
