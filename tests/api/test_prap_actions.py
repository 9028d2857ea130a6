"""What is to be entered on PRaP is listed, marked by whoever entered it, and overdue after a working day."""

import asyncio
import csv
import io
from codecs import BOM_UTF8
from pathlib import Path
from urllib.parse import quote

import pytest
from msgspec import json

from gateway.api.callers.development import SUBJECT
from gateway.engine.log import AUDIT
from tests.api.conftest import lines
from tests.api.running import Client, Sandbox, sandbox
from tests.api.streams import stream
from tests.cli.running import Json


async def actions(client: Client, query: str = "") -> list[Json]:
    answer = await client.get(f"/v1/prap-actions?limit=500{query}")
    assert answer.status == 200, answer.body
    found: list[Json] = answer.json["actions"]
    return found


async def acknowledged(served: Sandbox, provider: Client, *po_numbers: str) -> list[Json]:
    """The actions about these referrals, which are new."""
    for po_number in po_numbers:
        await provider.new_referral(po_number)
    return [each for each in await actions(served.clerk()) if each["po_number"] in po_numbers]


async def gauges(client: Client) -> tuple[float, float]:
    """How many actions are unmarked, and overdue, by the metrics."""
    text = (await client.get("/metrics")).body.decode()
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("gateway_prap_"))
    return float(found["gateway_prap_actions_unmarked"]), float(found["gateway_prap_actions_overdue"])


async def test_actions_are_listed_in_order_and_whoever_goes_on_behind_one_has_the_rest(
    served: Sandbox, provider: Client
) -> None:
    await acknowledged(served, provider, "PO-1", "PO-2")
    found = await actions(served.clerk())
    assert [(e["po_number"], e["action"]) for e in found[-2:]] == [
        ("PO-1", "ACKNOWLEDGE"),
        ("PO-2", "ACKNOWLEDGE"),
    ]
    for number, each in enumerate(found, 1):
        assert await actions(served.clerk(), f"&after={each['cursor']}") == found[number:]
    # Its day, 14 March 2016, is a Monday.
    assert (found[-1]["enter_by"], found[-1]["overdue"], found[-1]["entered_by"]) == (
        "2016-03-15",
        False,
        None,
    )


