"""The commands for dead letters: what they show, what they ask, and what two of them at once do."""

import asyncio
import os
import pty
import select
import signal
import subprocess
from base64 import b64decode
from collections import Counter
from pathlib import Path
from time import monotonic

import pytest
from msgspec.structs import replace

from gateway.backends.embedded.log import open_embedded
from gateway.dead_letters.handling import DeadLetterFilter
from gateway.dead_letters.printing import print_dead_letters
from gateway.engine.log import Record
from gateway.intake.lines import read_lines
from gateway.reading.tables import LogTables
from gateway.rules.calendar import london_day
from gateway.rules.messages import Referral
from gateway.system.clock import wall_clock
from producers import dead_letters
from producers.dead_letters import REPLAYED_FROM
from schemas.codec import Unreadable, UnreadableCode, encode
from schemas.json import parse_instant
from tests.cli.conftest import Gateway
from tests.cli.running import (
    GATEWAY,
    clean_environment,
    json_lines,
    read_until,
    referral,
    spawn,
    started,
)
from tests.log.reading import followed, owned, step
from tests.patience import PATIENCE_S

AT = parse_instant("2016-03-14T09:00:00Z")
REFERRALS = "prap.referrals"
(LINE,) = read_lines([json_lines([referral()])])
assert isinstance(LINE.message, Referral)
MESSAGE: Referral = LINE.message
GOOD = encode(MESSAGE)
HEADERS = (("traceparent", b"00"), ("odd \x1b[2J", b"\xff"))


def died(
    folder: Path, code: UnreadableCode, *values: bytes, key: bytes = b"PO1", decided_to: int | None = None
) -> None:
    """Dead letters of an earlier version are on the log: prap.referrals-0-101 and so on.

    decided_to: when something was decided last; None: just now.
    """

    async def put() -> None:
        log = await open_embedded(folder / "gateway.db", tables=LogTables())
        try:
            claim, restored = await owned(log)
            why = Unreadable(code, "So it was.")
            drafts = [
                dead_letters.draft(Record(REFERRALS, 0, 101 + place, AT, key, value, HEADERS), why)
                for place, value in enumerate(values)
            ]
            await claim.commit(step(restored.positions, *drafts, decided_to=decided_to or wall_clock()))
        finally:
            await log.close()

    asyncio.run(put())


def came_back(folder: Path) -> Counter[str]:
    """How often each letter was put back."""

    async def read() -> list[Record]:
        log = await open_embedded(folder / "gateway.db", tables=LogTables())
        try:
            return await followed(log, [REFERRALS])
        finally:
            await log.close()

    return Counter((dict(record.headers)[REPLAYED_FROM] or b"").decode() for record in asyncio.run(read()))


def on_terminal(*arguments: str, cwd: Path, answer: bytes = b"") -> tuple[int, str]:
    """What a command shows on a terminal, where `answer` is typed once something stands there; its status."""
    mine, its = pty.openpty()
    environment = clean_environment() | {"TERM": "dumb", "COLUMNS": "100"}
    with subprocess.Popen(
        [GATEWAY, *arguments], cwd=cwd, env=environment, stdin=its, stdout=its, stderr=its
    ) as process:
        os.close(its)
        shown, deadline = b"", monotonic() + PATIENCE_S
        while monotonic() < deadline and select.select([mine], [], [], PATIENCE_S)[0]:
            try:
                part = os.read(mine, 65536)
            except OSError:  # the other end has been closed
                break
            if not shown and answer:
                os.write(mine, answer)
            shown += part
        if monotonic() >= deadline:
            process.kill()
        status = process.wait(PATIENCE_S)
    os.close(mine)
    return status, shown.decode().replace("\r\n", "\n")


