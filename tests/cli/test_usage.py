"""What is asked for wrongly: exit 2, what can't be done: exit 1, and one sentence that says what to do."""

import fcntl
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Gateway
from tests.cli.running import json_lines, life, referral

LOG_STARTS = "the log gateway.db"
#: One of each kind that opens the log.
COMMANDS = (
    "run",
    "feed -",
    "tail --no-follow",
    "explain PO1",
    "topics check",
    "dead-letters list",
    "dead-letters replay --all",
)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--nope"], ["no such option: --nope", "`gateway --help`"]),
        (["nope"], ["no such command 'nope'", "`gateway --help`"]),
        (["exlain"], ["did you mean 'explain'"]),
        (["run", "--nope"], ["no such option: --nope", "`gateway run --help`"]),
        (["run", "--clok", "log"], ["--clock", "`gateway run --help`"]),
        (["run", "--clock", "sun"], ["'--clock': 'sun' is not one of 'wall', 'log'"]),
        (["run", "--sandbox", "--until", "2016-04-05T00:00:00Z"], ["name nothing but --sandbox"]),
        (["run", "--today"], ["--today is for a sandbox", "--sandbox"]),
        (["run", "--workers", "two"], ["'--workers': expected a whole number; see "]),
        (["run", "--workers", "0"], ["'--workers': expected 1 or more; see "]),
        (["run", "--workers", "2"], ["--workers is for a log on Kafka", "leave it out"]),
        (["run", "--until", "2016-04-05T00:00:00Z"], ["--until needs --clock log"]),
        (
            ["run", "--clock", "wall", "--until", "2016-04-05T00:00:00Z"],
            ["--until needs --clock log", "name both"],
        ),
        (["run", "--clock", "log", "--until", "tomorrow"], ["--until is not a timestamp", "2016-"]),
        (["replay", "--until", "2016-04-05T00:00:00"], ["--until", "has no offset"]),
        (["replay", "--until", "2016-04-31T00:00:00Z"], ["--until", "does not exist"]),
        (["replay", "--until"], ["'--until' requires an argument"]),
        (["what-if"], ["missing option '--policy'", "`gateway what-if --help`"]),
        (["what-if", "--policy", "x.toml"], ["the policy file x.toml does not exist"]),
        (["replay", "one", "two"], ["unexpected extra argument", "`gateway replay --help`"]),
        (["replay", "--summary", "--diff", "x.toml"], ["--diff and --summary", "name one of them"]),
        (["replay", "--diff", "x.toml"], ["the policy file x.toml does not exist"]),
        (["replay", "--policy", "."], ["the policy file . can't be read (Is a directory)"]),
        (["replay", "--config", "x.toml"], ["the settings file x.toml does not exist"]),
        (["explain"], ["missing argument", "`gateway explain --help`"]),
        (["tail", "prap.referrals"], ["no outbound topic", "gateway.outcomes"]),
        (["tail", "gateway.outcomes", "nope"], ["no outbound topic", "gateway.dead-letters"]),
        (["topics", "nope"], ["no such command 'nope'", "`gateway topics --help`"]),
        (["sample"], ["missing option '--referrals'", "`gateway sample --help`"]),
        (["sample", "--referrals", "-1"], ["'--referrals': expected 1 or more; see "]),
        (["sample", "--referrals", "1", "--seed", "x"], ["'--seed': expected a whole number; see "]),
        (["dead-letters", "nope"], ["no such command 'nope'", "`gateway dead-letters --help`"]),
        (["dead-letters", "show"], ["missing argument", "`gateway dead-letters show --help`"]),
        (["feed"], ["missing argument", "`gateway feed --help`"]),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_reported_in_a_sentence_with_exit_2(
    arguments: list[str], expected: list[str], gateway: Gateway
) -> None:
    ended = gateway(*arguments)
    assert ended.status == 2
    assert ended.out == b""
    for part in expected:
        assert part in ended.sentence


@pytest.mark.parametrize("arguments", [[], ["topics"], ["dead-letters"]])
def test_without_a_command_the_help_is_printed(arguments: list[str], gateway: Gateway) -> None:
    ended = gateway(*arguments)
    assert ended.status == 2
    assert b"Usage: gateway" in ended.out
    assert ended.err == ""


def test_the_version_is_printed(gateway: Gateway) -> None:
    ended = gateway("--version")
    assert ended.status == 0
    assert ended.out.startswith(b"gateway 0.")


