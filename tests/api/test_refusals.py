"""Every refusal of the rulebook, reached over HTTP, with the paragraph that it follows."""

from collections import defaultdict
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from gateway.rules.decide import ROWS, SHARED, UNKNOWN_REFERRAL
from gateway.rules.guidance import SAYS, UNSPOKEN
from gateway.rules.referrals import CHECKS
from gateway.sandbox.refusals import Refusal, refusals
from tests.api.running import ACCEPTED, Answer, Client, Process, referral, until_ready

REFUSALS = [*refusals()]


def citations() -> dict[str, set[str | None]]:
    """By code of a refusal, what the rows say that have it."""
    found: defaultdict[str, set[str | None]] = defaultdict(set)
    for check in (*SHARED, *CHECKS, *(check for row in ROWS.values() for check in row.checks)):
        if check.code:
            found[check.code].add(check.rule)
    return {**found, UNKNOWN_REFERRAL: {None}}


RULES = citations()
#: The field at fault, of each refusal for which it is one.
FIELDS = {
    "DATED_IN_FUTURE": "accepted_at",
    "SESSION_ALREADY_BOOKED": "session_id",
    "SESSION_BEFORE_REFERRAL": "starts_at",
    "INVALID_DURATION": "duration_minutes",
    "GROUP_SESSION_UNSUITABLE": "format",
    "UNKNOWN_SESSION": "session_id",
    "NOTIFIED_TOO_LATE": "notified_at",
    "NOTIFIED_BEFORE_REFERRAL": "notified_at",
    "NOTHING_TO_CORRECT": "outcome",
    "ATTACHED_TO_INFORMATION_SESSION": "attached_to",
    "ATTACHED_BEFORE_WP11": "attached_on",
    "INVALID_AMOUNT": "amount_pence",
    "STALE_REVISION": "po_revision",
    "NOT_AN_INFORMATION_SESSION": "action_plan_annotation",
    "INVALID_NINO": "participant.nino",
    "CLAIMANT_GROUP_MISSING": "claimant_group",
    "GROUP_CANNOT_BE_MANDATED": "claimant_group",
    "MANDATION_DOES_NOT_FIT": "mandation",
    "UC_MANDATION_NOT_JUSTIFIED": "mandation",
    "NO_JOBSEEKERS_DIRECTION": "mandation",
    "DOES_NOT_WANT_TO_JOIN": "wants_to_join",
    "INTERVIEW_BEFORE_REFERRAL": "interview_on",
    "ISSUED_BEFORE_INTERVIEW": "issued_on",
    "INTERVIEW_AFTER_21_DAYS": "interview_on",
}


@pytest.fixture
async def asking(running: Process) -> AsyncIterator[Client]:
    async with ClientSession(running.url) as session:
        await until_ready(session)
        yield running.client(session)


def is_refused(answer: Answer, code: str) -> None:
    """It is answered as problem details, with the rule of a row that has this code."""
    assert answer.status == 422, answer.body
    assert answer.code == code
    body = answer.json
    assert body["rule"] in RULES[code]
    assert body["guidance"] == (None if body["rule"] is None or code in UNSPOKEN else SAYS[body["rule"]])
    assert body["detail"].endswith(".")
    message = body["message"]
    assert (message["status"], message["code"], message["rule"]) == ("REFUSED", code, body["rule"])
    assert message["guidance"] == body["guidance"]


async def test_the_sandbox_says_how_to_get_each_of_them(asking: Client) -> None:
    """All but UNKNOWN_REFERRAL, which takes time, and PROGRAMME_ENDED, which takes another policy."""
    listed = (await asking.get("/sandbox")).json["refusals"]
    assert [each["code"] for each in listed] == [each.code for each in REFUSALS]
    assert {each.code for each in REFUSALS} == RULES.keys() - {UNKNOWN_REFERRAL, "PROGRAMME_ENDED"}
    assert len(REFUSALS) == len(RULES) - 2


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code)
async def test_a_message_is_refused_with_its_code_and_the_guidance(refusal: Refusal, asking: Client) -> None:
    if refusal.by == "PROVIDER":
        answer = await asking.record(refusal.scene.po_number, f"refuse-{refusal.code}", refusal.send)
    else:
        answer = await asking.send("POST", "/sandbox/messages", refusal.send, Prefer="wait=20")
    is_refused(answer, refusal.code)
    assert answer.json.get("field") == FIELDS.get(refusal.code)
    # Asked for later, it says the same.
    again = await asking.get(answer.json["message"]["self"])
    assert again.status == 200
    assert again.json.items() >= answer.json["message"].items()