async def test_a_page_as_csv_opens_in_a_spreadsheet_and_has_the_same_cursors(
    served: Sandbox, provider: Client
) -> None:
    await acknowledged(served, provider, "PO-1")
    found = await actions(served.clerk())
    answer = await served.clerk().get("/v1/prap-actions?limit=500", Accept="text/csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.body.startswith(BOM_UTF8)
    rows = [*csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig")))]
    same = ("po_number", "action", "event_id", "cursor", "decided_at", "enter_by")
    assert [[row[name] for name in same] for row in rows] == [[each[name] for name in same] for each in found]
    rest = await served.clerk().get(f"/v1/prap-actions?after={rows[-1]['cursor']}", Accept="text/csv")
    assert rest.body.decode("utf-8-sig").splitlines() == [",".join(f'"{name}"' for name in rows[0])]


async def test_who_waits_or_has_a_stream_open_hears_of_the_next_action(
    served: Sandbox, provider: Client
) -> None:
    last = (await actions(served.clerk()))[-1]["cursor"]
    async with stream(served.clerk(), f"?after={last}", "prap-action") as opened:
        waiting = asyncio.create_task(actions(served.clerk(), f"&after={last}&wait=60"))
        await provider.new_referral("PO-1")
        assert [each["po_number"] for each in await waiting] == ["PO-1"]
        assert [each["po_number"] for each in await opened.events(1)] == ["PO-1"]


async def test_a_mark_says_who_and_when_stays_the_first_and_can_be_taken_away(
    served: Sandbox, provider: Client, logged: io.StringIO
) -> None:
    (action,) = await acknowledged(served, provider, "PO 1/ä")
    clerk = served.clerk()
    assert action["self"] == f"/v1/prap-actions/{quote(action['event_id'], safe='')}/mark"
    answer = await clerk.send("PUT", action["self"], None)
    assert answer.status == 200, answer.body
    marked = answer.json
    assert (marked["entered_by"], marked["entered_at"]) == (SUBJECT, "2016-03-14T09:00:00Z")
    await clerk.clock("2016-03-14T10:00:00Z")
    assert (await clerk.send("PUT", action["self"], None)).json["entered_at"] == marked["entered_at"]
    assert [e["event_id"] for e in await actions(clerk, "&marked=true")] == [action["event_id"]]
    assert action["event_id"] not in [e["event_id"] for e in await actions(clerk, "&marked=false")]
    for _ in range(2):
        assert (await clerk.ask("DELETE", action["self"])).status == 204
    assert await actions(clerk, "&marked=true") == []
    assert (await clerk.send("PUT", action["self"], None)).json["entered_at"] == "2016-03-14T10:00:00Z"
    acts = [json.decode(record.value or b"") for record in await served.records(AUDIT)]
    assert [(act["act"], act["event_id"], act["by"]) for act in acts] == [
        (each, action["event_id"], SUBJECT) for each in ("prap.mark", "prap.unmark", "prap.mark")
    ]
    assert len(lines(logged, "prap.marked")) == 2
    assert len(lines(logged, "prap.unmarked")) == 1


async def test_what_is_not_marked_a_working_day_later_is_overdue_and_shows_in_the_metrics(
    served: Sandbox, provider: Client
) -> None:
    clerk = served.clerk()
    for each in await actions(clerk):
        assert (await clerk.send("PUT", each["self"], None)).status == 200
    assert await gauges(clerk) == (0, 0)
    await clerk.clock("2016-03-24T12:00:00Z")  # the Thursday before Easter
    first, second = await acknowledged(served, provider, "PO-1", "PO-2")
    assert first["enter_by"] == "2016-03-29"  # Good Friday and Easter Monday lie between
    await clerk.clock("2016-03-29T22:59:59Z")
    ours = {first["event_id"], second["event_id"]}
    assert not ours & {each["event_id"] for each in await actions(clerk, "&marked=overdue")}
    await clerk.clock("2016-03-29T23:00:00Z")  # midnight in London
    assert ours <= {each["event_id"] for each in await actions(clerk, "&marked=overdue")}
    unmarked, overdue = await gauges(clerk)
    assert (await clerk.send("PUT", first["self"], None)).status == 200
    assert await gauges(clerk) == (unmarked - 1, overdue - 1)
    left = {each["event_id"]: each["overdue"] for each in await actions(clerk, "&marked=false")}
    assert first["event_id"] not in left
    assert left[second["event_id"]]


async def test_without_a_limit_nothing_is_overdue(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "gateway.db", prap_enter_within_working_days=0) as served:
        clerk = served.clerk()
        await clerk.clock("2016-04-29T09:00:00Z")
        assert await actions(clerk, "&marked=overdue") == []
        assert {each["enter_by"] for each in await actions(clerk)} == {None}
        unmarked, overdue = await gauges(clerk)
        assert unmarked == len(await actions(clerk)) > 0
        assert overdue == 0


async def test_marks_and_cursors_hold_after_a_restart_and_after_the_referral_is_forgotten(
    tmp_path: Path,
) -> None:
    async with sandbox(tmp_path / "gateway.db") as served:
        first, second = await acknowledged(served, served.client(), "PO-1", "PO-2")
        assert (await served.clerk().send("PUT", first["self"], None)).status == 200
    async with sandbox(tmp_path / "gateway.db") as served:
        clerk = served.clerk()
        assert [e["event_id"] for e in await actions(clerk, "&marked=true")] == [first["event_id"]]
        await clerk.clock("2017-09-01T09:00:00Z")
        assert (await served.client().get("/v1/referrals/PO-2")).status == 404
        behind = await actions(clerk, f"&after={first['cursor']}")
        assert behind[0]["event_id"] == second["event_id"]
        assert (await clerk.send("PUT", second["self"], None)).json["entered_by"] == SUBJECT


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/prap-actions?marked=yes", 400, "BAD_PARAMETER"),
        ("GET", "/v1/prap-actions?after=1-aaaaaaaaaaaa", 410, "CURSOR_OF_ANOTHER_HISTORY"),
        ("PUT", "/v1/prap-actions/PO-NONE-1-1/mark", 404, "UNKNOWN_ACTION"),
        ("DELETE", "/v1/prap-actions/PO-NONE-1-1/mark", 404, "UNKNOWN_ACTION"),
    ],
)
async def test_what_cannot_be_asked_is_said(
    served: Sandbox, method: str, path: str, status: int, code: str
) -> None:
    answer = await served.clerk().ask(method, path)
    assert (answer.status, answer.json["code"]) == (status, code)


async def test_whoever_does_not_enter_actions_neither_reads_nor_marks_them(served: Sandbox) -> None:
    (first, *_) = await actions(served.clerk())
    for client in (served.client(), served.prap(), served.jobcentre(scopes=["jobcentre:subscribe"])):
        for method, path in (("GET", "/v1/prap-actions"), ("PUT", first["self"]), ("DELETE", first["self"])):
            answer = await client.ask(method, path)
            assert (answer.status, answer.json["code"]) == (403, "NOT_PRAP")
    assert (await actions(served.clerk()))[0]["entered_by"] is None
