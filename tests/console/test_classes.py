"""What the schemas class as about a person is on no page for an operator, and in no metric or log line."""

import io
import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.api.callers import OPERATE
from gateway.engine.log import Draft
from gateway.rules.messages import (
    INBOUND,
    TOPIC_OF,
    AlternativeSessionNotPossible,
    AlternativeSessionRequested,
    AttendanceCorrected,
    AttendanceRecorded,
    CannotAttend,
    InboundRecord,
    Referral,
    ReferralAccepted,
    ReferralRejected,
    SessionBooked,
    SessionCancelled,
    SessionChanged,
)
from schemas.json import parse_instant, render
from tests.api.running import NOW, Sandbox
from tests.console.test_security import SIGN_IN, Visitor
from tests.personal import MARK, marked, texts_about
from tests.schemas.examples import EXAMPLES

LINK = re.compile(r'href="(/console[^"#]*)')
STARTS = "2016-03-17T10:00:00Z"
#: What is sent, in this order: the kind, the purchase order and the session.
SENT: tuple[tuple[type[InboundRecord], str, str], ...] = (
    (Referral, "PO-MARKED", ""),
    (ReferralAccepted, "PO-MARKED", ""),
    (AlternativeSessionRequested, "PO-MARKED", ""),
    (AlternativeSessionNotPossible, "PO-MARKED", ""),
    (SessionBooked, "PO-MARKED", "S-1"),
    (SessionChanged, "PO-MARKED", "S-1"),
    (CannotAttend, "PO-MARKED", "S-1"),
    (SessionCancelled, "PO-MARKED", "S-1"),
    (SessionBooked, "PO-MARKED", "S-2"),
    (AttendanceRecorded, "PO-MARKED", "S-2"),
    (AttendanceCorrected, "PO-MARKED", "S-2"),
    (Referral, "PO-REJECTED", ""),
    (ReferralRejected, "PO-REJECTED", ""),
)
#: What makes the examples fit each other, and a sandbox that begins.
FITTING: dict[str, Any] = {
    "po_revision": 1,
    "referred_on": 16_874,
    "special_customer_record": False,
    "mandation": None,
    "benefit": "ESA",
    "starts_at": parse_instant(STARTS),
    "recorded_at": parse_instant(STARTS),
    **dict.fromkeys(
        ("accepted_at", "requested_at", "notified_at", "given_at", "cancelled_at", "rejected_at", "told_at"),
        parse_instant(NOW),
    ),
}


def fitting(number: int, kind: type[InboundRecord], po_number: str, session_id: str) -> InboundRecord:
    """A record with a mark in each text about a person."""
    changes = {**FITTING, "po_number": po_number, "session_id": session_id, "message_id": f"marked-{number}"}
    changes = {name: value for name, value in changes.items() if name in kind.__struct_fields__}
    made: InboundRecord = replace(marked(EXAMPLES[kind.__name__]), **changes)
    return made


@pytest.fixture
async def operator(served: Sandbox) -> AsyncIterator[Visitor]:
    """Somebody with an operator's scope alone."""
    made = Visitor(served)
    await made.sign_in(SIGN_IN, OPERATE)
    yield made
    await made.session.close()


async def pages(visitor: Visitor, *first: str) -> dict[str, str]:
    """The pages to which links lead, by path; of those that differ by their query alone, ten."""
    found: dict[str, str] = {}
    waiting = list(first)
    while waiting:
        path = waiting.pop(0)
        same = [other for other in found if other.partition("?")[0] == path.partition("?")[0]]
        if path in found or len(same) >= 10:
            continue
        status, text, _ = await visitor.get(path)
        assert status < 500, path
        found[path] = text
        waiting += map(unescape, LINK.findall(text))
    return found


async def test_nothing_about_a_person_is_shown_with_an_operators_scope_alone(
    served: Sandbox, operator: Visitor, logged: io.StringIO
) -> None:
    kinds = {kind for topic in INBOUND for kind in INBOUND[topic]}
    about_somebody = {kind for kind in kinds if list(texts_about(marked(EXAMPLES[kind.__name__])))}
    assert about_somebody <= {kind for kind, *_ in SENT}, "each has a text about a person: send it, too"
    client = served.client()
    for number, sent in enumerate(SENT):
        if sent[0] is AttendanceRecorded:
            await client.clock(STARTS)
        record = fitting(number, *sent)
        answer = await client.message(TOPIC_OF[sent[0]], sent[0].__name__, render(record))
        assert answer.status == 200, (sent, answer.body)
        assert MARK.encode() not in answer.body, sent
    await served.log.append([Draft("jobcentre.wp11", b"PO-MARKED", f"{MARK}, born 1915-11-11".encode())])
    shown = await pages(
        operator,
        "/console/",
        "/console/referrals?po=PO-MARKED",
        f"/console/sessions?day={STARTS[:10]}",
        "/console/participant?po=PO-MARKED",
    )
    shown["/metrics"] = (await client.get("/metrics")).body.decode()
    shown["/readyz"] = (await client.get("/readyz")).body.decode()
    shown["the log"] = logged.getvalue()
    marks = {MARK, *texts_about(fitting(0, *SENT[0]))}
    showing = {(where, mark) for where, text in shown.items() for mark in marks if mark in text}
    assert showing == set()
    seen = {path.partition("?")[0] for path in shown}
    assert seen >= {"/console/sessions/session", "/console/dead-letters/letter", "/console/participant"}
