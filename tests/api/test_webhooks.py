"""What is registered is delivered: signed, in order, at least once, and to nobody else."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from gateway.api.webhooks.delivering import FIRST_WAIT_MS, PAUSED_AFTER_MS
from gateway.api.webhooks.operations import MOST
from tests.api.conftest import PERSONAL, lines
from tests.api.receiver import HOUR_MS, HandClock, Receiver, receiver
from tests.api.running import Client, Sandbox, process, sandbox
from tests.cli.running import Json, spawn
from tests.patience import PATIENCE_S, in_the_end

SUBSCRIBES = ("jobcentre:subscribe",)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def served(tmp_path: Path, logged: io.StringIO, clock: HandClock) -> AsyncIterator[Sandbox]:
    """A sandbox whose webhooks are tried again when the test says so."""
    async with sandbox(tmp_path / "gateway.db", partitions=2, webhook_clock=clock) as made:
        yield made
    assert not lines(logged, "webhook.broke")
    assert PERSONAL.search(logged.getvalue()) is None


@pytest.fixture
async def hears() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


async def made(client: Client, hears: Receiver, of: str = "instructions", **fields: object) -> Json:
    """A new webhook."""
    answer = await client.send("POST", "/v1/webhooks", {"of": of, "url": hears.url, **fields})
    assert answer.status == 200, answer.body
    found: Json = answer.json
    return found


async def stands(client: Client, hook: Json, status: str) -> Json:
    """A webhook as it is once it stands so."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found: Json = (await client.get(hook["self"])).json
            if found["status"] == status:
                return found
            await asyncio.sleep(0.01)


async def ids(client: Client, path: str = "instructions") -> list[str]:
    """The ids of all events, by long poll."""
    answer = (await client.get(f"/v1/{path}?limit=500")).json
    return [each["id"] for each in answer] if path == "events" else [e["event_id"] for e in answer[path]]


def by_purchase_order(found: list[str]) -> dict[str, list[str]]:
    """Ids in their order, for each purchase order."""
    orders: dict[str, list[str]] = {}
    for each in found:
        orders.setdefault(each.rsplit("-", 2)[0], []).append(each)
    return orders


async def test_a_provider_gets_what_it_would_fetch_signed_and_in_order(
    served: Sandbox, provider: Client, hears: Receiver
) -> None:
    await provider.new_referral("PO-OTHER", provider_id="PRV02")
    for of in "instructions", "outcomes":
        assert (await provider.record("UC-MANDATORY", f"a-{of}")).status in {200, 422}
        hook = await made(provider, hears, of)
        expected = await ids(provider, of)
        got = await hears.until(len(expected))
        assert by_purchase_order([each.id for each in got]) == by_purchase_order(expected)
        assert all(each.is_signed_with(hook["secret"]) for each in got)
        shown = {each["event_id"]: each for each in (await provider.get(f"/v1/{of}?limit=500")).json[of]}
        for each in got:
            item = dict(shown[each.id])
            del item["cursor"]
            assert each.json == {"type": of.removesuffix("s"), "timestamp": item["decided_at"], "data": item}
        assert (await provider.ask("DELETE", hook["self"])).status == 204
        hears.got.clear()


async def test_a_jobcentre_gets_cloud_events_once_its_receiver_allows_them(
    served: Sandbox, provider: Client, hears: Receiver
) -> None:
    jobcentre = served.jobcentre(scopes=SUBSCRIBES)
    hears.allows = "another.example"
    refused = await jobcentre.send("POST", "/v1/webhooks", {"of": "events", "url": hears.url})
    assert refused.code == "WEBHOOK_NOT_WELCOME"
    hears.allows = hears.asked[0]
    hook = await made(jobcentre, hears, "events")
    await provider.clock("2016-05-30T00:00:00Z")
    expected = await ids(jobcentre, "events")
    assert expected
    got = await hears.until(len(expected))
    assert by_purchase_order([each.id for each in got]) == by_purchase_order(expected)
    assert {each.headers["content-type"] for each in got} == {"application/cloudevents+json"}
    assert all(each.is_signed_with(hook["secret"]) and each.json["id"] == each.id for each in got)
    assert {each.json["data"]["jobcentre_id"] for each in got} == {"JCP-LEEDS"}
    # Another's webhook has nothing of it.
    async with receiver() as other:
        await made(served.jobcentre("JCP-YORK", scopes=SUBSCRIBES), other, "events")
        await provider.new_referral("PO-YORK", jobcentre_id="JCP-YORK", provider_id="PRV02")
        await provider.clock("2016-09-30T00:00:00Z")
        await other.until(1)
        assert {each.json["data"]["jobcentre_id"] for each in other.got} == {"JCP-YORK"}
    named = {"of": "events", "url": hears.url}
    assert (await served.jobcentre().send("POST", "/v1/webhooks", named)).code == "NOT_A_JOBCENTRE"


