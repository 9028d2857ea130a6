"""What has arrived: merged by time, and silence that counts only when all topics have been heard."""

import itertools
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.inbox import MOST_BYTES, NEVER, Inbox
from gateway.engine.log import INBOUND_TOPICS, Batch, Record

REFERRALS, WP11, UPDATES, SESSIONS = INBOUND_TOPICS
NOWHERE = dict.fromkeys(INBOUND_TOPICS, 0)


def record(topic: str, offset: int, timestamp: int) -> Record:
    """A record of that topic."""
    return Record(topic, 0, offset, timestamp, b"PO1", b"")


def batch(
    *records: Record,
    reached: Mapping[str, int] | None = None,
    ends: Mapping[str, int] | None = None,
    quiet_at: int = NEVER,
) -> Batch:
    """What one read found. Without `reached`, it came as far as its records; without `ends`, to the end."""
    come = {**NOWHERE}
    for one in records:
        come[one.topic] = one.offset + 1
    come |= reached or {}
    return Batch(records, come, {**come, **(ends or {})}, quiet_at)


def inbox_with(*batches: Batch) -> Inbox:
    """An inbox that has taken these in."""
    inbox = Inbox(NOWHERE, 100)
    for one in batches:
        inbox.add(one)
    return inbox


def taken(inbox: Inbox) -> list[tuple[str, int]]:
    """Take all there is, and say what came in which order."""
    order = []
    while (first := inbox.first()) is not None:
        inbox.take(first)
        order.append((first.topic, first.offset))
    return order


def test_an_inbox_that_has_read_nothing_has_nothing_and_has_heard_nothing() -> None:
    inbox = Inbox(NOWHERE, 100)
    assert inbox.first() is None
    assert inbox.quiet_until() == NEVER
    assert not inbox.drained()


def test_the_earliest_record_comes_first_whatever_its_topic() -> None:
    inbox = inbox_with(batch(record(REFERRALS, 0, 30), record(SESSIONS, 0, 10), record(UPDATES, 0, 20)))
    assert taken(inbox) == [(SESSIONS, 0), (UPDATES, 0), (REFERRALS, 0)]


def test_at_one_instant_the_order_of_the_topics_decides() -> None:
    inbox = inbox_with(batch(*(record(topic, 0, 10) for topic in reversed(INBOUND_TOPICS))))
    assert taken(inbox) == [(topic, 0) for topic in INBOUND_TOPICS]


def test_within_a_topic_the_offset_decides_even_where_its_clock_stepped_back() -> None:
    inbox = inbox_with(batch(record(WP11, 0, 20), record(WP11, 1, 5), record(SESSIONS, 0, 10)))
    assert taken(inbox) == [(SESSIONS, 0), (WP11, 0), (WP11, 1)]


def test_a_record_waits_for_a_topic_that_lags_and_may_bring_an_earlier_one() -> None:
    inbox = inbox_with(batch(record(SESSIONS, 0, 10), ends={REFERRALS: 1}))
    assert inbox.first() is None
    inbox.add(batch(record(REFERRALS, 0, 5), reached={SESSIONS: 1}))
    assert taken(inbox) == [(REFERRALS, 0), (SESSIONS, 0)]


def test_a_topic_whose_last_offsets_hold_no_record_is_not_waited_for_once_reading_has_passed_them() -> None:
    """Such as the markers of transactions."""
    inbox = inbox_with(batch(record(SESSIONS, 0, 10), ends={REFERRALS: 2}))
    inbox.add(batch(reached={SESSIONS: 1, REFERRALS: 2}))
    assert taken(inbox) == [(SESSIONS, 0)]
    assert inbox.positions == {**NOWHERE, SESSIONS: 1, REFERRALS: 2}


def test_a_record_waits_again_when_a_topic_that_was_read_to_its_end_has_more() -> None:
    inbox = inbox_with(batch(record(SESSIONS, 0, 10), record(SESSIONS, 1, 20)))
    first = inbox.first()
    assert first is not None
    inbox.take(first)
    inbox.add(batch(reached={SESSIONS: 2}, ends={WP11: 1}))
    assert inbox.first() is None


