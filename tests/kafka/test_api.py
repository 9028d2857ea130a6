"""The providers' API on a real broker: each process answers for all, whichever of them decides."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import ClientSession

from gateway.rules.events import FOR_JOBCENTRES
from producers.control import Webhook, webhook
from tests.api.conftest import no_bug
from tests.api.receiver import receiver
from tests.api.running import Client, until_ready
from tests.api.tokens import AUDIENCE, ISSUER, token, usual_keys
from tests.cli.running import Json, json_lines, referral, spawn
from tests.intake.prap.downloads import order, zipped
from tests.kafka.delivering import delivering
from tests.kafka.gateways import Gateway, running, share
from tests.patience import PATIENCE_S, eventually
from tests.ports import free_port

PARTITIONS = 4
REFERRALS = 12
TODAY = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400))
ACCEPTED = {"type": "ReferralAccepted", "accepted_at": f"{TODAY}T12:00:00Z"}

BOOKED = {
    "type": "SessionBooked",
    "session_id": "S1",
    "session_name": "Session",
    "starts_at": f"{TODAY}T13:00:00Z",
    "duration_minutes": 60,
    "location": "Hall",
    "format": "GROUP",
    "notified_at": f"{TODAY}T12:00:00Z",
}
ATTENDED = {
    "type": "AttendanceRecorded",
    "session_id": "S1",
    "outcome": "ATTENDED",
    "recorded_at": f"{TODAY}T14:00:00Z",
}


def token_for(*providers: str) -> str:
    """A token of the identity provider that is good now."""
    now_s = int(time.time())
    return token(iat=now_s - 10, exp=now_s + 600, provider_id=[*providers])


def lines() -> list[Json]:
    at = f"{TODAY}T09:00:00Z"
    return [
        referral(at, f"PO{number}", referred_on=TODAY, message_id=f"r{number}") for number in range(REFERRALS)
    ]


@pytest.fixture
async def both(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> AsyncIterator[list[tuple[Gateway, Client]]]:
    """Two processes that share the partitions and know all referrals, and a provider who asks them."""
    keys = tmp_path / "keys.json"
    keys.write_bytes(usual_keys())
    identity = {"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE, "jwks_file": str(keys)}
    log = {
        "GATEWAY_LOG_URL": f"kafka://{bootstrap}",
        "GATEWAY_TOPIC_PREFIX": topic_prefix,
        "GATEWAY_PARTITIONS": str(PARTITIONS),
    }
    assert spawn("topics", "create", cwd=tmp_path, environment=log).status == 0
    assert spawn("feed", "-", cwd=tmp_path, environment=log, stdin=json_lines(lines())).status == 0
    async with AsyncExitStack() as stack:
        found = []
        for name in ("one", "other"):
            folder = tmp_path / name
            folder.mkdir()
            port = free_port()
            started = running(folder, bootstrap, topic_prefix, http_port=str(port), **identity)
            gateway = stack.enter_context(started)
            session = await stack.enter_async_context(ClientSession(f"http://127.0.0.1:{port}"))
            found.append((gateway, Client(session, token_for("PRV01"))))
        eventually(lambda: share([gateway for gateway, _ in found], PARTITIONS))
        everything = sorted(line["value"]["po_number"] for line in lines())
        async with asyncio.timeout(PATIENCE_S):
            for _, client in found:
                await until_ready(client.session)
                while await referrals(client) != everything:
                    await client.get("/v1/instructions?wait=1")
        yield found
        for gateway, _ in found:
            gateway.terminate()
        for gateway, _ in found:
            assert gateway.ended() == 0
            no_bug(gateway.said)


async def referrals(client: Client) -> list[str]:
    answer = await client.get("/v1/referrals?limit=200")
    assert answer.status == 200, answer.body
    return sorted(each["po_number"] for each in answer.json["referrals"])


async def test_each_process_answers_for_what_the_other_decides(both: list[tuple[Gateway, Client]]) -> None:
    (_, one), (_, other) = both
    # What is posted to either is decided, wherever its partition is, and both see what came of it.
    for number in range(REFERRALS):
        answer = await one.record(f"PO{number}", f"a{number}", ACCEPTED)
        assert (answer.status, answer.json["status"]) == (200, "APPLIED"), answer.body
    for number in range(REFERRALS):
        again = await other.record(f"PO{number}", f"a{number}", ACCEPTED)
        assert (again.status, again.json["status"]) == (200, "APPLIED"), again.body
        reused = await other.record(
            f"PO{number}", f"a{number}", ACCEPTED | {"accepted_at": f"{TODAY}T13:00:00Z"}
        )
        assert reused.code == "IDEMPOTENCY_KEY_REUSED"
        refused = await other.record(f"PO{number}", f"b{number}", ACCEPTED)
        assert (refused.status, refused.code) == (422, "ALREADY_ACCEPTED")
        assert refused.json["rule"] == "WP19 ¶3"
    # An instruction is there on both, once, under cursors that both take.
    there = await one.get("/v1/instructions?limit=500")
    assert there.json["next"].count(".") == PARTITIONS - 1
    ids = {each["event_id"] for each in there.json["instructions"]}
    assert len(ids) == len(there.json["instructions"]) == REFERRALS
    rest = await other.get(f"/v1/instructions?after={there.json['instructions'][4]['cursor']}")
    assert {each["event_id"] for each in rest.json["instructions"]} == {
        each["event_id"] for each in there.json["instructions"][5:]
    }
    # An upload to one is known to the other under its id, whichever of them decides its records.
    objection = {"type": "GroupObjection", "raised_at": f"{TODAY}T12:00:00Z"}
    records = [
        objection | {"message_id": f"u{number}", "po_number": f"PO{number}"} for number in range(REFERRALS)
    ]
    sent = await one.ask(
        "POST", "/v1/uploads", json_lines(records), Content_Type="application/jsonl", Prefer="wait=20"
    )
    assert (sent.status, sent.json["outcomes"]["applied"]) == (200, REFERRALS), sent.body
    assert (await other.get(sent.json["self"], Prefer="wait=20")).json == sent.json["outcomes"]


async def test_keys_and_cursors_hold_at_each_process(both: list[tuple[Gateway, Client]]) -> None:
    (_, one), (_, other) = both
    plan = {"formats": ["GROUP"], "timings": "Mondays", "effective_from": TODAY}
    path = "/v1/delivery-plans/CPA01"
    for key, size in (("p1", 1), ("p2", 2)):
        put = await one.send("PUT", path, plan | {"group_size": size}, Idempotency_Key=key)
        assert put.status == 200
    again = await other.send("PUT", path, plan | {"group_size": 1}, Idempotency_Key="p1")
    assert (again.status, again.json["group_size"]) == (200, 1)
    reused = await other.send("PUT", path, plan | {"group_size": 3}, Idempotency_Key="p1")
    assert reused.code == "IDEMPOTENCY_KEY_REUSED"
    for client in (one, other):
        (there,) = (await client.get("/v1/delivery-plans")).json["delivery_plans"]
        assert (there["message_id"], there["group_size"]) == ("p2", 2)
    # Two at one moment, of which neither knows of the other: one is decided, and who sent the other hears it.
    later = ACCEPTED | {"accepted_at": f"{TODAY}T13:00:00Z"}
    for number in range(REFERRALS):
        answers = await asyncio.gather(
            one.record(f"PO{number}", f"a{number}", ACCEPTED),
            other.record(f"PO{number}", f"a{number}", later),
        )
        assert sorted(answer.status for answer in answers) == [200, 422], [answer.body for answer in answers]
    # A cursor that one gives out is the other's, too, however soon; one of another log is nobody's.
    cursor = (await one.get("/v1/instructions?limit=500")).json["next"]
    assert (await other.get(f"/v1/instructions?after={cursor}")).json["next"] == cursor
    place, _, digest = cursor.partition("-")
    beyond = ".".join(str(int(offset) + 1_000) for offset in place.split("."))
    for wrong in (f"{beyond}-{digest}", f"{place}-{digest[::-1]}"):
        gone = await other.get(f"/v1/instructions?after={wrong}")
        assert (gone.status, gone.code) == (410, "CURSOR_OF_ANOTHER_HISTORY")
    # A calendar that is made at one is read at the other, until it is revoked at either.
    calendar = (await one.send("POST", "/v1/calendars", None)).json
    await until_read(calendar["address"], 200, one, other)
    assert (await other.ask("DELETE", calendar["self"])).status == 204
    await until_read(calendar["address"], 404, other, one)


async def until_read(address: str, status: int, *clients: Client) -> None:
    """Wait until that is what each process answers to whoever knows a calendar's address."""
    async with asyncio.timeout(PATIENCE_S):
        for client in clients:
            while (await client.get(address, Authorization=None)).status != status:
                await client.get("/v1/instructions?wait=1")


