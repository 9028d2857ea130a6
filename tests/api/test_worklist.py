"""A provider sees what it has to do on all its referrals, soonest first."""

from pathlib import Path

from tests.api.running import ACCEPTED, NOW, Client, Sandbox, booking, sandbox
from tests.cli.running import Json

#: The deadline that each duty of a whole referral serves.
SERVES = {
    "ACCEPT_REFERRAL": "ACCEPTANCE",
    "DELIVER_SESSION": "SESSION",
    "ARRANGE_ALTERNATIVE_SESSION": "SESSION",
    "UNDERTAKE_ATTACHMENT": "ATTACHMENT",
}


async def worklist(client: Client, query: str = "limit=200") -> list[Json]:
    """All that is to be done, page by page."""
    found: list[Json] = []
    cursor = ""
    while True:
        answer = await client.get(f"/v1/worklist?{query}{cursor}")
        assert answer.status == 200, answer.body
        found += answer.json["duties"]
        if answer.json["next"] is None:
            return found
        cursor = f"&cursor={answer.json['next']}"


async def duties(client: Client, po_number: str) -> list[tuple[str, str | None, str | None]]:
    """What is to be done on one referral."""
    return [
        (each["duty"], each["session_id"], each["due_on"])
        for each in await worklist(client)
        if each["po_number"] == po_number
    ]


async def test_all_that_is_to_be_done_comes_soonest_first_with_the_limits_that_the_referrals_show(
    provider: Client,
) -> None:
    await provider.record("UC-VOLUNTARY", "a1", ACCEPTED | {"reference": "OURS-17"})
    await provider.record("UC-MANDATORY", "a2")
    await provider.record("UC-MANDATORY", "b2", booking("S1", "2016-03-17T10:00:00Z"))
    found = await worklist(provider)
    assert [each["due_on"] for each in found] == sorted(each["due_on"] for each in found)
    for each in found:
        whole = (await provider.get(each["referral"])).json
        assert (
            whole["reference"]
            == each["reference"]
            == ("OURS-17" if each["po_number"] == "UC-VOLUNTARY" else None)
        )
        if each["duty"] == "RECORD_OUTCOME":
            assert (each["po_number"], each["session_id"]) == ("UC-MANDATORY", "S1")
            assert each["due_on"] == whole["sessions"][0]["outcome_by"]
            continue
        (deadline,) = (one for one in whole["deadlines"] if one["deadline"] == SERVES[each["duty"]])
        assert (each["due_on"], each["passes_at"]) == (deadline["due_on"], deadline["passes_at"])
        if each["duty"] != "ARRANGE_ALTERNATIVE_SESSION":
            assert (each["rule"], each["guidance"]) == (deadline["rule"], deadline["guidance"])
    listed = {(each["po_number"], SERVES[each["duty"]]) for each in found if not each["session_id"]}
    by_state: dict[str, set[tuple[str, str]]] = {"OPEN": set(), "MISSED": set(), "MET": set(), "OVER": set()}
    for each in (await provider.get("/v1/referrals?limit=200")).json["referrals"]:
        counted = {"OPEN": {"ACCEPTANCE", "SESSION"}, "JOINING": {"ATTACHMENT"}}.get(each["status"], set())
        for deadline in (await provider.get(each["self"])).json["deadlines"]:
            if deadline["deadline"] in counted:
                by_state[deadline["state"]].add((each["po_number"], deadline["deadline"]))
    assert by_state["OPEN"]
    assert by_state["OPEN"] <= listed <= by_state["OPEN"] | by_state["MISSED"]


