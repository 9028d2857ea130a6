"""What the brokers show this user of topics: their ids, how many partitions they have, and what it may do.

A topic gets its id when it is made, and no other ever has it.
aiokafka asks for metadata in versions that have no topic ids yet, so the request is described here.
Source: Kafka protocol, Metadata request and response, version 12.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Final, NamedTuple
from uuid import UUID

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import TopicAuthorizationFailedError
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

_METADATA: Final = 3
_VERSION: Final = 12
_NO_ID: Final = UUID(int=0)
#: The bit of the operation READ among those that a user may do.
_READ: Final = 1 << 3


class Seen(NamedTuple):
    """A topic that is there, or that this user may not see (`hidden`). readable: that it may read it."""

    id: str
    partitions: int
    readable: bool
    hidden: bool


async def look(client: AIOKafkaClient, topics: Sequence[str]) -> tuple[str, dict[str, Seen]]:
    """The cluster's id, and those of the topics that are there or hidden. No topic is made by asking.

    Raises KafkaError, IncompatibleBrokerVersion or NotImplementedError (aiokafka's) from brokers too old.
    """
    answer = (await client.send(client.get_random_node(), _MetadataRequest(topics))).to_object()
    seen = {
        topic["name"]: Seen(
            str(topic["topic_id"]),
            len(topic["partitions"]),
            bool(topic["authorized_operations"] & _READ),
            hidden=topic["error_code"] == TopicAuthorizationFailedError.errno,
        )
        for topic in answer["topics"]
        if topic["error_code"] in {0, TopicAuthorizationFailedError.errno}
    }
    return answer["cluster_id"], seen


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

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_MetadataRequestV12]) -> _MetadataRequestV12:
        return request_struct_class([(_NO_ID, topic, {}) for topic in self._topics], False, True, {})