@pytest.mark.parametrize(
    "command",
    [
        ["tail", "--no-follow"],
        ["explain", "PO1"],
        ["topics", "check"],
        ["dead-letters", "list"],
        ["dead-letters", "show", "x"],
        ["dead-letters", "replay", "--all"],
        ["dead-letters", "discard", "x"],
    ],
)
def test_a_log_that_is_not_there_is_not_made_by_reading_it(
    command: list[str], gateway: Gateway, tmp_path: Path
) -> None:
    ended = gateway(*command)
    assert ended.status == 1
    assert ended.sentence == "there is no log gateway.db yet; start `gateway run` or feed it first"
    assert list(tmp_path.iterdir()) == []


def test_a_purchase_order_of_which_nothing_came_is_reported(gateway: Gateway) -> None:
    assert gateway("feed", "-", stdin=json_lines([referral()])).status == 0
    for number in ("PO2", "", "\x1b[31m", "\udcff"):
        ended = gateway("explain", number)
        assert ended.status == 1
        assert ended.sentence == (
            f"nothing has come for this purchase order to {LOG_STARTS}; check its number"
        )


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_log_is_left_alone_and_reported(command: str, gateway: Gateway, tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    path.write_bytes(b"shopping list: eggs, milk. " * 100)
    ended = gateway(*command.split(), stdin=json_lines([referral()]))
    assert ended.status == 1
    assert ended.sentence == "gateway.db is not a gateway log; name another file"
    assert path.read_bytes() == b"shopping list: eggs, milk. " * 100


@pytest.mark.parametrize("command", COMMANDS)
def test_a_database_of_another_program_is_left_alone_and_reported(
    command: str, gateway: Gateway, tmp_path: Path
) -> None:
    path = tmp_path / "gateway.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE shopping (what TEXT)")
    db.close()
    before = path.read_bytes()
    ended = gateway(*command.split(), stdin=json_lines([referral()]))
    assert ended.status == 1
    assert ended.sentence == "gateway.db is not a gateway log; name another file"
    assert path.read_bytes() == before


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_is_no_log(command: str, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "gateway.db").mkdir()
    ended = gateway(*command.split(), stdin=json_lines([referral()]))
    assert ended.status == 1
    assert ended.sentence.startswith(
        "the log gateway.db can't be opened; check the name, permissions and disk"
    )


