"""Over HTTP in one process, deciding in another: as one gateway to all who deal with it."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from gateway.backends.embedded.log import open_sqlite
from tests.apart.running import (
    deciders,
    gateway,
    is_alive,
    known,
    outcomes,
    post,
    refer,
    until_gone,
    until_it_says,
    writer,
)
from tests.api.running import until_ready
from tests.patience import PATIENCE_S
from tests.reading.test_made_anew import damage, mended

POSTS = 40


def kill(pid: int) -> None:
    """Kill a process that may be gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """With a log on which there are referrals."""
    await refer(tmp_path / "gateway.db")
    return tmp_path


async def value_of(session: ClientSession, name: str) -> float:
    """The sum of a metric's series."""
    async with session.get("/metrics") as answer:
        families = text_string_to_metric_families(await answer.text())
        return sum(sample.value for family in families for sample in family.samples if sample.name == name)


async def test_what_is_posted_is_decided_and_can_be_asked_for(folder: Path) -> None:
    with gateway(folder) as made:
        async with ClientSession(made.url) as session, asyncio.timeout(PATIENCE_S):
            provider = await known(made, session)
            assert {(await post(provider, number, wait=20)).status for number in range(POSTS)} == {200}
            later = range(POSTS, 2 * POSTS)
            answers = await asyncio.gather(*(post(provider, number) for number in later))
            assert {answer.status for answer in answers} == {202}
            # The same again brings nothing new, whether it has been read back or not.
            again = await asyncio.gather(*(post(provider, number, wait=20) for number in later))
            assert {answer.status for answer in again} == {200}
            ended = 4 + 2 * POSTS

            async def are_counted() -> bool:
                return await value_of(session, "gateway_decisions_total") >= ended

            await until_it_says(are_counted)
            assert await value_of(session, "gateway_decisions_total") == ended
            assert await value_of(session, "gateway_messages_total") == ended
            assert await value_of(session, "gateway_commit_seconds_count") > 0
            assert await value_of(session, "gateway_restore_seconds_count") == 1
            assert await value_of(session, "gateway_partition_purchase_orders") == 4
            assert await value_of(session, "process_resident_memory_bytes") > 0
            assert await value_of(session, "deciders_process_resident_memory_bytes") > 0
        made.tell_to_stop()
        assert made.ended() == 0
        assert [line["decided"] for line in made.told if line["event"] == "gateway.stopped"] == [ended]
    found = await outcomes(folder / "gateway.db")
    assert len(found) == ended
    assert set(found.values()) == {1}


async def test_a_process_that_decides_and_is_killed_ends_the_gateway_with_a_sentence(folder: Path) -> None:
    with gateway(folder) as made:
        async with ClientSession(made.url) as session:
            await known(made, session)
        os.kill(deciders(made), signal.SIGKILL)
        assert made.ended() == 1
        last = made.said.splitlines()[-1]
        assert last.startswith("gateway: the process that decides was stopped")
        assert "start the gateway again" in last
        assert "Traceback" not in made.said


async def test_when_the_gateway_is_killed_so_is_the_rest_and_all_is_decided_once_by_the_next(
    folder: Path,
) -> None:
    answered: list[str] = []
    with gateway(folder) as made:
        for life in range(3):
            async with ClientSession(made.url) as session, asyncio.timeout(PATIENCE_S):
                provider = await known(made, session)
                for number in range(life * POSTS, (life + 1) * POSTS):
                    answer = await post(provider, number)
                    assert answer.status == 202
                    answered.append(f"k-{number}")
            orphan = deciders(made)
            made.kill()
            made.start()  # at once, while the other may not have seen it yet
            until_gone(orphan)
        async with ClientSession(made.url) as session, asyncio.timeout(PATIENCE_S):
            await until_ready(session)
            provider = made.client(session)

            async def are_decided() -> bool:
                asked = [await provider.get(f"/v1/messages/{key}") for key in answered]
                assert {answer.status for answer in asked} == {200}
                return "PENDING" not in {answer.json["status"] for answer in asked}

            await until_it_says(are_decided)
        made.tell_to_stop()
        assert made.ended() == 0
    found = await outcomes(folder / "gateway.db")
    assert found.keys() >= set(answered)
    assert set(found.values()) == {1}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("to", ["it alone", "all"])
async def test_it_ends_with_0_when_it_is_told_to_stop_alone_or_with_all_that_it_started(
    number: signal.Signals, to: str, folder: Path
) -> None:
    """A terminal and systemd tell all processes."""
    with gateway(folder) as made:
        async with ClientSession(made.url) as session:
            await known(made, session)
        apart = deciders(made)
        assert made.process is not None
        if to == "all":
            os.killpg(made.process.pid, number)
        else:
            made.process.send_signal(number)
        assert made.ended() == 0
        assert not is_alive(apart)
        events = [line["event"] for line in made.told]
        assert events[-2:] == ["gateway.stopping", "gateway.stopped"]
        assert made.told[-1]["decided"] == 4


