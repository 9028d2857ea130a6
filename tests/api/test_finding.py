"""Referrals are found by what a provider knows of them, and sessions by their day."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import asdict

from gateway.reading.view import Wanted
from tests.api.running import ACCEPTED, Client, Sandbox, booking, sandbox

REFERENCE = "OURS/17 ä"


async def found(client: Client, query: str) -> list[str]:
    answer = await client.get(f"/v1/referrals?limit=200&{query}")
    assert answer.status == 200, answer.body
    return [each["po_number"] for each in answer.json["referrals"]]


async def test_a_reference_of_ones_own_comes_back_in_every_answer_about_the_referral(
    provider: Client,
) -> None:
    await provider.record("UC-VOLUNTARY", "a1", ACCEPTED | {"reference": REFERENCE})
    assert (await provider.get("/v1/referrals/UC-VOLUNTARY")).json["reference"] == REFERENCE
    assert await found(provider, "reference=OURS%2F17%20%C3%A4") == ["UC-VOLUNTARY"]
    listed = (await provider.get("/v1/referrals?reference=OURS/17%20ä")).json["referrals"]
    assert [each["reference"] for each in listed] == [REFERENCE]
    assert (await provider.get("/v1/referrals/UC-MANDATORY")).json["reference"] is None
    await provider.record("UC-MANDATORY", "a2", ACCEPTED | {"reference": None})
    assert (await provider.get("/v1/referrals/UC-MANDATORY")).json["reference"] is None
    assert (await provider.get("/v1/messages/a1")).json["record"]["reference"] == REFERENCE


async def test_a_reference_comes_back_with_each_message_and_to_nobody_else(
    served: Sandbox, provider: Client
) -> None:
    path, accepted = "/v1/referrals/UC-VOLUNTARY/records", ACCEPTED | {"reference": REFERENCE}
    first = await provider.record("UC-VOLUNTARY", "a1", accepted)
    later = await provider.send("POST", path, booking("S1"), Idempotency_Key="b1")
    refused = await provider.record("UC-VOLUNTARY", "a2")
    shown = [first.json, later.json, refused.json["message"]]
    shown += [(await provider.get(f"/v1/messages/{key}")).json for key in ("a1", "b1", "a2")]
    assert [each["reference"] for each in shown] == [REFERENCE] * 6
    appeal = {
        "type": "SupportGroupAppealChanged",
        "po_number": "UC-VOLUNTARY",
        "pending": True,
        "changed_on": "2016-03-14",
    }
    jobcentre = served.jobcentre()
    said = await jobcentre.send("POST", "/v1/updates", appeal, Idempotency_Key="j1", Prefer="wait=20")
    assert [said.json["reference"], (await jobcentre.get("/v1/messages/j1")).json["reference"]] == [None] * 2


async def test_a_reference_comes_back_in_instructions_outcomes_and_bookings(provider: Client) -> None:
    await provider.record("UC-VOLUNTARY", "a1", ACCEPTED | {"reference": REFERENCE})
    await provider.record("UC-VOLUNTARY", "b1", booking("S1"))
    await provider.record("UC-MANDATORY", "a2")
    await provider.record("UC-MANDATORY", "b2", booking("S1"))
    for path, name in (
        ("instructions", "instructions"),
        ("outcomes", "outcomes"),
        ("sessions/S1", "bookings"),
    ):
        shown = (await provider.get(f"/v1/{path}")).json[name]
        assert {(each["po_number"], each["reference"]) for each in shown} >= {
            ("UC-VOLUNTARY", REFERENCE),
            ("UC-MANDATORY", None),
        }


async def test_referrals_are_found_by_what_is_due_and_by_when_they_changed(provider: Client) -> None:
    for number in (1, 2):
        await provider.new_referral(f"PO-{number}", jobcentre_id="JCP-YORK")
    await provider.clock("2016-03-14T12:00:00Z")
    await provider.record("PO-1", "a1")

    async def of_york(query: str) -> list[str]:
        return await found(provider, f"jobcentre_id=JCP-YORK&{query}")

    # To be accepted by the 16th, and a session to be attended by the 29th.
    assert await of_york("due_before=2016-03-16") == []
    assert await of_york("due_before=2016-03-17") == ["PO-2"]
    assert await of_york("due_before=2016-03-17&accepted=true") == []
    assert await of_york("due_before=2016-03-29") == ["PO-2"]
    assert await of_york("due_before=2016-03-30") == ["PO-2", "PO-1"]
    assert await of_york("changed_since=2016-03-14T12:00:00Z") == ["PO-1"]
    assert await of_york("changed_since=2016-03-14T13:00:00%2B01:00") == ["PO-1"]
    assert await of_york("changed_since=2016-03-14T12:00:00.001Z") == []
    assert await of_york("changed_since=2016-03-14T12:00:00Z&accepted=false") == []
    # What is overdue is found, too.
    await provider.clock("2016-03-25T12:00:00Z")
    assert await of_york("due_before=2016-03-17") == ["PO-2"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("due_before=17/03/2016", "due_before"),
        ("due_before=2016-02-30", "due_before"),
        ("changed_since=2016-03-14", "changed_since"),
        ("changed_since=2016-03-14T12:00:00", "changed_since"),
    ],
)
async def test_a_time_that_is_none_is_refused(query: str, field: str, provider: Client) -> None:
    answer = await provider.get(f"/v1/referrals?{query}")
    assert (answer.status, answer.code, answer.json["field"]) == (400, "BAD_PARAMETER", field)
    assert "expected" in answer.json["detail"]


@pytest.mark.parametrize("reference", ["", "x" * 101, "AB 12 34 56 C", "a\nb", 17])
async def test_a_reference_is_an_id_of_at_most_100_characters_and_nobodys_number(
    reference: object, provider: Client
) -> None:
    answer = await provider.record("UC-VOLUNTARY", "a1", ACCEPTED | {"reference": reference})
    assert (answer.status, answer.code, answer.json["field"]) == (400, "INVALID_RECORD", "reference")
    assert b"AB 12" not in answer.body


async def test_referrals_are_found_by_several_things_at_once(provider: Client) -> None:
    await provider.new_referral("PO-1", jobcentre_id="JCP-YORK", contract_package_area="CPA09")
    await provider.new_referral("PO-2", jobcentre_id="JCP-YORK")
    await provider.record("PO-2", "a1")
    assert await found(provider, "jobcentre_id=JCP-YORK") == ["PO-2", "PO-1"]
    assert await found(provider, "jobcentre_id=JCP-YORK&accepted=true") == ["PO-2"]
    assert await found(provider, "jobcentre_id=JCP-YORK&accepted=false&status=OPEN") == ["PO-1"]
    assert await found(provider, "contract_package_area=CPA09") == ["PO-1"]
    assert await found(provider, "contract_package_area=CPA09&accepted=true") == []
    first = (await provider.get("/v1/referrals?limit=1&jobcentre_id=JCP-YORK")).json
    assert await found(provider, f"jobcentre_id=JCP-YORK&cursor={first['next']}") == ["PO-1"]
    for query in ("accepted=yes", "status=CLOSED", f"reference={'x' * 101}"):
        assert (await provider.get(f"/v1/referrals?{query}")).code == "BAD_PARAMETER"


async def test_sessions_are_listed_by_day_for_their_provider_by_pages(
    served: Sandbox, provider: Client
) -> None:
    await provider.new_referral("OF-PRV02", provider_id="PRV02")
    other, prime = served.client("PRV02"), served.client("PRV01", "PRV02")
    # 23:30 UTC is the next day in London, once the clocks have changed.
    late = booking("LATE", "2016-03-28T23:30:00Z")
    for client, po_number, value in (
        (provider, "UC-VOLUNTARY", booking("D1", "2016-03-29T10:00:00Z")),
        (provider, "UC-MANDATORY", booking("D1", "2016-03-29T10:00:00Z")),
        (provider, "JSA-VOLUNTARY", late),
        (other, "OF-PRV02", booking("S9", "2016-03-29T10:00:00Z")),
    ):
        await client.record(po_number, f"a-{po_number}")
        assert (await client.record(po_number, f"b-{po_number}", value)).status == 200
    page = (await provider.get("/v1/sessions?on=2016-03-29")).json
    assert [(each["session_id"], each["booked"], each["attended"]) for each in page["sessions"]] == [
        ("D1", 2, 0),
        ("LATE", 1, 0),
    ]
    assert page["next"] is None
    assert (await provider.get(page["sessions"][0]["self"])).json["booked"] == 2
    assert (await provider.get("/v1/sessions?on=2016-03-28")).json["sessions"] == []
    ids: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        part = (await prime.get(f"/v1/sessions?on=2016-03-29&limit=1&cursor={cursor}")).json
        ids += [each["session_id"] for each in part["sessions"]]
        cursor = part["next"]
    assert ids == ["D1", "LATE", "S9"]


@pytest.mark.parametrize("query", ["", "?on=", "?on=29/03/2016", "?on=2016-02-30"])
async def test_a_day_must_be_given(query: str, provider: Client) -> None:
    answer = await provider.get(f"/v1/sessions{query}")
    assert (answer.status, answer.code, answer.json["field"]) == (400, "BAD_PARAMETER", "on")


@pytest.mark.parametrize(
    ("column", "index"),
    [
        ("status", "referral_by_status"),
        ("jobcentre_id", "referral_by_jobcentre"),
        ("contract_package_area", "referral_by_area"),
        ("reference", "referral_by_reference"),
        ("accepted", "referral_newest"),
    ],
)
async def test_each_way_to_find_referrals_has_an_index(column: str, index: str, tmp_path: Path) -> None:
    assert column in asdict(Wanted())
    sql = (
        f"SELECT * FROM referral WHERE provider_id = ? AND {column} = ?"
        " AND (referred_on, po_number) < (?, ?) ORDER BY referred_on DESC, po_number DESC LIMIT ?"
    )
    (plan,) = await plans(tmp_path, sql, ("PRV01", "x", 1, "", 9))
    assert f"USING INDEX {index} (provider_id=?" in plan


async def test_the_sessions_of_a_day_have_an_index(tmp_path: Path) -> None:
    sql = (
        "SELECT session_id, sum(NOT cancelled) FROM booking WHERE provider_id = ? AND session_on = ?"
        " AND session_id > ? GROUP BY session_id ORDER BY session_id LIMIT ?"
    )
    (plan,) = await plans(tmp_path, sql, ("PRV01", 1, "", 9))
    assert "INDEX booking_on (session_on=? AND provider_id=? AND session_id>?)" in plan


async def plans(folder: Path, sql: str, values: tuple[object, ...]) -> list[str]:
    """How SQLite answers a question of a log."""
    async with sandbox(folder / "gateway.db"):
        pass
    with closing(sqlite3.connect(folder / "gateway.db")) as db:
        return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