def test_ends_that_are_reported_older_than_before_do_not_hide_what_was_said_to_be_there() -> None:
    """What was quiet up to an instant was so with the ends of that read, and no lower ones."""
    inbox = inbox_with(batch(ends={REFERRALS: 1}, quiet_at=100), batch(ends={REFERRALS: 0}, quiet_at=50))
    assert inbox.quiet_until() == NEVER
    inbox.add(batch(record(REFERRALS, 0, 80)))
    assert inbox.quiet_until() == 80


def test_silence_up_to_an_instant_needs_every_topic() -> None:
    """Three topics are read to their ends as of 100, the fourth lags: nothing is known of it."""
    assert inbox_with(batch(quiet_at=100)).quiet_until() == 100
    assert inbox_with(batch(ends={UPDATES: 1}, quiet_at=100)).quiet_until() == NEVER


def test_a_topic_that_lags_has_been_heard_to_its_newest_record() -> None:
    inbox = inbox_with(batch(record(UPDATES, 0, 40), ends={UPDATES: 2}, quiet_at=100))
    assert taken(inbox) == [(UPDATES, 0)]
    assert inbox.quiet_until() == 40


def test_a_record_that_waits_breaks_the_silence_at_its_own_instant() -> None:
    """A deadline at that instant may still fall due before it; one a moment later may not."""
    inbox = inbox_with(batch(record(SESSIONS, 0, 40), record(SESSIONS, 1, 60), quiet_at=100))
    assert inbox.quiet_until() == 40


def test_a_record_newer_than_the_end_was_asked_for_still_counts_as_heard() -> None:
    """A topic read up to 120 brings nothing from before 120, even where the clock said 100."""
    inbox = inbox_with(batch(record(SESSIONS, 0, 120), quiet_at=100))
    assert inbox.quiet_until() == 100
    inbox.take(record(SESSIONS, 0, 120))
    assert inbox.quiet_until() == 100
    inbox.add(batch(*(record(t, 0, 130) for t in (REFERRALS, WP11, UPDATES)), reached={SESSIONS: 1}))
    assert inbox.quiet_until() == 120


def test_a_clock_that_steps_back_takes_nothing_back_that_was_quiet() -> None:
    inbox = inbox_with(batch(quiet_at=100), batch(quiet_at=30))
    assert inbox.quiet_until() == 100


def test_positions_are_those_of_the_next_record_to_decide() -> None:
    inbox = inbox_with(
        batch(record(SESSIONS, 3, 10), record(SESSIONS, 7, 20), reached={SESSIONS: 9, WP11: 4})
    )
    assert inbox.positions == {**NOWHERE, SESSIONS: 0, WP11: 4}
    inbox.take(record(SESSIONS, 3, 10))
    assert inbox.positions == {**NOWHERE, SESSIONS: 7, WP11: 4}
    inbox.take(record(SESSIONS, 7, 20))
    assert inbox.positions == {**NOWHERE, SESSIONS: 9, WP11: 4}


def test_positions_begin_where_they_were_restored() -> None:
    restored = {**NOWHERE, UPDATES: 12}
    assert Inbox(restored, 100).positions == restored


def test_a_topic_has_room_for_what_its_capacity_leaves() -> None:
    inbox = Inbox(NOWHERE, 3)
    inbox.add(batch(record(WP11, 0, 1), record(WP11, 1, 2), record(WP11, 2, 3), record(UPDATES, 0, 9)))
    assert inbox.room() == {REFERRALS: 3, WP11: 0, UPDATES: 2, SESSIONS: 3}
    inbox.take(record(WP11, 0, 1))
    assert inbox.room()[WP11] == 1


def test_the_inbox_is_drained_when_all_that_was_there_at_the_last_read_has_been_taken() -> None:
    inbox = inbox_with(batch(record(WP11, 0, 1), ends={SESSIONS: 1}))
    assert not inbox.drained()
    inbox.add(batch(record(SESSIONS, 0, 2), reached={WP11: 1}))
    assert not inbox.drained()
    assert taken(inbox) == [(WP11, 0), (SESSIONS, 0)]
    assert inbox.drained()