def test_list_prints_a_line_for_each_letter_that_waits(gateway: Gateway, tmp_path: Path) -> None:
    died(tmp_path, "UNKNOWN_SCHEMA", GOOD, b"junk")
    assert gateway("dead-letters", "discard", "prap.referrals-0-102").status == 0
    ended = gateway("dead-letters", "list")
    assert (ended.status, ended.err) == (0, "")
    waits = {
        "id": "prap.referrals-0-101",
        "topic": "prap.referrals",
        "partition": 0,
        "offset": 101,
        "code": "UNKNOWN_SCHEMA",
        "detail": "So it was.",
        "at": "2016-03-14T09:00:00Z",
        "key_bytes": 3,
        "value_bytes": len(GOOD),
        "header_count": 2,
        "came_from": None,
        "handled": None,
        "handled_at": None,
        "failed_again_as": None,
    }
    assert ended.lines == [waits]
    _, discarded = gateway("dead-letters", "list", "--all").lines
    assert (discarded["id"], discarded["handled"]) == ("prap.referrals-0-102", "DISCARDED")
    assert discarded["handled_at"].endswith("Z")
    assert gateway("dead-letters", "list", "--code", "FAILED").out == b""
    assert gateway("dead-letters", "list", "--topic", "jobcentre.wp11").out == b""
    assert gateway("dead-letters", "list", "--code", "UNKNOWN_SCHEMA", "--topic", REFERRALS).lines == [waits]


def test_on_a_terminal_list_is_a_table_unless_lines_are_wanted(gateway: Gateway, tmp_path: Path) -> None:
    died(tmp_path, "UNDECODABLE", b"junk", b"junk")
    assert gateway("dead-letters", "replay", "prap.referrals-0-102").status == 0
    assert gateway("run", "--clock", "log", "--until", "2016-03-14T09:00:00Z").status == 0
    status, shown = on_terminal("dead-letters", "list", "--all", cwd=tmp_path)
    assert status == 0
    head, first, second, *rest = shown.splitlines()
    assert head.split() == "letter came (London) code what became of it".split()
    assert first.split() == "prap.referrals-0-101 14 Mar 2016 09:00 UNDECODABLE waits".split()
    assert second.startswith("prap.referrals-0-102  14 Mar 2016 09:00  UNDECODABLE  replayed ")
    said = " ".join(" ".join([second, *rest]).split())
    assert "; failed again as prap.referrals-0-1 " in said
    assert "failed again: came from prap.referrals-0-102, replayed " in said
    _, lines = on_terminal("dead-letters", "list", "--json", cwd=tmp_path)
    assert lines.encode() == gateway("dead-letters", "list").out
    assert lines.count('{"id":') == 2


def test_a_table_shows_the_last_letters_and_says_how_many_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    died(tmp_path, "FAILED", *[GOOD] * 5)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)

    async def print_them() -> None:
        log = await open_embedded(tmp_path / "gateway.db", tables=LogTables())
        await print_dead_letters(log, DeadLetterFilter(), everything=False, as_json=False, most_rows=2)
        await log.close()

    asyncio.run(print_them())
    shown = capsys.readouterr().out
    assert "referrals-0-103" not in shown
    assert "prap.referrals-0-104" in shown
    assert "These are the last 2 of 5; --json prints all.\n" in shown


def test_where_no_letter_is_list_says_so_to_a_person_and_nothing_to_a_program(
    gateway: Gateway, tmp_path: Path
) -> None:
    assert gateway("topics", "create").status == 0
    assert gateway("dead-letters", "list").out == b""
    assert on_terminal("dead-letters", "list", cwd=tmp_path) == (0, "No dead letter waits.\n")
    assert on_terminal("dead-letters", "list", "--all", cwd=tmp_path) == (0, "There is no dead letter.\n")
    for command in (["replay", "--all"], ["discard", "--all", "--yes"]):
        assert gateway("dead-letters", *command).status == 0


