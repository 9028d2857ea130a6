"""A Jobcentre's events are found alike in the embedded log and in a copy, in order, from any cursor."""

import random
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, cast

import pytest
from msgspec.structs import replace

from gateway.engine.log import Changes, Record
from gateway.reading.copy_file import CopyFile
from gateway.reading.cursor import Cursor, beginning, parse_cursor
from gateway.reading.filling import fill
from gateway.reading.view import Listed, View
from gateway.rules.events import FOR_JOBCENTRES, AttendanceEvent, Event, Notice, SessionEvent, place_in_time
from producers import draft
from producers.read_back import read_event
from tests.cli.running import life, referral
from tests.oracle.draws import JOBCENTRES
from tests.oracle.programmes import programme
from tests.reading.asking import PARTITIONS, Asked
from tests.reading.filling import in_parts
from tests.reading.shared_log import FileLog

BEGINNING: Final = beginning(PARTITIONS * len(FOR_JOBCENTRES))


def page(
    view: View,
    jobcentres: Collection[str],
    cursor: Cursor = BEGINNING,
    limit: int = 10_000,
    topics: Collection[str] = FOR_JOBCENTRES,
) -> list[Listed[Event]]:
    """What is behind a cursor, as it is once all is read."""
    assert view.is_among_events(cursor)
    return view.events_for(jobcentres, topics, cursor, limit, view.end_of_events(jobcentres, topics, cursor))


def jobcentre_of(event: Event) -> str:
    return str(getattr(event, "jobcentre_id", None))


async def on_the_log(log: FileLog, jobcentres: Collection[str]) -> list[Event]:
    """All events for these, in the order in which they were committed."""
    records = [record async for record in log.follow(FOR_JOBCENTRES, from_start=True, wait=False)]
    found = [cast(Event, read_event(record)) for record in records]
    return [event for event in found if jobcentre_of(event) in jobcentres]


def by_purchase_order(events: Sequence[Event]) -> dict[str, list[Event]]:
    return {
        po_number: [each for each in events if each.po_number == po_number]
        for po_number in {each.po_number for each in events}
    }


@pytest.mark.parametrize("seed", [4, 7])
async def test_each_jobcentre_reads_its_events_once_in_order_by_pages_of_any_size(
    asked: Asked, seed: int
) -> None:
    """While more are decided, and what was read first is forgotten."""
    draw = random.Random(seed)
    cursors = dict.fromkeys(JOBCENTRES, BEGINNING)
    read: dict[str, list[Event]] = {jobcentre: [] for jobcentre in JOBCENTRES}
    for part in [*in_parts(programme(seed, 6), draw), []]:
        if part:
            await asked.decide(part)
        view = await asked.view()
        for jobcentre in JOBCENTRES if not part else draw.sample(JOBCENTRES, 1):
            while found := page(view, [jobcentre], cursors[jobcentre], draw.choice((1, 3, 50))):
                read[jobcentre] += (each.event for each in found)
                cursors[jobcentre] = parse_cursor(str(found[-1].cursor), len(BEGINNING.place))
    assert any(read.values())
    for jobcentre, events in read.items():
        wanted = by_purchase_order(await on_the_log(asked.log, [jobcentre]))
        assert by_purchase_order(events) == wanted
        for some in wanted.values():
            assert some == sorted(some, key=place_in_time)
    # From the beginning it is the same again; several are read together.
    view = await asked.view()
    both = JOBCENTRES[:2]
    together = [each.event for each in page(view, both)]
    assert by_purchase_order(together) == by_purchase_order(await on_the_log(asked.log, both))


async def test_of_some_topics_only_their_events_are_read_and_the_others_wait_where_they_were(
    asked: Asked,
) -> None:
    await asked.decide(life())
    view = await asked.view()
    everything = page(view, ["JCP-LEEDS"])
    of_attendance = page(view, ["JCP-LEEDS"], topics=["jobcentre.attendance"])
    assert {type(each.event) for each in of_attendance} == {AttendanceEvent}
    rest = page(view, ["JCP-LEEDS"], of_attendance[-1].cursor)
    assert [each.event for each in rest] == [
        each.event for each in everything if not isinstance(each.event, AttendanceEvent)
    ]


async def test_events_stay_when_their_referral_is_forgotten(asked: Asked) -> None:
    await asked.decide(life())
    before = page(await asked.view(), ["JCP-LEEDS"])
    await asked.decide([referral("2017-08-01T00:00:00Z", "PO2", referred_on="2017-08-01")])
    view = await asked.view()
    assert view.referral("PO1") is None
    assert view.history("PO1") == []
    after = page(view, ["JCP-LEEDS"])
    assert [each.event for each in after][: len(before)] == [each.event for each in before]
    assert {type(each.event) for each in before} > {SessionEvent, AttendanceEvent}
    assert page(view, ["JCP-LEEDS"], before[-1].cursor) == after[len(before) :]


