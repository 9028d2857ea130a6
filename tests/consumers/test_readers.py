"""From a record on an inbound topic to its message, or to why there is none."""

import pytest
from msgspec import Struct
from msgspec.structs import replace

from consumers import READERS
from gateway.engine.log import INBOUND_TOPICS, Record
from gateway.rules.messages import INBOUND, TOPIC_OF, Message
from schemas.codec import LARGEST_BODY_BYTES, Unreadable, encode
from tests.schemas.examples import EXAMPLES, WP11

MESSAGES = [EXAMPLES[record.__name__] for records in INBOUND.values() for record in records]


def on(topic: str, message: Struct, key: bytes | None = b"PO-1") -> Record:
    return Record(topic, 3, 42, 1_459_810_800_000, key, encode(message))


def code_of(read: Message | Unreadable) -> str:
    assert isinstance(read, Unreadable), read
    return read.code


def test_every_inbound_topic_has_a_reader() -> None:
    assert tuple(READERS) == INBOUND_TOPICS


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_is_read_from_its_topic(message: Struct) -> None:
    topic = TOPIC_OF[type(message)]
    assert READERS[topic](on(topic, message)) == message


@pytest.mark.parametrize("topic", INBOUND_TOPICS)
def test_any_other_record_does_not_belong_on_a_topic(topic: str) -> None:
    """Neither a message of another topic nor what the gateway itself puts out."""
    for record in EXAMPLES.values():
        if TOPIC_OF.get(type(record)) != topic:
            read = READERS[topic](on(topic, record))
            assert code_of(read) == "UNKNOWN_SCHEMA"


@pytest.mark.parametrize("topic", INBOUND_TOPICS)
@pytest.mark.parametrize("key", [None, b"", b"PO-2", b"PO-1 ", b"po-1", "PO-1".encode("utf-16")])
def test_a_key_that_is_not_the_po_number_is_a_mismatch(topic: str, key: bytes | None) -> None:
    message = EXAMPLES[INBOUND[topic][0].__name__]
    assert code_of(READERS[topic](on(topic, message, key))) == "KEY_MISMATCH"


def test_a_key_is_the_po_number_in_utf8() -> None:
    form = replace(WP11, po_number="PO–¶")
    read = READERS["jobcentre.wp11"]
    assert read(on("jobcentre.wp11", form, "PO–¶".encode())) == form
    assert code_of(read(on("jobcentre.wp11", form, "PO–¶".encode("latin-1", "replace")))) == "KEY_MISMATCH"


@pytest.mark.parametrize("topic", INBOUND_TOPICS)
def test_what_cannot_be_decoded_is_said_rather_than_raised(topic: str) -> None:
    """The code is that of the value, whatever the key."""
    values = {None: "UNDECODABLE", b"": "UNDECODABLE", b"x" * (LARGEST_BODY_BYTES + 11): "TOO_LARGE"}
    for value, code in values.items():
        assert code_of(READERS[topic](Record(topic, 0, 0, 0, None, value))) == code
