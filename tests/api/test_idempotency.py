"""A key makes a record come once, however often and wherever it is sent."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import ClientSession

from consumers import draft
from gateway.api.idempotency import Ask, Idempotency, Message, Name
from gateway.api.limits import Limits
from gateway.api.posting import Posting
from gateway.backends.embedded.log import open_embedded
from gateway.engine.log import Draft
from gateway.reading.model import OwnLog
from gateway.reading.view import Keyed, View
from schemas.codec import decode
from schemas.json import parse
from tests.api.running import ACCEPTED, NOW, Answer, Client, Sandbox, booking, process, sandbox, until_ready
from tests.cli.running import Json

TOPIC = "provider.session-records"
EARLIER = ACCEPTED | {"accepted_at": "2016-03-14T08:00:00Z"}
MINE, OTHER = "UC-MANDATORY", "UC-VOLUNTARY"
PLANS_PATH = "/v1/delivery-plans"
PLAN_PATH = f"{PLANS_PATH}/CPA01"
PLAN: Json = {
    "formats": ["GROUP"],
    "group_size": 10,
    "timings": "Mondays at ten",
    "effective_from": "2016-03-01",
}


async def put(served: Sandbox, key: str) -> int:
    """How many messages with this id are on the log."""
    names = frozenset({"ReferralAccepted", "SessionBooked"})
    found = [decode(record.value, names) for record in await served.records(TOPIC)]
    return sum(getattr(message, "message_id", None) == key for message in found)


def is_reused(answer: Answer) -> None:
    assert (answer.status, answer.code) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert answer.json["field"] == "Idempotency-Key"


async def test_the_same_record_again_gets_the_same_answer(served: Sandbox, provider: Client) -> None:
    first = await provider.record(MINE, "a")
    again = await provider.record(MINE, "a")
    assert (first.status, first.json["status"]) == (200, "APPLIED")
    assert (again.status, again.body) == (first.status, first.body)
    later = await provider.record(MINE, "a", wait=None)
    assert (later.status, later.headers["Location"]) == (202, first.json["self"])
    assert (await provider.get(first.json["self"])).json.items() >= first.json.items()
    assert await put(served, "a") == 1


async def test_a_record_that_was_refused_is_refused_in_the_same_words(
    served: Sandbox, provider: Client
) -> None:
    """Also where it would be applied by now."""
    first = await provider.record(MINE, "a", booking("S1"))
    assert (first.status, first.code) == (422, "REFERRAL_NOT_ACCEPTED")
    await provider.record(MINE, "b")
    again = await provider.record(MINE, "a", booking("S1"))
    assert (again.status, again.body) == (first.status, first.body)
    assert (await provider.record(MINE, "c", booking("S1"))).status == 200
    assert await put(served, "a") == 1


async def test_the_order_of_fields_and_what_is_left_out_make_no_other_record(
    served: Sandbox, provider: Client
) -> None:
    await provider.record(MINE, "accept")
    value = booking("S1")
    del value["notified_at"]
    assert (await provider.record(MINE, "a", value)).status == 200
    turned = dict(reversed((value | {"notified_at": None}).items()))
    assert (await provider.record(MINE, "a", turned)).status == 200
    assert await put(served, "a") == 1


async def test_twenty_at_a_time_are_one_message(served: Sandbox, provider: Client) -> None:
    answers = await asyncio.gather(*(provider.record(MINE, "a") for _ in range(20)))
    assert {(answer.status, answer.body) for answer in answers} == {(200, answers[0].body)}
    assert await put(served, "a") == 1


async def test_of_two_records_at_a_time_with_one_key_one_is_taken(served: Sandbox, provider: Client) -> None:
    answers = await asyncio.gather(
        *(provider.record(MINE, "a", value, wait=None) for value in (ACCEPTED, EARLIER) * 10)
    )
    assert Counter(answer.status for answer in answers) == {202: 10, 422: 10}
    assert await put(served, "a") == 1


async def test_one_that_is_refused_does_not_refuse_those_that_come_while_it_is_looked_up(
    tmp_path: Path,
) -> None:
    """A record with its key is on the log already; the same record comes again meanwhile."""
    name = "caller", "a"
    taken, other = (Message("PO1", "PRV01", Draft("topic", b"PO1", value)) for value in (b"taken", b"other"))
    log = await open_embedded(tmp_path / "gateway.db")
    looked_up = asyncio.Event()

    async def ask(question: Callable[[View], Any]) -> Any:
        await looked_up.wait()
        return {name: Keyed("PO1", taken.digest)}

    try:
        kept = Idempotency(OwnLog(log.file, 1), Posting(log))
        first = asyncio.create_task(kept.take({name: other}, ask))
        await asyncio.sleep(0)
        second = asyncio.create_task(kept.take({name: taken}, ask))
        await asyncio.sleep(0)
        looked_up.set()
        assert await first == {name}
        assert await second == frozenset()
    finally:
        await log.close()


@pytest.mark.parametrize(
    ("po_number", "value"),
    [
        pytest.param(MINE, EARLIER, id="another body"),
        pytest.param(OTHER, ACCEPTED, id="another referral"),
        pytest.param(MINE, {"type": "GroupObjection", "raised_at": NOW}, id="another type"),
    ],
)
async def test_a_key_is_that_of_one_record(
    po_number: str, value: Json, served: Sandbox, provider: Client
) -> None:
    first = await provider.record(MINE, "a")
    is_reused(await provider.record(po_number, "a", value))
    is_reused(await provider.record(po_number, "a", value, wait=None))
    assert (await provider.record(MINE, "a")).body == first.body
    assert await put(served, "a") == 1


async def test_a_body_that_is_wrong_uses_no_key(served: Sandbox, provider: Client) -> None:
    wrong = await provider.record(MINE, "a", {"type": "ReferralAccepted", "accepted_at": "yesterday"})
    assert (wrong.status, wrong.code, wrong.json["field"]) == (400, "INVALID_RECORD", "accepted_at")
    assert (await provider.record(MINE, "a")).status == 200


async def test_another_providers_key_is_another_key(served: Sandbox, provider: Client) -> None:
    other = served.client("PRV02")
    await provider.new_referral("PO-OTHER", provider_id="PRV02")
    first = await provider.record(MINE, "a")
    second = await other.record("PO-OTHER", "a")
    assert (first.status, second.status) == (200, 200)
    assert (await other.get("/v1/messages/a")).json["po_number"] == "PO-OTHER"
    assert (await provider.get("/v1/messages/a")).json["po_number"] == MINE
    assert await put(served, "a") == 2
    both = served.client("PRV01", "PRV02")
    assert (await both.get("/v1/messages/a?provider_id=PRV02")).json["po_number"] == "PO-OTHER"


async def test_a_key_is_a_callers_for_all_its_providers(served: Sandbox, provider: Client) -> None:
    """Whether a record, a line of an upload or a plan came with it."""
    await provider.new_referral("PO-OTHER", provider_id="PRV02")
    both = served.client("PRV01", "PRV02")
    first = await both.record(MINE, "a")
    assert first.status == 200
    is_reused(await both.record("PO-OTHER", "a"))
    is_reused(await both.send("PUT", f"{PLAN_PATH}?provider_id=PRV02", PLAN, Idempotency_Key="a"))
    assert (await both.send("PUT", f"{PLAN_PATH}?provider_id=PRV02", PLAN, Idempotency_Key="p")).status == 200
    is_reused(await both.record("PO-OTHER", "p"))
    is_reused(await both.send("PUT", f"{PLAN_PATH}?provider_id=PRV01", PLAN, Idempotency_Key="p"))
    line = {**ACCEPTED, "message_id": "a", "po_number": "PO-OTHER"}
    body = json.dumps(line).encode()
    refused = await both.ask("POST", "/v1/uploads", data=body, Content_Type="application/jsonl")
    assert [each["field"] for each in refused.json["mistakes"]] == ["message_id"]
    assert (await both.record(MINE, "a")).body == first.body
    assert await put(served, "a") == 1


async def test_two_callers_of_one_provider_have_keys_of_their_own(served: Sandbox, provider: Client) -> None:
    """But one referral takes an id once."""
    other = served.client("PRV01", "PRV03")
    assert (await provider.record(MINE, "a")).status == 200
    is_reused(await other.record(MINE, "a", EARLIER))
    assert (await other.record(OTHER, "a")).status == 200
    found = (await other.get("/v1/messages/a")).json
    assert (found["po_number"], [each["po_number"] for each in found["others"]]) == (OTHER, [MINE])
    found = (await provider.get("/v1/messages/a")).json
    assert (found["po_number"], [each["po_number"] for each in found["others"]]) == (MINE, [OTHER])


async def test_who_waits_for_a_record_where_another_one_was_decided_is_refused(
    provider: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where both have come at one moment to two processes, of which neither could know of the other's."""
    value = {"message_id": "a", "po_number": MINE, "provider_id": "PRV01"} | EARLIER
    del value["type"]
    earlier, taken = draft(parse("ReferralAccepted", value)), Idempotency.take

    async def too_late(self: Idempotency, messages: Mapping[Name, Message], ask: Ask) -> frozenset[Name]:
        await self._posting.put([earlier, *(each.draft for each in messages.values())])
        return frozenset()

    monkeypatch.setattr(Idempotency, "take", too_late)
    is_reused(await provider.record(MINE, "a"))
    monkeypatch.setattr(Idempotency, "take", taken)
    is_reused(await provider.record(MINE, "a"))
    assert (await provider.record(MINE, "a", EARLIER)).json["status"] == "APPLIED"
    assert (await provider.get("/v1/messages/a")).json["status"] == "APPLIED"


