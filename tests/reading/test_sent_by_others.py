"""What Jobcentres and PRaP send over HTTP is known by its sender and key, until its referral is forgotten."""

from typing import Final

from consumers import draft
from schemas.codec import digest_of
from schemas.json import parse, parse_instant
from tests.cli.running import life
from tests.reading.asking import Asked
from tests.reading.test_forgetting import LATER, tick

UPDATES: Final = "jobcentre.updates"
AT: Final = parse_instant("2016-03-14T14:00:00Z")
LATER_THAT_DAY: Final = "2016-03-14T18:00:00Z"


async def test_it_is_known_to_its_sender_alone_and_forgotten_with_its_referral(asked: Asked) -> None:
    line, *_ = life()
    await asked.decide([line])
    appeal = {"message_id": "u1", "po_number": "PO1", "pending": True, "changed_on": line["at"][:10]}
    sent = draft(parse("SupportGroupAppealChanged", appeal), timestamp=AT, caller="one")
    by_kafka = draft(parse("SupportGroupAppealChanged", appeal | {"message_id": "u2"}), timestamp=AT)
    await asked.log.append([sent, by_kafka])
    await asked.decide([tick(LATER_THAT_DAY)])
    view = await asked.view()
    digest = digest_of(sent.value or b"")
    keyed = view.keyed("one", "u1", "PO1")
    assert keyed is not None
    assert (keyed.po_number, keyed.digest) == ("PO1", digest)
    assert view.decided("PO1", None, "u1", UPDATES) == digest
    ((po_number, outcome),) = view.messages_with("one", [], "u1")
    assert po_number == "PO1"
    assert outcome is not None
    assert (outcome.status, outcome.topic) == ("APPLIED", UPDATES)
    # Neither another caller, nor a provider, nor whoever asks for what came otherwise, finds anything.
    assert view.keyed("other", "u1", "PO1") is None
    assert view.messages_with("other", ["PRV01"], "u1") == []
    assert view.messages_with("one", ["PRV01"], "u2") == []
    assert view.outcome("PO1", None, "u1", "prap.referrals") is None
    await asked.decide([tick(LATER)])
    view = await asked.view()
    assert view.keyed("one", "u1", "PO1") is None
    assert view.decided("PO1", None, "u1", UPDATES) is None
    assert view.messages_with("one", [], "u1") == []
