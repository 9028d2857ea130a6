"""Records as rows of the tables `inbound` and `outbound`."""

from typing import Final

from msgspec import msgpack

from gateway.engine.log import Draft, Headers, Record

#: The columns of a record; {} stands for the table.
SELECT: Final = "SELECT topic, partition, offset, timestamp, key, value, headers FROM {}"
INSERT_INBOUND: Final = (
    "INSERT INTO inbound (topic, partition, timestamp, key, value, headers, po_number, provider_id,"
    " message_id, caller, upload, line) VALUES {}"
)
INSERT_OUTBOUND: Final = (
    "INSERT INTO outbound (topic, partition, timestamp, key, value, headers, po_number, provider_id,"
    " message_id, status, trace_id, jobcentre_id) VALUES {}"
)

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


def inbound_row(draft: Draft, partition: int, timestamp: int) -> tuple[object, ...]:
    """The values of INSERT_INBOUND."""
    columns = draft.columns
    return (
        draft.topic,
        partition,
        timestamp,
        draft.key,
        draft.value,
        _packed(draft.headers),
        columns.po_number,
        columns.provider_id,
        columns.message_id,
        columns.caller,
        columns.upload,
        columns.line,
    )


def outbound_row(draft: Draft, partition: int, timestamp: int) -> tuple[object, ...]:
    """The values of INSERT_OUTBOUND."""
    columns = draft.columns
    return (
        draft.topic,
        partition,
        timestamp,
        draft.key,
        draft.value,
        _packed(draft.headers),
        columns.po_number,
        columns.provider_id,
        columns.message_id,
        columns.status,
        columns.trace_id,
        columns.jobcentre_id,
    )


def _packed(headers: Headers) -> bytes:
    return _pack(headers) if headers else _NO_HEADERS
