"""`gateway prap`: a clerk's list of what is to be entered on PRaP, and the marks of what was."""

import csv
from io import StringIO

import pytest
from msgspec import json

from tests.cli.conftest import Gateway
from tests.cli.running import Json, json_lines, life


@pytest.fixture
def decided(gateway: Gateway) -> Gateway:
    """A gateway with a referral that ended in a cancellation."""
    assert gateway("feed", "--keep-time", "-", stdin=json_lines(life())).status == 0
    assert gateway("run", "--clock", "log", "--until", "2016-04-30T00:00:00Z").status == 0
    return gateway


def actions(gateway: Gateway, *options: str) -> list[Json]:
    ended = gateway("prap", "actions", "--json", *options)
    assert (ended.status, ended.err) == (0, "")
    return [json.decode(line) for line in ended.out.splitlines()]


def test_actions_are_csv_for_a_spreadsheet_or_json_lines_and_go_on_behind_a_cursor(decided: Gateway) -> None:
    found = actions(decided)
    assert [each["action"] for each in found] == ["ACKNOWLEDGE", "ACCEPT", "CANCEL"]
    assert all(each["overdue"] for each in found)
    ended = decided("prap", "actions")
    rows = [*csv.DictReader(StringIO(ended.out.decode("utf-8-sig"), newline=""))]
    assert [(row["action"], row["event_id"], row["cursor"], row["overdue"]) for row in rows] == [
        (each["action"], each["event_id"], each["cursor"], "yes") for each in found
    ]
    assert actions(decided, "--since", rows[0]["cursor"]) == found[1:]


def test_what_was_entered_is_marked_once_by_whom_and_can_be_unmarked(decided: Gateway) -> None:
    first, second, third = (each["event_id"] for each in actions(decided))
    assert decided("prap", "mark", first, second, "--by", "Desk 4").out == b"2 actions marked\n"
    said = decided("prap", "mark", second, third, "--by", "Desk 5").out
    assert said == b"1 action marked; 1 action had one before\n"
    marked = {each["event_id"]: each["entered_by"] for each in actions(decided, "--marked", "true")}
    assert marked == {first: "Desk 4", second: "Desk 4", third: "Desk 5"}
    assert actions(decided, "--marked", "overdue") == []
    assert decided("prap", "mark", "--undo", second).out == b"1 action unmarked\n"
    assert [each["event_id"] for each in actions(decided, "--marked", "overdue")] == [second]


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("actions", "--since", "1.2"), 2, "--since is no cursor; expected that of a row, as it is"),
        (("actions", "--since", "1-aaaaaaaaaaaa"), 2, "--since is a cursor of another log"),
        (("actions", "--since", "0.0"), 2, "--since is a cursor of another log"),
        (("mark", "PO1-1-1"), 1, "there is no action PO1-1-1; take the event_id from"),
        (("mark", "PO1-1-1", "--by", "AB 12 34 56 C"), 2, "--by "),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_marked(
    decided: Gateway, arguments: tuple[str, ...], status: int, says: str
) -> None:
    ended = decided("prap", *arguments)
    assert (ended.status, ended.out) == (status, b"")
    assert ended.sentence.startswith(says)
    assert actions(decided, "--marked", "true") == []
