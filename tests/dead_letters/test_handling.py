"""Dead letters are put back as they came, once, and it is known which of them failed again."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from unittest.mock import patch

import pytest

from gateway.backends.embedded.log import EmbeddedLog, open_embedded
from gateway.dead_letters import handling
from gateway.dead_letters.handling import DeadLetterEntry, DeadLetterFilter
from gateway.engine.log import INBOUND_TOPICS, Draft, Headers, Record
from gateway.engine.workers import Workers
from gateway.intake.lines import read_lines
from gateway.processes.wiring import WIRING
from gateway.rules import policy
from gateway.rules.events import Outcome
from gateway.system.errors import UsageError
from producers import dead_letters
from producers.dead_letters import REPLAYED_FROM
from producers.read_back import OUTBOUND_TOPICS, read_event
from schemas.codec import Unreadable, UnreadableCode, encode
from tests.cli.running import json_lines, referral
from tests.engine.letters import NINE
from tests.engine.simulate import silence
from tests.log.reading import followed, owned, step

REFERRALS, WP11 = INBOUND_TOPICS[:2]
TRACE = (("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("name", b"\xff\x00"))
#: A referral as bytes, and one that no version can read.
(LINE,) = read_lines([json_lines([referral()])])
assert LINE.message is not None
GOOD = encode(LINE.message)
BROKEN = GOOD[:-2]
ANY = DeadLetterFilter()


@pytest.fixture(autouse=True)
def _silent() -> Iterator[None]:
    with silence():
        yield


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    """An empty log whose time is that of its records."""
    made = await open_embedded(tmp_path / "gateway.db", clock="log")
    yield made
    await made.close()


async def sent(
    log: EmbeddedLog, *values: bytes | None, key: bytes | None = b"PO1", headers: Headers = ()
) -> None:
    """Records arrive on the first topic, and are decided."""
    await log.append(Draft(REFERRALS, key, value, headers, NINE) for value in values)
    await decide_all(log)


async def decide_all(log: EmbeddedLog) -> None:
    """All that has arrived is decided."""
    await Workers(log, policy.shipped(), WIRING, until=NINE).run(asyncio.Event())


async def died_earlier(log: EmbeddedLog, code: UnreadableCode, value: bytes = GOOD) -> str:
    """A dead letter that an earlier version, which could not read it, has made of a record; its id."""
    record = Record(REFERRALS, 0, 700, NINE, b"PO1", value, TRACE)
    claim, restored = await owned(log)
    await claim.commit(step(restored.positions, dead_letters.draft(record, Unreadable(code, "So it was."))))
    return f"{REFERRALS}-0-700"


async def found(log: EmbeddedLog, which: DeadLetterFilter = ANY) -> list[DeadLetterEntry]:
    """The letters that match."""
    return [letter async for letter in handling.dead_letters(log, which)]


async def ids(log: EmbeddedLog, which: DeadLetterFilter = ANY) -> list[str]:
    """The ids of the letters that wait."""
    return list(await handling.choose(log, which))


async def put_back(
    log: EmbeddedLog, names: Sequence[str], *, anyway: bool = False, **sizes: int
) -> tuple[int, list[str]]:
    """Put letters back; how many were, and which were left."""
    result = await handling.put_back(log, names, anyway=anyway, **sizes)
    return result.done, list(result.left)


async def test_what_an_earlier_version_could_not_read_is_put_back_and_decided(log: EmbeddedLog) -> None:
    """With its bytes, its key and its headers; one header says which letter it was."""
    await sent(log, BROKEN, key=b"PO9")  # the log's time is that of its records, so nothing falls due below
    name = await died_earlier(log, "UNKNOWN_SCHEMA")
    assert await put_back(log, [name]) == (1, [])
    _, record = await followed(log, [REFERRALS])
    assert (record.key, record.value) == (b"PO1", GOOD)
    assert record.headers == (*TRACE, (REPLAYED_FROM, name.encode()))
    await decide_all(log)
    outcomes = [read_event(record) for record in await followed(log, ["gateway.outcomes"])]
    assert [isinstance(one, Outcome) and one.status for one in outcomes] == ["APPLIED"]
    (letter,) = await found(log, DeadLetterFilter(frozenset({name})))
    assert letter.handled is not None
    assert (letter.handled.done, letter.failed_again) == ("REPLAYED", None)


async def test_a_letter_is_put_back_once(log: EmbeddedLog) -> None:
    name = await died_earlier(log, "FAILED")
    assert await put_back(log, [name]) == (1, [])
    assert await put_back(log, [name]) == (0, [])
    assert await handling.discard(log, [name]) == 0
    assert len(await followed(log, [REFERRALS])) == 1


async def test_a_letter_that_was_discarded_is_not_put_back(log: EmbeddedLog) -> None:
    name = await died_earlier(log, "FAILED")
    assert await handling.discard(log, [name]) == 1
    assert await put_back(log, [name], anyway=True) == (0, [])
    assert await followed(log, [REFERRALS]) == []


async def test_what_would_fail_again_stays_unless_it_is_wanted(log: EmbeddedLog) -> None:
    """It is read as the gateway would read it; that its reason is shown is all that happens."""
    await sent(log, BROKEN, None)
    await sent(log, GOOD, key=b"PO2")
    await sent(log, GOOD + b"x" * 1024 * 1024)
    names = await ids(log)
    result = await handling.put_back(log, names, anyway=False)
    assert result.done == 0
    assert [*result.left.values()] == [
        "The body ends before its record does.",
        "The record has no value.",
        "The key is not the po_number of the record in UTF-8.",
        "The body is larger than 1 MiB.",
    ]
    assert await ids(log) == names
    assert await put_back(log, names[1:3], anyway=True) == (2, [])
    assert await ids(log) == [names[0], names[3]]


async def test_a_letter_that_fails_again_says_so_and_so_does_the_one_that_it_was(log: EmbeddedLog) -> None:
    """Also the second time; the header names the last letter only."""
    await sent(log, BROKEN, headers=TRACE)
    names: list[str] = []
    for _ in range(2):
        (name,) = await ids(log)
        names.append(name)
        await put_back(log, [name], anyway=True)
        await decide_all(log)
    first, second, third = await found(log)
    assert [first.dead.event_id, second.dead.event_id] == names
    assert (first.came_from, first.failed_again) == (None, second.dead.event_id)
    assert second.came_from == (names[0], first.handled)
    assert second.failed_again == third.dead.event_id
    assert third.came_from == (names[1], second.handled)
    assert (third.handled, third.failed_again) == (None, None)
    assert [*third.dead.headers.items()] == [*TRACE, (REPLAYED_FROM, names[1].encode())]
    assert {third.dead.value, first.dead.value} == {BROKEN}


@pytest.mark.parametrize("named", [b"prap.referrals-0-1", b"\xff", b""])
async def test_who_sends_the_header_of_a_letter_that_was_not_put_back_is_not_believed(
    log: EmbeddedLog, named: bytes
) -> None:
    """Also where that letter was discarded."""
    await sent(log, BROKEN)
    await sent(log, BROKEN, headers=((REPLAYED_FROM, named),))
    await handling.discard(log, ["prap.referrals-0-1"])
    assert [(letter.came_from, letter.failed_again) for letter in await found(log)] == [(None, None)] * 2


async def test_letters_are_chosen_by_id_code_and_topic(log: EmbeddedLog) -> None:
    await sent(log, BROKEN)
    await sent(log, GOOD, key=b"PO2")
    await log.append([Draft(WP11, b"PO1", GOOD, (), NINE), Draft(WP11, b"PO1", b"", (), NINE)])
    await decide_all(log)
    one, two, three, four = await ids(log)
    assert await ids(log, DeadLetterFilter(code="UNDECODABLE")) == [one, four]
    assert await ids(log, DeadLetterFilter(topic=WP11)) == [three, four]
    assert await ids(log, DeadLetterFilter(code="UNDECODABLE", topic=WP11)) == [four]
    assert await ids(log, DeadLetterFilter(frozenset({four, two}))) == [two, four]
    assert await ids(log, DeadLetterFilter(code="TOO_LARGE")) == []


async def test_of_letters_that_are_not_named_only_those_that_wait_are_chosen(log: EmbeddedLog) -> None:
    await sent(log, BROKEN, BROKEN)
    one, two = await ids(log)
    await handling.discard(log, [one])
    assert await ids(log) == [two]
    chosen = await handling.choose(log, DeadLetterFilter(frozenset({one, two})))
    assert [mark and mark.done for mark in chosen.values()] == ["DISCARDED", None]


async def test_a_letter_that_is_not_there_is_reported_before_anything_is_done(log: EmbeddedLog) -> None:
    """Be it that it never was, or that the log no longer has it."""
    await sent(log, BROKEN)
    with pytest.raises(UsageError, match=r"no dead letter nope on the log"):
        await handling.choose(log, DeadLetterFilter(frozenset({"nope", *await ids(log)})))
    with pytest.raises(UsageError, match=r"no dead letter of this id on the log"):
        await handling.dead_letter(log, "\x1b[2J")
    await log.handle({"gone": None})
    for look in (
        handling.dead_letter(log, "gone"),
        handling.choose(log, DeadLetterFilter(frozenset({"gone"}))),
    ):
        with pytest.raises(UsageError, match="gone was discarded, and is no longer on the log"):
            await look


async def test_what_fails_again_meanwhile_is_not_put_back_again(log: EmbeddedLog) -> None:
    """With a gateway at work, it would never come to an end. Here each is decided as soon as it is back."""
    await sent(log, *[BROKEN] * 5)
    waiting = await ids(log)
    handle = log.handle
    handled: list[int] = []

    async def handle_and_decide(batch: dict[str, Draft | None]) -> frozenset[str]:
        done = await handle(batch)
        handled.append(len(done))
        await decide_all(log)
        return done

    with patch.object(log, "handle", handle_and_decide):
        assert await put_back(log, waiting, anyway=True, at_once=2) == (5, [])
    assert handled == [2, 2, 1]
    assert len(await ids(log)) == 5
    assert len(await found(log)) == 10


async def test_large_letters_are_put_back_a_few_at_a_time(log: EmbeddedLog) -> None:
    """As many as fit in memory, in order."""
    values = [b"%d" % number * 1_000 for number in range(7)]
    await sent(log, *values)
    taken: list[int] = []
    handle = log.handle

    async def count(batch: dict[str, Draft | None]) -> frozenset[str]:
        taken.append(len(batch))
        return await handle(batch)

    with patch.object(log, "handle", count):
        assert await put_back(log, await ids(log), anyway=True, at_once_bytes=2_500) == (7, [])
    assert taken == [3, 3, 1]
    assert [record.value for record in await followed(log, [REFERRALS])] == values * 2


async def test_a_letter_has_the_id_of_the_place_from_which_it_came_so_no_two_have_one(
    log: EmbeddedLog,
) -> None:
    """And what is put back has another place."""
    await sent(log, BROKEN, BROKEN)
    await put_back(log, await ids(log), anyway=True)
    await decide_all(log)
    names = [letter.dead.event_id for letter in await found(log)]
    assert names == [f"{REFERRALS}-0-{offset}" for offset in (1, 2, 3, 4)]


async def test_time_stands_still_in_a_log_with_its_own_time_when_a_letter_is_put_back(
    log: EmbeddedLog,
) -> None:
    """Nothing falls due by it, though years have passed since."""
    await log.append([Draft(REFERRALS, b"PO1", GOOD, (), NINE)])
    await sent(log, BROKEN)
    before = len(await followed(log, OUTBOUND_TOPICS))
    await put_back(log, await ids(log), anyway=True)
    await decide_all(log)
    events = [read_event(record) for record in await followed(log, OUTBOUND_TOPICS)]
    assert len(events) == before + 1
    assert {event.decided_at for event in events} == {NINE}
    assert events[-1].event_id == f"{REFERRALS}-0-3"
