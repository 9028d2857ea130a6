"""What all outbound topics share: Avro values with the headers of a CloudEvent; and the same event in JSON.

Source: CloudEvents 1.0.2, Kafka protocol binding, "Binary content mode", and JSON event format; W3C Trace
Context, "traceparent".
"""

from functools import cache, lru_cache
from typing import Any, Final

from gateway.engine.log import Columns, Draft, Header, Headers, Record
from gateway.rules.events import DeadLetter, DeliveryPlan, Event
from producers.trace import child_of, headers_of_trace, trace_id_of
from schemas.catalogue import SCHEMAS
from schemas.codec import HEADER_BYTES, MARKER, encode, header_of
from schemas.json import format_instant, render

SOURCE: Final = "/work-programme/information-session-gateway"

_ATTRIBUTE: Final = "ce_"
_SPECVERSION: Final = ("ce_specversion", b"1.0")
#: Their ids are made in another way than those of decisions, and could be the same.
_PARTS: Final[dict[type, str]] = {DeadLetter: "/dead-letters", DeliveryPlan: "/delivery-plans"}
_SCHEMA: Final = "ce_dataschema"
_URN: Final = "urn:workprogramme:"
_CONTENT_TYPE: Final = ("content-type", b"application/avro")


@cache
def _of_type(record: type[Event | DeadLetter | DeliveryPlan]) -> tuple[Header, Header, Header]:
    """What all records of a class have: source, type, and its name with the fingerprint of its schema.

    That is the CRC-64-AVRO one, as it stands in its values.
    """
    name = record.__name__
    return (
        ("ce_source", f"{SOURCE}{_PARTS.get(record, '')}".encode()),
        ("ce_type", name.encode()),
        (_SCHEMA, f"{_URN}{name}:{header_of(SCHEMAS[name])[len(MARKER) :].hex()}".encode()),
    )


def header_named(record: Record) -> bytes | None:
    """What a record's value begins with in single-object encoding, by its headers; None: they don't say."""
    named = next((value for name, value in record.headers if name == _SCHEMA), None) or b""
    try:
        header = MARKER + bytes.fromhex(named.decode("ascii").rpartition(":")[2])
    except ValueError:
        return None
    return header if named.startswith(_URN.encode()) and len(header) == HEADER_BYTES else None


@lru_cache(maxsize=1_024)
def _time(instant: int) -> Header:
    return "ce_time", format_instant(instant).encode()


def draft_keyed_by_po_number(
    topic: str,
    event: Event,
    traceparent: str | None,
    *,
    provider_id: str | None = None,
    message_id: str | None = None,
    status: str | None = None,
    jobcentre_id: str | None = None,
) -> Draft:
    """The record of an event on a topic, stamped with the instant of its decision.

    traceparent: that of the message that caused the event, as `traceparent_of` gives it. provider_id,
    message_id, status, jobcentre_id: by what else than its purchase order the record can be asked for.
    """
    key = event.po_number.encode()
    headers = cloud_event_headers(event, key, traceparent)
    trace_id = None if traceparent is None else trace_id_of(traceparent)
    columns = Columns(event.po_number, provider_id, message_id, status, trace_id, jobcentre_id=jobcentre_id)
    return Draft(topic, key, encode(event), headers, event.decided_at, columns)


def cloud_event_headers(event: Event | DeadLetter, subject: bytes | None, traceparent: str | None) -> Headers:
    """A CloudEvent's attributes as headers. subject: the po_number, None where there is none."""
    return headers_of(type(event), event.event_id, event.decided_at, subject, traceparent)


def headers_of(
    record: type[Event | DeadLetter | DeliveryPlan],
    event_id: str,
    at: int | None,
    subject: bytes | None,
    traceparent: str | None,
) -> Headers:
    """A CloudEvent's attributes as headers. record: its class. at: its instant; None: it has none."""
    headers: Headers = (
        _SPECVERSION,
        ("ce_id", event_id.encode()),
        *_of_type(record),
        *(() if at is None else (_time(at),)),
        _CONTENT_TYPE,
    )
    if subject is not None:
        headers += (("ce_subject", subject),)
    return headers if traceparent is None else headers + headers_of_trace(child_of(traceparent, event_id))


def in_json(event: Event) -> dict[str, Any]:
    """An event as a CloudEvent in JSON, with the attributes that its record's headers have."""
    headers = cloud_event_headers(event, event.po_number.encode(), None)
    attributes = {
        name.removeprefix(_ATTRIBUTE): value.decode()
        for name, value in headers
        if name.startswith(_ATTRIBUTE) and value is not None
    }
    return attributes | {"datacontenttype": "application/json", "data": render(event)}