async def test_what_fails_is_tried_again_later_and_later_and_holds_what_follows(
    served: Sandbox, provider: Client, hears: Receiver, clock: HandClock, logged: io.StringIO
) -> None:
    async def long() -> web.StreamResponse:
        """Answers with a body of which nobody reads anything."""
        return web.Response(body=b"x" * 1_000_000)

    theirs = served.client("PRV02")
    await provider.new_referral("PO-THEIRS", provider_id="PRV02")
    for key in "k1", "k2":
        await theirs.record("PO-THEIRS", key)
    first, second = await ids(theirs, "outcomes")
    hears.answers = [500, 302, 503, long]
    hook = await made(theirs, hears, "outcomes")
    assert (await stands(theirs, hook, "FAILING"))["failure"] == "STATUS_500"
    waited = [await clock.move() for _ in range(3)]
    assert waited == [FIRST_WAIT_MS, 2 * FIRST_WAIT_MS, 4 * FIRST_WAIT_MS]
    assert [each.id for each in await hears.until(5)] == [first] * 4 + [second]
    assert (await stands(theirs, hook, "ACTIVE"))["failing_since"] is None
    await in_the_end(lambda: lines(logged, "webhook.recovered"))
    assert hook["secret"] not in logged.getvalue()


async def test_a_receiver_that_is_down_for_three_days_is_paused_until_it_is_resumed(
    served: Sandbox, provider: Client, clock: HandClock, logged: io.StringIO
) -> None:
    async with receiver() as gone:
        url = gone.url  # nobody listens there any more
    down = Receiver(url=url)
    hook = await made(provider, down)
    moved = 0
    while moved < PAUSED_AFTER_MS:
        assert (await stands(provider, hook, "FAILING"))["failure"] == "UNREACHABLE"
        moved += await clock.move(24 * HOUR_MS)
    paused = await stands(provider, hook, "PAUSED")
    assert paused["why"] == "FAILED_TOO_LONG"
    await in_the_end(lambda: lines(logged, "webhook.paused"))
    assert lines(logged, "webhook.paused")[0]["webhook"] == hook["id"]
    metrics = (await provider.get("/metrics")).body
    assert b'gateway_webhooks{status="paused"} 1' in metrics
    resumed = await provider.send("POST", f"{hook['self']}/resume", None)
    assert resumed.json["status"] == "ACTIVE"
    assert (await stands(provider, hook, "FAILING"))["attempts"] == 1


async def test_gone_pauses_at_once_and_nothing_is_lost_by_it(
    served: Sandbox, provider: Client, hears: Receiver
) -> None:
    hears.answers = [410, 410]
    hook = await made(provider, hears)
    paused = await stands(provider, hook, "PAUSED")
    assert (paused["why"], paused["failure"]) == ("GONE", "STATUS_410")
    expected = {*await ids(provider)}
    hears.answers = []
    assert (await provider.send("POST", f"{hook['self']}/resume", None)).status == 200
    async with asyncio.timeout(PATIENCE_S):
        while {each.id for each in hears.got} != expected:
            await hears.until(len(hears.got) + 1)


