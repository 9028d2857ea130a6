"""Following topics: what has been committed, in order, up to now or for as long as one likes."""

import asyncio

from gateway.engine.log import INBOUND_TOPICS, Draft, Log
from tests.log.arrangement import BEGINNING, Arrangement
from tests.log.reading import FIRST, OUT, SECOND, WP11, draft, followed, owned, step, values
from tests.patience import PATIENCE_S

ACTIONS = "prap.actions"


async def committed(log: Log, *outputs: Draft, partition: int = 0) -> None:
    """A step with these outputs has been committed."""
    claim, restored = await owned(log, partition)
    await claim.commit(step(restored.positions, *outputs, decided_to=BEGINNING))


async def test_records_come_in_the_order_in_which_they_were_committed(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    for number in range(5):
        await committed(log, draft(OUT, b"%d" % number), draft(OUT, b"%d and" % number))
    assert values(await followed(log, [OUT])) == [
        value for number in range(5) for value in (b"%d" % number, b"%d and" % number)
    ]


async def test_records_come_with_key_bytes_and_headers_intact(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    headers = (("ce_id", b"\x00\xff"), ("traceparent", b""), ("null", None))
    await committed(log, Draft(OUT, "é".encode(), bytes(range(256)), headers), Draft(OUT, None, None))
    first, second = await followed(log, [OUT])
    assert (first.topic, first.key, first.value, first.headers) == (
        OUT,
        "é".encode(),
        bytes(range(256)),
        headers,
    )
    assert (second.key, second.value, second.headers) == (None, None, ())


async def test_a_record_that_was_dated_comes_with_its_date(arrangement: Arrangement) -> None:
    """Whatever the step's own is."""
    log = await arrangement.open()
    await committed(log, *(draft(OUT, b"1", timestamp=BEGINNING + after) for after in (5, -5, 0)))
    assert [record.timestamp for record in await followed(log, [OUT])] == [
        BEGINNING + after for after in (5, -5, 0)
    ]


async def test_only_the_topics_that_are_named_come(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    await committed(log, draft(OUT, b"1"), draft(ACTIONS, b"2"), draft("gateway.breaches", b"3"))
    assert values(await followed(log, [ACTIONS])) == [b"2"]
    assert sorted(values(await followed(log, [OUT, ACTIONS])), key=str) == [b"1", b"2"]


async def test_only_records_of_a_key_or_with_a_text_come_where_that_is_asked_for(
    arrangement: Arrangement,
) -> None:
    log = await arrangement.open()
    await committed(
        log,
        Draft(OUT, b"PO1", b"\x00abc"),
        Draft(OUT, b"PO1", None, (("null", None), ("ce_id", b"xabcx"))),
        Draft(OUT, b"PO1", b"ab", (("ab", b"c"),)),
        Draft(OUT, b"PO2", b"abc"),
    )

    async def found(key: bytes | None, text: bytes | None) -> list[bytes | None]:
        records = log.follow([OUT], from_start=True, wait=False, key=key, text=text)
        return [record.value async for record in records]

    assert await found(b"PO2", None) == [b"abc"]
    assert await found(b"PO1", b"abc") == [b"\x00abc", None]
    assert await found(None, b"\x00a") == [b"\x00abc"]
    assert await found(b"PO", b"abc") == []


async def test_all_partitions_come(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    await committed(log, draft(OUT, b"1", FIRST), partition=0)
    await committed(log, draft(OUT, b"2", SECOND), partition=1)
    assert sorted(values(await followed(log, [OUT])), key=str) == [b"1", b"2"]


async def test_without_waiting_it_ends_at_the_present_end(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    assert await followed(log, [OUT]) == []
    await committed(log, draft(OUT, b"1"))
    assert values(await followed(log, [OUT])) == [b"1"]
    assert [r async for r in log.follow([OUT], from_start=False, wait=False)] == []


async def test_inbound_topics_can_be_followed_too(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    await log.append(draft(topic, topic.encode()) for topic in INBOUND_TOPICS)
    assert values(await followed(log, [WP11])) == [WP11.encode()]
    records = await followed(log, INBOUND_TOPICS)
    assert {record.topic: record.value for record in records} == {t: t.encode() for t in INBOUND_TOPICS}


async def test_waiting_it_gives_what_another_process_commits_later(arrangement: Arrangement) -> None:
    """Not from the start: only what comes after it began."""
    log, other = await arrangement.open(), await arrangement.open()
    claim, first = await owned(other)
    await claim.commit(step(first.positions, draft(OUT, b"before")))
    came: list[bytes | None] = []

    async def follow() -> None:
        async for record in log.follow([OUT], from_start=False, wait=True):
            came.append(record.value)  # noqa: PERF401 - one by one, as they come

    task = asyncio.create_task(follow())
    async with asyncio.timeout(PATIENCE_S):
        while not came:  # nothing says when it has begun
            await claim.commit(step(first.positions, draft(OUT, b"0")))
            await asyncio.sleep(0.001)
        await claim.commit(step(first.positions, draft(OUT, b"1"), draft(OUT, b"2")))
        await claim.commit(step(first.positions, draft(ACTIONS, b"no"), draft(OUT, b"3")))
        while came[-1] != b"3":  # noqa: ASYNC110 - no event says so
            await asyncio.sleep(0.001)
    task.cancel()
    assert [value for value in came if value != b"0"] == [b"1", b"2", b"3"]


async def test_many_records_come_whole_and_in_order(arrangement: Arrangement) -> None:
    """More than are read at a time."""
    log = await arrangement.open()
    await committed(log, *(draft(OUT, b"%d" % number) for number in range(2_500)))
    assert values(await followed(log, [OUT])) == [b"%d" % number for number in range(2_500)]