async def test_a_plan_that_was_replaced_stays_replaced_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with sandbox(path) as served:
        provider = served.client()
        for key, size in (("p1", 1), ("p2", 2), ("p3", 3)):
            await provider.send("PUT", PLAN_PATH, PLAN | {"group_size": size}, Idempotency_Key=key)
    async with sandbox(path) as served:
        provider = served.client()
        again = await provider.send("PUT", PLAN_PATH, PLAN | {"group_size": 1}, Idempotency_Key="p1")
        assert (again.status, again.json["group_size"]) == (200, 1)
        is_reused(await provider.send("PUT", PLAN_PATH, PLAN | {"group_size": 4}, Idempotency_Key="p2"))
        is_reused(await provider.send("PUT", f"{PLANS_PATH}/CPA02", PLAN, Idempotency_Key="p1"))
        (plan,) = (await provider.get(PLANS_PATH)).json["delivery_plans"]
        assert (plan["message_id"], plan["group_size"]) == ("p3", 3)


async def test_each_area_has_a_plan_and_there_are_so_many_at_the_most(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "gateway.db", limits=Limits(plans_of_provider=2)) as served:
        provider = served.client()
        for area in ("CPA02", "CPA/01"):
            put = await provider.send("PUT", f"{PLANS_PATH}/{quote(area, safe='')}", PLAN)
            assert (put.status, put.json["contract_package_area"]) == (200, area)
        full = await provider.send("PUT", f"{PLANS_PATH}/CPA03", PLAN)
        assert (full.status, full.code) == (409, "TOO_MANY_PLANS")
        assert (await provider.send("PUT", f"{PLANS_PATH}/CPA02", PLAN | {"group_size": 7})).status == 200
        plans = (await provider.get(PLANS_PATH)).json["delivery_plans"]
        assert [(each["contract_package_area"], each["group_size"]) for each in plans] == [
            ("CPA/01", 10),
            ("CPA02", 7),
        ]
        # Others have plans of their own for the same areas.
        assert (await served.client("PRV02").send("PUT", f"{PLANS_PATH}/CPA03", PLAN)).status == 200
        for wrong in ({"contract_package_area": "CPA02"}, {"message_id": "x"}):
            refused = await provider.send("PUT", f"{PLANS_PATH}/CPA02", PLAN | wrong)
            assert (refused.status, refused.code) == (400, "INVALID_PLAN")
        assert (await provider.send("PUT", f"{PLANS_PATH}/{'x' * 101}", PLAN)).code == "INVALID_PLAN"


