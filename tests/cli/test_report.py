"""`gateway report`: what was decided in a period, as CSV."""

import csv
from io import StringIO

import pytest

from tests.cli.conftest import Gateway
from tests.cli.running import Json, json_lines, life, record, referral


def journey() -> list[Json]:
    """Somebody missed a mandatory session and did not join; another came, and the fare was paid."""
    at = "2016-03-22T10:00:00Z"
    paid = {"session_id": "=S2", "kind": "TRAVEL", "paid_on": "2016-03-29", "provider_id": "=PRV"}
    session: Json = {
        "session_id": "=S2",
        "session_name": "Session",
        "starts_at": "2016-03-21T10:00:00Z",
        "duration_minutes": 60,
        "location": "Room 1",
        "format": "GROUP",
        "notified_at": "2016-03-15T12:00:00Z",
    }
    sender = {"po_number": "PO2", "provider_id": "=PRV"}
    attended = {"session_id": "=S2", "outcome": "ATTENDED", "recorded_at": at}
    lines = [
        referral("2016-03-15T09:00:00Z", "PO2", provider_id="=PRV"),
        record("ReferralAccepted", "2016-03-15T10:00:00Z", **sender, accepted_at="2016-03-15T10:00:00Z"),
        record("SessionBooked", "2016-03-15T12:00:00Z", **sender, **session),
        record("AttendanceRecorded", at, **sender, **attended),
        record("ExpenseReimbursed", "2016-03-29T10:00:00Z", "PO2", **paid, amount_pence=450),
        # The same message once more, which is a duplicate, and another that is refused.
        record("ExpenseReimbursed", "2016-03-29T10:00:00Z", "PO2", **paid, amount_pence=450),
        record(
            "ExpenseReimbursed",
            "2016-03-29T11:00:00Z",
            "PO2",
            **paid | {"session_id": "NONE"},
            amount_pence=9,
        ),
        record("ExpenseReimbursed", "2016-03-29T12:00:00Z", "PO2", **paid, amount_pence=50),
        record(
            "ExpenseReimbursed",
            "2016-04-01T12:00:00Z",
            "PO2",
            **paid | {"paid_on": "2016-04-01"},
            amount_pence=7,
        ),
    ]
    return sorted([*life(), *lines], key=lambda line: line["at"])


@pytest.fixture
def decided(gateway: Gateway) -> Gateway:
    """A gateway that has decided all of it."""
    assert gateway("feed", "--keep-time", "-", stdin=json_lines(journey())).status == 0
    assert gateway("run", "--clock", "log", "--until", "2016-04-30T00:00:00Z").status == 0
    return gateway


def report(gateway: Gateway, *arguments: str) -> list[dict[str, str]]:
    """The rows of a report."""
    ended = gateway("report", *arguments)
    assert (ended.status, ended.err) == (0, "")
    return [*csv.DictReader(StringIO(ended.out.decode("utf-8-sig"), newline=""))]


def test_each_report_has_what_was_decided_and_nothing_about_a_person(decided: Gateway) -> None:
    (raised,) = report(decided, "sanction-notifications")
    assert (raised["po_number"], raised["status"], raised["failure"]) == ("PO1", "RAISED", "DID_NOT_ATTEND")
    assert not {"reason_given", "session_name", "location"} & raised.keys()
    assert "overslept" not in raised.values()
    cancelled = report(decided, "cancellations")
    assert [(each["po_number"], each["attended"]) for each in cancelled] == [("PO1", "no"), ("PO2", "yes")]
    assert {each["breach"] for each in report(decided, "breaches")} == {"SESSION_LATE"}


def test_expenses_are_added_up_by_provider_and_kind_where_their_record_was_applied(decided: Gateway) -> None:
    """And a provider whose id looks like a formula is a text."""
    expected = {"provider_id": "'=PRV", "kind": "TRAVEL", "payments": "3", "amount_pence": "507"}
    assert report(decided, "expenses") == [expected]


def test_a_report_is_of_the_days_that_are_named(decided: Gateway) -> None:
    (row,) = report(decided, "expenses", "--since", "2016-03-30")
    assert (row["payments"], row["amount_pence"]) == ("1", "7")
    assert report(decided, "cancellations", "--until", "2016-04-04") == []
    assert len(report(decided, "cancellations", "--since", "2016-04-05", "--until", "2016-04-05")) == 2


def test_a_report_that_there_is_not_is_refused(gateway: Gateway) -> None:
    ended = gateway("report", "lunch")
    assert (ended.status, ended.out) == (2, b"")
    assert ended.sentence.startswith("there is no report lunch; name one of sanction-notifications, ")
