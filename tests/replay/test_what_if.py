"""What another policy would have decided of what a log has: what is left out of it, and its limit."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.backends.embedded.log import EmbeddedLog, open_embedded
from gateway.engine.log import Draft
from gateway.replay.what_if import Found, Question, what_if
from gateway.rules.messages import TOPIC_OF, Message
from gateway.rules.policy import parse, shipped
from gateway.system.errors import UsageError
from schemas.codec import encode
from tests.engine.letters import NINE, T1, acceptance, referral
from tests.engine.plain_wiring import UNDECODABLE

OTHER = parse("[[policy]]\nfrom = 2011-06-01\naccept_within_working_days = 0\n")


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    opened = await open_embedded(tmp_path / "gateway.db", now=lambda: NINE)
    yield opened
    await opened.close()


async def put(log: EmbeddedLog, *messages: Message) -> None:
    await log.append(Draft(TOPIC_OF[type(each)], each.po_number.encode(), encode(each)) for each in messages)


async def test_what_is_due_by_an_instant_is_decided_under_both_policies(log: EmbeddedLog) -> None:
    """PO1 is never accepted, PO2 at once; the day by which differs for both."""
    await put(log, referral("PO1"), referral("PO2"), acceptance("PO2"))
    await log.append([Draft("prap.referrals", b"PO3", UNDECODABLE)])
    found = Found()
    differing = [each async for each in what_if(log, Question(shipped(), OTHER, None, T1), found)]
    assert [each.po_number for each in differing] == ["PO1", "PO2"]
    assert found.before["gateway.breaches", "ACCEPTANCE_LATE RAISED"] == 1
    assert found.after["gateway.breaches", "ACCEPTANCE_LATE RAISED"] == 1
    assert (found.read, found.done, found.unreadable) == (4, 4, 1)
    assert (found.messages, found.purchase_orders, found.until) == (3, 2, T1)


async def test_a_log_with_more_messages_than_are_allowed_is_not_compared(log: EmbeddedLog) -> None:
    await put(log, referral("PO1"), acceptance("PO1"))
    question = Question(shipped(), OTHER, None, T1, most=1)
    with pytest.raises(UsageError, match="more than 1 messages"):
        assert [each async for each in what_if(log, question, Found())]