@pytest.mark.parametrize(
    "key", ["", " ", "x" * 101, "a b", "é", '"', '"a', 'a"', '""', "a\tb", ".", "..", '".."']
)
async def test_a_key_that_is_none_is_refused(key: str, provider: Client) -> None:
    answer = await provider.record(MINE, key)
    assert (answer.status, answer.code) == (400, "BAD_IDEMPOTENCY_KEY")


async def test_a_key_is_needed_and_there_can_be_only_one(served: Sandbox, provider: Client) -> None:
    missing = await provider.send("POST", f"/v1/referrals/{MINE}/records", ACCEPTED)
    assert (missing.status, missing.code) == (400, "IDEMPOTENCY_KEY_MISSING")
    headers = [
        ("Idempotency-Key", "a"),
        ("Idempotency-Key", "b"),
        ("Authorization", f"Bearer {provider.token}"),
    ]
    async with served.session.post(f"/v1/referrals/{MINE}/records", json=ACCEPTED, headers=headers) as answer:
        assert (answer.status, (await answer.json(content_type=None))["code"]) == (400, "BAD_IDEMPOTENCY_KEY")


@pytest.mark.parametrize(
    "key", ["a/b", "a{b}", "a%2Fb", "%00", "a?b#c", "a;b=c", "+", "~" * 100, "...", "'--"]
)
async def test_any_visible_characters_are_a_key_and_lead_to_its_message(key: str, provider: Client) -> None:
    taken = await provider.record(MINE, key)
    assert taken.status == 200
    assert taken.json["message_id"] == key
    assert (await provider.get(taken.json["self"])).json.items() >= taken.json.items()


