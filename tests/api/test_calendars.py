"""A provider's sessions are read as a calendar by whoever knows its address, until it is revoked."""

import io
from pathlib import Path

from gateway.api.calendars import MOST
from tests.api.conftest import lines
from tests.api.running import Answer, Client, Sandbox, booking, sandbox

PLACE = "Leeds; Town Hall, 2nd floor, the third door on the left behind the stairs, ring twice ä"


async def made(client: Client) -> dict[str, str]:
    """A new calendar."""
    answer = await client.send("POST", "/v1/calendars", None)
    assert answer.status == 200, answer.body
    found: dict[str, str] = answer.json
    return found


async def read(served: Sandbox, address: str) -> Answer:
    """What a calendar program gets, which has no token."""
    return await served.client().get(address, Authorization=None)


def by_id(answer: Answer) -> dict[str, dict[str, str]]:
    """The events of a calendar by id, whose lines are put together again as RFC 5545 says."""
    assert answer.status == 200, answer.body
    assert all(len(line) <= 75 for line in answer.body.split(b"\r\n"))
    unfolded = answer.body.decode().replace("\r\n ", "").split("\r\n")
    assert (unfolded[0], unfolded[-2:]) == ("BEGIN:VCALENDAR", ["END:VCALENDAR", ""])
    found: list[dict[str, str]] = []
    for line in unfolded:
        if line == "BEGIN:VEVENT":
            found.append({})
        elif found:
            name, _, value = line.partition(":")
            found[-1][name] = value
    return {each["UID"]: each for each in found}


async def test_a_calendar_has_the_sessions_and_nothing_of_a_participant(
    served: Sandbox, provider: Client
) -> None:
    for key, po_number, session in (
        ("b1", "UC-VOLUNTARY", booking("GROUP-1", location=PLACE, format="GROUP")),
        ("b2", "UC-MANDATORY", booking("GROUP-1", location=PLACE, format="GROUP")),
        (
            "b3",
            "JSA-VOLUNTARY",
            booking("ALONE-1", "2016-03-18T10:00:00Z", location="Qz Home", format="ONE_TO_ONE"),
        ),
    ):
        assert (await provider.record(po_number, f"a-{key}")).status == 200
        assert (await provider.record(po_number, key, session)).status == 200
    calendar = await made(provider)
    answer = await read(served, calendar["address"])
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    first, second = by_id(answer)["PRV01/GROUP-1"], by_id(answer)["PRV01/ALONE-1"]
    assert (first["DTSTART"], first["DTEND"]) == ("20160317T100000Z", "20160317T110000Z")
    assert first["SUMMARY"] == "Session GROUP-1 (2 booked)"
    assert first["LOCATION"] == PLACE.replace(";", "\\;").replace(",", "\\,")
    assert (second["SUMMARY"], second["STATUS"]) == ("Session ALONE-1 (1 booked)", "CONFIRMED")
    assert "LOCATION" not in second
    assert b"Qz" not in answer.body
    cancelled = {
        "type": "SessionCancelled",
        "session_id": "ALONE-1",
        "reason": "Qz",
        "cancelled_at": "2016-03-14T09:00:00Z",
    }
    assert (await provider.record("JSA-VOLUNTARY", "c1", cancelled)).status == 200
    later = by_id(await read(served, calendar["address"]))
    assert later["PRV01/ALONE-1"]["STATUS"] == "CANCELLED"


async def test_a_calendar_that_was_revoked_is_read_no_more(
    served: Sandbox, provider: Client, logged: io.StringIO
) -> None:
    kept, revoked = await made(provider), await made(provider)
    listed = (await provider.get("/v1/calendars")).json["calendars"]
    assert {each["id"] for each in listed} == {kept["id"], revoked["id"]}
    assert "address" not in listed[0]
    for other in (served.client("PRV02"), served.client("PRV02", "PRV03")):
        assert (await other.get("/v1/calendars")).json["calendars"] == []
        assert (await other.ask("DELETE", revoked["self"])).code == "UNKNOWN_CALENDAR"
    assert (await provider.ask("DELETE", revoked["self"])).status == 204
    assert (await read(served, revoked["address"])).code == "UNKNOWN_CALENDAR"
    assert (await provider.ask("DELETE", revoked["self"])).code == "UNKNOWN_CALENDAR"
    assert (await read(served, kept["address"])).status == 200
    assert [line["calendar"] for line in lines(logged, "calendar.revoked")] == [revoked["id"]]
    secret = kept["address"].split("/")[-1].removesuffix(".ics")
    assert secret not in logged.getvalue()


async def test_a_calendar_outlasts_a_restart_and_its_secret_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with sandbox(path) as served:
        calendar = await made(served.client())
    secret = calendar["address"].split("/")[-1].removesuffix(".ics")
    assert not [file for file in tmp_path.glob("gateway.db*") if secret.encode() in file.read_bytes()]
    async with sandbox(path) as served:
        assert "PRV01/S1" in by_id(await read(served, calendar["address"]))  # that of ready-made referrals


async def test_a_provider_has_so_many_calendars_at_the_most(provider: Client) -> None:
    first, *_ = [await made(provider) for _ in range(MOST)]
    assert (await provider.send("POST", "/v1/calendars", None)).code == "TOO_MANY_CALENDARS"
    await provider.ask("DELETE", first["self"])
    await made(provider)


async def test_a_token_of_several_providers_says_for_which_a_calendar_is(served: Sandbox) -> None:
    prime = served.client("PRV01", "PRV02")
    assert (await prime.send("POST", "/v1/calendars", None)).code == "PROVIDER_NEEDED"
    calendar = await prime.send("POST", "/v1/calendars?provider_id=PRV02", None)
    assert calendar.json["provider_id"] == "PRV02"
