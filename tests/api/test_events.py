"""A Jobcentre follows its events without Kafka: as CloudEvents, by cursor, long poll and stream."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from gateway.rules.events import FOR_JOBCENTRES
from producers.read_back import read_event
from schemas.json import render
from tests.api.running import Client, Sandbox, booking, sandbox
from tests.api.streams import stream
from tests.api.test_histories import backed_up, put_in_place
from tests.cli.running import Json

SUBSCRIBE: Final = "jobcentre:subscribe"


def subscriber(served: Sandbox, *jobcentres: str) -> Client:
    return served.jobcentre(*jobcentres, scopes=[SUBSCRIBE])


async def events(client: Client, query: str = "") -> list[Json]:
    answer = await client.get(f"/v1/events?limit=500{query}")
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"] == "application/cloudevents-batch+json"
    found: list[Json] = answer.json
    return found


async def booked(provider: Client, po_number: str, jobcentre_id: str = "JCP-LEEDS") -> None:
    """A referral of a Jobcentre, with a session that it is to know of."""
    await provider.new_referral(po_number, jobcentre_id=jobcentre_id)
    await provider.record(po_number, f"accept-{po_number}")
    assert (await provider.record(po_number, f"book-{po_number}", booking(f"S-{po_number}"))).status == 200


def subjects(found: Iterable[Json]) -> list[str]:
    return [each["subject"] for each in found]


async def test_events_are_cloud_events_with_the_records_that_the_topics_have(
    served: Sandbox, provider: Client
) -> None:
    await booked(provider, "PO-1")
    found = await events(subscriber(served))
    records = await served.records(*FOR_JOBCENTRES)
    named = [
        {name.removeprefix("ce_"): (value or b"").decode() for name, value in each.headers}
        for each in records
    ]
    assert len(found) == len(named) > 0
    for each, headers, record in zip(found, named, records, strict=True):
        assert each["data"] == render(read_event(record))
        attributes = ("specversion", "id", "source", "type", "time", "subject", "dataschema")
        assert {name: each[name] for name in attributes} == {name: headers[name] for name in attributes}
        assert each["datacontenttype"] == "application/json"
        assert each.keys() == {*attributes, "datacontenttype", "data", "cursor"}
    assert (found[-1]["type"], found[-1]["subject"]) == ("SessionEvent", "PO-1")
    assert found[-1]["data"]["change"] == "BOOKED"


async def test_whoever_goes_on_behind_any_event_has_the_rest(served: Sandbox, provider: Client) -> None:
    for number in range(3):
        await booked(provider, f"PO-{number}")
    client = subscriber(served)
    found = await events(client)
    for number, each in enumerate(found, 1):
        assert await events(client, f"&after={each['cursor']}") == found[number:]
    one_by_one: list[Json] = []
    while page := (
        await client.get(
            "/v1/events?limit=1" + "".join(f"&after={each['cursor']}" for each in one_by_one[-1:])
        )
    ).json:
        one_by_one += page
    assert one_by_one == found


async def test_a_long_poll_returns_with_what_comes_for_the_jobcentre_and_not_for_another(
    served: Sandbox, provider: Client
) -> None:
    await booked(provider, "PO-1")
    client = subscriber(served)
    cursor = (await events(client))[-1]["cursor"]
    polling = asyncio.create_task(client.get(f"/v1/events?wait=30&after={cursor}"))
    await booked(provider, "PO-YORK", "JCP-YORK")
    assert not polling.done()
    await booked(provider, "PO-2")
    assert subjects((await polling).json) == ["PO-2"]


async def test_events_are_streamed_as_they_are_decided_and_gone_on_with(
    served: Sandbox, provider: Client
) -> None:
    await booked(provider, "PO-1")
    client = subscriber(served)
    before = await events(client)
    async with stream(client, kind="event") as streamed:
        assert await streamed.events(len(before)) == before
        await booked(provider, "PO-2")
        (second,) = await streamed.events(1)
    assert [*before, second] == await events(client)
    async with stream(client, kind="event", Last_Event_ID=before[-1]["cursor"]) as streamed:
        assert await streamed.events(1) == [second]


async def test_another_jobcentres_events_cannot_be_read_by_any_cursor_or_filter(
    served: Sandbox, provider: Client
) -> None:
    for number, jobcentre in enumerate(("JCP-LEEDS", "JCP-YORK", "JCP-LEEDS", "JCP-YORK")):
        await booked(provider, f"PO-{number}", jobcentre)
    leeds, york = subscriber(served), subscriber(served, "JCP-YORK")
    of_leeds, of_york = await events(leeds), await events(york)
    assert {each["data"]["jobcentre_id"] for each in of_leeds} == {"JCP-LEEDS"}
    assert subjects(of_york) == ["PO-1", "PO-3"]
    for each in of_leeds:
        behind = await events(york, f"&after={each['cursor']}")
        assert {found["data"]["jobcentre_id"] for found in behind} <= {"JCP-YORK"}
    for topic in FOR_JOBCENTRES:
        assert {each["data"]["jobcentre_id"] for each in await events(york, f"&topics={topic}")} <= {
            "JCP-YORK"
        }
    # One that has both reads both.
    both = await events(subscriber(served, "JCP-LEEDS", "JCP-YORK"))
    assert sorted(each["id"] for each in both) == sorted(each["id"] for each in of_leeds + of_york)


async def test_topics_may_be_chosen_and_chosen_otherwise_later(served: Sandbox, provider: Client) -> None:
    await booked(provider, "PO-1")
    await provider.clock("2016-03-17T11:00:00Z")
    attended = {
        "type": "AttendanceRecorded",
        "session_id": "S-PO-1",
        "outcome": "ATTENDED",
        "recorded_at": "2016-03-17T11:00:00Z",
    }
    assert (await provider.record("PO-1", "attended", attended)).status == 200
    client = subscriber(served)
    everything = await events(client)
    of_attendance = await events(client, "&topics=jobcentre.attendance,jobcentre.notices")
    assert (of_attendance[-1]["type"], of_attendance[-1]["subject"]) == ("AttendanceEvent", "PO-1")
    rest = await events(client, f"&after={of_attendance[-1]['cursor']}")
    assert [each["id"] for each in rest] == [
        each["id"] for each in everything if each["type"] not in {"AttendanceEvent", "Notice"}
    ]


@pytest.mark.parametrize(
    "topics", ["jobcentre.wp11", "prap.actions", "jobcentre.notices,", ",".join(["x"] * 99)]
)
async def test_what_is_no_topic_for_jobcentres_is_refused(topics: str, served: Sandbox) -> None:
    answer = await subscriber(served).get(f"/v1/events?topics={topics}")
    assert (answer.status, answer.code, answer.json["field"]) == (400, "BAD_PARAMETER", "topics")
    assert "jobcentre.sanction-notifications" in answer.json["detail"]


async def test_a_cursor_of_something_else_is_refused(served: Sandbox, provider: Client) -> None:
    cursor = (await provider.get("/v1/instructions?limit=3")).json["next"]
    answer = await subscriber(served).get(f"/v1/events?after={cursor}")
    assert (answer.status, answer.code, answer.json["field"]) == (400, "BAD_CURSOR", "after")


async def test_only_a_token_with_a_jobcentre_and_the_scope_is_let_in(served: Sandbox) -> None:
    for client in (served.client(), served.prap(), served.jobcentre()):
        answer = await client.get("/v1/events")
        assert (answer.status, answer.code) == (403, "NOT_A_JOBCENTRE")
    wp11 = await subscriber(served).send("POST", "/v1/wp11s", {}, Idempotency_Key="k")
    assert (wp11.status, wp11.code) == (403, "NOT_A_JOBCENTRE")


async def test_a_restart_and_a_restored_log_change_nothing_that_was_read_before(tmp_path: Path) -> None:
    path, copy = tmp_path / "gateway.db", tmp_path / "copy"
    async with sandbox(path, partitions=3) as served:
        await booked(served.client(), "PO-1")
        first = await events(subscriber(served))
    async with sandbox(path, partitions=3) as served:
        backed_up(path, copy)
        await booked(served.client(), "PO-2")
        lost = await events(subscriber(served), f"&after={first[-1]['cursor']}")
        assert subjects(lost) == ["PO-2"]
    put_in_place(copy, path)
    async with sandbox(path, partitions=3) as served:
        client = subscriber(served)
        assert await events(client) == first
        await booked(served.client(), "PO-2")
        gone = await client.get(f"/v1/events?after={lost[-1]['cursor']}")
        assert (gone.status, gone.code) == (410, "CURSOR_OF_ANOTHER_HISTORY")
        assert subjects(await events(client, f"&after={first[-1]['cursor']}")) == ["PO-2"]
