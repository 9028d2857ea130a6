"""Reading: in order, only what is new, no more than there is room for; and what is said of silence."""

import asyncio
import random

import pytest

from gateway.engine.log import INBOUND_TOPICS, Record
from tests.log.arrangement import Arrangement
from tests.log.reading import (
    FIRST,
    PLENTY,
    REFERRALS,
    SECOND,
    SESSIONS,
    UPDATES,
    WP11,
    batches,
    draft,
    owned,
    read_to_end,
    step,
    values,
)
from tests.patience import PATIENCE_S


async def test_reading_begins_with_the_first_record_and_gives_each_once(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    await log.append([draft(WP11, b"a"), draft(SESSIONS, b"b")])
    claim, _ = await owned(log)
    records, _ = await read_to_end(claim)
    assert sorted(values(records), key=str) == [b"a", b"b"]
    await log.append([draft(WP11, b"c")])
    records, _ = await read_to_end(claim)
    assert values(records) == [b"c"]
    assert (await read_to_end(claim))[0] == []


async def test_the_records_of_a_topic_come_in_order_of_offset(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    claim, _ = await owned(log)
    sent = [(INBOUND_TOPICS[number % 4], b"%d" % number) for number in range(60)]
    for at in range(0, 60, 7):
        await log.append(draft(topic, value) for topic, value in sent[at : at + 7])
    records, _ = await read_to_end(claim)
    for topic in INBOUND_TOPICS:
        mine = [record for record in records if record.topic == topic]
        assert values(mine) == [value for name, value in sent if name == topic]
        offsets = [record.offset for record in mine]
        assert offsets == sorted(set(offsets))


async def test_a_claim_reads_its_own_partition_only(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    await log.append([draft(WP11, b"mine", FIRST), draft(WP11, b"yours", SECOND)])
    claim, _ = await owned(log, 1)
    records, _ = await read_to_end(claim)
    assert values(records) == [b"yours"]


async def test_reading_begins_where_the_last_committed_step_ended_topic_by_topic(
    arrangement: Arrangement,
) -> None:
    """One topic was decided further than another."""
    log = await arrangement.open()
    await log.append(draft(topic, b"%d" % number) for number in range(3) for topic in (WP11, UPDATES))
    claim, restored = await owned(log)
    records, _ = await read_to_end(claim)
    second = next(record for record in records if record.topic == WP11 and record.value == b"1")
    third = next(record for record in records if record.topic == UPDATES and record.value == b"2")
    positions = {**restored.positions, WP11: second.offset + 1, UPDATES: third.offset}
    await claim.commit(step(positions))
    claim, restored = await owned(log)
    assert restored.positions == positions
    records, _ = await read_to_end(claim)
    assert (values(records, WP11), values(records, UPDATES)) == ([b"2"], [b"2"])


async def test_no_more_records_of_a_topic_come_than_there_is_room_for(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    await log.append(draft(topic, b"%d" % number) for number in range(9) for topic in (WP11, SESSIONS))
    claim, _ = await owned(log)
    came: list[Record] = []
    async for batch in batches(claim, {**PLENTY, WP11: 2, SESSIONS: 4}):
        assert len(values(batch.records, WP11)) <= 2
        assert len(values(batch.records, SESSIONS)) <= 4
        came += batch.records
        if len(came) == 18:
            break
    for topic in (WP11, SESSIONS):
        assert values(came, topic) == [b"%d" % number for number in range(9)]


async def test_a_topic_without_room_is_left_alone_and_the_others_still_come(arrangement: Arrangement) -> None:
    """Were it otherwise, a long run of one topic would keep the inbox from hearing the others."""
    log = await arrangement.open()
    await log.append(draft(WP11, b"%d" % number) for number in range(5))
    await log.append([draft(REFERRALS, b"behind them")])
    claim, restored = await owned(log)
    records, batch = await read_to_end(claim, {**PLENTY, WP11: 0}, wanted=1)
    assert values(records) == [b"behind them"]
    assert batch.reached[WP11] == restored.positions[WP11]
    records, _ = await read_to_end(claim)
    assert values(records) == [b"%d" % number for number in range(5)]


async def test_without_any_room_nothing_comes_and_nothing_is_passed_over(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    await log.append([draft(WP11, b"a")])
    claim, restored = await owned(log)
    for _ in range(3):
        batch = await claim.read(dict.fromkeys(INBOUND_TOPICS, 0), 0)
        assert list(batch.records) == []
        assert batch.reached == restored.positions
        assert batch.reached[WP11] < batch.ends[WP11] or batch.partial
    assert values((await read_to_end(claim))[0]) == [b"a"]


async def test_reached_is_past_all_that_has_come_and_not_past_what_has_not(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    await log.append(draft(WP11, b"%d" % number) for number in range(6))
    claim, _ = await owned(log)
    everything, _ = await read_to_end((await owned(log))[0])
    claim, _ = await owned(log)
    came = 0
    async for batch in batches(claim, {**PLENTY, WP11: 1}):
        came += len(batch.records)
        assert all(record.offset < batch.reached[WP11] for record in everything[:came])
        assert all(record.offset >= batch.reached[WP11] for record in everything[came:])
        if came == 6:
            break


async def test_at_its_end_a_topic_has_nothing_that_was_there_before_the_read(
    arrangement: Arrangement,
) -> None:
    """Whatever else comes has arrived since, or was not there at the moment the read is of (`partial`)."""
    log = await arrangement.open()
    claim, _ = await owned(log)
    rng = random.Random(5)
    sent = read = 0
    for _ in range(40):
        for _ in range(rng.randint(0, 3)):
            await log.append([draft(rng.choice(INBOUND_TOPICS), b"%d" % sent)])
            sent += 1
        batch = await claim.read(PLENTY, 0)
        read += len(batch.records)
        if not batch.partial and all(batch.reached[topic] >= batch.ends[topic] for topic in INBOUND_TOPICS):
            assert read == sent
    assert read + len((await read_to_end(claim))[0]) == sent


async def test_nothing_dated_before_quiet_at_comes_after_the_ends(arrangement: Arrangement) -> None:
    """The silence rule stands on this: it holds however senders, clock and reader take turns."""
    log, sender = await arrangement.open(), await arrangement.open()
    claim, _ = await owned(log)
    rng = random.Random(11)
    said: list[tuple[dict[str, int], int]] = []
    records: list[Record] = []
    for turn in range(120):
        chance = rng.random()
        if chance < 0.4:
            await sender.append([draft(rng.choice(INBOUND_TOPICS), b"%d" % turn)])
        elif chance < 0.6:
            await arrangement.pass_time()
        else:
            batch = await claim.read({topic: rng.choice((0, 1, 5)) for topic in INBOUND_TOPICS}, 0)
            said.append((dict(batch.ends), batch.quiet_at))
            records += batch.records
    records += (await read_to_end(claim))[0]
    for ends, quiet_at in said:
        for record in records:
            if record.offset >= ends[record.topic]:
                assert record.timestamp >= quiet_at


async def test_where_nothing_arrives_quiet_at_goes_on_with_the_clock(arrangement: Arrangement) -> None:
    """So that a deadline falls due by silence alone."""
    log = await arrangement.open()
    await log.append([draft(WP11, b"a")])
    claim, _ = await owned(log)
    (record,), before = await read_to_end(claim)
    async for batch in batches(claim):
        if batch.quiet_at > max(record.timestamp, before.quiet_at):
            break
        await arrangement.pass_time()


async def test_a_read_that_may_wait_returns_when_something_arrives(arrangement: Arrangement) -> None:
    log, other = await arrangement.open(), await arrangement.open()
    claim, _ = await owned(log)
    reading = asyncio.ensure_future(_wait_for_one(claim))
    await other.append([draft(WP11, b"a")])
    async with asyncio.timeout(PATIENCE_S):
        assert await reading == [b"a"]


async def _wait_for_one(claim: object) -> list[bytes | None]:
    while True:
        batch = await claim.read(PLENTY, 10)  # type: ignore[attr-defined]
        if batch.records:
            return values(batch.records)


async def test_a_read_that_may_wait_ends_when_its_time_is_over(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    claim, _ = await owned(log)
    async with asyncio.timeout(PATIENCE_S):
        batch = await claim.read(PLENTY, 0.01)
    assert list(batch.records) == []


@pytest.mark.parametrize("count", [1, 3])
async def test_reading_is_not_committing(arrangement: Arrangement, count: int) -> None:
    """The next owner reads it all again."""
    log = await arrangement.open()
    await log.append(draft(WP11, b"%d" % number) for number in range(count))
    for _ in range(2):
        claim, _ = await owned(log)
        records, _ = await read_to_end(claim)
        assert values(records) == [b"%d" % number for number in range(count)]
