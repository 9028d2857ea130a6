"""Lines of one file that several processes read, each of them the messages of its own purchase orders."""

import json

import pytest
from msgspec import Struct

from gateway.intake.lines import read_lines
from gateway.rules.messages import RECORD_NAMED, TOPIC_OF
from schemas.json_writer import render
from tests.schemas.examples import EXAMPLES

INBOUND_EXAMPLES = [EXAMPLES[name] for name in RECORD_NAMED]


@pytest.mark.parametrize("message", INBOUND_EXAMPLES, ids=RECORD_NAMED)
@pytest.mark.parametrize("escaped", [False, True], ids=["as it is", "escaped"])
def test_a_message_is_read_by_whose_it_is_and_is_a_tick_to_everybody_else(
    message: Struct, escaped: bool
) -> None:
    po_number = "PO-1"
    value = render(message) | {"po_number": po_number}
    line = {"at": "2016-03-14T09:00:00Z", "topic": TOPIC_OF[type(message)], "type": type(message).__name__}
    text = json.dumps(line | {"value": value}).encode()
    if escaped:
        text = text.replace(b'"po_number": "PO-1"', rb'"po\u005fnumber": "\u0050O-1"')
    (own,) = read_lines([text], lambda wanted: wanted == po_number)
    (other,) = read_lines([text], lambda wanted: wanted != po_number)
    assert own.message is not None
    assert own.message.po_number == po_number
    assert other.message is None
    assert other.at == own.at