async def test_what_jobcentres_and_prap_send_is_taken_once_whichever_process_it_comes_to(
    both: list[tuple[Gateway, Client]],
) -> None:
    (_, one), (_, other) = both
    now_s = int(time.time())
    times: Json = {"iat": now_s - 10, "exp": now_s + 600, "provider_id": None}
    jobcentre = token(**times, jobcentre_id="JCP-LEEDS", scope="jobcentre:send", sub="jobcentre")
    york = token(**times, jobcentre_id="JCP-YORK", scope="jobcentre:send", sub="york")
    prap = token(**times, scope="prap:send", sub="prap")
    appeal = {"type": "SupportGroupAppealChanged", "po_number": "PO1", "pending": True, "changed_on": TODAY}
    new = {name: item for name, item in lines()[0]["value"].items() if name != "message_id"}
    new |= {"po_number": "PO-NEW"}
    rows = [order(f"PO{number}", referred_on=TODAY) for number in range(9000, 9008)]
    zipped_rows = zipped(*rows)
    wait = {"Prefer": "wait=20"}
    for client in (one, other, one):
        as_jobcentre, as_prap = Client(client.session, jobcentre), Client(client.session, prap)
        answer = await as_jobcentre.send("POST", "/v1/updates", appeal, Idempotency_Key="u", **wait)
        assert (answer.status, answer.json["status"]) == (200, "APPLIED"), answer.body
        answer = await as_prap.send("POST", "/v1/referrals", new, Idempotency_Key="r", **wait)
        assert (answer.status, answer.json["status"]) == (200, "APPLIED"), answer.body
        answer = await as_prap.ask(
            "POST",
            "/v1/prap-downloads",
            zipped_rows,
            Content_Type="application/zip",
            Idempotency_Key="d",
            **wait,
        )
        assert (answer.status, len(answer.json["referrals"])) == (200, len(rows)), answer.body
        assert {each["status"] for each in answer.json["referrals"]} == {"APPLIED"}
    for client in (one, other):
        as_jobcentre, as_prap = Client(client.session, jobcentre), Client(client.session, prap)
        reused = await as_jobcentre.send(
            "POST", "/v1/updates", appeal | {"pending": False}, Idempotency_Key="u"
        )
        assert reused.code == "IDEMPOTENCY_KEY_REUSED"
        reused = await as_prap.ask(
            "POST",
            "/v1/prap-downloads",
            zipped(rows[0]),
            Content_Type="application/zip",
            Idempotency_Key="d",
        )
        assert reused.code == "IDEMPOTENCY_KEY_REUSED"
        for asked in ("u", "r", "d"):
            assert (await client.get(f"/v1/messages/{asked}")).code == "UNKNOWN_MESSAGE"
        assert (await as_jobcentre.get("/v1/messages/u")).json["status"] == "APPLIED"
        assert (await as_prap.get("/v1/messages/prap-PO9003-1")).json["status"] == "APPLIED"
        as_york = Client(client.session, york)
        answer = await as_york.send("POST", "/v1/updates", appeal, Idempotency_Key="y")
        assert (answer.status, answer.code) == (404, "UNKNOWN_REFERRAL")


