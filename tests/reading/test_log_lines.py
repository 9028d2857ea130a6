"""The log lines of decisions: which there are, what they say, and that each comes once."""

import asyncio
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from msgspec.structs import replace

from gateway.backends.embedded.log import open_embedded
from gateway.engine.log import Draft
from gateway.engine.worker import Worker
from gateway.intake.feed import feed
from gateway.intake.lines import read_lines
from gateway.processes.wiring import WIRING
from gateway.reading.log_lines import LINES, NAMES, EventLog, LogLines, shown
from gateway.replay.decisions import replay
from gateway.rules.events import OUTBOUND, DeadLetter, Event, Outcome
from gateway.rules.policy import shipped
from gateway.sample import programme
from gateway.system.telemetry import LOG_EVENTS
from schemas.json import parse_instant
from tests.cli.running import Json, json_lines, life, record, referral
from tests.schemas.examples import EXAMPLES

Said = dict[str, Any]
EVERYTHING = shown("debug", "all")
TRACEPARENT = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
TO_THE_END: list[Json] = [*life(), {"at": "2016-04-10T00:00:00Z", "tick": True}]


def decided(lines: list[Json]) -> list[Event | DeadLetter]:
    """What a replay decides."""
    return list(replay(read_lines(json_lines(lines).splitlines(keepends=True)), shipped()))


def said_of(events: Sequence[Event | DeadLetter], **choice: Any) -> list[Said]:
    """The lines of events, without the levels."""
    lines = LogLines(choice.get("shown", EVERYTHING))
    for event in events:
        lines.add(event, choice.get("traceparent"))
    return [dict(said) for _, said in lines.take(rest=True)]


def kinds() -> Iterator[tuple[type, str]]:
    """Each kind of each class of events that says by a field what it is."""
    for event, lines in LINES.items():
        if lines.by is not None:
            for kind in get_args(get_type_hints(event)[lines.by]):
                yield event, kind


def test_every_event_has_a_log_event() -> None:
    without = [event.__name__ for event in (*OUTBOUND.values(), DeadLetter) if event not in LINES]
    assert not without, f"{', '.join(without)}: no log event; write a row in gateway/reading/log_lines.py"


@pytest.mark.parametrize(("event", "kind"), list(kinds()))
def test_every_kind_of_event_has_a_log_event_or_none_on_purpose(event: type, kind: str) -> None:
    says = LINES[event].says
    assert not isinstance(says, str)
    assert kind in says, f"{event.__name__} {kind}: write an entry in gateway/reading/log_lines.py"


@pytest.mark.parametrize("event", list(LINES), ids=lambda event: event.__name__)
def test_a_line_says_only_what_is_listed(event: type) -> None:
    """The fields are not looked at again when it is logged."""
    example = EXAMPLES[event.__name__]
    each = [replace(example, **{LINES[of].by or "": kind}) for of, kind in kinds() if of is event]
    lines = LogLines(EVERYTHING)
    for one in each or [example]:
        lines.add(one, TRACEPARENT, 0)  # type: ignore[arg-type]
    for _, said in lines.take(rest=True):
        assert set(said) <= {"event", "timestamp", *LOG_EVENTS[said["event"]].fields}


def test_no_line_has_free_text() -> None:
    fields = {field for name in NAMES for field in LOG_EVENTS[name].fields}
    assert not fields & {"reason", "reason_given", "detail", "location", "session_name", "key", "value"}


def test_the_life_of_a_referral_is_logged_in_order() -> None:
    said = said_of(
        decided([*life(), {"at": "2016-04-10T00:00:00Z", "tick": True}]), shown=shown("info", "notable")
    )
    assert [(line["event"], line.get("kind")) for line in said] == [
        ("referral.received", None),
        ("sanction.raised", "DID_NOT_ATTEND"),
        ("instruction.sent", "ARRANGE_ALTERNATIVE_SESSION"),
        ("message.refused", None),
        ("breach.raised", "SESSION_LATE"),
        ("referral.cancelled", None),
    ]


def test_a_line_says_which_message_led_to_it_and_one_that_a_time_led_to_says_none() -> None:
    lines = TO_THE_END
    sent = {line["value"]["message_id"] for line in lines if "value" in line}
    for line in said_of(decided(lines)):
        by_time = line["event"] in {"breach.raised", "referral.cancelled"}
        assert ("message_id" in line) is not by_time, line
        assert by_time or line["message_id"] in sent
    raised = [line for line in said_of(decided(lines)) if line["event"] == "sanction.raised"]
    assert [line["message_id"] for line in raised] == ["PO1-AttendanceRecorded-2016-03-18T12:00:00Z"]


