"""What is printed for people: explain, replay --diff and replay --summary."""

from pathlib import Path

import pytest

from tests.cli.conftest import Gateway
from tests.cli.running import Json, json_lines, life, record, referral

LATER_WP11 = "[[policy]]\nfrom = 2011-06-01\nwp11_within_days = 25\n"


def explained(gateway: Gateway, lines: list[Json], until: str, po_number: str = "PO1") -> str:
    """What explain says when these messages have been decided."""
    assert gateway("feed", "--keep-time", "-", stdin=json_lines(lines)).status == 0
    assert gateway("run", "--clock", "log", "--until", until).status == 0
    ended = gateway("explain", po_number)
    assert (ended.status, ended.err) == (0, "")
    return ended.out.decode()


def test_explain_prints_what_came_what_followed_and_the_guidance(gateway: Gateway) -> None:
    shown = explained(gateway, life(), "2016-04-05T00:00:00Z")
    decisions, guidance = shown.split("\nThe guidance it follows:\n")
    assert (
        decisions
        == """\
Purchase order PO1, in London's time

14 Mar 2016 09:00  PRaP: a referral of 14 Mar 2016 to a mandatory session  (message PO1-1)
                   → PRaP: acknowledge the referral  [WP19 ¶3]
                   → provider: accept the referral, by 16 Mar 2016  [WP19 ¶3]
                   = applied  [WP19 ¶3]
14 Mar 2016 10:00  provider: accepts the referral  (message PO1-ReferralAccepted-2016-03-14T10:00:00Z)
                   → PRaP: accept the referral  [WP19 ¶3]
                   = applied  [WP19 ¶3]
14 Mar 2016 12:00  provider: books a group session for 18 Mar 2016 10:00  \
(message PO1-SessionBooked-2016-03-14T12:00:00Z)
                   → Jobcentre: a session is booked, mandatory, 18 Mar 2016 10:00, session S1  [WP19 ¶2]
                   = applied  [WP19 ¶2]
18 Mar 2016 12:00  provider: the participant did not come  \
(message PO1-AttendanceRecorded-2016-03-18T12:00:00Z)
                   → Jobcentre: the participant did not come, session S1  \
[WP19 Mandatory participant does not attend Information Session]
                   → decision maker: failure to undertake work related activity, \
the participant did not come, session S1  \
[UCGS Claimant fails to attend after the mandated group session has taken place]
                   → provider: arrange another session, session S1  [WP19 ¶8]
                   = applied  [WP19 Mandatory participant does not attend Information Session]
21 Mar 2016 12:00  provider: the participant objects to a group  \
(message PO1-GroupObjection-2016-03-21T12:00:00Z)
                   = refused: a date or time in the message lies after the moment it arrived; \
check the sender's clock
30 Mar 2016 00:00  the time for a session is over
                   → breach: no session attended in time, by 29 Mar 2016: the participant did not attend  \
[WP19 ¶2]
5 Apr 2016 00:00   the time for a WP11 is over
                   → Jobcentre: cancelled from 5 Apr 2016, 'Did Not Start'  [WP19 ¶12]
                   → PRaP: cancel the referral, 'Did Not Start'  [WP19 ¶12]
                   → provider: the referral has been cancelled  [WP19 ¶12]
"""
    )
    cited, words = guidance.split("\nThe words:\n")
    assert "  WP19 ¶3: The provider acknowledges and accepts the referral on PRaP.\n" in cited
    assert "  PRaP: the purchase-order system" in words
    assert "  UCGS: Universal Credit guidance on group sessions" in words
    assert "JSAGIS" not in words
    # Free text is passed on to those whom it is for, and not shown here.
    assert "overslept" not in shown
    assert "Room 1" not in shown