async def test_an_action_for_prap_that_is_marked_anywhere_is_marked_everywhere(
    both: list[tuple[Gateway, Client]], bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    """At each process and on the command line, with the same cursors."""
    now_s = int(time.time())
    clerk = token(iat=now_s - 10, exp=now_s + 600, provider_id=None, scope="prap:actions", sub="clerk")
    clients = [Client(client.session, clerk) for _, client in both]

    async def listed(client: Client, query: str = "") -> list[Json]:
        answer = await client.get(f"/v1/prap-actions?limit=500{query}")
        assert answer.status == 200, answer.body
        found: list[Json] = answer.json["actions"]
        return found

    environment = {"GATEWAY_LOG_URL": f"kafka://{bootstrap}", "GATEWAY_TOPIC_PREFIX": topic_prefix}

    async def command(*arguments: str) -> bytes:
        ended = await asyncio.to_thread(spawn, "prap", *arguments, cwd=tmp_path, environment=environment)
        assert ended.status == 0, ended.err
        return ended.out

    found = await listed(clients[0])
    assert len(found) == REFERRALS
    assert await listed(clients[1]) == found
    assert await listed(clients[1], f"&after={found[4]['cursor']}") == found[5:]
    first, second = found[0], found[1]
    assert (await clients[0].ask("PUT", first["self"])).json["entered_by"] == "clerk"
    assert await command("mark", second["event_id"], "--by", "Desk 4") == b"1 action marked\n"
    marked = {first["event_id"]: "clerk", second["event_id"]: "Desk 4"}
    async with asyncio.timeout(PATIENCE_S):
        for client in clients:
            while {e["event_id"]: e["entered_by"] for e in await listed(client, "&marked=true")} != marked:
                await listed(client, f"&after={found[-1]['cursor']}&wait=1")
    printed = await command("actions", "--json", "--since", found[0]["cursor"])
    assert [json.loads(line) for line in printed.splitlines()] == (await listed(clients[1]))[1:]
    assert (await clients[1].ask("DELETE", second["self"])).status == 204
    assert [e["event_id"] for e in await listed(clients[1], "&marked=true")] == [first["event_id"]]


def without_cursors(found: list[Json]) -> list[Json]:
    """Events by id, as they are whoever has read what before."""
    return sorted(({**each, "cursor": None} for each in found), key=lambda each: str(each["id"]))


async def test_a_jobcentres_events_are_the_same_at_each_process_and_in_order(
    both: list[tuple[Gateway, Client]], bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    """While they are decided; behind a cursor that the other gave out; and by a webhook, of which the
    partitions go from one process to another.
    """
    one = both[0][1]
    now_s = int(time.time())
    times: Json = {"iat": now_s - 10, "exp": now_s + 600, "provider_id": None, "scope": "jobcentre:subscribe"}
    leeds = [Client(each.session, token(**times, jobcentre_id="JCP-LEEDS", sub="leeds")) for _, each in both]
    york = [Client(each.session, token(**times, jobcentre_id="JCP-YORK", sub="york")) for _, each in both]

    async def decide() -> None:
        for number in range(REFERRALS):
            for key, value in (("a", ACCEPTED), ("b", BOOKED), ("c", ATTENDED)):
                answer = await one.record(f"PO{number}", f"{key}{number}", value)
                assert (answer.status, answer.json["status"]) == (200, "APPLIED"), answer.body

    async def follow() -> list[Json]:
        """Asked of the one and of the other by turns, from the cursor that the one before gave."""
        found: list[Json] = []
        while len(found) < 2 * REFERRALS:
            after = f"&after={found[-1]['cursor']}" if found else ""
            answer = await leeds[len(found) % 2].get(f"/v1/events?wait=5&limit=5{after}")
            assert answer.status == 200, answer.body
            found += answer.json
        return found

    async with asyncio.timeout(PATIENCE_S):
        _, followed = await asyncio.gather(decide(), follow())
    assert len({each["id"] for each in followed}) == 2 * REFERRALS
    for number in range(REFERRALS):
        types = [each["type"] for each in followed if each["subject"] == f"PO{number}"]
        assert types == ["SessionEvent", "AttendanceEvent"]
    for client in leeds:
        again = (await client.get("/v1/events?limit=500")).json
        assert without_cursors(again) == without_cursors(followed)
    for client in york:
        assert (await client.get("/v1/events")).json == []
        assert (await client.get(f"/v1/events?after={followed[3]['cursor']}")).json == []
    at_one, at_other = {0, 1, 2, 3}, {2, 3}
    async with receiver() as hears, delivering(bootstrap, topic_prefix, tmp_path / "a", at_one) as posting:
        hook = Webhook("events", ("JCP-LEEDS",), FOR_JOBCENTRES, hears.url, now_s * 1_000)
        await posting.put([webhook("hook", hook)])
        await hears.until(REFERRALS // 2)
        at_one -= at_other
        async with delivering(bootstrap, topic_prefix, tmp_path / "b", at_other):
            async with asyncio.timeout(PATIENCE_S):
                while {each.id for each in hears.got} != {each["id"] for each in followed}:
                    await hears.until(len(hears.got) + 1)
    for number in range(REFERRALS):
        got = [each.json for each in hears.got if each.json["subject"] == f"PO{number}"]
        firsts = list(dict.fromkeys(each["type"] for each in got))
        assert firsts == ["SessionEvent", "AttendanceEvent"]
    by_id = {each["id"]: each for each in without_cursors(followed)}
    assert all(each.json | {"cursor": None} == by_id[each.id] for each in hears.got)


async def test_a_process_that_dies_is_answered_for_by_the_other_and_made_anew(
    both: list[tuple[Gateway, Client]], bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    (gateway, one), (_, other) = both
    for number in range(REFERRALS):
        assert (await one.record(f"PO{number}", f"a{number}", ACCEPTED, wait=None)).status == 202
    # What one has answered is decided by whoever has the partition.
    for number in range(REFERRALS):
        message = await other.record(f"PO{number}", f"a{number}", ACCEPTED, wait=30)
        assert (message.status, message.json["status"]) == (200, "APPLIED")
    refused = await one.get("/v1/referrals", Authorization=f"Bearer {token(exp=1)}")
    assert (refused.status, refused.code) == (401, "TOKEN_EXPIRED")
    assert json.loads(gateway.said.splitlines()[0])["level"] == "info"
