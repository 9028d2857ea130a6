"""Dead letters are handled once: what is put back comes back whole, with its mark or not at all."""

import asyncio
import random
from collections.abc import Mapping

import pytest

from gateway.engine.log import INBOUND_TOPICS, Draft, Handled, Log, LogBusy
from gateway.engine.partitioner import partition_for
from tests.log.arrangement import BEGINNING, Arrangement
from tests.log.reading import (
    FIRST,
    REFERRALS,
    SECOND,
    SESSIONS,
    WP11,
    draft,
    followed,
    owned,
    read_to_end,
    step,
    values,
)


def done(handled: Mapping[str, Handled]) -> dict[str, str]:
    """What was done with each letter."""
    return {letter: mark.done for letter, mark in handled.items()}


async def test_where_nothing_was_handled_nothing_is_marked(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    assert await log.handled() == {}
    assert await log.handle({}) == frozenset()
    assert await log.handled() == {}


async def test_what_is_put_back_comes_with_its_key_bytes_and_headers(arrangement: Arrangement) -> None:
    """On the partition of its key, like all that arrives."""
    log = await arrangement.open()
    headers = (("traceparent", b"\x00\xff"), ("empty", b""), ("null", None), ("twice", b"a"), ("twice", b"b"))
    back = {
        "a": Draft(WP11, FIRST, bytes(range(256)), headers),
        "b": Draft(SESSIONS, SECOND, b"", ()),
        "c": Draft(SESSIONS, None, None, headers),
    }
    assert await log.handle(back) == {"a", "b", "c"}
    found = {}
    for partition in range(2):
        claim, _ = await owned(log, partition)
        for record in (await read_to_end(claim))[0]:
            assert record.partition == partition == partition_for(record.key, 2)
            found[record.key] = (record.topic, record.value, record.headers)
    assert found == {draft.key: (draft.topic, draft.value, draft.headers) for draft in back.values()}


async def test_what_is_put_back_comes_behind_all_that_has_arrived(arrangement: Arrangement) -> None:
    """In the order in which it was given, and dated so."""
    log = await arrangement.open()
    await log.append([draft(WP11, b"a")])
    await arrangement.pass_time()
    await log.append([draft(WP11, b"b")])
    await arrangement.pass_time()
    await log.handle({name: draft(WP11, name.encode()) for name in ("z", "y", "x")})
    await log.append([draft(WP11, b"c")])
    claim, _ = await owned(log)
    records, _ = await read_to_end(claim)
    assert values(records) == [b"a", b"b", b"z", b"y", b"x", b"c"]
    stamps = [record.timestamp for record in records]
    assert stamps == sorted(stamps)
    assert BEGINNING <= stamps[0] < stamps[1] <= stamps[2]


async def test_who_is_reading_gets_what_is_put_back(arrangement: Arrangement) -> None:
    """And stays the owner of the partition."""
    log, other = await arrangement.open(), await arrangement.open()
    claim, first = await owned(log)
    assert values((await read_to_end(claim))[0]) == []
    await other.handle({"a": draft(WP11, b"back"), "b": None})
    (record,), _ = await read_to_end(claim)
    assert record.value == b"back"
    await claim.commit(step({**first.positions, WP11: record.offset + 1}, states={"PO1": b"1"}))
    _, restored = await owned(other)
    assert restored.states == {"PO1": b"1"}
    assert restored.positions[WP11] == record.offset + 1


async def test_what_was_done_is_known_to_all(arrangement: Arrangement) -> None:
    log, other = await arrangement.open(), await arrangement.open()
    await log.handle({"jobcentre.wp11-0-1": draft(WP11, b"a"), "é / 2": None})
    await arrangement.pass_time()
    await other.handle({"3": None})
    for handle in (log, other, await arrangement.open()):
        assert done(await handle.handled()) == {
            "jobcentre.wp11-0-1": "REPLAYED",
            "é / 2": "DISCARDED",
            "3": "DISCARDED",
        }


async def test_it_is_known_when_it_was_done(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    await log.handle({"1": draft(WP11, b"a")})
    await arrangement.pass_time()
    await log.handle({"2": None, "1": None})
    handled = await log.handled()
    assert BEGINNING <= handled["1"].at < handled["2"].at


async def test_a_discarded_letter_puts_nothing_back(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    assert await log.handle({"a": None}) == {"a"}
    assert await followed(log, INBOUND_TOPICS) == []


@pytest.mark.parametrize("first", ["REPLAYED", "DISCARDED"])
@pytest.mark.parametrize("second", ["REPLAYED", "DISCARDED"])
async def test_a_letter_that_was_handled_is_left_as_it_is(
    arrangement: Arrangement, first: str, second: str
) -> None:
    """Whatever was done with it, and whoever comes second; those beside it are handled."""
    log, other = await arrangement.open(), await arrangement.open()
    what = {"REPLAYED": draft(WP11, b"a"), "DISCARDED": None}
    assert await log.handle({"a": what[first]}) == {"a"}
    before = await log.handled()
    assert await other.handle({"a": what[second], "b": draft(REFERRALS, b"b")}) == {"b"}
    assert await log.handle({"a": what[second]}) == frozenset()
    after = await log.handled()
    assert after["a"] == before["a"]
    assert done(after) == {"a": first, "b": "REPLAYED"}
    assert values(await followed(log, [WP11])) == ([b"a"] if first == "REPLAYED" else [])
    assert values(await followed(log, [REFERRALS])) == [b"b"]


# A simulated log writes whatever it is given.
@pytest.mark.parametrize("arrangement", ["sqlite", "kafka", "kafka, dated"], indirect=True)
async def test_what_can_not_be_put_back_is_not_marked_either(arrangement: Arrangement) -> None:
    """Here the last record is none at all."""
    log = await arrangement.open()
    broken = Draft(WP11, FIRST, object())  # type: ignore[arg-type]
    try:
        await log.handle({"a": draft(WP11, b"a"), "b": None, "c": broken})
    except Exception:  # noqa: BLE001 - which one is up to the log
        assert await log.handled() == {}
        assert await followed(log, INBOUND_TOPICS) == []
        assert await log.handle({"a": draft(WP11, b"a"), "b": None}) == {"a", "b"}
        assert values(await followed(log, [WP11])) == [b"a"]
    else:
        pytest.fail("it was put back")


async def test_of_many_at_the_same_time_one_puts_a_letter_back(arrangement: Arrangement) -> None:
    """Each of four is at work on the same letters, and tries again where it may."""
    handles = [await arrangement.open() for _ in range(4)]
    letters = [str(number) for number in range(12)]

    rng = random.Random(7)

    async def put_back(log: Log) -> list[str]:
        won: list[str] = []
        longest_s = 0.1
        for number in range(0, 12, 3):
            some = {name: draft(WP11, name.encode()) for name in letters[number : number + 3]}
            while True:
                try:
                    won += await log.handle(some)
                    break
                except LogBusy:
                    await asyncio.sleep(rng.uniform(0, longest_s))  # or they would keep each other from it
                    longest_s *= 2
        return won

    async with asyncio.timeout(240):  # on a busy machine they fence one another for long
        won = await asyncio.gather(*(put_back(handle) for handle in handles))
    won_by_all = [letter for mine in won for letter in mine]
    assert len(set(won_by_all)) == len(won_by_all)
    assert set(won_by_all) <= set(letters)
    came = [value.decode() for value in values(await followed(handles[0], [WP11])) if value]
    assert sorted(came) == sorted(letters)
    assert done(await handles[1].handled()) == dict.fromkeys(letters, "REPLAYED")


async def test_many_letters_are_handled_whole(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    back = {f"letter-{number}": draft(SESSIONS, b"%d" % number * 500) for number in range(2_000)}
    assert len(await log.handle(back)) == 2_000
    assert values(await followed(log, [SESSIONS])) == [d.value for d in back.values()]
    assert len(await log.handled()) == 2_000