def test_what_waited_for_its_referral_is_logged_with_the_message_that_waited() -> None:
    lines = [
        record("ReferralAccepted", "2016-03-14T08:00:00Z", accepted_at="2016-03-14T08:00:00Z"),
        referral("2016-03-14T09:00:00Z"),
    ]
    said = {line["event"]: line["message_id"] for line in said_of(decided(lines))}
    assert said["message.held"] == said["referral.accepted"] == lines[0]["value"]["message_id"]
    assert said["referral.received"] == "PO1-1"


def test_messages_of_a_programme_and_what_came_of_them_agree() -> None:
    """Each line names a message that has an outcome on the same purchase order at the same instant."""
    events = list(replay(read_lines(programme(200, 3)), shipped()))
    outcomes = {
        (event.po_number, event.decided_at, event.message_id)
        for event in events
        if isinstance(event, Outcome)
    }
    assert outcomes
    for line in said_of(events):
        at = parse_instant(line["decided_at"])
        assert "message_id" not in line or (line["po_number"], at, line["message_id"]) in outcomes


def test_a_line_has_the_trace_of_the_message_that_led_to_it() -> None:
    said = said_of(decided([referral()]), traceparent=TRACEPARENT)
    assert {line["trace_id"] for line in said} == {"ab" * 16}


def test_notable_is_what_changes_somebodys_benefit_fee_or_duty_and_all_is_every_message() -> None:
    notable, everything = shown("info", "notable"), shown("info", "all")
    assert {"sanction.raised", "breach.cleared", "message.refused", "message.held"} <= notable.keys()
    more = {"message.applied", "message.duplicate", "attendance.reported", "session.reported"}
    more.add("referral.accepted")
    assert everything.keys() - notable.keys() == more
    assert set(everything) == NAMES
    assert everything["message.applied"] == "info"


def test_none_leaves_only_warnings_and_the_log_level_counts_for_all() -> None:
    warnings = {"message.dead_lettered", "security.special_customer_record"}
    assert shown("debug", "none").keys() == shown("warning", "all").keys() == warnings
    assert shown("error", "all") == {}
    assert shown("debug", "notable").keys() == NAMES
    assert shown("debug", "notable")["message.applied"] == "debug"


def test_nothing_is_made_that_is_not_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise AssertionError("a line was made")

    monkeypatch.setattr("gateway.reading.log_lines._said", fails)
    assert said_of(decided(life()), shown=shown("error", "all")) == []


def test_what_is_cut_off_from_its_message_goes_without_it() -> None:
    events = [event for event in decided(life()) if not isinstance(event, Outcome)]
    said = said_of(events)
    assert [line["event_id"] for line in said] == [
        event.event_id for event in events if LINES[type(event)].of(event) is not None
    ]
    assert not any("message_id" in line for line in said)


async def run(path: Path, lines: list[Json], logged: io.StringIO) -> list[Said]:
    """What is logged while a log is decided."""
    log = await open_embedded(path, clock="log", own=True)
    try:
        await log.append([Draft("jobcentre.wp11", b"X", b"nonsense", (), 0)])
        await feed(log, json_lines(lines).splitlines(keepends=True), keep_time=True, checked=lambda: None)
        worker = Worker(
            log,
            0,
            shipped(),
            WIRING,
            until=parse_instant("2016-04-10T00:00:00Z"),
            observer=EventLog(shown("info", "notable")),
        )
        await worker.run(asyncio.Event())
    finally:
        await log.close()
    return [json.loads(line) for line in logged.getvalue().splitlines()]


async def test_a_step_is_logged_when_it_is_committed_and_once(tmp_path: Path, logged: io.StringIO) -> None:
    said = await run(tmp_path / "gateway.db", life(), logged)
    ids = [line["event_id"] for line in said if "event_id" in line]
    assert len(ids) == len(set(ids)) == 6
    (letter,) = [line for line in said if line["event"] == "message.dead_lettered"]
    assert letter["level"] == "warning"
    assert (letter["letter"], letter["code"]) == ("jobcentre.wp11-0-1", "UNDECODABLE")
    again = await open_embedded(tmp_path / "gateway.db", clock="log", own=True)
    before = logged.getvalue()
    try:
        observer = EventLog(shown("info", "notable"))
        await Worker(again, 0, shipped(), WIRING, until=0, observer=observer).run(asyncio.Event())
    finally:
        await again.close()
    assert "event_id" not in logged.getvalue()[len(before) :]