def test_show_prints_all_but_what_the_letter_holds_which_has_to_be_asked_for(
    gateway: Gateway, tmp_path: Path
) -> None:
    died(tmp_path, "KEY_MISMATCH", GOOD, key=b"PO2")
    show = ("dead-letters", "show", "prap.referrals-0-101")
    (line,) = gateway(*show).lines
    (listed,) = gateway("dead-letters", "list").lines
    why = "The key is not the po_number of the record in UTF-8."
    assert line == listed | {"would_fail_again": why}
    (whole,) = gateway(*show, "--value").lines
    assert whole == line | {
        "key": "UE8y",
        "value": whole["value"],
        "headers": {"traceparent": "MDA=", "odd \x1b[2J": "/w=="},
        "record": {"type": "Referral", "value": whole["record"]["value"]},
    }
    assert b64decode(whole["value"]) == GOOD
    assert whole["record"]["value"]["po_number"] == "PO1"

    status, shown = on_terminal(*show, cwd=tmp_path)
    assert status == 0
    assert shown == (
        "letter  prap.referrals-0-101\n"
        "came    14 Mar 2016 09:00 (London)\n"
        "from    prap.referrals, partition 0, offset 101\n"
        "code    KEY_MISMATCH: So it was.\n"
        f"now     would fail again: {why}\n"
        "became  waits\n"
        f"holds   key 3 bytes, value {len(GOOD)} bytes, headers: 2\n"
    )
    _, shown = on_terminal(*show, "--value", cwd=tmp_path)
    assert "\x1b" not in shown
    assert "\nheader odd \\x1b[2J  /w==\n" in shown
    assert f"{whole['value']}\n" in shown
    assert '{"type":"Referral","value":{"message_id":"PO1-1",' in shown


def test_show_says_where_what_a_letter_holds_can_not_be_decoded(gateway: Gateway, tmp_path: Path) -> None:
    died(tmp_path, "UNDECODABLE", b"\xc3")
    show = ("dead-letters", "show", "prap.referrals-0-101", "--value")
    assert gateway(*show).lines[0]["record"] is None
    assert "record              can't be decoded\n" in on_terminal(*show, cwd=tmp_path)[1]


def test_replay_puts_letters_back_once_and_says_what_it_did(gateway: Gateway, tmp_path: Path) -> None:
    died(tmp_path, "FAILED", *[GOOD] * 3)
    one, two, three = (f"prap.referrals-0-10{place}" for place in (1, 2, 3))
    ended = gateway("dead-letters", "replay", one, two)
    assert (ended.status, ended.out) == (0, b"")
    assert ended.err.count('"event":"dead_letter.replayed"') == 2
    assert f'"letter":"{two}"' in ended.err
    assert ended.err.endswith("\n2 dead letters put back\n")
    again = gateway("dead-letters", "replay", one, three)
    assert again.status == 0
    assert again.err.startswith(f"{one} was replayed before\n")
    assert again.err.endswith("\n1 dead letter put back\n")
    assert gateway("dead-letters", "replay", "--all").err == "0 dead letters put back\n"
    assert came_back(tmp_path) == {one: 1, two: 1, three: 1}


def test_nothing_is_put_back_by_a_clock_far_from_what_was_decided_last(
    gateway: Gateway, tmp_path: Path
) -> None:
    died(tmp_path, "FAILED", GOOD, decided_to=AT)
    refused = gateway("dead-letters", "replay", "--all")
    assert refused.status == 1
    assert "the clock of this machine is far from what was decided last (" in refused.sentence
    assert not came_back(tmp_path)
    assert gateway("clock", "accept").status == 0
    assert gateway("dead-letters", "replay", "--all").status == 0
    assert came_back(tmp_path) == {"prap.referrals-0-101": 1}


def test_replay_leaves_what_would_fail_again_and_says_why(gateway: Gateway, tmp_path: Path) -> None:
    died(tmp_path, "UNDECODABLE", b"junk", GOOD, b"")
    ended = gateway("dead-letters", "replay", "--code", "UNDECODABLE")
    assert ended.status == 1
    done, sentence = ended.err.splitlines()[-2:]
    assert done == "1 dead letter put back"
    assert sentence == (
        "gateway: 2 dead letters would fail again and stayed, such as prap.referrals-0-101 (The value does "
        "not begin with Avro's single-object marker); upgrade the gateway, name --anyway, or discard what "
        "can't be helped"
    )
    assert gateway("dead-letters", "replay", "--anyway", "--topic", REFERRALS).status == 0
    assert set(came_back(tmp_path).values()) == {1}
    assert len(came_back(tmp_path)) == 3


