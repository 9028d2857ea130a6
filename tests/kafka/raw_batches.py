"""Record batches as no ordinary client sends them, and sending them to a broker as they are."""

import struct
from typing import Final

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record._crc32c import crc as crc32c
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from gateway.engine.log import Headers

#: Where the header of a batch ends, its attributes begin, and their checksum.
_RECORDS: Final = 61
_ATTRIBUTES: Final = 21
_CHECKSUM: Final = 17


def batch(*records: tuple[bytes | None, bytes | None, Headers]) -> bytes:
    """Records as (key, value, headers), in a batch that is not compressed."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=64 * 1024 * 1024,
    )
    for offset, (key, value, headers) in enumerate(records):
        builder.append(offset, 1_000, key, value, [*headers])
    return bytes(builder.build())


def compressed(plain: bytes, codec: int, packed: bytes) -> bytes:
    """The batch with these bytes for records, said to be compressed by this codec."""
    head = bytearray(plain[:_RECORDS])
    struct.pack_into(">i", head, 8, _RECORDS - 12 + len(packed))
    head[_ATTRIBUTES + 1] |= codec
    return checked(bytes(head) + packed)


def checked(changed: bytes) -> bytes:
    """The batch with the checksum that is right for it."""
    crc = struct.pack(">I", crc32c(changed[_ATTRIBUTES:]))
    return changed[:_CHECKSUM] + crc + changed[_ATTRIBUTES:]


def records_of(plain: bytes) -> bytes:
    """What of a batch may be compressed."""
    return plain[_RECORDS:]


async def send(bootstrap: str, topic: str, partition: int, data: bytes) -> None:
    """Put the batch on a partition. Raises KafkaError where the broker refuses it."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        await client.set_topics([topic])
        request = ProduceRequest(
            transactional_id=None,
            required_acks=-1,
            timeout=10_000,
            topics=[(topic, [(partition, data)])],
        )
        answer = await client.send(
            client.cluster.leader_for_partition(TopicPartition(topic, partition)), request
        )
        ((_, ((_, code, *_),)),) = answer.topics
        if code:
            raise for_code(code)
    finally:
        await client.close()