timestamps = st.lists(st.integers(0, 8), max_size=6)


@given(st.tuples(timestamps, timestamps, timestamps, timestamps), st.data())
def test_however_the_topics_lag_the_order_is_that_of_time_topic_and_offset(
    times: tuple[list[int], ...], data: st.DataObject
) -> None:
    """And nothing that was said to be quiet is broken by what comes later."""
    logs = {
        topic: [record(topic, offset, at) for offset, at in enumerate(sorted(stamps))]
        for topic, stamps in zip(INBOUND_TOPICS, times, strict=True)
    }
    inbox, reached, came = Inbox(NOWHERE, 2), dict(NOWHERE), list[Record]()
    quiet = NEVER
    ends = {topic: len(records) for topic, records in logs.items()}
    for turn in itertools.count():
        found: list[Record] = []
        for topic, room in inbox.room().items():
            there = logs[topic][reached[topic] : reached[topic] + room]
            there = there if turn > 12 else there[: data.draw(st.integers(0, len(there)))]
            found += there
            reached[topic] += len(there)
        inbox.add(Batch(found, dict(reached), ends, data.draw(st.integers(-5, 9))))
        while (first := inbox.first()) is not None:
            assert first.timestamp >= quiet
            quiet = max(quiet, inbox.quiet_until())
            assert first.timestamp >= quiet
            inbox.take(first)
            came.append(first)
        quiet = max(quiet, inbox.quiet_until() if not inbox.drained() else NEVER)
        if inbox.drained():
            break
    everything = [one for records in logs.values() for one in records]
    assert came == sorted(everything, key=lambda r: (r.timestamp, INBOUND_TOPICS.index(r.topic), r.offset))


@pytest.mark.parametrize("capacity", [1, 2, 7])
def test_a_long_run_of_one_topic_does_not_keep_the_others_from_being_heard(capacity: int) -> None:
    """Room is counted by topic, so that the one that is waited for always has some."""
    inbox = Inbox(NOWHERE, capacity)
    inbox.add(batch(*(record(REFERRALS, n, n) for n in range(capacity)), ends={REFERRALS: 50, SESSIONS: 1}))
    assert inbox.first() is None
    assert inbox.room() == {REFERRALS: 0, WP11: capacity, UPDATES: capacity, SESSIONS: capacity}


def test_where_what_waits_is_large_there_is_room_only_for_topics_of_which_nothing_waits() -> None:
    """Else a few thousand records of a megabyte would fill the memory; the others may hold up all."""
    inbox = Inbox(dict.fromkeys(INBOUND_TOPICS, 0), 100)
    wp11, *others = reversed(INBOUND_TOPICS)
    large = Record(wp11, 0, 0, 1, b"PO1", bytes(MOST_BYTES))
    ends = dict.fromkeys(INBOUND_TOPICS, 1)
    inbox.add(Batch([large], ends, ends, 1))
    assert inbox.room() == {wp11: 0} | dict.fromkeys(others, 100)
    inbox.take(large)
    assert set(inbox.room().values()) == {100}


def test_it_says_how_many_records_wait_how_old_they_are_and_how_many_were_not_read() -> None:
    inbox = Inbox(NOWHERE, 100)
    assert (inbox.waiting(), inbox.oldest_at(), inbox.unread) == (0, None, 0)
    late, early = record(SESSIONS, 0, 20), record(REFERRALS, 0, 10)
    inbox.add(batch(late, early, ends={SESSIONS: 5}))
    assert (inbox.waiting(), inbox.oldest_at(), inbox.unread) == (2, 10, 4)
    inbox.take(early)
    assert (inbox.waiting(), inbox.oldest_at()) == (1, 20)


def test_where_the_log_says_how_many_were_not_read_that_counts() -> None:
    """Offsets may have gaps; then `ends` say nothing of it."""
    inbox = Inbox(NOWHERE, 100)
    inbox.add(Batch([], NOWHERE, {**NOWHERE, SESSIONS: 900}, NEVER, unread=3))
    assert inbox.unread == 3