def test_a_letter_that_is_named_is_put_back_though_it_fails_again_and_then_says_so(
    gateway: Gateway, tmp_path: Path
) -> None:
    # Of today: one that came so late that it is forgotten at once would take its letters with it.
    good = encode(replace(MESSAGE, referred_on=london_day(wall_clock())))
    died(tmp_path, "UNDECODABLE", b"junk", good, b"")
    one, two, three = (f"prap.referrals-0-10{place}" for place in (1, 2, 3))
    ended = gateway("dead-letters", "replay", one, two)
    assert ended.status == 0
    assert ended.err.splitlines()[-2:] == [
        "2 dead letters put back",
        f"{one} will fail again (The value does not begin with Avro's single-object marker)",
    ]
    assert came_back(tmp_path) == {one: 1, two: 1}
    assert (
        gateway("dead-letters", "replay", one).err == f"{one} was replayed before\n0 dead letters put back\n"
    )
    ended = gateway("dead-letters", "replay", "--all", "--anyway")
    assert ended.status == 0
    assert ended.err.splitlines()[-1].startswith(f"{three} will fail again (")
    assert gateway("run", "--clock", "log", "--until", "2016-03-14T09:00:00Z").status == 0
    again = gateway("dead-letters", "list").lines
    assert [line["came_from"] for line in again] == [one, three]
    (shown,) = gateway("dead-letters", "show", again[0]["id"]).lines
    assert shown["came_from"] == one
    _, screen = on_terminal("dead-letters", "show", again[0]["id"], cwd=tmp_path)
    assert f"became  failed again: came from {one}, replayed " in screen
    _, screen = on_terminal("dead-letters", "list", cwd=tmp_path)
    assert f"failed again: came from {one}, replayed " in " ".join(screen.split())
    (before,) = gateway("dead-letters", "show", one).lines
    assert before["failed_again_as"] == again[0]["id"]


def test_what_was_handled_otherwise_is_reported_and_nothing_is_done(gateway: Gateway, tmp_path: Path) -> None:
    died(tmp_path, "FAILED", GOOD, GOOD, GOOD)
    one, two, three = (f"prap.referrals-0-10{place}" for place in (1, 2, 3))
    assert gateway("dead-letters", "discard", one).status == 0
    assert gateway("dead-letters", "replay", two).status == 0
    ended = gateway("dead-letters", "replay", three, one)
    assert (ended.status, ended.sentence) == (
        1,
        f"{one} was discarded before, so nothing was done; leave it out",
    )
    ended = gateway("dead-letters", "discard", three, two)
    assert (ended.status, ended.sentence) == (
        1,
        f"{two} was replayed before, so nothing was done; leave it out",
    )
    assert [line["id"] for line in gateway("dead-letters", "list").lines] == [three]


