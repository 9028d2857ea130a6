"""Records as rows of the embedded log's tables `inbound` and `outbound`, which are alike."""

from typing import Final

from msgspec import msgpack

from gateway.engine.log import Draft, Headers, Record

#: The columns of a record; {} stands for the table.
SELECT: Final = "SELECT topic, partition, offset, timestamp, key, value, headers FROM {}"

Row = tuple[str, int, int, int, bytes | None, bytes | None, bytes]

_pack: Final = msgpack.Encoder().encode
_headers: Final = msgpack.Decoder(Headers).decode
_NO_HEADERS: Final = _pack(())


def record_of(row: Row) -> Record:
    """The record of a row that SELECT gave."""
    topic, partition, offset, timestamp, key, value, headers = row
    return Record(
        topic, partition, offset, timestamp, key, value, () if headers == _NO_HEADERS else _headers(headers)
    )


def packed_headers(draft: Draft) -> bytes:
    """What stands in the column `headers`."""
    return _pack(draft.headers) if draft.headers else _NO_HEADERS
