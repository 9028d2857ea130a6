"""`gateway forget` has a referral forgotten, by a gateway that runs or by the next one."""

import json
import shutil
from pathlib import Path

import pytest

from gateway.cli.forget import is_same
from gateway.rules.decide import decide, forget
from tests.cli.conftest import Gateway
from tests.cli.running import Json, json_lines, read_until, record, referral, spawn, started
from tests.engine.letters import MINUTE, NINE, acceptance
from tests.engine.letters import referral as letter
from tests.engine.small_programmes import POLICIES
from tests.sealing.marks import IN_CONTRACT, marks_in, readable, story

#: After all of `story`, of which nothing is left to fall due but that it is forgotten.
DECIDED = "2016-06-01T00:00:00Z"
REASON = ("--reason", "ordered by the court")
KEPT = "no gateway has done it yet; it is kept, and done when one runs and has decided what came before\n"


def run(gateway: Gateway, lines: list[Json], until: str = DECIDED) -> None:
    assert gateway("feed", "--keep-time", "-", stdin=json_lines(lines)).status == 0
    assert gateway("run", "--clock", "log", "--until", until).status == 0


def left(folder: Path) -> set[bytes]:
    """What can be read in the log by whoever has the keys."""
    return readable(folder / "gateway.db", folder / "gateway.db.keys")


def test_without_a_gateway_it_is_kept_and_done_at_the_next_start(gateway: Gateway, tmp_path: Path) -> None:
    """The key is destroyed, also for a copy from before; nothing goes out; the act says who and why."""
    run(gateway, [*story(), referral("2016-05-01T00:00:00Z", "PO2", referred_on="2016-05-01")])
    before = gateway("tail", "--from-start", "--no-follow").out
    ended = gateway("forget", "PO1", *REASON, "--wait", "0")
    assert (ended.status, ended.out.decode()) == (0, KEPT)
    assert len(gateway("list").lines) == 2, "it is still there"
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in tmp_path.glob("gateway.db*"):
        shutil.copy(path, copy)
    assert gateway("run", "--clock", "log", "--until", DECIDED).status == 0
    assert left(tmp_path) == set()
    assert readable(copy / "gateway.db", tmp_path / "gateway.db.keys") == set()
    assert gateway("tail", "--from-start", "--no-follow").out == before
    assert [line["po_number"] for line in gateway("list").lines] == ["PO2"]
    (found,) = gateway("subject-access", "PO1", "--reason", "a look").lines
    assert found["standing"] == "FORGOTTEN"
    assert marks_in(json.dumps(found).encode()) <= IN_CONTRACT
    (act,) = found["acts"]
    assert (act["act"], act["po_number"], act["reason"]) == ("FORGET", "PO1", REASON[1])
    again = gateway("forget", "PO1", *REASON)
    assert (again.status, again.out) == (1, b"")
    assert again.sentence.startswith("no referral is known under this number on the log gateway.db; check it")


def test_a_gateway_that_runs_does_it_meanwhile(tmp_path: Path) -> None:
    """And what comes afterwards is about an unknown referral."""
    at = "2016-03-14T09:00:00Z"
    (tmp_path / "some.jsonl").write_bytes(json_lines([referral(participant={"forename": "Qzmark forename"})]))
    assert spawn("feed", "--keep-time", "some.jsonl", cwd=tmp_path).status == 0
    with started("run", "--clock", "log", cwd=tmp_path) as process:
        read_until(process, "referral.received")
        ended = spawn("forget", "PO1", *REASON, "--open", "--wait", "60", cwd=tmp_path)
        assert (ended.status, ended.out.decode(), ended.err) == (0, "the referral is forgotten\n", "")
        read_until(process, "referral.forgotten")
        others = referral("2016-03-14T09:00:00Z", "PO2")
        late = record("ReferralAccepted", at, accepted_at=at)
        (tmp_path / "late.jsonl").write_bytes(json_lines([others, late]))
        assert spawn("feed", "--keep-time", "late.jsonl", cwd=tmp_path).status == 0
        process.terminate()
        assert process.wait() == 0
    assert spawn("run", "--clock", "log", "--until", at, cwd=tmp_path).status == 0
    outcomes = spawn("tail", "gateway.outcomes", "--from-start", "--no-follow", cwd=tmp_path).lines
    assert [line["value"]["status"] for line in outcomes] == ["APPLIED", "APPLIED", "HELD"]
    assert left(tmp_path) == set()


def test_where_deadlines_run_it_is_refused_unless_that_is_meant(gateway: Gateway) -> None:
    run(gateway, [referral()], until="2016-03-14T09:00:00Z")
    ended = gateway("forget", "PO1", *REASON)
    assert (ended.status, ended.out) == (1, b"")
    assert ended.sentence == (
        "something still falls due on this referral (OPEN). Once it is forgotten no deadline of it falls "
        "due, so no cancellation, notification or breach comes any more, and what arrives is about an "
        "unknown referral; wait, or name --open to lose that"
    )
    assert gateway("forget", "PO1", *REASON, "--open", "--wait", "0").out.decode() == KEPT
    run(gateway, [], until="2016-03-14T09:00:00Z")
    run(gateway, [referral("2016-05-01T00:00:00Z", "PO2", referred_on="2016-05-01")])
    assert {line["po_number"] for line in gateway("list").lines} == {"PO2"}
    topics = {line["topic"] for line in gateway("tail", "--po", "PO1", "--from-start", "--no-follow").lines}
    assert "jobcentre.cancellations" not in topics, "it no longer falls due"


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("PO9", *REASON), 1, "no referral is known under this number on the log gateway.db; check it."),
        (("PO\udcff", *REASON), 2, "the number is no text in UTF-8; check it"),
        (("PO1", "--reason", " "), 2, "--reason says nothing; say why it is to be forgotten"),
    ],
)
def test_what_can_not_be_forgotten_is_said(
    gateway: Gateway, arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    run(gateway, [referral()])
    ended = gateway("forget", *arguments)
    assert (ended.status, ended.out) == (status, b"")
    assert ended.sentence.startswith(sentence)


def test_a_referral_that_came_anew_is_not_taken_for_the_one_that_was_forgotten() -> None:
    """Nor is one to which something came between for another one."""
    known = decide(None, letter(), NINE, POLICIES).order
    assert known is not None
    later = decide(known, acceptance(), NINE + MINUTE, POLICIES).order
    forgotten = forget("PO1", NINE + MINUTE).order
    anew = decide(forgotten, letter(message_id="r2"), NINE + 2 * MINUTE, POLICIES).order
    assert [is_same(known, each) for each in (known, later, forgotten, anew, None)] == [
        *(True, True),
        *(False, False, False),
    ]