async def test_what_was_under_way_at_a_restart_comes_again_with_its_id(
    tmp_path: Path, logged: io.StringIO, hears: Receiver
) -> None:
    under_way = asyncio.Event()

    async def never() -> web.StreamResponse:
        under_way.set()
        await asyncio.Event().wait()
        raise AssertionError

    hears.answers = [204, never]
    async with sandbox(tmp_path / "gateway.db", webhook_clock=HandClock()) as before:
        hook = await made(before.client(), hears)
        await under_way.wait()
        first = [each.id for each in hears.got]
    async with sandbox(tmp_path / "gateway.db", webhook_clock=HandClock()) as after:
        expected = await ids(after.client())
        got = [each.id for each in await hears.until(1 + len(expected))]
        assert got[:2] == first
        assert got[:1] + got[2:] == expected
        assert all(each.is_signed_with(hook["secret"]) for each in hears.got)
    kept = [each.read_bytes() for each in tmp_path.glob("gateway.db*")]
    assert not any(hook["secret"].removeprefix("whsec_").encode() in each for each in kept)


async def test_each_delivery_arrives_although_the_process_is_killed_while_one_is_under_way(
    tmp_path: Path, hears: Receiver
) -> None:
    """SIGKILL, three times, each time while a receiver holds a delivery; what comes twice has its id."""
    held = asyncio.Event()

    async def hold() -> web.StreamResponse:
        held.set()
        await asyncio.Event().wait()
        raise AssertionError

    with process(tmp_path) as gateway:
        async with ClientSession(gateway.url) as session:
            await asyncio.to_thread(gateway.until, "http.started")
            told = await asyncio.to_thread(spawn, "token", "--provider", "PRV01", cwd=tmp_path)
            provider = Client(session, told.out.decode().strip())
            hears.answers = [204, hold]
            hook = await made(provider, hears)
            expected = await ids(provider)
            for _ in range(3):
                await asyncio.wait_for(held.wait(), PATIENCE_S)
                held.clear()
                gateway.kill()
                hears.answers = [204, 204, hold]
                gateway.start()
            hears.answers = []
            async with asyncio.timeout(PATIENCE_S):
                while [*dict.fromkeys(each.id for each in hears.got)] != expected:
                    await hears.until(len(hears.got) + 1)
            assert all(each.is_signed_with(hook["secret"]) for each in hears.got)


async def test_deliveries_are_listed_and_sent_again_one_or_all_from_a_cursor(
    served: Sandbox, provider: Client, hears: Receiver
) -> None:
    hook = await made(provider, hears)
    expected = await ids(provider)
    await hears.until(len(expected))
    path = f"{hook['self']}/deliveries"
    async with asyncio.timeout(PATIENCE_S):
        while True:
            listed = (await provider.get(path)).json
            if {each["status"] for each in listed["deliveries"]} == {"TAKEN"}:
                break
            await asyncio.sleep(0.01)
    assert [each["event_id"] for each in listed["deliveries"]] == expected
    position = (await provider.get(hook["self"])).json["position"]
    assert (await provider.get(f"{path}?after={position}")).json["deliveries"] == []
    again = await provider.send("POST", path, {"event_id": expected[0]})
    assert again.json == {"event_id": expected[0], "taken": True, "failure": None}
    assert (await hears.until(len(expected) + 1))[-1].id == expected[0]
    hears.got.clear()
    cursor = listed["deliveries"][0]["cursor"]
    assert (await provider.send("POST", f"{hook['self']}/rewind", {"after": cursor})).status == 200
    got = await hears.until(len(expected) - 1)
    assert {each.id for each in got} == {*expected[1:]}
    for after, code in (("x", "BAD_CURSOR"), ("0.0.0.0", "CURSOR_OF_ANOTHER_HISTORY")):
        assert (await provider.send("POST", f"{hook['self']}/rewind", {"after": after})).code == code
    assert (await provider.send("POST", path, {"event_id": "x"})).code == "UNKNOWN_EVENT"


