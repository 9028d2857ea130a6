"""`gateway find`, `gateway list`, and what `gateway tail` leaves out: from a log line to its record."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.backends.embedded.log import open_embedded
from gateway.engine.log import Draft
from gateway.intake.lines import read_lines
from gateway.reading.tables import LogTables
from schemas.codec import encode
from schemas.json import parse_instant
from tests.cli.conftest import Gateway
from tests.cli.running import Json, json_lines, life, record, referral

TRACE = "ab" * 16
LATER = "2016-04-05T00:00:00Z"
#: One referral whose participant does not join, one that is accepted late, and a message without a referral.
LINES: list[Json] = sorted(
    [
        *life(),
        referral(po_number="PO2", provider_id="PRV02"),
        record("ReferralAccepted", "2016-03-15T10:00:00Z", "PO3", accepted_at="2016-03-15T10:00:00Z"),
    ],
    key=lambda line: str(line["at"]),
)


@pytest.fixture
def fed(gateway: Gateway) -> Gateway:
    """The command, on a log where these lines have been decided."""
    assert gateway("feed", "--keep-time", "-", stdin=json_lines(LINES)).status == 0
    assert gateway("run", "--clock", "log", "--until", LATER).status == 0
    return gateway


def listed(gateway: Gateway, *options: str) -> list[str]:
    return [line["po_number"] for line in gateway("list", *options).lines]


def tailed(gateway: Gateway, *options: str) -> list[tuple[str, str]]:
    lines = gateway("tail", "--no-follow", "--from-start", *options).lines
    return [(line["type"], line["key"]) for line in lines]


def test_tail_leaves_out_all_but_a_purchase_order_a_provider_a_kind_or_a_time(fed: Gateway) -> None:
    every = tailed(fed)
    assert {key for _, key in tailed(fed, "--po", "PO2")} == {"PO2"}
    assert len(tailed(fed, "--po", "PO2")) == sum(key == "PO2" for _, key in every)
    assert {key for _, key in tailed(fed, "--provider", "PRV02")} == {"PO2"}
    late = tailed(fed, "--kind", "SESSION_LATE", "--kind", "ACCEPTANCE_LATE")
    assert sorted(late) == [("Breach", "PO1"), ("Breach", "PO2"), ("Breach", "PO2")]
    assert tailed(fed, "--kind", "DATED_IN_FUTURE") == [("Outcome", "PO1")]
    since = fed("tail", "--no-follow", "--since", "2016-04-04T23:00:00Z").lines
    assert since
    assert {line["at"] for line in since} == {"2016-04-04T23:00:00Z"}


def test_tail_refuses_a_kind_that_no_event_has(gateway: Gateway) -> None:
    ended = gateway("tail", "--kind", "SESION_LATE")
    assert ended.status == 2
    assert ended.sentence.endswith("did you mean SESSION_LATE?")


def test_tail_as_log_makes_the_lines_that_were_logged_once_more(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for choice in ("notable", "all", "none"):
        monkeypatch.setenv("GATEWAY_LOG_EVENTS", choice)
        monkeypatch.setenv("GATEWAY_LOG_URL", f"sqlite:///./{choice}.db")
        gateway("feed", "--keep-time", "-", stdin=json_lines(LINES))
        ran = gateway("run", "--clock", "log", "--until", LATER)
        logged = [line for line in map(json.loads, ran.err.splitlines()) if "event_id" in line]
        again = gateway("tail", "--as-log", "--from-start", "--no-follow").lines
        assert _without_timestamps(again) == _without_timestamps(logged)
        assert bool(again) is (choice != "none")
        assert all(line["timestamp"] == line["decided_at"] for line in again)


def test_tail_as_log_knows_the_message_although_its_outcome_is_left_out(fed: Gateway) -> None:
    (line,) = fed("tail", "--as-log", "--no-follow", "--from-start", "jobcentre.sanction-notifications").lines
    assert line["event"] == "sanction.raised"
    assert line["message_id"] == "PO1-AttendanceRecorded-2016-03-18T12:00:00Z"


def _without_timestamps(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name != "timestamp"} for line in lines]


def test_find_leads_from_a_message_or_an_event_to_its_purchase_order(fed: Gateway) -> None:
    assert fed("find", "--message", "PO2-1").out == b"PO2\n"
    event_id = fed("tail", "--no-follow", "--from-start", "gateway.breaches").lines[-1]["value"]["event_id"]
    assert fed("find", "--event", event_id).out == event_id.partition("-")[0].encode() + b"\n"


def test_find_says_what_to_do_where_there_is_nothing_or_too_much(fed: Gateway) -> None:
    for options, status, said in (
        (("--message", "PO2"), 1, "has this id; check it"),
        (("--trace", TRACE), 1, "has this id; check it"),
        (("--trace", "Qz"), 2, "expected 32 hexadecimal digits, in lower case"),
        ((), 2, "name one of --message, --event and --trace, with an id"),
        (("--event", "a", "--message", "b"), 2, "name one of --message, --event and --trace, with an id"),
    ):
        ended = fed("find", *options)
        assert ended.status == status
        assert ended.sentence.endswith(said)


async def put(path: Path) -> None:
    """A traced message about PO4, and one that can't be read with a key that may be anything."""
    (line,) = read_lines([json_lines([referral(po_number="PO4")])])
    assert line.message is not None
    headers = (("traceparent", f"00-{TRACE}-{'cd' * 8}-01".encode()),)
    log = await open_embedded(path, tables=LogTables())
    try:
        at = parse_instant(LATER)
        await log.append(
            [
                Draft("prap.referrals", b"PO4", encode(line.message), headers, at),
                Draft("jobcentre.wp11", b"Qzkey", b"Qz", headers, at),
            ]
        )
    finally:
        await log.close()