async def test_a_message_whose_referral_does_not_come_is_refused_after_28_days(asking: Client) -> None:
    """To a provider, who can't send it, its path is not there."""
    path = await asking.record("NEVER-CAME", "never-1")
    assert (path.status, path.code) == (404, UNKNOWN_REFERRAL)
    value = {"message_id": "never-2", "po_number": "NEVER-CAME", "provider_id": "PRV01"}
    accepted = {"accepted_at": ACCEPTED["accepted_at"]}
    held = await asking.message("provider.session-records", "ReferralAccepted", value | accepted, wait=0)
    assert held.status == 202
    await asking.clock("2016-04-11T22:59:59Z")
    for path_of_it in (held.json["self"], "/v1/messages/never-2"):
        message = await asking.get(path_of_it)
        assert (message.status, message.json["status"]) == (200, "HELD")
    await asking.clock("2016-04-11T23:00:00Z")
    message = await asking.get(held.json["self"])
    assert (message.json["status"], message.json["code"]) == ("REFUSED", UNKNOWN_REFERRAL)
    # What is forgotten can be said again, and waits again.
    again = await asking.message("provider.session-records", "ReferralAccepted", value | accepted, wait=0)
    assert again.status == 202


async def test_a_first_referral_that_was_refused_is_no_part_of_the_one_that_comes_after_it(
    asking: Client,
) -> None:
    at = (await asking.get("/sandbox/clock")).json["at"]
    wrong = referral("WAS-WRONG", claimant_group=None, referred_on=at[:10])
    is_refused(await asking.message("prap.referrals", "Referral", wrong), "CLAIMANT_GROUP_MISSING")
    await asking.new_referral("WAS-WRONG", message_id="second", referred_on=at[:10])
    history = (await asking.get("/v1/referrals/WAS-WRONG")).json["history"]
    assert [entry["type"] for entry in history] == ["PrapAction", "Instruction", "Outcome"]


def test_what_is_shown_without_guidance_is_refused_somewhere() -> None:
    assert RULES.keys() > UNSPOKEN
    # What the guidance itself forbids is shown with it.
    assert not UNSPOKEN & {
        "NO_WP11",
        "GROUP_CANNOT_BE_MANDATED",
        "GROUP_SESSION_UNSUITABLE",
        "NOTIFIED_TOO_LATE",
    }


async def test_all_mistakes_of_a_records_form_are_named_at_once(asking: Client) -> None:
    wrong = {
        "type": "SessionBooked",
        "session_id": "",
        "sesion_name": "Information session",
        "starts_at": "tomorrow",
        "duration_minutes": "60",
        "location": "Leeds Town Hall",
        "format": "GROUPS",
        "Qz Surname": 1,
        "po_number": "ANOTHER",
    }
    answer = await asking.record("UC-VOLUNTARY", "mistaken", wrong)
    assert (answer.status, answer.code) == (400, "INVALID_RECORD")
    listed = {each["field"]: each["problem"] for each in answer.json["mistakes"]}
    assert [*listed] == [
        *("po_number", "session_id", "session_name", "starts_at", "duration_minutes", "format"),
        *("sesion_name", ""),
    ]
    assert answer.json["field"] == "po_number"
    assert answer.json["detail"] == f"po_number {listed['po_number']}."
    assert listed["sesion_name"] == "is not a field of this record; write session_name"
    assert b"Qz" not in answer.body