async def test_anothers_webhook_is_unknown_and_delivers_nothing_of_ones_own(
    served: Sandbox, provider: Client, hears: Receiver
) -> None:
    theirs = served.client("PRV02")
    hook = await made(theirs, hears, "outcomes")
    event_id = (await ids(provider))[0]
    assert (await theirs.send("POST", f"{hook['self']}/deliveries", {"event_id": event_id})).code == (
        "UNKNOWN_EVENT"
    )
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/resume"),
        ("GET", "/deliveries"),
    ):
        assert (await provider.ask(method, hook["self"] + path)).code == "UNKNOWN_WEBHOOK"
    assert (await provider.get("/v1/webhooks")).json == {"webhooks": []}
    await provider.new_referral("PO-THEIRS", provider_id="PRV02")
    assert (await theirs.record("PO-THEIRS", "k1")).status == 200
    assert (await provider.record("UC-MANDATORY", "k2")).status == 200
    assert [each.json["data"]["provider_id"] for each in await hears.until(1)] == ["PRV02"]


@pytest.mark.parametrize(
    "url",
    [
        "http://receiver.example/hook",
        "https://10.0.0.7/hook",
        "https://169.254.169.254/latest",
        "https://[::ffff:10.0.0.7]/hook",
        "https://[64:ff9b::a00:7]/hook",
        "https://224.0.0.1/hook",
        "https://user:secret@receiver.example/hook",
        "https://receiver.example/hook#part",
        "ftp://receiver.example/hook",
        "https://" + "x" * 2_000,
        "",
        7,
    ],
)
async def test_an_address_that_is_not_public_is_no_webhook(provider: Client, url: object) -> None:
    answer = await provider.send("POST", "/v1/webhooks", {"of": "instructions", "url": url})
    assert (answer.status, answer.code) == (400, "BAD_WEBHOOK_URL")


async def test_a_name_that_leads_to_a_private_address_is_not_connected_to(hears: Receiver) -> None:
    from gateway.api.webhooks.keys import Secrets
    from gateway.api.webhooks.sending import Message, Sender

    message = Message("PO1-1-1", "application/json", b"{}")
    sender = Sender(Secrets(b"k" * 32), origin="gateway", local=False)
    try:
        for host in "127.0.0.1", "localhost":
            url = hears.url.replace("127.0.0.1", host)
            assert (await sender.send("id", url, message, 0)).failure == "NOT_A_PUBLIC_ADDRESS"
    finally:
        await sender.close()
    assert hears.got == []


async def test_a_receiver_that_is_too_slow_has_failed(hears: Receiver) -> None:
    from gateway.api.webhooks.keys import Secrets
    from gateway.api.webhooks.sending import Message, Sender

    async def never() -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    hears.answers = [never]
    sender = Sender(Secrets(b"k" * 32), origin="gateway", local=True, timeout_s=0.05)
    try:
        found = await sender.send("id", hears.url, Message("PO1-1-1", "application/json", b"{}"), 0)
    finally:
        await sender.close()
    assert found.failure == "TOO_SLOW"


async def test_what_is_wrong_with_a_webhook_is_said(provider: Client, hears: Receiver) -> None:
    for body, code in (
        ({"of": "referrals", "url": hears.url}, "BAD_WEBHOOK"),
        ({"of": {}, "url": hears.url}, "BAD_WEBHOOK"),
        ({"of": "instructions", "url": hears.url, "topics": ["jobcentre.notices"]}, "BAD_WEBHOOK"),
        ({"of": "instructions", "url": hears.url, "secret": "mine"}, "BAD_WEBHOOK"),
        ({"of": "instructions", "url": hears.url, "after": "x"}, "BAD_CURSOR"),
        ({"of": "events", "url": hears.url}, "NOT_A_JOBCENTRE"),
    ):
        assert (await provider.send("POST", "/v1/webhooks", body)).code == code
    at_the_end = (await provider.get("/v1/instructions?limit=500")).json["next"]
    for _ in range(MOST):
        await made(provider, hears, after=at_the_end)
    named = {"of": "instructions", "url": hears.url}
    assert (await provider.send("POST", "/v1/webhooks", named)).code == "TOO_MANY_WEBHOOKS"
    assert hears.got == []
