"""/livez and /readyz: alive, and deciding what arrives; or why not."""

import asyncio
import errno
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gateway.api.server import application, serving
from gateway.backends.embedded.log import EmbeddedClaim, EmbeddedLog
from gateway.engine.log import Assignment, Batch, Commit, Draft, LogBusy, Loss, Lost, RecordsLost, Restored
from gateway.settings.settings import InvalidSettings
from gateway.system.errors import UserError
from tests.api.serving import Answer, gateway
from tests.ports import free_port

PERSONAL = "Featherstonehaugh"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log is."""
    return tmp_path / "gateway.db"


def is_ready(answer: Answer) -> bool:
    return answer.status == 200


def says(*words: str) -> Callable[[Answer], bool]:
    """Not ready, for a reason with these words."""
    return lambda answer: answer.status == 503 and all(word in answer.text for word in words)


def claims_as(log: EmbeddedLog, claim: Callable[[int], object]) -> None:
    """Before each claim, something happens."""
    as_it_is = log.claim

    async def claimed(partition: int) -> EmbeddedClaim:
        claim(partition)
        return await as_it_is(partition)

    setattr(log, "claim", claimed)  # noqa: B010 - a method is replaced


async def test_ready_when_all_that_is_assigned_is_restored_and_decided(path: Path) -> None:
    async with gateway(path, partitions=2) as served:
        answer = await served.until(is_ready)
        assert answer.type == "application/json"
        each = {
            "owned": True,
            "lost": False,
            "paused": False,
            "trouble": None,
            "lag_records": 0,
            "lag_s": 0.0,
        }
        there = {"0": each, "1": each}
        assert answer.json == {
            "ready": True,
            "reasons": [],
            "warnings": [],
            "projection": None,
            "partitions": there,
        }


async def test_not_ready_before_partitions_are_assigned_and_alive_all_the_same(path: Path) -> None:
    assigned = asyncio.Event()

    def prepare(log: EmbeddedLog) -> None:
        as_it_is = log.assigned

        async def later(after: int) -> Assignment:
            await assigned.wait()
            return await as_it_is(after)

        setattr(log, "assigned", later)  # noqa: B010

    async with gateway(path, prepare=prepare) as served:
        answer = await served.ready()
        assert answer.status == 503
        assert answer.json["reasons"] == ["no partitions have been assigned to it yet"]
        assert answer.json["partitions"] == {}
        alive = await served.ask("/livez")
        assert (alive.status, alive.text) == (200, "alive\n")
        assigned.set()
        await served.until(is_ready)


async def test_a_process_that_is_assigned_nothing_is_ready(path: Path) -> None:
    async def nothing(after: int) -> Assignment:
        if after:
            await asyncio.Event().wait()
        return Assignment(1, frozenset())

    async with gateway(path, prepare=lambda log: setattr(log, "assigned", nothing)) as served:
        answer = await served.until(is_ready)
        assert answer.json["partitions"] == {}


async def test_a_log_that_is_away_is_waited_for_and_the_reason_reported(path: Path) -> None:
    """In the log's own words; and when it is back, all goes on without a restart."""
    away = [True]

    def claim(_: int) -> None:
        if away[0]:
            raise LogBusy("the broker one:9092 does not answer")

    async with gateway(path, prepare=lambda log: claims_as(log, claim)) as served:
        answer = await served.until(says("the broker one:9092"))
        trouble = "the broker one:9092 does not answer; it is tried again by itself"
        assert answer.json["reasons"] == [f"partition 0: {trouble}"]
        assert answer.json["partitions"]["0"] == {
            "owned": False,
            "lost": False,
            "paused": False,
            "trouble": trouble,
            "lag_records": None,
            "lag_s": None,
        }
        away[0] = False
        await served.until(is_ready)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (ValueError, "the last attempt failed (ValueError)"),
        (TimeoutError, "the log does not answer (TimeoutError)"),
        (ConnectionResetError, "the log does not answer (ConnectionResetError)"),
    ],
)
async def test_of_another_error_only_its_kind_is_reported(
    kind: type[Exception], expected: str, path: Path
) -> None:
    def claim(_: int) -> None:
        raise kind(PERSONAL)

    async with gateway(path, prepare=lambda log: claims_as(log, claim)) as served:
        answer = await served.until(says(expected))
        assert PERSONAL not in answer.text


async def test_one_partition_in_trouble_is_enough_not_to_be_ready(path: Path) -> None:
    def claim(partition: int) -> None:
        if partition == 1:
            raise LogBusy("it is away")

    async with gateway(path, partitions=2, prepare=lambda log: claims_as(log, claim)) as served:
        answer = await served.until(says("partition 1: it is away"))
        await served.until(lambda answer: answer.json["partitions"]["0"]["owned"])
        assert not answer.json["ready"]


async def test_a_partition_whose_records_are_lost_is_shown_apart(path: Path) -> None:
    """And the others go on."""

    def claim(partition: int) -> None:
        if partition == 1:
            raise RecordsLost(1, [Loss("jobcentre.wp11", 3, 7, "offsets 3 to 6 were deleted")])

    async with gateway(path, partitions=2, prepare=lambda log: claims_as(log, claim)) as served:
        answer = await served.until(says("records of partition 1 are lost (offsets 3 to 6 were deleted)"))
        await served.until(lambda answer: answer.json["partitions"]["0"]["owned"])
        assert [each["lost"] for each in answer.json["partitions"].values()] == [False, True]
        metrics = (await served.ask("/metrics")).text
        assert 'gateway_partition_records_lost{partition="0"} 0.0' in metrics
        assert 'gateway_partition_records_lost{partition="1"} 1.0' in metrics


