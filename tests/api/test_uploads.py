"""Uploads over HTTP: all of an upload is taken, or nothing and all that is wrong with it is reported."""

import asyncio
import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gateway.api.limits import DEFAULT, Limits
from gateway.rules.events import Outcome
from schemas.codec import decode
from tests.api.conftest import lines
from tests.api.running import NOW, Answer, Client, Sandbox, sandbox
from tests.cli.running import Json
from tests.patience import PATIENCE_S

TOPIC = "provider.session-records"
CSV = "text/csv"
LINES = "application/jsonl"


def objection(number: int, po_number: str = "UC-MANDATORY") -> Json:
    return {"type": "GroupObjection", "message_id": f"m{number}", "po_number": po_number, "raised_at": NOW}


def accepted(number: int, po_number: str) -> Json:
    return {
        "type": "ReferralAccepted",
        "message_id": f"m{number}",
        "po_number": po_number,
        "accepted_at": NOW,
    }


def json_lines(*records: Json) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def rows(*records: Json) -> bytes:
    """As people save them: a byte order mark, CRLF, and dates as in Britain."""
    text = io.StringIO(newline="")
    header = ("message_id", "po_number", "type", "accepted_at", "raised_at")
    writer = csv.DictWriter(text, header, lineterminator="\r\n")
    writer.writeheader()
    for record in records:
        writer.writerow(
            {name: "14/03/2016 09:00" if value == NOW else value for name, value in record.items()}
        )
    return b"\xef\xbb\xbf" + text.getvalue().encode()


async def upload(client: Client, body: bytes, kind: str = LINES, query: str = "", **headers: str) -> Answer:
    return await client.ask("POST", f"/v1/uploads{query}", data=body, Content_Type=kind, **headers)


async def decided(client: Client, answer: Answer) -> dict[str, str]:
    """What has come of each message of an upload, in the end."""
    found = {}
    async with asyncio.timeout(PATIENCE_S):
        for message in answer.json["messages"]:
            while (asked := (await client.get(message["self"])).json)["status"] == "PENDING":  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.02)
            found[asked["message_id"]] = asked["status"]
    return found


@pytest.mark.parametrize("kind", [CSV, LINES, "application/x-ndjson", "text/csv; charset=UTF-8"])
async def test_an_upload_is_taken_as_a_whole(kind: str, provider: Client) -> None:
    records = [accepted(1, "UC-VOLUNTARY"), objection(2), accepted(3, "JSA-VOLUNTARY")]
    body = rows(*records) if CSV in kind else json_lines(*records)
    answer = await upload(provider, body, kind)
    assert (answer.status, answer.json["records"]) == (202, 3)
    first = 2 if CSV in kind else 1  # behind the header
    assert [(each["line"], each["message_id"], each["po_number"]) for each in answer.json["messages"]] == [
        (first + number, record["message_id"], record["po_number"]) for number, record in enumerate(records)
    ]
    assert await decided(provider, answer) == {"m1": "APPLIED", "m2": "APPLIED", "m3": "APPLIED"}


@pytest.mark.parametrize("kind", [CSV, LINES])
async def test_of_an_upload_with_a_mistake_nothing_is_taken(
    kind: str, served: Sandbox, provider: Client
) -> None:
    await provider.new_referral("OF-PRV02", provider_id="PRV02")
    before = await served.records(TOPIC)
    wrong = objection(3) | {"raised_at": "Qz-yesterday"}
    records = [objection(1), accepted(2, "NO-SUCH-REFERRAL"), wrong, accepted(4, "OF-PRV02"), objection(1)]
    answer = await upload(provider, rows(*records) if kind == CSV else json_lines(*records), kind)
    assert (answer.status, answer.code) == (422, "UPLOAD_HAS_MISTAKES")
    first = 2 if kind == CSV else 1
    found = [(each["line"] - first, each["field"]) for each in answer.json["mistakes"]]
    assert found == [(1, "po_number"), (2, "raised_at"), (3, "po_number"), (4, "message_id")]
    # Another provider's referral is as unknown as one that there is not.
    problems = [each["problem"] for each in answer.json["mistakes"]]
    assert problems[0] == problems[2]
    assert b"Qz" not in answer.body
    assert await served.records(TOPIC) == before


