"""What came of an upload can be asked for under its id, as JSON and as a file, whoever answers."""

import asyncio
import csv
import io
import sqlite3
from contextlib import closing
from pathlib import Path

from gateway.api.upload_outcomes import AT_ONCE
from tests.api.running import Answer, Client, Sandbox, sandbox
from tests.api.test_uploads import CSV, accepted, json_lines, objection, rows, upload
from tests.cli.running import Json

COUNTS = ("records", "applied", "duplicate", "refused", "pending", "left_out")


def counts(outcomes: Json) -> dict[str, int]:
    """What is not zero."""
    return {name: outcomes[name] for name in COUNTS if outcomes[name]}


async def waited(client: Client, body: bytes, **headers: str) -> Answer:
    """Send an upload and wait for what comes of it."""
    return await upload(client, body, Prefer="wait=20", **headers)


async def test_an_upload_that_is_waited_for_says_what_came_of_every_record(provider: Client) -> None:
    body = json_lines(accepted(1, "UC-VOLUNTARY"), objection(2), accepted(3, "UC-VOLUNTARY"))
    answer = await waited(provider, body)
    assert (answer.status, answer.headers["Preference-Applied"]) == (200, "wait=20"), answer.body
    outcomes = answer.json["outcomes"]
    assert counts(outcomes) == {"records": 3, "applied": 2, "refused": 1}
    (refused,) = outcomes["refusals"]
    assert refused == {
        "line": 3,
        "message_id": "m3",
        "po_number": "UC-VOLUNTARY",
        "code": "ALREADY_ACCEPTED",
        "detail": "The referral has been accepted already.",
        "rule": "WP19 ¶3",
        "guidance": None,
        "self": "/v1/messages/m3",
    }
    asked = await provider.get(answer.json["self"])
    assert (asked.status, asked.json) == (200, outcomes)


async def test_without_waiting_an_upload_says_where_its_outcomes_will_be(provider: Client) -> None:
    answer = await upload(provider, json_lines(objection(1), objection(2)))
    assert (answer.status, answer.json["outcomes"]) == (202, None)
    asked = await provider.get(answer.json["self"], Prefer="wait=20")
    assert asked.headers["Preference-Applied"] == "wait=20"
    assert counts(asked.json) == {"records": 2, "applied": 2}


async def test_refused_rows_can_be_had_as_a_file_for_people(provider: Client) -> None:
    answer = await waited(provider, rows(*(accepted(number, "UC-VOLUNTARY") for number in (1, 2))), kind=CSV)
    file = await provider.get(answer.json["self"], Accept=CSV)
    assert file.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert file.headers["Content-Disposition"] == 'attachment; filename="refused.csv"'
    assert [*csv.DictReader(io.StringIO(file.body.decode("utf-8-sig")))] == [
        {
            "line": "3",
            "message_id": "m2",
            "po_number": "UC-VOLUNTARY",
            "code": "ALREADY_ACCEPTED",
            "detail": "The referral has been accepted already.",
            "rule": "WP19 ¶3",
        }
    ]


async def test_the_outcomes_are_there_after_a_restart(tmp_path: Path) -> None:
    body = json_lines(accepted(1, "UC-VOLUNTARY"), accepted(2, "UC-VOLUNTARY"))
    async with sandbox(tmp_path / "gateway.db") as before:
        first = await waited(before.client(), body)
    async with sandbox(tmp_path / "gateway.db") as after:
        assert (await after.client().get(first.json["self"])).json == first.json["outcomes"]
        again = await waited(after.client(), body)
        assert again.json == first.json


async def test_an_upload_is_for_its_provider_only(served: Sandbox, provider: Client) -> None:
    path = (await upload(provider, json_lines(objection(1)))).json["self"]
    for asked in (path, f"/v1/uploads/{'0' * 32}-1", "/v1/uploads/%00", "/v1/uploads/x"):
        answer = await served.client("PRV02").get(asked)
        assert (answer.status, answer.code) == (404, "UNKNOWN_UPLOAD")
    prime = served.client("PRV01", "PRV02")
    assert (await prime.get(path)).status == 200
    assert (await prime.get(f"{path}?provider_id=PRV02")).code == "UNKNOWN_UPLOAD"


async def test_records_that_had_come_before_are_left_out_and_those_alone_are_no_upload(
    provider: Client,
) -> None:
    """A file to which rows are added is sent as a whole again and again."""
    await waited(provider, json_lines(objection(1), objection(2)))
    more = await waited(provider, json_lines(objection(1), objection(2), objection(3)))
    assert counts(more.json["outcomes"]) == {"records": 3, "applied": 1, "left_out": 2}
    less = await waited(provider, json_lines(objection(2)))
    assert (less.status, less.json["self"], less.json["outcomes"]) == (202, None, None)
    assert (await provider.get(f"/v1/uploads/{less.json['upload_id']}")).status == 404


async def test_an_upload_of_a_forgotten_referral_is_forgotten(provider: Client) -> None:
    answer = await waited(provider, json_lines(objection(1), accepted(2, "UC-VOLUNTARY")))
    assert answer.status == 200
    await provider.new_referral("LATER", referred_on="2016-03-14")
    await provider.clock("2018-01-01T00:00:00Z")
    assert (await provider.get(answer.json["self"])).code == "UNKNOWN_UPLOAD"


async def test_a_large_upload_is_waited_for_part_by_part(served: Sandbox, provider: Client) -> None:
    """Others are answered meanwhile."""
    of = ("UC-MANDATORY", "UC-VOLUNTARY", "JSA-VOLUNTARY")
    many = [objection(number, of[number % 3]) for number in range(2 * AT_ONCE + 10)]
    answer, other = await asyncio.gather(
        waited(provider, json_lines(*many)), served.client("PRV02").get("/v1/referrals")
    )
    assert other.status == 200
    outcomes = answer.json["outcomes"]
    assert (answer.status, sum(outcomes[name] for name in COUNTS[1:])) == (200, len(many)), outcomes
    assert outcomes["left_out"] == outcomes["pending"] == 0


async def test_an_upload_is_found_by_an_index(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "gateway.db"):
        pass
    with closing(sqlite3.connect(tmp_path / "gateway.db")) as db:
        sql = (
            "SELECT line FROM inbound WHERE upload = 'x' AND upload IS NOT NULL AND provider_id IS NOT NULL"
            " AND line > 0 AND provider_id IN ('PRV01') ORDER BY line LIMIT 9"
        )
        (plan,) = db.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
    assert "USING INDEX inbound_by_upload (upload=? AND line>?)" in plan[3]