async def test_not_ready_while_a_state_is_restored(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restored = asyncio.Event()
    as_it_is = EmbeddedClaim.restore

    async def slowly(claim: EmbeddedClaim) -> Restored:
        await restored.wait()
        return await as_it_is(claim)

    monkeypatch.setattr(EmbeddedClaim, "restore", slowly)
    async with gateway(path) as served:
        await served.until(says("partition 0: its state is being restored"))
        restored.set()
        await served.until(is_ready)


async def test_not_ready_where_another_process_has_taken_a_partition(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = [False]
    as_it_is = EmbeddedClaim.read

    async def read(claim: EmbeddedClaim, room: Mapping[str, int], wait_s: float) -> Batch:
        if lost[0]:
            raise Lost("partition 0 has another owner now")
        return await as_it_is(claim, room, wait_s)

    monkeypatch.setattr(EmbeddedClaim, "read", read)
    monkeypatch.setattr(EmbeddedLog, "shared", True)
    async with gateway(path, claim_again_s=3_600) as served:
        await served.until(is_ready)
        lost[0] = True
        answer = await served.until(says("partition 0: another process has claimed it"))
        assert not answer.json["partitions"]["0"]["owned"]
        assert "gateway_partitions_lost_total 1.0\n" in (await served.ask("/metrics")).text


async def test_not_ready_any_more_when_told_to_stop(path: Path) -> None:
    async with gateway(path) as served:
        await served.until(is_ready)
        served.stop.set()
        answer = await served.ready()
        assert answer.status == 503
        assert answer.json["reasons"][0] == "it was told to stop"


async def test_what_is_decided_and_not_committed_yet_counts_as_behind(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that takes its time to commit shows in the lag, in records and in seconds."""
    committed = asyncio.Event()
    as_it_is = EmbeddedClaim.commit

    async def slowly(claim: EmbeddedClaim, step: Commit) -> None:
        await committed.wait()
        await as_it_is(claim, step)

    monkeypatch.setattr(EmbeddedClaim, "commit", slowly)
    async with gateway(path) as served:
        await served.log.append([Draft("jobcentre.wp11", b"X", b"nonsense")] * 3)
        answer = await served.until(lambda answer: answer.json["partitions"]["0"]["lag_records"] == 3)
        assert answer.status == 200
        earlier = answer.json["partitions"]["0"]["lag_s"]
        answer = await served.until(lambda answer: answer.json["partitions"]["0"]["lag_s"] > earlier)
        committed.set()
        answer = await served.until(lambda answer: answer.json["partitions"]["0"]["lag_records"] == 0)
        assert answer.json["partitions"]["0"]["lag_s"] == 0


async def test_without_the_wall_clock_no_lag_in_seconds_is_reported(path: Path) -> None:
    """With `--clock log` a record's time says nothing of how long it has been there."""
    async with gateway(path, until=0) as served:
        await served.end()
        answer = await served.ready()
        assert answer.json["partitions"]["0"]["lag_s"] is None
        assert answer.status == 200, "all is decided"


@pytest.mark.parametrize("path_asked", ["/", "/nope?po_number=PO1", "/livez/", "/%00", "/v1/../x"])
async def test_a_path_that_is_not_there_is_a_problem_with_a_code(path: Path, path_asked: str) -> None:
    async with gateway(path) as served:
        answer = await served.ask(path_asked)
    assert answer.status == 404
    assert answer.type == "application/problem+json"
    assert answer.json == {
        "type": "/problems/NOT_FOUND",
        "title": "Not Found",
        "status": 404,
        "code": "NOT_FOUND",
        "detail": "There is nothing under this path; check it.",
    }


async def test_a_method_that_a_path_does_not_take_is_a_problem_with_a_code(path: Path) -> None:
    async with gateway(path) as served:
        answer = await served.ask("/readyz", "POST")
    assert (answer.status, answer.json["code"]) == (405, "METHOD_NOT_ALLOWED")


async def test_an_answer_that_fails_shows_nothing_of_why(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError(PERSONAL)

    async with gateway(path) as served:
        await served.until(is_ready)
        monkeypatch.setattr("gateway.api.health.partitions", fail)
        answer = await served.ready()
    assert (answer.status, answer.json["code"]) == (500, "INTERNAL_SERVER_ERROR")
    assert PERSONAL not in answer.text


async def test_a_port_that_is_taken_is_reported_with_the_setting_that_mends_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UserError) as raised:
            async with serving(application([]), "127.0.0.1", port):
                pass
    assert str(raised.value) == (
        f"another program, perhaps another gateway, listens on port {port} of 127.0.0.1; set "
        "GATEWAY_HTTP_PORT to another port, or to 0 for no HTTP"
    )


@pytest.mark.parametrize("host", ["203.0.113.7", "nowhere.invalid", "not an address"])
async def test_an_address_of_another_machine_is_reported_with_its_setting(host: str) -> None:
    with pytest.raises(InvalidSettings, match="GATEWAY_HTTP_HOST is no address of this machine"):
        async with serving(application([]), host, free_port()):
            pass


async def test_a_port_that_this_user_may_not_use_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who runs the tests may be allowed all ports, so the system's answer is put in its place."""

    async def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_server", refused)
    with pytest.raises(InvalidSettings, match="set GATEWAY_HTTP_PORT to one from 1024 on"):
        async with serving(application([]), "127.0.0.1", 80):
            pass


async def test_the_port_is_free_again_when_the_gateway_has_ended() -> None:
    port = free_port()
    for _ in range(2):
        async with serving(application([]), "127.0.0.1", port):
            pass