def test_explain_prints_when_a_held_message_came_and_names_both_deliveries(gateway: Gateway) -> None:
    early = record("GroupObjection", "2016-03-14T08:00:00Z", raised_at="2016-03-14T08:00:00Z")
    again = early | {"at": "2016-03-14T08:30:00Z"}
    shown = explained(gateway, [early, again, referral()], "2016-03-14T10:00:00Z")
    decisions = shown.split("\nThe guidance")[0].splitlines()[2:]
    message = "provider: the participant objects to a group"
    booking = "UCGS Booking a claimant onto a group session"
    its_id = "(message PO1-GroupObjection-2016-03-14T08:00:00Z)"
    assert decisions == [
        f"14 Mar 2016 08:00  {message}  {its_id}",
        "                   = held until its referral comes",
        f"14 Mar 2016 08:30  {message}  {its_id}",
        "                   = a duplicate: nothing is decided twice",
        "14 Mar 2016 09:00  PRaP: a referral of 14 Mar 2016 to a mandatory session  (message PO1-1)",
        "                   → PRaP: acknowledge the referral  [WP19 ¶3]",
        "                   → provider: accept the referral, by 16 Mar 2016  [WP19 ¶3]",
        "                   = applied  [WP19 ¶3]",
        f"                   {message} (came 14 Mar 2016 08:00)  {its_id}",
        f"                   → provider: offer a one-to-one session  [{booking}]",
        f"                   = applied  [{booking}]",
    ]


def test_explain_prints_a_deadline_and_a_message_of_one_instant_apart(gateway: Gateway) -> None:
    midnight = "2016-04-04T23:00:00Z"
    late = record("ReferralAccepted", midnight, accepted_at="2016-03-15T10:00:00Z")
    shown = explained(gateway, [referral(), late], midnight)
    decisions = shown.split("\nThe guidance")[0].splitlines()
    assert decisions[-6:-1] == [
        "5 Apr 2016 00:00   the time for a WP11 is over",
        "                   → Jobcentre: cancelled from 5 Apr 2016, 'Did Not Start'  [WP19 ¶12]",
        "                   → PRaP: cancel the referral, 'Did Not Start'  [WP19 ¶12]",
        "                   → provider: the referral has been cancelled  [WP19 ¶12]",
        f"                   provider: accepts the referral  (message PO1-ReferralAccepted-{midnight})",
    ]
    assert decisions[-1].startswith("                   = refused: the referral is cancelled; nothing more")


def test_explain_shows_what_has_come_and_is_not_decided_yet(gateway: Gateway) -> None:
    assert gateway("feed", "--keep-time", "-", stdin=json_lines([referral()])).status == 0
    shown = gateway("explain", "PO1").out.decode()
    assert "PRaP: a referral of 14 Mar 2016 to a mandatory session\n" in shown
    assert "= not decided yet; `gateway run` decides it\n" in shown


def test_explain_prints_nothing_that_a_terminal_acts_on(gateway: Gateway) -> None:
    shown = explained(gateway, [referral(message_id="M\u202e\u20281")], "2016-03-14T10:00:00Z")
    assert "(message M\\u202e\\u20281)" in shown
    assert not {"\u202e", "\u2028"} & set(shown)


def test_diff_prints_each_referral_that_another_policy_would_have_changed(
    gateway: Gateway, tmp_path: Path
) -> None:
    (tmp_path / "other.toml").write_text(LATER_WP11)
    other = referral(po_number="PO2", at="2016-03-14T09:30:00Z")
    rejected = record(
        "ReferralRejected",
        "2016-03-14T11:00:00Z",
        "PO2",
        reason="secret",
        rejected_at="2016-03-14T11:00:00Z",
    )
    given = json_lines(sorted([*life(), other, rejected], key=lambda line: line["at"]))
    ended = gateway("replay", "--diff", "other.toml", "--until", "2016-05-01T00:00:00Z", stdin=given)
    assert (ended.status, ended.err) == (0, "")
    assert (
        ended.out.decode()
        == """\
PO1
  - 5 Apr 2016 00:00   → Jobcentre: cancelled from 5 Apr 2016, 'Did Not Start'
  - 5 Apr 2016 00:00   → PRaP: cancel the referral, 'Did Not Start'
  - 5 Apr 2016 00:00   → provider: the referral has been cancelled
  + 9 Apr 2016 00:00   → Jobcentre: cancelled from 9 Apr 2016, 'Did Not Start'
  + 9 Apr 2016 00:00   → PRaP: cancel the referral, 'Did Not Start'
  + 9 Apr 2016 00:00   → provider: the referral has been cancelled
1 of 2 purchase orders would have been decided otherwise \
(- what would not have been, + what would have been instead)
"""
    )