async def test_a_key_in_quotes_is_the_key(provider: Client) -> None:
    """As RFC 9651 writes strings."""
    quoted = await provider.record(MINE, '"a"')
    assert (quoted.status, quoted.json["message_id"]) == (200, "a")
    assert (await provider.record(MINE, "a")).body == quoted.body


async def test_the_key_of_an_upload_is_a_key(served: Sandbox, provider: Client) -> None:
    line = b'{"type":"ReferralAccepted","message_id":"a","po_number":"UC-MANDATORY","accepted_at":"%b"}\n'
    body = line % NOW.encode()
    for _ in range(2):
        taken = await provider.ask("POST", "/v1/uploads", data=body, Content_Type="application/jsonl")
        assert (taken.status, taken.json["records"]) == (202, 1)
    assert (await provider.record(MINE, "a")).json["status"] == "APPLIED"
    is_reused(await provider.record(MINE, "a", EARLIER))
    assert (await provider.record(OTHER, "b")).status == 200
    other = line.replace(b'"a"', b'"b"') % NOW.encode()
    refused = await provider.ask("POST", "/v1/uploads", data=other, Content_Type="application/jsonl")
    assert (refused.status, refused.code) == (422, "UPLOAD_HAS_MISTAKES")
    assert [(each["line"], each["field"]) for each in refused.json["mistakes"]] == [(1, "message_id")]
    assert await put(served, "a") == await put(served, "b") == 1


async def test_a_record_that_came_while_its_repetition_was_on_its_way_is_taken_once(
    served: Sandbox, provider: Client
) -> None:
    body = json.dumps(ACCEPTED).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(
        f"POST /v1/referrals/{MINE}/records HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: a\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        f"Authorization: Bearer {provider.token}\r\n\r\n".encode()
    )
    await writer.drain()
    first = await provider.record(MINE, "a")
    assert first.status == 200
    writer.write(body)
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 202 ")
    assert await put(served, "a") == 1


async def test_a_key_is_forgotten_with_its_referral(served: Sandbox, provider: Client) -> None:
    """What is sent with it to a referral that came anew is decided, and not taken for what came before."""
    await provider.new_referral("PO-AGAIN")
    assert (await provider.record("PO-AGAIN", "a")).status == 200
    await provider.clock("2018-01-01T09:00:00Z")
    assert (await provider.get("/v1/messages/a")).status == 404
    await provider.new_referral("PO-AGAIN", referred_on="2018-01-01")
    accepted = await provider.record("PO-AGAIN", "a")
    assert (accepted.status, accepted.json["status"]) == (200, "APPLIED")
    assert await put(served, "a") == 1, "what came before was forgotten with it"