async def test_mistakes_can_be_had_as_a_file_for_people(provider: Client) -> None:
    answer = await upload(provider, json_lines(accepted(1, "NO-SUCH-REFERRAL")), Accept=CSV)
    assert answer.status == 422
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="mistakes.csv"'
    found = [*csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig")))]
    assert [(row["line"], row["field"]) for row in found] == [("1", "po_number")]


async def test_an_upload_that_comes_again_gets_the_same_answer_and_puts_nothing(tmp_path: Path) -> None:
    """Also where the referral could not take as many once more."""
    async with sandbox(tmp_path / "gateway.db", limits=Limits(records_of_referral=8)) as served:
        await _again(served, served.client())


async def _again(served: Sandbox, provider: Client) -> None:
    records = [objection(number) for number in range(5)]
    first = await upload(provider, rows(*records), CSV)
    assert first.status == 202, first.body
    put = await served.records(TOPIC)
    again = await asyncio.gather(*(upload(provider, rows(*records), CSV) for _ in range(2)))
    assert {(answer.status, answer.body) for answer in again} == {(202, first.body)}
    assert await served.records(TOPIC) == put
    # With more in it, what is new is put.
    more = await upload(provider, rows(*records, objection(99)), CSV)
    assert (more.status, more.json["records"]) == (202, 6)
    assert len(await served.records(TOPIC)) == len(put) + 1


async def test_an_id_that_was_another_records_is_a_mistake(served: Sandbox, provider: Client) -> None:
    await upload(provider, json_lines(objection(1)))
    before = await served.records(TOPIC)
    answer = await upload(provider, json_lines(objection(2), objection(1, "UC-VOLUNTARY")))
    assert [(each["line"], each["field"]) for each in answer.json["mistakes"]] == [(2, "message_id")]
    assert await served.records(TOPIC) == before


async def test_uploads_and_records_at_one_time_are_each_taken_once(served: Sandbox, provider: Client) -> None:
    some = [objection(number, "UC-MANDATORY") for number in range(60)]
    one = {name: value for name, value in some[30].items() if name not in {"message_id", "po_number"}}
    answers = await asyncio.gather(
        upload(provider, json_lines(*some[:40])),
        provider.record("UC-MANDATORY", "m30", one, wait=None),
        upload(provider, rows(*some[20:]), CSV),
    )
    assert [answer.status for answer in answers] == [202, 202, 202]
    await provider.clock("2016-03-14T09:00:01Z")
    outcomes = Counter(
        key for record in await served.records("gateway.outcomes") for key in _ids(record.value or b"")
    )
    assert {key: outcomes[key] for key in (f"m{number}" for number in range(60))} == {
        f"m{number}": 1 for number in range(60)
    }


def _ids(value: bytes) -> list[str]:
    outcome = decode(value, frozenset({"Outcome"}))
    return [outcome.message_id] if isinstance(outcome, Outcome) else []


async def test_the_template_is_an_upload(provider: Client) -> None:
    template = await provider.get("/v1/uploads/template")
    assert (template.status, template.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    answer = await upload(provider, template.body, CSV)
    # Only its referrals are no caller's.
    assert {each["field"] for each in answer.json["mistakes"]} == {"po_number"}


@pytest.mark.parametrize(
    "kind", ["application/json", "text/plain", "", "text/csv; charset=latin-1", "multipart/form-data"]
)
async def test_an_upload_of_another_kind_is_refused(kind: str, provider: Client) -> None:
    answer = await upload(provider, rows(objection(1)), kind)
    assert (answer.status, answer.code) == (415, "NOT_AN_UPLOAD")


@pytest.mark.parametrize(
    "body", [b"", b"\n\n", b"\xff\xfe\x00", b"\x00" * 1000, b"{" * 100_000, b"PK\x03\x04"]
)
@pytest.mark.parametrize("kind", [CSV, LINES])
async def test_what_holds_no_records_is_a_mistake(body: bytes, kind: str, provider: Client) -> None:
    answer = await upload(provider, body, kind)
    assert (answer.status, answer.code) == (422, "UPLOAD_HAS_MISTAKES")
    assert answer.json["mistakes"]


async def test_an_upload_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "gateway.db", limits=Limits(largest_upload=1_000)) as served:
        refused = await upload(served.client(), json_lines(*map(objection, range(20))))
        assert (refused.status, refused.code) == (413, "TOO_LARGE")


async def test_more_records_than_a_referral_takes_are_a_mistake(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "gateway.db", limits=Limits(records_of_referral=5)) as served:
        before = await served.records(TOPIC)
        body = json_lines(*map(objection, range(5)), accepted(9, "UC-VOLUNTARY"))
        answer = await upload(served.client(), body)
        assert [each["line"] for each in answer.json["mistakes"]] == [1, 2, 3, 4, 5]
        assert await served.records(TOPIC) == before


async def test_a_prime_contractor_uploads_for_all_its_providers(served: Sandbox) -> None:
    prime = served.client("PRV01", "PRV02")
    await prime.new_referral("OF-PRV02", provider_id="PRV02")
    body = json_lines(accepted(1, "UC-MANDATORY"), accepted(2, "OF-PRV02"))
    assert (await upload(prime, body)).status == 202
    assert (await served.client("PRV02").get("/v1/messages/m2")).status == 200
    only = await upload(prime, body, query="?provider_id=PRV02")
    assert [(each["line"], each["field"]) for each in only.json["mistakes"]] == [(1, "po_number")]


async def test_uploads_that_wait_are_limited(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "gateway.db", limits=Limits(uploads_waiting=0)) as served:
        answer = await upload(served.client(), json_lines(objection(1)))
    assert (answer.status, answer.code) == (503, "TRY_AGAIN")
    assert int(answer.headers["Retry-After"]) > 0


async def test_uploads_of_one_caller_that_come_slowly_are_limited_and_keep_nobody_else_out(
    served: Sandbox, provider: Client
) -> None:
    head = (
        "POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/jsonl\r\n"
        f"Content-Length: 1000\r\nAuthorization: Bearer {provider.token}\r\n\r\n"
    ).encode()
    slow = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(DEFAULT.uploads_of_caller)]
    for _, writer in slow:
        writer.write(head)
        await writer.drain()
    async with asyncio.timeout(PATIENCE_S):
        while (answer := await upload(provider, json_lines(objection(1)))).status == 202:
            pass  # the heads are on their way
    assert (answer.status, answer.code) == (429, "TOO_MANY_UPLOADS")
    assert int(answer.headers["Retry-After"]) > 0
    other = await upload(served.client("PRV02"), json_lines(objection(1)))
    assert (other.status, other.code) == (422, "UPLOAD_HAS_MISTAKES")
    for _, writer in slow:
        writer.close()
    async with asyncio.timeout(PATIENCE_S):
        while (await upload(provider, json_lines(objection(1)))).status == 429:
            pass


