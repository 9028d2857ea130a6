"""The batches of a fetch, parsed so that nothing in them stops the reader; what can't be read is marked.

Read by aiokafka where it can; else record by record, so that one that can't be read takes no other with it.
Source: Kafka's documentation, "Message format" (record batch and record, magic 2).
"""

import struct
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, Self

from aiokafka import codec
from aiokafka.errors import CorruptRecordException
from aiokafka.record._protocols import LegacyRecordBatchProtocol
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatch
from aiokafka.record.util import decode_varint

#: Offset, length, leader's epoch, magic; CRC, attributes, last offset's delta, first and largest timestamp;
#: producer's id, epoch and sequence; how many records.
_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
#: Offset and length, which the length does not count.
_OVERHEAD: Final = 12
_MAGIC_AT: Final = 16
_CODEC: Final = 0x07
_STAMPED_BY_LOG: Final = 0x08
_TRANSACTIONAL: Final = 0x10
_CONTROL: Final = 0x20
_DECODE: Final = {1: codec.gzip_decode, 2: codec.snappy_decode, 3: codec.lz4_decode, 4: codec.zstd_decode}


class ParsedRecord(NamedTuple):
    """A record, as far as it can be read. unreadable: why it can't be read whole; None: it can.

    value: where not even a value can be found, the bytes of the record or of the batch.
    """

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    unreadable: str | None = None


class Batches:
    """The batches among the bytes of a fetch, in the manner of aiokafka's MemoryRecords."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def has_next(self) -> bool:
        """Whether another whole batch is there; brokers may cut off the last one."""
        return len(self._data) >= self._at + _OVERHEAD and len(self._data) >= self._end()

    def next_batch(self) -> "RecordBatch | LegacyRecordBatchProtocol":
        """The next one. Raises CorruptRecordException where its length can't be."""
        data = self._data[self._at : self._end()]
        if len(data) <= _MAGIC_AT:
            raise CorruptRecordException
        self._at += len(data)
        return LegacyRecordBatch(data, data[_MAGIC_AT]) if data[_MAGIC_AT] < 2 else RecordBatch(data)

    def _end(self) -> int:
        (length,) = struct.unpack_from(">i", self._data, self._at + 8)
        return self._at + _OVERHEAD + int(length)


class RecordBatch:
    """One batch, in the manner of aiokafka's DefaultRecordBatch."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        fields: tuple[int, ...] = _HEADER.unpack_from(data)
        self.base_offset, *_, self._attributes, last, self._first_at, self._largest_at = fields[:9]
        self.producer_id, *_, self._count = fields[9:]
        self.next_offset = self.base_offset + last + 1
        self.is_transactional = bool(self._attributes & _TRANSACTIONAL)
        self.is_control_batch = bool(self._attributes & _CONTROL)
        self._records: Iterator[Any] | None = None

    def __iter__(self) -> Self:
        self._records = iter(self._parsed())
        return self

    def __next__(self) -> Any:  # noqa: ANN401 - aiokafka's record, or one of ours
        return next(self._records or iter(self))

    def _parsed(self) -> list[Any]:
        batch = DefaultRecordBatch(self._data)
        if not batch.validate_crc():
            return [self._rest(self.base_offset, self._data, "their checksum is wrong")]
        try:
            return list(batch)
        except Exception as error:  # noqa: BLE001 - of one record, of decompressing, of whatever it is
            return self._one_by_one(error)

    def _one_by_one(self, error: Exception) -> list[ParsedRecord]:
        """The records that can be read, and of each other what can."""
        packed = self._data[_HEADER.size :]
        compressed = self._attributes & _CODEC
        try:
            data = bytearray(_DECODE[compressed](packed) if compressed else packed)
        except Exception as why:  # noqa: BLE001 - these bytes made it, whatever it is
            said = f"they can't be decompressed ({type(why).__name__})"
            return [self._rest(self.base_offset, self._data, said)]
        records: list[ParsedRecord] = []
        at, following = 0, self.base_offset
        while len(records) < self._count:
            try:
                length, begin = decode_varint(data, at)
                end = begin + length
                if not begin < end <= len(data):
                    raise ValueError(length)
            except (ValueError, IndexError):
                said = f"they are not where they should be ({type(error).__name__})"
                records.append(self._rest(following, bytes(data[at:]), said))
                break
            records.append(self._record(data[begin:end], following))
            at, following = end, records[-1].offset + 1
        return records

    def _record(self, data: bytearray, following: int) -> ParsedRecord:
        offset, at = following, self._largest_at
        key = value = None
        try:
            delta, place = decode_varint(data, 1)  # behind the attributes, which say nothing yet
            if not self._attributes & _STAMPED_BY_LOG:
                at = self._first_at + delta
            delta, place = decode_varint(data, place)
            offset = self.base_offset + delta
            key, place = _bytes(data, place)
            value, place = _bytes(data, place)
        except (ValueError, IndexError):
            return ParsedRecord(offset, at, key, bytes(data), [], "Kafka's client can't read the record.")
        headers: list[tuple[str, bytes | None]] = []
        why = None
        try:
            count, place = decode_varint(data, place)
            for _ in range(count):
                name, place = _bytes(data, place)
                content, place = _bytes(data, place)
                text = (name or b"").decode("utf-8", "backslashreplace")
                if name is None or text.encode() != name:
                    why = "The name of a header is not UTF-8."
                headers.append((text, content))
        except (ValueError, IndexError):
            why = "Kafka's client can't read the record's headers."
        if why is None and place != len(data):
            why = "The record is not as long as it says."
        return ParsedRecord(offset, at, key, value, headers, why)

    def _rest(self, following: int, data: bytes, why: str) -> ParsedRecord:
        """The records from an offset to the batch's last one, as one, at the last one's offset."""
        last = self.next_offset - 1
        return ParsedRecord(
            last, self._largest_at, None, data, [], f"The records {following} to {last} can't be read: {why}."
        )


def _bytes(data: bytearray, at: int) -> tuple[bytes | None, int]:
    """What stands there behind its length, and where the next thing begins. Raises ValueError, IndexError."""
    length, begin = decode_varint(data, at)
    if length < 0:
        return None, begin
    if begin + length > len(data):
        raise IndexError
    return bytes(data[begin : begin + length]), begin + length
