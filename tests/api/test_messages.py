"""A message says what it was, and the history of a referral says which message each outcome is about."""

from tests.api.running import ACCEPTED, NOW, Client, Sandbox, booking, referral


async def test_a_message_is_shown_as_it_was_sent(provider: Client) -> None:
    await provider.record("UC-VOLUNTARY", "a1")
    sent = booking("S1", location="Leeds Town Hall")
    await provider.record("UC-VOLUNTARY", "b1", sent)
    found = (await provider.get("/v1/messages/b1")).json
    assert (found["type"], found["received_at"], found["status"]) == ("SessionBooked", NOW, "APPLIED")
    assert found["record"] == sent
    # It is sent again with what is shown, and is the same.
    assert (await provider.record("UC-VOLUNTARY", "b1", found["record"])).json["status"] == "APPLIED"


async def test_what_was_said_of_a_participant_who_became_special_is_shown_no_more(provider: Client) -> None:
    await provider.new_referral("PO-1")
    said = {"type": "CannotAttend", "session_id": "S1", "reason": "Qzreason", "given_at": NOW}
    await provider.record("PO-1", "a1")
    await provider.record("PO-1", "b1", booking("S1"))
    await provider.record("PO-1", "c1", said)
    assert (await provider.get("/v1/messages/c1")).json["record"] == said
    special = referral("PO-1", po_revision=2, special_customer_record=True, message_id="r2")
    await provider.message("prap.referrals", "Referral", special)
    answer = await provider.get("/v1/messages/c1")
    assert (answer.json["status"], answer.json["type"], answer.json["record"]) == ("APPLIED", None, None)
    assert b"Qzreason" not in answer.body


async def test_each_outcome_in_a_history_says_which_message_it_is_about(provider: Client) -> None:
    await provider.record("UC-VOLUNTARY", "a1")
    history = (await provider.get("/v1/referrals/UC-VOLUNTARY/history")).json["history"]
    assert history == (await provider.get("/v1/referrals/UC-VOLUNTARY")).json["history"]
    answered = [each["answers"] for each in history if each["type"] == "Outcome"]
    assert {
        "message_id": "a1",
        "type": "ReferralAccepted",
        "received_at": NOW,
        "self": "/v1/messages/a1",
    } in answered
    # The Jobcentre's own messages are named only.
    (of_jobcentre,) = [each for each in answered if each["message_id"] != "a1"]
    assert (of_jobcentre["type"], of_jobcentre["received_at"], of_jobcentre["self"]) == (
        "Referral",
        None,
        None,
    )
    assert all(each["answers"] is None for each in history if each["type"] != "Outcome")


async def test_a_message_of_another_provider_stays_unknown(served: Sandbox, provider: Client) -> None:
    await provider.record("UC-VOLUNTARY", "a1", ACCEPTED)
    assert (await served.client("PRV02").get("/v1/messages/a1")).code == "UNKNOWN_MESSAGE"