async def test_a_referral_goes_through_its_duties_to_the_attachment(provider: Client) -> None:
    po_number = "UC-MANDATORY"
    assert await duties(provider, po_number) == [
        ("ACCEPT_REFERRAL", None, "2016-03-16"),
        ("DELIVER_SESSION", None, "2016-03-29"),
    ]
    await provider.record(po_number, "a")
    await provider.record(po_number, "b", booking("S1", "2016-03-17T10:00:00Z", notified_at=None))
    assert await duties(provider, po_number) == [
        ("RECORD_OUTCOME", "S1", "2016-03-21"),
        ("DELIVER_SESSION", None, "2016-03-29"),
    ]
    await provider.clock("2016-03-17T12:00:00Z")
    missed = {"type": "AttendanceRecorded", "session_id": "S1", "recorded_at": "2016-03-17T11:00:00Z"}
    await provider.record(po_number, "c", missed | {"outcome": "DID_NOT_ATTEND"})
    assert await duties(provider, po_number) == [
        ("CONFIRM_NOTIFICATION", "S1", "2016-03-21"),
        ("ARRANGE_ALTERNATIVE_SESSION", None, "2016-03-29"),
    ]
    told = {"type": "NotificationConfirmed", "session_id": "S1", "notified_at": NOW}
    await provider.record(po_number, "d", told)
    wp11 = {
        "message_id": "wp11",
        "po_number": po_number,
        "jobcentre_id": "JCP-LEEDS",
        "interview_on": "2016-03-17",
        "wants_to_join": True,
        "issued_on": "2016-03-17",
    }
    assert (await provider.message("jobcentre.wp11", "Wp11", wp11)).status == 200
    # What is asked for has no limit any more, and comes last.
    assert await duties(provider, po_number) == [
        ("UNDERTAKE_ATTACHMENT", None, "2016-04-11"),
        ("ARRANGE_ALTERNATIVE_SESSION", None, None),
    ]
    last = (await worklist(provider))[-1]
    assert (last["po_number"], last["due_on"], last["passes_at"]) == (po_number, None, None)


async def test_pages_of_any_size_hold_all_of_it_and_what_is_done_meanwhile_moves_nothing(
    provider: Client,
) -> None:
    everything = await worklist(provider)
    assert len(everything) > 3
    assert await worklist(provider, "limit=1") == everything
    first = (await provider.get("/v1/worklist?limit=2")).json
    assert first["duties"] == everything[:2]
    await provider.record(first["duties"][0]["po_number"], "a")
    rest = (await provider.get(f"/v1/worklist?limit=200&cursor={first['next']}")).json["duties"]
    assert rest == everything[2:]
    assert (await provider.get("/v1/worklist?cursor=x")).code == "BAD_CURSOR"
    assert (await provider.get("/v1/worklist?limit=201")).code == "BAD_PARAMETER"


async def test_a_provider_has_nothing_to_do_on_anothers_referral(served: Sandbox, provider: Client) -> None:
    before = await worklist(provider)
    await provider.new_referral("OF-PRV02", provider_id="PRV02")
    other, both = served.client("PRV02"), served.client("PRV01", "PRV02")
    mine, theirs = await worklist(provider), await worklist(other)
    assert mine == before
    assert {(each["po_number"], each["provider_id"]) for each in theirs} == {("OF-PRV02", "PRV02")}
    together = await worklist(both, "limit=2")
    assert [each["due_on"] for each in together] == sorted(each["due_on"] for each in together)
    assert sorted(map(str, together)) == sorted(map(str, mine + theirs))
    assert await worklist(both, "provider_id=PRV02") == theirs
    assert (await provider.get("/v1/worklist?provider_id=PRV02")).code == "ANOTHER_PROVIDER"
    for nobody in (served.jobcentre(), served.prap()):
        assert (await nobody.get("/v1/worklist")).code == "NOT_A_PROVIDER"
    assert (await provider.get("/v1/worklist", Authorization=None)).status == 401


async def test_what_is_forgotten_is_not_to_be_done(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "gateway.db") as served:
        client = served.client()
        await client.new_referral("PO-1")
        await client.clock("2017-05-01T09:00:00Z")
        assert await worklist(client) == []
