"""A prime contractor speaks for several providers with one token."""

import io

import pytest

from tests.api.conftest import lines
from tests.api.running import Client, Sandbox, booking

PLAN = {
    "formats": ["GROUP"],
    "group_size": 10,
    "timings": "weekly",
    "effective_from": "2016-03-01",
}


@pytest.fixture
async def prime(served: Sandbox) -> Client:
    """PRV01 and PRV02, each with a referral of its own, and one of a third."""
    both = served.client("PRV01", "PRV02")
    for provider in ("PRV02", "PRV03"):
        await both.new_referral(f"OF-{provider}", provider_id=provider)
    return both


async def test_it_sees_the_referrals_of_all_of_them(prime: Client) -> None:
    found = (await prime.get("/v1/referrals?limit=200")).json["referrals"]
    assert {each["provider_id"] for each in found} == {"PRV01", "PRV02"}
    assert [(each["referred_on"], each["po_number"]) for each in found] == sorted(
        ((each["referred_on"], each["po_number"]) for each in found), reverse=True
    )
    one = (await prime.get("/v1/referrals?provider_id=PRV02")).json["referrals"]
    assert [each["po_number"] for each in one] == ["OF-PRV02"]
    page = (await prime.get("/v1/referrals?limit=5")).json
    pages = page["referrals"]
    while page["next"] is not None:
        page = (await prime.get(f"/v1/referrals?limit=5&cursor={page['next']}")).json
        pages += page["referrals"]
    assert pages == found


async def test_a_record_is_that_of_the_referrals_provider(prime: Client, served: Sandbox) -> None:
    assert (await prime.record("OF-PRV02", "a")).status == 200
    assert (await prime.record("UC-MANDATORY", "b")).status == 200
    assert (await served.client("PRV02").get("/v1/messages/a")).json["po_number"] == "OF-PRV02"
    assert (await served.client("PRV01").get("/v1/messages/b")).json["po_number"] == "UC-MANDATORY"
    refused = await prime.record("OF-PRV03", "a")
    assert (refused.status, refused.code) == (404, "UNKNOWN_REFERRAL")


async def test_instructions_of_both_come_in_one_order(prime: Client, served: Sandbox) -> None:
    found = (await prime.get("/v1/instructions?limit=500")).json["instructions"]
    mine = (await served.client("PRV01").get("/v1/instructions?limit=500")).json["instructions"]
    other = (await prime.get("/v1/instructions?provider_id=PRV02")).json["instructions"]
    assert [each["po_number"] for each in other] == ["OF-PRV02"]
    assert sorted(each["event_id"] for each in found) == sorted(each["event_id"] for each in mine + other)
    end = found[-1]["cursor"]
    assert (await prime.get(f"/v1/instructions?after={end}")).json["instructions"] == []


async def test_a_session_shows_the_bookings_of_both(prime: Client) -> None:
    for po_number in ("OF-PRV02", "UC-MANDATORY"):
        await prime.record(po_number, f"a-{po_number}")
        assert (await prime.record(po_number, f"b-{po_number}", booking("JOINT"))).status == 200
    both = (await prime.get("/v1/sessions/JOINT")).json
    assert sorted(each["po_number"] for each in both["bookings"]) == ["OF-PRV02", "UC-MANDATORY"]
    one = (await prime.get("/v1/sessions/JOINT?provider_id=PRV02")).json
    assert [each["po_number"] for each in one["bookings"]] == ["OF-PRV02"]


async def test_a_delivery_plan_is_that_of_one_provider(prime: Client) -> None:
    """WP19 ¶24."""
    refused = await prime.send("PUT", "/v1/delivery-plans/CPA01", PLAN)
    assert (refused.status, refused.code, refused.json["field"]) == (400, "PROVIDER_NEEDED", "provider_id")
    put = await prime.send("PUT", "/v1/delivery-plans/CPA01?provider_id=PRV02", PLAN)
    assert (put.status, put.json["provider_id"]) == (200, "PRV02")
    asked = await prime.get("/v1/delivery-plans")
    assert asked.json == {"delivery_plans": [put.json]}


@pytest.mark.parametrize(
    "path",
    ["/v1/referrals", "/v1/worklist", "/v1/instructions", "/v1/sessions/S", "/v1/delivery-plans"],
)
async def test_a_provider_that_the_token_does_not_name_is_refused(
    path: str, prime: Client, logged: io.StringIO
) -> None:
    answer = await prime.get(f"{path}?provider_id=PRV03")
    assert (answer.status, answer.code, answer.json["field"]) == (403, "ANOTHER_PROVIDER", "provider_id")
    assert [line["reason"] for line in lines(logged, "security.forbidden")] == [
        "query_names_another_provider"
    ]