def test_find_leads_from_a_trace_to_its_purchase_order_decided_or_not(
    gateway: Gateway, tmp_path: Path
) -> None:
    asyncio.run(put(tmp_path / "gateway.db"))
    for _ in range(2):
        assert gateway("find", "--trace", TRACE).out == b"PO4\n"
        assert gateway("find", "--message", "PO4-1").out == b"PO4\n"
        gateway("run", "--clock", "log", "--until", LATER)
    ended = gateway("find", "--event", "jobcentre.wp11-0-2")
    assert ended.sentence.endswith("`gateway dead-letters show` shows it")
    assert "Qz" not in ended.err


def test_list_shows_how_purchase_orders_stand(fed: Gateway) -> None:
    rows = {line["po_number"]: line for line in fed("list").lines}
    assert {po: (row["state"], row["held"]) for po, row in rows.items()} == {
        "PO1": ("CANCELLED", 0),
        "PO2": ("CANCELLED", 0),
        "PO3": ("HELD", 1),
    }
    assert rows["PO1"]["referred_on"] == "2016-03-14"


def test_list_leaves_out_all_but_a_provider_a_state_a_time_or_what_was_refused(fed: Gateway) -> None:
    assert listed(fed, "--provider", "PRV02") == ["PO2"]
    assert listed(fed, "--state", "HELD") == ["PO3"]
    assert listed(fed, "--due-before", "2016-05-01T00:00:00Z") == ["PO3"]
    assert listed(fed, "--since", "2016-04-04T00:00:00Z") == ["PO1", "PO2"]
    (refused,) = fed("list", "--refused").lines
    assert (refused["po_number"], refused["refused"]) == ("PO1", {"DATED_IN_FUTURE": 1})
    assert listed(fed, "--refused", "--since", "2016-03-22T00:00:00Z") == []
    assert listed(fed, "--refused", "--provider", "PRV02") == []


def test_list_shows_what_was_refused_although_nothing_is_kept_of_it(gateway: Gateway) -> None:
    wrong = referral(action_plan_annotation="Something else")
    gateway("feed", "--keep-time", "-", stdin=json_lines([wrong]))
    gateway("run", "--clock", "log", "--until", LATER)
    assert listed(gateway) == []
    (row,) = gateway("list", "--refused", "--provider", "PRV01").lines
    assert (row["po_number"], row["state"]) == ("PO1", None)
    assert row["refused"] == {"NOT_AN_INFORMATION_SESSION": 1}


def test_list_is_a_table_on_a_terminal_and_refuses_a_state_that_there_is_not(
    fed: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fed("list", "--state", "SLEEPING").status == 2
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert b"purchase order" in fed("list").out
    assert fed("list", "--json").lines[0]["po_number"] == "PO1"
    assert fed("list", "--provider", "PRV77").out == b"No purchase order is like that.\n"
