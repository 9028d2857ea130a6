"""What is exported: all of it, whatever its length, for its provider only, and no formulas."""

import csv
import io
from pathlib import Path

import pytest

from gateway.api.exports import AT_ONCE, EXPORTS, MOST_OPEN
from tests.api.running import NOW, Client, Sandbox, booking, sandbox
from tests.api.test_upload_outcomes import waited
from tests.api.test_uploads import json_lines, objection

CSV = "text/csv; charset=utf-8"


async def exported(client: Client, what: str, query: str = "") -> list[dict[str, str]]:
    """The rows of an export, each by column."""
    answer = await client.get(f"/v1/exports/{what}{query}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, CSV), answer.body
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{what}.csv"'
    assert answer.body.startswith(b"\xef\xbb\xbf")
    return [*csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"), newline=""))]


async def test_an_export_has_every_referral_with_what_a_list_says_of_it(provider: Client) -> None:
    rows = await exported(provider, "referrals")
    listed = (await provider.get("/v1/referrals?limit=200")).json["referrals"]
    assert [row["po_number"] for row in rows] == [each["po_number"] for each in listed]
    assert rows[0] == {
        name: {None: "", False: "no", True: "yes"}.get(value, value)
        for name, value in listed[0].items()
        if name != "self"
    }


async def test_sessions_have_a_row_for_each_booking_and_no_formula(provider: Client) -> None:
    formula = booking("=S1", session_name="@SUM(A1)", location="-1+1|cmd")
    for po_number in ("UC-MANDATORY", "UC-VOLUNTARY"):
        await provider.record(po_number, f"a-{po_number}")
        assert (await provider.record(po_number, f"b-{po_number}", formula)).status == 200
    await provider.record("JSA-VOLUNTARY", "a-3")
    assert (await provider.record("JSA-VOLUNTARY", "b-3", booking("A"))).status == 200
    rows = [row for row in await exported(provider, "sessions") if row["session_id"] in {"'=S1", "A"}]
    assert [(row["session_id"], row["po_number"], row["requirement"]) for row in rows] == [
        ("'=S1", "UC-MANDATORY", "MANDATORY"),
        ("'=S1", "UC-VOLUNTARY", "VOLUNTARY"),
        ("A", "JSA-VOLUNTARY", "VOLUNTARY"),
    ]
    assert (rows[0]["session_name"], rows[0]["location"]) == ("'@SUM(A1)", "'-1+1|cmd")
    assert (rows[0]["starts_at"], rows[0]["cancelled"], rows[0]["outcome"]) == (
        "2016-03-17T10:00:00Z",
        "no",
        "",
    )


async def test_outcomes_and_instructions_come_in_order(provider: Client) -> None:
    await provider.record("UC-MANDATORY", "a1")
    await provider.record("UC-MANDATORY", "a2")
    outcomes = [row for row in await exported(provider, "outcomes") if row["message_id"] in {"a1", "a2"}]
    assert [(row["message_id"], row["status"], row["code"], row["decided_at"]) for row in outcomes] == [
        ("a1", "APPLIED", "", NOW),
        ("a2", "REFUSED", "ALREADY_ACCEPTED", NOW),
    ]
    listed = (await provider.get("/v1/instructions?limit=500")).json["instructions"]
    rows = await exported(provider, "instructions")
    assert [row["event_id"] for row in rows] == [each["event_id"] for each in listed]


async def test_an_export_is_as_long_as_there_is_something(provider: Client) -> None:
    of = ("UC-MANDATORY", "UC-VOLUNTARY", "JSA-VOLUNTARY")
    many = [objection(number, of[number % 3]) for number in range(2 * AT_ONCE + 10)]
    assert (await waited(provider, json_lines(*many))).status == 200
    found = [row["message_id"] for row in await exported(provider, "outcomes")]
    assert len(found) == len(set(found))
    assert {each["message_id"] for each in many} <= set(found)


async def test_every_export_is_of_the_callers_own_providers(served: Sandbox, provider: Client) -> None:
    await provider.new_referral("OF-PRV02", provider_id="PRV02")
    other, prime = served.client("PRV02"), served.client("PRV01", "PRV02")
    await other.record("OF-PRV02", "a1")
    assert (await other.record("OF-PRV02", "b1", booking("S9"))).status == 200
    for what in EXPORTS:
        assert {row["po_number"] for row in await exported(other, what)} == {"OF-PRV02"}
        assert "OF-PRV02" not in {row["po_number"] for row in await exported(provider, what)}
        both = {row["po_number"] for row in await exported(prime, what)}
        assert {"OF-PRV02"} < both or what == "sessions"
        assert {row["provider_id"] for row in await exported(prime, what, "?provider_id=PRV02")} == {"PRV02"}


async def test_no_field_of_a_participant_is_exported(provider: Client) -> None:
    await provider.new_referral("PO-1")
    for what in EXPORTS:
        assert b"Qz" not in (await provider.get(f"/v1/exports/{what}")).body


async def test_what_can_not_be_exported_is_not_found(provider: Client) -> None:
    answer = await provider.get("/v1/exports/participants")
    assert (answer.status, answer.code) == (404, "UNKNOWN_EXPORT")
    head = await provider.ask("HEAD", "/v1/exports/referrals")
    assert (head.status, head.headers["Content-Type"], head.body) == (200, CSV, b"")


@pytest.mark.parametrize("what", EXPORTS)
async def test_a_provider_without_anything_gets_the_names_of_the_columns(what: str, tmp_path: Path) -> None:
    async with sandbox(tmp_path / "gateway.db") as served:
        answer = await served.client("PRV77").get(f"/v1/exports/{what}")
    names = next(csv.reader(io.StringIO(answer.body.decode("utf-8-sig"))))
    assert tuple(names) == EXPORTS[what].columns
    assert answer.body.count(b"\r\n") == 1


async def test_so_many_exports_of_one_caller_may_be_under_way(served: Sandbox, provider: Client) -> None:
    """Others are answered, and those that end make room."""
    assert MOST_OPEN == 2
    answers = [(await provider.get("/v1/exports/referrals")).status for _ in range(2 * MOST_OPEN)]
    assert answers == [200] * (2 * MOST_OPEN)
