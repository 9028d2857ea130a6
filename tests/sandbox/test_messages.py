"""A message that is sent to a sandbox is answered with what came of it, and of no other with its id."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.running import ACCEPTED, Answer, Client, referral
from tests.api.running import sandbox as served
from tests.cli.running import Json

NINO = "QQ123456C"


@pytest.fixture
async def asking(tmp_path: Path) -> AsyncIterator[Client]:
    async with served(tmp_path / "sandbox.db") as made:
        yield made.client()


async def refer(asking: Client, message_id: str, po_number: str, **fields: object) -> Answer:
    value = referral(po_number, message_id=message_id, **fields)
    return await asking.message("prap.referrals", "Referral", value)


async def wp11(
    asking: Client, message_id: str, po_number: str, *, wait: int = 20, **fields: object
) -> Answer:
    on = "2016-03-14"
    value: Json = {"message_id": message_id, "po_number": po_number, "jobcentre_id": "JCP-LEEDS"}
    value |= {"interview_on": on, "wants_to_join": True, "issued_on": on} | fields
    return await asking.message("jobcentre.wp11", "Wp11", value, wait=wait)


async def accept(asking: Client, message_id: str, po_number: str, *, wait: int = 20) -> Answer:
    value: Json = {key: ACCEPTED[key] for key in ACCEPTED if key != "type"}
    value |= {"message_id": message_id, "po_number": po_number, "provider_id": "PRV01"}
    return await asking.message("provider.session-records", "ReferralAccepted", value, wait=wait)


def applied(answer: Answer, po_number: str) -> None:
    assert answer.status == 200, answer.body
    assert (answer.json["status"], answer.json["po_number"]) == ("APPLIED", po_number)


async def test_a_referral_that_comes_corrected_under_the_id_of_the_refused_one_is_applied(
    asking: Client,
) -> None:
    assert (await refer(asking, "x1", "PO-X", participant={"nino": NINO})).code == "INVALID_NINO"
    applied(await refer(asking, "x1", "PO-X"), "PO-X")
    applied(await asking.get("/sandbox/messages/x1"), "PO-X")


async def test_an_id_that_was_another_purchase_orders_is_answered_about_the_one_asked(asking: Client) -> None:
    for po_number in ("PO-Y1", "PO-Y2"):
        applied(await refer(asking, "y1", po_number), po_number)
        applied(await asking.get("/sandbox/messages/y1"), po_number)
    refused = await wp11(asking, "w1", "PO-Y1", wants_to_join=False)
    assert refused.code == "DOES_NOT_WANT_TO_JOIN"
    applied(await wp11(asking, "w1", "PO-Y2"), "PO-Y2")
    again = await wp11(asking, "w1", "PO-Y1")
    assert (again.status, again.json["status"], again.json["po_number"]) == (200, "DUPLICATE", "PO-Y1")


async def test_a_providers_record_under_an_id_of_another_referral_is_answered_too(asking: Client) -> None:
    for po_number in ("PO-A1", "PO-A2"):
        await refer(asking, f"{po_number}-r", po_number)
        applied(await accept(asking, "a1", po_number), po_number)


async def test_two_that_are_sent_at_once_with_one_id_are_answered_each_with_its_own(asking: Client) -> None:
    await refer(asking, "z0", "PO-Z")
    answers = await asyncio.gather(*(accept(asking, "z1", "PO-Z") for _ in range(8)))
    assert sorted(answer.json["status"] for answer in answers) == ["APPLIED"] + ["DUPLICATE"] * 7


async def test_where_its_outcome_will_be_is_there_at_once(asking: Client) -> None:
    for number in range(30):
        value = referral(f"PO-G{number}", message_id=f"g{number}")
        sent = await asking.message("prap.referrals", "Referral", value, wait=0)
        assert sent.status == 202, sent.body
        found = await asking.get(sent.headers["Location"])
        assert (found.status, found.json["message_id"]) == (200, f"g{number}")
        assert found.json["status"] in {"PENDING", "APPLIED"}


async def test_one_that_waits_for_its_referral_is_answered_as_held(asking: Client) -> None:
    held = await wp11(asking, "h1", "PO-H", wait=1)
    assert (held.status, held.json["status"], held.json["po_number"]) == (202, "HELD", "PO-H")
    assert held.headers["Location"] == "/sandbox/messages/h1"
    assert (await asking.get("/sandbox/messages/h1")).json["status"] == "HELD"
    applied(await refer(asking, "h0", "PO-H"), "PO-H")
    applied(await asking.get("/sandbox/messages/h1"), "PO-H")