async def test_a_plan_is_put_once_and_a_late_repetition_does_not_bring_it_back(
    served: Sandbox, provider: Client
) -> None:
    topic = "jobcentre.delivery-plans"
    first = await provider.send("PUT", PLAN_PATH, PLAN, Idempotency_Key="p1")
    assert first.status == 200
    again = await provider.send("PUT", PLAN_PATH, PLAN, Idempotency_Key="p1")
    assert (again.status, again.body) == (200, first.body)
    assert len(await served.records(topic)) == 1
    is_reused(await provider.send("PUT", PLAN_PATH, PLAN | {"group_size": 11}, Idempotency_Key="p1"))
    newer = await provider.send("PUT", PLAN_PATH, PLAN | {"group_size": 12}, Idempotency_Key="p2")
    late = await provider.send("PUT", PLAN_PATH, PLAN, Idempotency_Key="p1")
    assert (late.status, late.body) == (200, first.body)
    assert (await provider.get(PLANS_PATH)).json["delivery_plans"] == [newer.json]
    assert len(await served.records(topic)) == 1, "the last one of an area is kept"


async def test_a_records_key_is_no_plans_key(provider: Client) -> None:
    await provider.record(MINE, "a")
    is_reused(await provider.send("PUT", PLAN_PATH, PLAN, Idempotency_Key="a"))


async def test_the_key_of_the_plan_in_force_is_known_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with sandbox(path) as served:
        await served.client().send("PUT", PLAN_PATH, PLAN, Idempotency_Key="p1")
    async with sandbox(path) as served:
        provider = served.client()
        assert (await provider.send("PUT", PLAN_PATH, PLAN, Idempotency_Key="p1")).status == 200
        is_reused(await provider.send("PUT", PLAN_PATH, PLAN | {"group_size": 11}, Idempotency_Key="p1"))
        assert len(await served.records("jobcentre.delivery-plans")) == 1


@pytest.mark.parametrize("trace", ["", "00", "\udcff\udcfe", "00-" + "0" * 32 + "-00f067aa0ba902b7-01"])
async def test_in_place_of_what_is_no_trace_there_is_a_new_one(trace: str, served: Sandbox) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    body = json.dumps(ACCEPTED).encode()
    writer.write(
        f"POST /v1/referrals/{MINE}/records HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: a\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        f"traceparent: {trace}\r\nAuthorization: Bearer {served.client().token}\r\n\r\n".encode(
            errors="surrogateescape"
        )
        + body
    )
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 202 ")
    new = dict((await served.records(TOPIC))[-1].headers)["traceparent"]
    assert new is not None
    assert re.fullmatch("00-(?!0{32})[0-9a-f]{32}-[0-9a-f]{16}-00", new.decode())


async def test_a_plan_is_part_of_the_trace_of_its_request(served: Sandbox, provider: Client) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    await provider.send("PUT", PLAN_PATH, PLAN, traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    (record,) = await served.records("jobcentre.delivery-plans")
    assert (dict(record.headers)["traceparent"] or b"").split(b"-")[1] == trace.encode()


@pytest.mark.parametrize("projection", ["kept", "deleted"])
async def test_a_key_is_remembered_by_the_log(projection: str, tmp_path: Path) -> None:
    """So it is known after a restart, with or without what was made of the log."""
    path = tmp_path / "gateway.db"
    async with sandbox(path) as served:
        first = await served.client().record(MINE, "a")
        assert first.status == 200
    if projection == "deleted":
        for file in tmp_path.glob("*.projection*"):
            file.unlink()
    async with sandbox(path) as served:
        provider = served.client()
        assert (await provider.record(MINE, "a")).body == first.body
        is_reused(await provider.record(MINE, "a", EARLIER))
        is_reused(await provider.record(OTHER, "a"))
        assert await put(served, "a") == 1


async def test_a_restarted_process_gives_the_same_answer(tmp_path: Path) -> None:
    with process(tmp_path) as gateway:
        async with ClientSession(gateway.url) as session:
            await until_ready(session)
            first = await gateway.client(session).record(MINE, "a")
        gateway.terminate()
        assert gateway.ended() == 0
        gateway.start()
        async with ClientSession(gateway.url) as session:
            await until_ready(session)
            assert (await gateway.client(session).record(MINE, "a")).body == first.body