async def test_a_cursor_is_of_one_history_and_gives_nobody_anothers_events(asked: Asked) -> None:
    await asked.decide(life())
    view = await asked.view()
    for each in page(view, ["JCP-LEEDS"]):
        assert page(view, ["JCP-YORK"], each.cursor) == []
        last, _, digest = each.cursor.digest.partition(".")
        wrong = [
            f"{last}.{digest[::-1]}",
            f"{(int(last) + 1) % len(BEGINNING.place)}.{digest}",
            f"{len(BEGINNING.place)}.{digest}",
            f"-1.{digest}",
            digest,
        ]
        assert not any(view.is_among_events(replace(each.cursor, digest=other)) for other in wrong)
        higher = tuple(offset + 1 for offset in each.cursor.place)
        assert not view.is_among_events(replace(each.cursor, place=higher))


async def test_a_jobcentres_events_are_found_by_an_index(asked: Asked) -> None:
    await asked.decide(life())
    view = await asked.view()
    statements: list[str] = []
    view.db.set_trace_callback(statements.append)
    page(view, ["JCP-LEEDS"])
    view.db.set_trace_callback(None)
    found = [each for each in statements if "jobcentre_id" in each]
    plans = {row[3] for statement in found for row in view.db.execute(f"EXPLAIN QUERY PLAN {statement}")}
    of_topic = "SEARCH outbound USING INDEX outbound_for_jobcentre"
    of_order = "SEARCH event_order USING PRIMARY KEY (po_number=? AND (decided_at,"
    assert any(plan.startswith(of_topic) for plan in plans)
    assert all(plan.startswith((of_topic, of_order)) for plan in plans)


def session_event(po_number: str, at: int, number: int = 0) -> SessionEvent:
    return SessionEvent(
        event_id=f"{po_number}-{at}-{number}",
        po_number=po_number,
        provider_id="PRV01",
        jobcentre_id="JCP-LEEDS",
        session_id="S1",
        change="BOOKED",
        session_name="Session",
        starts_at=at,
        duration_minutes=60,
        location="Hall",
        format="GROUP",
        requirement="VOLUNTARY",
        decided_at=at,
        rule="WP19 ¶3",
    )


def notice(po_number: str, at: int, number: int = 0) -> Notice:
    return Notice(
        event_id=f"{po_number}-{at}-{number}",
        po_number=po_number,
        provider_id="PRV01",
        jobcentre_id="JCP-LEEDS",
        notice="ATTACHED",
        message_id="m",
        on=1,
        decided_at=at,
        rule="WP19 ¶3",
    )


def record(event: Event, offset: int) -> Record:
    """An event on its topic."""
    made = draft(event, None)
    return Record(made.topic, 0, offset, event.decided_at, made.key, made.value, made.headers)


@contextmanager
def a_copy(path: Path) -> Iterator[CopyFile]:
    file = CopyFile(path)
    file.empty("a log")
    yield file
    file.close()


def test_a_deadlines_event_behind_one_that_is_dated_later_comes_before_what_followed_it(
    tmp_path: Path,
) -> None:
    """On Kafka a deadline waits for the grace, while other purchase orders go on."""
    at_deadline, of_another, after = session_event("PO1", 10), session_event("PO2", 30), notice("PO1", 20)
    records = [record(of_another, 0), record(at_deadline, 1), record(after, 0)]
    with a_copy(tmp_path / "copy") as file:
        fill(file, Changes(records, {}, {}, 0), 1)
        view = View(file)
        begin = beginning(len(FOR_JOBCENTRES))
        found = page(view, ["JCP-LEEDS"], begin)
        assert [each.event for each in found] == [of_another, at_deadline, after]
        for number, each in enumerate(found, 1):
            assert page(view, ["JCP-LEEDS"], each.cursor) == found[number:]
        view.close()


def test_what_was_decided_before_is_waited_for_and_what_came_meanwhile_waits(tmp_path: Path) -> None:
    """A transaction's records are not read at once: a later topic's may be there before an earlier one's."""
    first, second = session_event("PO1", 10), notice("PO1", 10, 1)
    of_another, later = session_event("PO2", 9), notice("PO3", 1)
    begin = beginning(len(FOR_JOBCENTRES))
    with a_copy(tmp_path / "copy") as file:
        view = View(file)
        ask = partial(view.events_for, ["JCP-LEEDS"], FOR_JOBCENTRES, begin, 10)
        fill(file, Changes([record(second, 0)], {}, {}, 0), 1)
        until = view.end_of_events(["JCP-LEEDS"], FOR_JOBCENTRES, begin)
        fill(file, Changes([record(of_another, 0), record(first, 1), record(later, 1)], {}, {}, 0), 1)
        # What lies before `first` on its topic comes with it. Nobody knows yet what belongs before `later`.
        assert [each.event for each in ask(until)] == [of_another, first, second]
        until = view.end_of_events(["JCP-LEEDS"], FOR_JOBCENTRES, begin)
        assert later in [each.event for each in ask(until)]
        assert view.end_of_events(["JCP-YORK"], FOR_JOBCENTRES, begin) == ()
        view.close()