async def test_a_record_that_comes_while_an_upload_with_it_is_read_is_taken_once(
    served: Sandbox, provider: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, go_on = asyncio.Event(), asyncio.Event()
    to_thread = asyncio.to_thread

    async def slowly(*work: Any) -> object:
        found = await to_thread(*work)
        read.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(asyncio, "to_thread", slowly)
    before = len(await served.records(TOPIC))
    uploading = asyncio.create_task(upload(provider, json_lines(objection(1))))
    await read.wait()
    one = {name: value for name, value in objection(1).items() if name not in {"message_id", "po_number"}}
    first = await provider.record("UC-MANDATORY", "m1", one)
    assert first.status in {200, 422}, first.body
    go_on.set()
    assert (await uploading).status == 202
    assert len(await served.records(TOPIC)) == before + 1


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (accepted(1, "OF-PRV02"), "another_providers_referral"),
        (accepted(1, "UC-MANDATORY") | {"provider_id": "PRV02"}, "body_names_another_provider"),
    ],
)
async def test_what_an_upload_may_not_do_is_a_security_event(
    record: Json, reason: str, provider: Client, logged: io.StringIO
) -> None:
    await provider.new_referral("OF-PRV02", provider_id="PRV02")
    assert (await upload(provider, json_lines(record, record))).status == 422
    assert [line["reason"] for line in lines(logged, "security.forbidden")] == [reason]


async def test_ones_own_provider_id_and_an_unknown_referral_are_mistakes_only(
    provider: Client, logged: io.StringIO
) -> None:
    body = json_lines(accepted(1, "UC-MANDATORY") | {"provider_id": "PRV01"}, accepted(2, "NO-SUCH"))
    assert (await upload(provider, body)).status == 422
    assert lines(logged, "security.forbidden") == []
