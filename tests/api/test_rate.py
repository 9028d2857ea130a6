"""Each provider may ask so often, and what one asks for takes nothing from another."""

import pytest

from gateway.api import rate
from gateway.api.callers import OPERATE, Caller, Refusals
from gateway.api.problems import Problem
from gateway.api.rate import Rate
from tests.api.tokens import Clock


def provider(*ids: str) -> Caller:
    return Caller(frozenset(ids), frozenset(), "client", 0)


def operator(subject: str) -> Caller:
    return Caller(frozenset(), frozenset({OPERATE}), subject, 0)


@pytest.fixture
def clock() -> Clock:
    return Clock(0)


@pytest.fixture
def refused() -> list[str]:
    return []


@pytest.fixture
def ten(clock: Clock, refused: list[str]) -> Rate:
    """10 a second, and 20 at once."""
    return Rate(10, 20, Refusals(refused.append), now_s=clock)


def taken(limit: Rate, caller: Caller, most: int = 1_000) -> int:
    """How many requests are let through one after the other."""
    for count in range(most):
        try:
            limit.take(caller)
        except Problem:
            return count
    return most


def test_after_a_burst_there_is_room_again_by_and_by(ten: Rate, clock: Clock) -> None:
    assert taken(ten, provider("PRV01")) == 20
    clock.at += 0.5
    assert taken(ten, provider("PRV01")) == 5
    clock.at += 0.05
    assert taken(ten, provider("PRV01")) == 0
    clock.at += 0.06
    assert taken(ten, provider("PRV01")) == 1
    clock.at += 3_600
    assert taken(ten, provider("PRV01")) == 20


def test_who_asks_too_often_learns_after_how_many_whole_seconds_there_is_room(
    clock: Clock, refused: list[str]
) -> None:
    slow = Rate(0.3, 1, Refusals(refused.append), now_s=clock)
    slow.take(provider("PRV01"))
    for waited_s, expected in ((0, "4"), (2.4, "1"), (3.3, "1")):
        clock.at = waited_s
        with pytest.raises(Problem) as raised:
            slow.take(provider("PRV01"))
        answer = raised.value.answer()
        assert answer.status == 429
        assert answer.headers["Retry-After"] == expected
    clock.at = 3.34
    slow.take(provider("PRV01"))
    assert refused == ["rate"] * 3


def test_each_provider_and_each_operator_has_a_bucket_of_its_own(ten: Rate) -> None:
    for caller in (provider("A"), provider("B"), operator("A"), operator("B"), operator("")):
        assert taken(ten, caller) == 20


def test_who_speaks_for_several_is_counted_as_the_first(ten: Rate) -> None:
    assert taken(ten, provider("B", "A")) == 20
    assert taken(ten, provider("A")) == 0
    assert taken(ten, provider("A", "C")) == 0
    assert taken(ten, provider("B")) == 20


def test_many_requests_at_once_are_taken_or_refused_as_a_whole(ten: Rate, clock: Clock) -> None:
    ten.take(provider("A"), 15)
    with pytest.raises(Problem):
        ten.take(provider("A"), 6)
    ten.take(provider("A"), 5)
    clock.at += 2
    ten.take(provider("A"), 1_000)
    assert taken(ten, provider("A")) == 0


def test_there_are_no_more_buckets_than_there_is_room_for(ten: Rate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "MOST_BUCKETS", 3)
    for name in ("A", "B", "C"):
        assert taken(ten, provider(name)) == 20
    assert taken(ten, provider("A")) == 0
    ten.take(provider("D"))
    assert len(ten._buckets) == 3
    assert taken(ten, provider("A")) == 0, "the one that was not used for longest made room"
    assert taken(ten, provider("B")) == 20