def test_discard_asks_on_a_terminal_and_there_only(gateway: Gateway, tmp_path: Path) -> None:
    died(tmp_path, "FAILED", GOOD, GOOD, GOOD)
    for answer in (b"yep\n", b"\x04"):
        status, shown = on_terminal("dead-letters", "discard", "--all", cwd=tmp_path, answer=answer)
        assert status == 1
        assert "Discard 3 dead letters? It can't be undone. [y/N] " in shown
        assert "gateway: nothing was discarded; answer y, or name --yes, to discard\n" in shown
    assert len(gateway("dead-letters", "list").lines) == 3
    one, two, three = (f"prap.referrals-0-10{place}" for place in (1, 2, 3))
    status, shown = on_terminal("dead-letters", "discard", one, cwd=tmp_path, answer=b"y\n")
    assert status == 0
    assert "\n1 dead letter discarded\n" in shown
    status, shown = on_terminal("dead-letters", "discard", two, "--yes", cwd=tmp_path)
    assert status == 0
    assert "[y/N]" not in shown
    ended = gateway("dead-letters", "discard", three)
    assert ended.err.endswith("\n1 dead letter discarded\n")
    assert ended.err.count('"event":"dead_letter.discarded"') == 1
    assert gateway("dead-letters", "discard", three).err == (
        f"{three} was discarded before\n0 dead letters discarded\n"
    )
    assert came_back(tmp_path) == {}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["replay"], "no dead letter is named; name ids, --code, --topic or --all"),
        (["discard", "--yes"], "no dead letter is named; name ids, --code, --topic or --all"),
        (["replay", "x", "--all"], "ids and --code, --topic or --all can't be combined; name one of them"),
        (["discard", "x", "--code", "FAILED"], "ids and --code, --topic or --all can't be combined"),
        (["list", "--topic", "nope"], "no inbound topic has that name; name one of prap.referrals, "),
        (
            ["replay", "--code", "nope"],
            "'UNKNOWN_SCHEMA', 'UNDECODABLE', 'KEY_MISMATCH', 'TOO_LARGE', 'FAILED'",
        ),
        (["show", "nope"], "there is no dead letter nope on the log, or no longer"),
        (["replay", "nope"], "there is no dead letter nope on the log, or no longer"),
        (["discard", "nope", "--yes"], "there is no dead letter nope on the log, or no longer"),
        (["show", "\x1b[31m"], "there is no dead letter of this id on the log"),
    ],
    ids=repr,
)
def test_what_is_asked_for_wrongly_is_reported_with_exit_2(
    arguments: list[str], expected: str, gateway: Gateway, tmp_path: Path
) -> None:
    died(tmp_path, "FAILED", GOOD)
    ended = gateway("dead-letters", *arguments)
    assert (ended.status, ended.out) == (2, b"")
    assert expected in ended.sentence
    assert len(gateway("dead-letters", "list").lines) == 1


def test_a_letter_is_put_back_once_by_operators_at_once_of_whom_some_are_killed(
    gateway: Gateway, tmp_path: Path
) -> None:
    """All want to put back all. Some are killed at any moment; the last one finds what is left."""
    died(tmp_path, "FAILED", *[GOOD] * 700)
    replay = [GATEWAY, "dead-letters", "replay", "--all"]
    killed = 0
    for lines in (1, 150):
        operators = [
            subprocess.Popen(replay, cwd=tmp_path, env=clean_environment(), stderr=subprocess.PIPE)
            for _ in range(2)
        ]
        victim = operators[0]
        assert victim.stderr is not None
        for _ in range(lines):
            if not victim.stderr.readline():
                break
        for process in operators:  # the other one is killed wherever it is by now
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=PATIENCE_S)
            killed += process.returncode == -signal.SIGKILL
        marked = [line["id"] for line in gateway("dead-letters", "list", "--all").lines if line["handled"]]
        assert came_back(tmp_path) == Counter(marked)
    assert killed
    last = [
        subprocess.Popen(replay, cwd=tmp_path, env=clean_environment(), stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in last:
        _, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, err.decode()
    assert came_back(tmp_path) == Counter(f"prap.referrals-0-{place}" for place in range(101, 801))
    assert gateway("dead-letters", "list").out == b""


def test_letters_are_put_back_while_the_gateway_runs(gateway: Gateway, tmp_path: Path) -> None:
    """It decides them, with nobody stopping it."""
    died(tmp_path, "FAILED", GOOD)
    with started("run", "--clock", "log", cwd=tmp_path) as run:
        read_until(run, "partition.claimed")
        assert spawn("dead-letters", "replay", "--all", cwd=tmp_path).status == 0
        while not (outcomes := gateway("tail", "--from-start", "--no-follow", "gateway.outcomes").lines):
            assert run.poll() is None, "it was not decided"
        run.terminate()
        run.communicate(timeout=PATIENCE_S)
    assert [line["value"]["status"] for line in outcomes] == ["APPLIED"]
    assert run.returncode == 0
