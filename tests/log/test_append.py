"""Records come onto their topics: all or none, at their time, on the partition of their key."""

import asyncio
from collections.abc import Iterator

import pytest

from gateway.engine.log import AUDIT, DEAD_LETTERS, INBOUND_TOPICS, Draft, LogError
from gateway.engine.partitioner import murmur2, partition_for
from tests.log.arrangement import BEGINNING, Arrangement
from tests.log.reading import (
    FIRST,
    OUT,
    SECOND,
    SESSIONS,
    WP11,
    draft,
    followed,
    owned,
    read_to_end,
    values,
)


async def test_appended_records_are_read_with_bytes_key_headers_and_timestamp_intact(
    arrangement: Arrangement,
) -> None:
    log = await arrangement.open()
    claim, _ = await owned(log)
    headers = (("ce_id", b"1"), ("empty", b""), ("null", None), ("twice", b"a"), ("twice", bytes(range(256))))
    date = BEGINNING if arrangement.dated else None
    strange = Draft(WP11, FIRST, bytes(range(256)), headers, date)
    assert await log.append([strange]) == 1
    (record,), _ = await read_to_end(claim)
    assert (record.topic, record.partition) == (WP11, 0)
    assert (record.key, record.value, record.headers) == (FIRST, strange.value, headers)
    if arrangement.dated:
        assert record.timestamp == BEGINNING


async def test_a_log_that_dates_records_itself_refuses_those_that_are_dated(arrangement: Arrangement) -> None:
    """Rather than date them anew. None of them is put."""
    log = await arrangement.open()
    claim, _ = await owned(log)
    drafts = [draft(WP11, b"1", timestamp=BEGINNING), draft(WP11, b"2", timestamp=BEGINNING)]
    if arrangement.dated:
        assert await log.append(drafts) == 2
    else:
        with pytest.raises(LogError, match="--timestamps create"):
            await log.append(drafts)
    assert len((await read_to_end(claim))[0]) == (2 if arrangement.dated else 0)


async def test_a_record_may_lack_key_value_and_headers(arrangement: Arrangement) -> None:
    """Without a key it is on the first partition. An empty value is not a missing one."""
    log = await arrangement.open()
    claim, _ = await owned(log)
    await log.append([Draft(WP11, None, None), Draft(WP11, b"", b"")])
    records, _ = await read_to_end(claim)
    at_first = [(record.key, record.value, record.headers) for record in records]
    assert at_first[0] == (None, None, ())
    assert partition_for(b"", 2) != 0 or at_first[1] == (b"", b"", ())


async def test_a_record_is_on_the_partition_that_murmur2_gives_its_key(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    keys = [f"PO-{number}".encode() for number in range(40)]
    await log.append(draft(SESSIONS, key, key) for key in keys)
    found = {}
    for partition in range(2):
        claim, _ = await owned(log, partition)
        for record in (await read_to_end(claim))[0]:
            assert record.partition == partition
            found[record.key] = partition
    assert found == {key: murmur2(key) % 2 for key in keys}
    assert await log.partitions() == 2


async def test_append_says_how_many_it_put(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    assert await log.append([]) == 0
    assert await log.append(draft(WP11, b"%d" % number) for number in range(3)) == 3


async def test_all_records_are_put_or_none(arrangement: Arrangement) -> None:
    """Here the sender's own list breaks in the middle."""
    log = await arrangement.open()

    def breaking() -> Iterator[Draft]:
        yield draft(WP11, b"a")
        raise KeyError("the file ends here")

    with pytest.raises(KeyError):
        await log.append(breaking())
    assert await followed(log, INBOUND_TOPICS) == []
    await log.append([draft(WP11, b"b")])
    assert values(await followed(log, INBOUND_TOPICS)) == [b"b"]


async def test_what_the_log_dates_itself_never_goes_back(arrangement: Arrangement) -> None:
    """Not even where its clock does."""
    log, other = await arrangement.open(), await arrangement.open()
    for turn in range(6):
        await (log if turn % 2 else other).append([draft(WP11, b"%d" % turn)])
        if turn == 3:
            await arrangement.step_back()
        else:
            await arrangement.pass_time()
    stamps = [record.timestamp for record in await followed(log, [WP11])]
    assert stamps == sorted(stamps)
    assert stamps[0] >= BEGINNING
    assert stamps[0] < stamps[3]


async def test_senders_at_the_same_time_lose_nothing(arrangement: Arrangement) -> None:
    handles = [await arrangement.open() for _ in range(3)]

    async def send(number: int) -> None:
        for turn in range(10):
            await handles[number].append(
                draft(topic, b"%d %d" % (number, turn), key)
                for topic in INBOUND_TOPICS
                for key in (FIRST, SECOND)
            )

    await asyncio.gather(*(send(number) for number in range(3)))
    records = await followed(handles[0], INBOUND_TOPICS)
    assert len(records) == 3 * 10 * 8
    places = [(record.topic, record.partition, record.offset) for record in records]
    assert len(set(places)) == len(places)


async def test_records_are_not_decided_by_being_put(arrangement: Arrangement) -> None:
    """Nothing is on the way out until somebody commits it."""
    log = await arrangement.open()
    await log.append([draft(WP11, b"a")])
    assert await followed(log, [OUT]) == []


async def test_what_was_done_by_hand_is_kept_apart_and_read_in_order(arrangement: Arrangement) -> None:
    """It is nothing that a claim reads, and the dead letters are found beside it."""
    log = await arrangement.open()
    claim, _ = await owned(log)
    acts = [Draft(AUDIT, b"LOOKED", number) for number in (b"1", b"2")]
    assert await log.append([acts[0]]) == 1
    assert await log.append([acts[1]]) == 1
    assert values(await followed(log, [AUDIT])) == [b"1", b"2"]
    assert await followed(log, [DEAD_LETTERS]) == []
    records, _ = await read_to_end(claim)
    assert records == []
