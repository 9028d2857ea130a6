"""What the two processes tell each other arrives as it was sent, or not at all."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec import Struct, msgpack

from gateway.api.counts import Counts
from gateway.engine.log import LogError, Lost
from gateway.engine.step import Standing
from gateway.processes.apart import frames, wire
from gateway.processes.apart.frames import (
    Arrived,
    Begin,
    Begun,
    Close,
    Counted,
    Damaged,
    Decide,
    Ended,
    FromDeciders,
    How,
    News,
    Projected,
    Stop,
    ToDeciders,
    error_of,
    failed,
    news_of,
)
from gateway.processes.apart.wire import BadFrame, Wire, opened
from gateway.reading.filling import Filled
from gateway.settings.settings import InvalidSettings

ORDERS = [Begin(), Decide(), Arrived(plans=False), Arrived(plans=True), Damaged(3), Stop(), Close()]
PROJECTED = Projected(filled=True, made_anew=1, behind=7, trouble=None, partitions=2)
TOLD = [
    Begun(),
    How(None, "nobody knows yet", {}, {}, 0, PROJECTED),
    How(frozenset({0, 1}), "", {0: "it is away"}, {1: Standing(5, 1_000, 7)}, 12, PROJECTED),
    Counted(Counts(3, {("a", "REFUSED", "CODE"): 2}, {"FAILED": 1}, {"a": 3}, [0.5], [0.25], 1, 2)),
    News(["PO-1"], ["PRV01"], [("PRV01", "m-1")]),
    Ended(12),
]


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[Wire[Any], Wire[Any]]]:
    """Both ends: that of the parent, and that of the process that decides."""
    ours, theirs = socket.socketpair()
    here, there = await opened(ours, FromDeciders), await opened(theirs, ToDeciders)
    yield here, there
    await here.close()
    await there.close()


async def test_each_frame_arrives_as_it_was_sent_and_in_order() -> None:
    async with pair() as (here, there):
        for order in ORDERS:
            here.send(order)
        for told in TOLD:
            there.send(told)
        assert [await there.receive() for _ in ORDERS] == ORDERS
        assert [await here.receive() for _ in TOLD] == TOLD


async def test_both_may_send_more_than_the_wire_holds_before_either_reads() -> None:
    much = News(["P" * 1_000] * 1_000, [], [])
    async with pair() as (here, there):
        for _ in range(20):
            there.send(much)
        for _ in range(20_000):
            here.send(Arrived(plans=True))
        assert [await here.receive() for _ in range(20)] == [much] * 20
        assert {await there.receive() for _ in range(20_000)} == {Arrived(plans=True)}


async def test_hints_that_nobody_reads_are_not_piled_up() -> None:
    async with pair() as (here, _):
        for _ in range(200_000):
            here.hint(Arrived(plans=False))
        assert here._writer.transport.get_write_buffer_size() < 2 * wire.MOST_UNREAD


@pytest.mark.parametrize("cut", [1, 4, 6])
async def test_a_frame_that_is_cut_is_none(cut: int) -> None:
    ours, theirs = socket.socketpair()
    here = await opened(ours, FromDeciders)
    theirs.sendall(b"\0\0\0\x09" + b"\0" * (cut - 4) if cut > 4 else b"\0\0\0\x09"[:cut])
    theirs.close()
    assert await here.receive() is None
    await here.close()


@pytest.mark.parametrize(
    ("sent", "expected"),
    [(b"\x7f\xff\xff\xff", "2,147,483,647 bytes came"), (b"\0\0\0\x01\xc1", "1 bytes can't be read")],
)
async def test_what_is_no_frame_is_refused(sent: bytes, expected: str) -> None:
    ours, theirs = socket.socketpair()
    here = await opened(ours, FromDeciders)
    theirs.sendall(sent)
    with pytest.raises(BadFrame, match=expected):
        await here.receive()
    theirs.close()
    await here.close()


async def test_a_frame_that_is_too_large_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LARGEST", 100)
    async with pair() as (_, there):
        with pytest.raises(BadFrame, match="was to be sent"):
            there.send(News(["P" * 100], [], []))


def test_much_news_is_told_in_parts_that_hold_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "NAMES", 2)
    filled = Filled(frozenset("abcde"), frozenset("xyz"), [("x", "1"), ("y", "2")])
    parts = list(news_of(filled))
    assert len(parts) == 5
    assert {name for part in parts for name in part.po_numbers} == filled.po_numbers
    assert {name for part in parts for name in part.providers} == filled.providers
    assert [name for part in parts for name in part.messages] == filled.messages
    assert list(news_of(Filled(frozenset(), frozenset(), []))) == []


def test_news_of_names_that_are_large_comes_in_frames_that_are_not() -> None:
    """A record that is fed may have a name of a mebibyte."""
    names = [str(number).rjust(1024 * 1024 - 100, "é") for number in range(20)]
    filled = Filled(frozenset(names), frozenset(), [("PRV01", name) for name in names])
    parts = list(news_of(filled))
    assert max(len(msgpack.encode(part)) for part in parts) < wire.LARGEST
    assert {name for part in parts for name in part.po_numbers} == filled.po_numbers
    assert [name for part in parts for name in part.messages] == filled.messages


class Peculiar(Exception):
    """One that can't be made from its message alone."""

    def __init__(self, one: Struct, other: Struct) -> None:
        super().__init__(f"{one} {other}")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (LogError("make room"), LogError),
        (Lost("it is another's"), Lost),
        (InvalidSettings("set it"), InvalidSettings),
    ],
)
def test_an_error_is_the_same_on_the_other_side_with_where_it_was_raised(
    error: Exception, kind: type[Exception]
) -> None:
    told = error_of(failed(error))
    assert type(told) is kind
    assert str(told) == str(error)
    assert kind.__name__ in told.__notes__[-1]


def test_of_an_error_that_cannot_be_made_again_its_kind_is_told() -> None:
    told = error_of(failed(Peculiar(Stop(), Stop())))
    assert isinstance(told, RuntimeError)
    assert str(told) == "Peculiar"


async def test_the_end_is_heard_where_the_other_side_is_gone() -> None:
    async with asyncio.timeout(60), pair() as (here, there):
        there.send(Ended(1))
        await there.close()
        assert await here.receive() == Ended(1)
        assert await here.receive() is None