def test_diff_compares_what_was_decided_at_one_instant_without_its_ids(
    gateway: Gateway, tmp_path: Path
) -> None:
    (tmp_path / "other.toml").write_text("[[policy]]\nfrom = 2011-06-01\nclock_skew_s = 0\n")
    # Refused under the other policy, so that what follows at that instant has other ids there.
    at = "2016-03-14T10:00:00Z"
    skewed = record("ReferralAccepted", at, accepted_at="2016-03-14T10:00:01Z")
    objection = record("GroupObjection", at, raised_at=at)
    ended = gateway("replay", "--diff", "other.toml", stdin=json_lines([referral(), skewed, objection]))
    lines = ended.out.decode().splitlines()
    assert [line[:3] for line in lines[1:-1]] == ["  -", "  -", "  +"]
    assert "= " not in ended.out.decode()
    assert not any("one-to-one" in line for line in lines)


def test_diff_with_the_same_policy_finds_nothing(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("[[policy]]\nfrom = 2011-06-01\n")
    ended = gateway("replay", "--diff", "other.toml", stdin=json_lines(life()))
    assert ended.out.startswith(b"0 of 1 purchase orders")


def test_diff_of_wrong_input_prints_no_half_of_it(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(LATER_WP11)
    ended = gateway("replay", "--diff", "other.toml", stdin=json_lines(life()) + b"{\n")
    assert (ended.status, ended.out) == (2, b"")
    assert ended.sentence.startswith("line 6: ")


def test_the_summary_counts_what_came_in_and_went_out_in_80_columns(gateway: Gateway) -> None:
    given = gateway("sample", "--referrals", "100", "--seed", "1").out
    ended = gateway("replay", "--summary", stdin=given)
    assert (ended.status, ended.err) == (0, "")
    lines = ended.out.decode().splitlines()
    assert max(map(len, lines)) <= 80
    came, went = (lines[place].split() for place in (0, lines.index("") + 1))
    assert came == ["came", "in", f"{len(given.splitlines()):,}"]
    assert went == ["went", "out", f"{len(gateway('replay', stdin=given).lines):,}"]
    for word in ("prap.referrals", "    Referral ", "gateway.outcomes", "    APPLIED ", "    REFUSED "):
        assert any(line.lstrip(" ").startswith(word.strip()) for line in lines)


def test_until_lets_fall_due_what_is_due_at_that_instant(gateway: Gateway) -> None:
    given = json_lines([referral()])
    before = gateway("replay", "--until", "2016-04-04T22:59:59.999Z", stdin=given).lines
    at = gateway("replay", "--until", "2016-04-04T23:00:00Z", stdin=given).lines
    assert [line["type"] for line in at[len(before) :]] == ["CancellationEvent", "PrapAction", "Instruction"]
    assert gateway("replay", stdin=given).lines == before[:3]


@pytest.mark.parametrize("arguments", [["replay", "--summary"], ["explain", "PO1"]])
def test_where_it_is_no_terminal_there_are_no_colours(arguments: list[str], gateway: Gateway) -> None:
    assert gateway("feed", "-", stdin=json_lines([referral()])).status == 0
    assert b"\x1b" not in gateway(*arguments, stdin=json_lines(life())).out