def test_a_log_in_a_folder_that_is_not_there_is_reported(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_LOG_URL", "sqlite:///./nowhere/gateway.db")
    ended = gateway("feed", "-", stdin=json_lines([referral()]))
    assert ended.status == 1
    assert ended.sentence == "there is no folder nowhere for the log; make it first"


def test_a_second_run_on_the_same_log_is_refused(gateway: Gateway, tmp_path: Path) -> None:
    assert gateway("topics", "create").status == 0
    with (tmp_path / "gateway.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = gateway("run")
    assert ended.status == 1
    assert ended.sentence == "another gateway runs on the log gateway.db; stop it first, or name another log"


def test_a_second_feed_with_its_own_times_is_refused_and_puts_nothing(gateway: Gateway) -> None:
    given = json_lines(life())
    assert gateway("feed", "--keep-time", "-", stdin=given).err == "5 messages put on the log gateway.db\n"
    ended = gateway("feed", "--keep-time", "-", stdin=given)
    assert ended.status == 1
    assert ended.sentence == (
        "a record is older than the newest one in the log; time can't go back, so use a new log"
    )
    assert gateway("run", "--clock", "log", "--until", "2016-03-21T12:00:00Z").status == 0
    outcomes = gateway("tail", "--no-follow", "--from-start", "gateway.outcomes").lines
    assert [outcome["value"]["status"] for outcome in outcomes] == ["APPLIED"] * 4 + ["REFUSED"]


def test_what_is_fed_after_a_message_from_the_future_arrives_with_it(gateway: Gateway) -> None:
    future = referral("2999-01-01T00:00:00Z", "PO1", referred_on="2999-01-01")
    assert gateway("feed", "--keep-time", "-", stdin=json_lines([future])).status == 0
    assert gateway("feed", "-", stdin=json_lines([referral(po_number="PO2")])).status == 0
    assert gateway("run", "--clock", "log", "--until", "2999-01-01T00:00:00Z").status == 0
    outcomes = gateway("tail", "--no-follow", "--from-start", "gateway.outcomes").lines
    assert [(outcome["key"], outcome["at"]) for outcome in outcomes] == [
        ("PO1", "2999-01-01T00:00:00Z"),
        ("PO2", "2999-01-01T00:00:00Z"),
    ]


def test_ticks_are_passed_over_by_feed(gateway: Gateway) -> None:
    ticks = b'{"at":"2016-03-14T00:00:00Z","tick":true}\n'
    ended = gateway("feed", "-", stdin=ticks + json_lines([referral()]) + ticks.replace(b"14", b"15"))
    assert ended.err == "1 message put on the log gateway.db\n"


def test_topics_are_made_once_and_checked_against_the_settings(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_PARTITIONS", "3")
    assert gateway("topics", "create").out == b"the log gateway.db has 3 partitions\n"
    assert gateway("topics", "check").out == b"the log gateway.db is as the settings say: 3 partitions\n"
    monkeypatch.setenv("GATEWAY_PARTITIONS", "1")
    ended = gateway("topics", "check")
    assert ended.status == 1
    assert ended.sentence == (
        "GATEWAY_PARTITIONS is 1 and the log gateway.db has 3; set it to 3, or name a new log"
    )
    monkeypatch.delenv("GATEWAY_PARTITIONS")
    assert gateway("topics", "check").out == b"the log gateway.db is as the settings say: 3 partitions\n"
    assert gateway("topics", "create").out == b"the log gateway.db has 3 partitions\n"


@pytest.mark.parametrize("arguments", [["--debug", "explain", "PO1"], ["explain", "PO1", "--debug"]])
def test_debug_shows_a_stack_trace_wherever_it_stands(arguments: list[str], gateway: Gateway) -> None:
    ended = gateway(*arguments)
    assert ended.status == 1
    assert ended.err.startswith("Traceback")
    assert "there is no log gateway.db yet" in ended.err


def test_debug_keeps_the_exit_status(gateway: Gateway) -> None:
    ended = gateway("replay", "--debug", stdin=b"{")
    assert ended.status == 2
    assert "InvalidLine: line 1" in ended.err


def test_after_two_dashes_debug_is_the_name_of_a_file(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "--debug").write_bytes(b"{")
    assert gateway("replay", "--", "--debug").sentence.startswith("line 1")


def test_what_nobody_expected_is_a_sentence_without_its_text(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("Featherstonehaugh")

    monkeypatch.setattr("gateway.replay.printing.print_lines", fail)
    ended = gateway("replay")
    assert ended.status == 1
    assert ended.sentence == (
        "failed unexpectedly (ZeroDivisionError); run it with --debug and report what it says"
    )
    assert "Featherstonehaugh" in gateway("replay", "--debug").err


def test_what_describes_the_topics_is_written_where_asked(gateway: Gateway, tmp_path: Path) -> None:
    ended = gateway("docs", "here")
    assert ended.status == 0
    for name in ended.out.decode().split():
        assert (tmp_path / name).stat().st_size > 1000


def test_a_log_of_a_later_version_is_refused(gateway: Gateway, tmp_path: Path) -> None:
    assert gateway("topics", "create").status == 0
    db = sqlite3.connect(tmp_path / "gateway.db")
    db.execute("PRAGMA user_version = 511")
    db.close()
    ended = gateway("run")
    assert ended.status == 1
    assert "later version; upgrade the gateway" in ended.sentence


def test_the_log_can_be_read_while_it_is_written(gateway: Gateway, tmp_path: Path) -> None:
    assert gateway("feed", "--keep-time", "-", stdin=json_lines(life())).status == 0
    assert gateway("run", "--clock", "log", "--until", "2016-03-21T12:00:00Z").status == 0

    db = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    assert len(gateway("tail", "--from-start", "--no-follow").lines) > 5
    assert "accept the referral" in gateway("explain", "PO1").out.decode()
    db.close()


def test_a_log_that_was_fed_with_its_own_times_is_not_run_by_the_wall_clock(gateway: Gateway) -> None:
    assert gateway("feed", "--keep-time", "-", stdin=json_lines(life())).status == 0
    ended = gateway("run")
    assert ended.status == 2
    assert ended.sentence == (
        "the log was fed with --keep-time, so its time is not the wall clock's; run it with --clock log"
    )


def test_a_partition_count_that_is_not_the_logs_is_refused_at_start(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gateway("topics", "create").status == 0
    monkeypatch.setenv("GATEWAY_PARTITIONS", "3")
    ended = gateway("run")
    assert ended.status == 2
    assert ended.sentence == (
        "GATEWAY_PARTITIONS is 3 and the log gateway.db has 1; set it to 1, or name a new log"
    )


@pytest.mark.parametrize("command", ["create", "check"])
def test_the_help_of_topics_names_the_kind_of_timestamps_that_is_meant_without_one(
    command: str, gateway: Gateway
) -> None:
    ended = gateway("topics", command, "--help")
    words = ended.out.decode().replace("│", " ").split()
    assert "Default: log. An embedded log takes both kinds." in " ".join(words)
