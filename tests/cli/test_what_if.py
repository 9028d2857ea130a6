"""`gateway what-if`: what another policy would have decided of what is on the log."""

import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Gateway
from tests.cli.running import Json, json_lines, life, record, referral

LATER_WP11 = "[[policy]]\nfrom = 2011-06-01\nwp11_within_days = 25\n"
OTHERWISE = (
    "purchase orders would have been decided otherwise "
    "(- what would not have been, + what would have been instead)"
)


def others() -> list[Json]:
    """Of a second purchase order: accepted and rejected, so that no limit matters."""
    at = "2016-04-12T11:00:00Z"
    rejected = record("ReferralRejected", at, "PO2", reason="secret", rejected_at=at)
    return [referral("2016-04-12T08:30:00Z", "PO2", referred_on="2016-04-12"), rejected]


@pytest.fixture
def decided(gateway: Gateway, tmp_path: Path) -> Gateway:
    """A gateway that has decided on two purchase orders, and another policy in other.toml."""
    (tmp_path / "other.toml").write_text(LATER_WP11)
    lines = sorted([*life(), *others()], key=lambda line: line["at"])
    assert gateway("feed", "--keep-time", "-", stdin=json_lines(lines)).status == 0
    assert gateway("run", "--clock", "log", "--until", "2016-05-01T00:00:00Z").status == 0
    return gateway


def content(path: Path) -> list[str]:
    """All that is in a log."""
    db = sqlite3.connect(path)
    try:
        return [*db.iterdump()]
    finally:
        db.close()


def test_it_counts_what_would_be_different_and_prints_each_referral(decided: Gateway, tmp_path: Path) -> None:
    before = content(tmp_path / "gateway.db")
    ended = decided("what-if", "--policy", "other.toml")
    assert (ended.status, ended.err) == (0, "")
    kinds = ("jobcentre.cancellations CancellationEvent", "prap.actions CANCEL")
    counts = [f"{kind:<60}           1           1" for kind in kinds]
    assert ended.out.decode().splitlines() == [
        "7 messages about 2 purchase orders, the first of 14 Mar 2016 09:00, decided up to 12 Apr 2016 12:00",
        f"{'what would be different':<60}         now        then",
        *counts,
        f"{'provider.instructions REFERRAL_CANCELLED':<60}           1           1",
        "PO1",
        "  - 5 Apr 2016 00:00   → Jobcentre: cancelled from 5 Apr 2016, 'Did Not Start'",
        "  - 5 Apr 2016 00:00   → PRaP: cancel the referral, 'Did Not Start'",
        "  - 5 Apr 2016 00:00   → provider: the referral has been cancelled",
        "  + 9 Apr 2016 00:00   → Jobcentre: cancelled from 9 Apr 2016, 'Did Not Start'",
        "  + 9 Apr 2016 00:00   → PRaP: cancel the referral, 'Did Not Start'",
        "  + 9 Apr 2016 00:00   → provider: the referral has been cancelled",
        f"1 of 2 {OTHERWISE}",
    ]
    assert content(tmp_path / "gateway.db") == before


def test_a_purchase_order_that_began_before_the_day_is_left_out(decided: Gateway) -> None:
    shown = decided("what-if", "--policy", "other.toml", "--since", "2016-03-15").out.decode().splitlines()
    assert shown[0].startswith("2 messages about 1 purchase order, the first of 12 Apr 2016 09:30")
    assert shown[1:] == [
        "Left out: 1 purchase order, which began before --since",
        f"0 of 1 {OTHERWISE}",
    ]


def test_a_day_that_is_none_is_refused(decided: Gateway) -> None:
    ended = decided("what-if", "--policy", "other.toml", "--since", "2016-02-30")
    assert (ended.status, ended.out) == (2, b"")
    assert ended.sentence == "--since is not a date; expected one such as 2016-04-05"