async def test_one_that_gives_no_sign_of_life_is_told_of_until_it_does(folder: Path) -> None:
    with gateway(folder) as made:
        async with ClientSession(made.url) as session, asyncio.timeout(PATIENCE_S):
            await known(made, session)
            apart = deciders(made)
            os.kill(apart, signal.SIGSTOP)
            said: list[str] = []

            async def is_told() -> bool:
                async with session.get("/readyz") as answer:
                    said[:] = (await answer.json())["reasons"]
                return bool(said)

            await until_it_says(is_told)
            (reason,) = said
            assert reason.startswith("partition 0: the process that decides has given no sign of life for")
            os.kill(apart, signal.SIGCONT)
            await until_ready(session)


async def test_one_that_is_held_up_when_it_is_told_to_stop_is_killed(folder: Path) -> None:
    with gateway(folder) as made:
        async with ClientSession(made.url) as session:
            await known(made, session)
        apart = deciders(made)
        os.kill(apart, signal.SIGSTOP)
        made.tell_to_stop()
        assert made.ended() == 0
        assert not is_alive(apart)
        events = [line["event"] for line in made.told]
        assert events[-3:] == ["gateway.stopping", "deciders.killed", "gateway.stopped"]


async def test_one_that_is_held_up_in_a_large_step_is_gone_with_the_gateway(folder: Path) -> None:
    """What writes it, too: else it would write, and keep others from it, when the gateway has ended."""
    with gateway(folder) as made:
        async with ClientSession(made.url) as session, asyncio.timeout(PATIENCE_S):
            await known(made, session)
            writing = writer(made)
            os.kill(writing, signal.SIGSTOP)
            try:
                await refer(folder / "gateway.db", range(4, 1_004))

                async def is_decided() -> bool:
                    return await value_of(session, "gateway_partition_lag_records") >= 1_000

                await until_it_says(is_decided)
                made.tell_to_stop()
                assert await asyncio.to_thread(made.ended) == 0
                assert not is_alive(writing)
            finally:
                kill(writing)


async def test_that_what_decides_was_killed_is_seen_while_what_writes_is_held_up(folder: Path) -> None:
    with gateway(folder) as made:
        async with ClientSession(made.url) as session:
            await known(made, session)
        writing = writer(made)
        os.kill(writing, signal.SIGSTOP)
        try:
            os.kill(deciders(made), signal.SIGKILL)
            assert made.ended() == 1
        finally:
            kill(writing)


@pytest.mark.parametrize("then", ["removed", "replaced"])
async def test_a_log_that_is_removed_or_replaced_under_it_ends_the_gateway_with_a_sentence(
    then: str, folder: Path
) -> None:
    path = folder / "gateway.db"
    with gateway(folder) as made:
        async with ClientSession(made.url) as session:
            await known(made, session)
        if then == "removed":
            path.unlink()
        else:
            other = folder / "other.db"
            await refer(other)
            other.rename(path)
        assert made.ended() == 1
        assert made.said.splitlines()[-1] == (
            "gateway: the log gateway.db was removed or replaced while it was in use; see to what did that, "
            "put the file back, and start again"
        )


async def test_what_decides_and_cannot_go_on_says_why_as_if_it_were_one_process(folder: Path) -> None:
    """Another process claims its partition, against the lock."""
    with gateway(folder) as made:
        async with ClientSession(made.url) as session:
            await known(made, session)
        log = await open_sqlite(folder / "gateway.db")
        await log.claim(0)
        await log.close()
        assert made.ended() == 1
        assert made.said.splitlines()[-1] == "gateway: partition 0 has another owner now"


async def test_a_projection_that_is_damaged_is_made_anew_and_asked_again(folder: Path) -> None:
    with gateway(folder) as made:
        async with ClientSession(made.url) as session, asyncio.timeout(PATIENCE_S):
            provider = await known(made, session)
            damage(folder / "gateway.db.projection")
            answer = await provider.get("/v1/referrals")
            assert (answer.status, answer.code) == (503, "PROJECTION_UNREADABLE")
            assert await mended(provider) == {f"PO-{number}" for number in range(4)}
            await until_ready(session)
            assert (await post(provider, 1, wait=20)).status == 200
        assert [line["event"] for line in made.told].count("projection.unreadable") == 1


async def test_a_projection_that_another_gateway_uses_is_refused_before_anything_is_served(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    with gateway(folder) as made:
        made.until("http.started")
        with gateway(other, projection=str(folder / "gateway.db.projection")) as second:
            assert second.ended() == 1
            assert second.said.splitlines()[-1].startswith("gateway: another gateway uses the projection")
            assert "http.started" not in second.said
