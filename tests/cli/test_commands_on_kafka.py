"""The commands on a log on Kafka print what they print on the embedded one, and say what is wrong with it."""

from pathlib import Path

import pytest

from gateway.sample import programme
from tests.cli.running import Ended, Json, json_lines, referral, spawn
from tests.kafka.feeding import make
from tests.sealing.marks import story

END = "2017-01-01T00:00:00Z"
COMMANDS = [
    ("tail", "--from-start", "--no-follow"),
    ("explain", "PO1"),
    ("feed", "some.jsonl"),
    ("dead-letters", "list"),
    ("dead-letters", "replay", "--all"),
    ("find", "--message", "PO1-1"),
    ("list",),
    ("subject-access", "PO1", "--reason", "asked in writing"),
]


def on(url: str, prefix: str) -> dict[str, str]:
    return {"GATEWAY_LOG_URL": url, "GATEWAY_TOPIC_PREFIX": prefix}


def test_a_programme_and_its_explanation_are_printed_as_on_the_embedded_log(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    """But that topics have a common order there, and on Kafka each partition has its own."""
    lines = list(programme(10, seed=2))
    (tmp_path / "some.jsonl").write_bytes(b"".join(lines))
    po_number = lines[0].partition(b'"po_number":"')[2].partition(b'"')[0].decode()
    make(bootstrap, topic_prefix, 3)
    printed: list[tuple[object, ...]] = []
    for environment in ({}, on(f"kafka://{bootstrap}", topic_prefix)):

        def do(*arguments: str, environment: dict[str, str] = environment) -> Ended:
            ended = spawn(*arguments, cwd=tmp_path, environment=environment)
            assert ended.status == 0, ended.err
            return ended

        do("feed", "--keep-time", "some.jsonl")
        do("run", "--clock", "log", "--until", END)
        tail, explained = do("tail", "--from-start", "--no-follow"), do("explain", po_number)
        assert tail.err == explained.err == ""
        as_log = [
            {name: value for name, value in line.items() if name != "timestamp"}
            for line in do("tail", "--as-log", "--from-start", "--no-follow").lines
        ]
        by_order = sorted(as_log, key=lambda line: (line["decided_at"], line["po_number"]))
        found = do("find", "--message", as_log[0]["message_id"]).out
        listed = sorted(do("list").out.splitlines())
        assert listed
        printed.append((sorted(tail.out.splitlines()), explained.out, by_order, found, listed))
    assert printed[0] == printed[1]
    assert printed[0][0]
    rebuilt = spawn(
        "projection", "rebuild", cwd=tmp_path, environment=on(f"kafka://{bootstrap}", topic_prefix)
    )
    assert "the read model has " in rebuilt.err


def test_what_is_held_about_somebody_is_what_the_embedded_log_has(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    """With what the read models here have; and when it was forgotten, what the topics still have."""
    other = referral(
        "2016-04-14T09:00:00Z", "PO2", referred_on="2016-04-14", participant={"surname": "Zzother"}
    )
    (tmp_path / "some.jsonl").write_bytes(json_lines([*story(), other]))
    make(bootstrap, topic_prefix, 3)
    on_kafka = on(f"kafka://{bootstrap}", topic_prefix)

    def do(*arguments: str, environment: dict[str, str]) -> Ended:
        ended = spawn(*arguments, cwd=tmp_path, environment=environment)
        assert ended.status == 0, ended.err
        return ended

    def held(environment: dict[str, str]) -> Json:
        ended = do("subject-access", "PO1", "--reason", "asked in writing", environment=environment)
        assert b"Zzother" not in ended.out
        (found,) = ended.lines
        return found

    exports: list[Json] = []
    for environment in ({}, on_kafka):
        do("feed", "--keep-time", "some.jsonl", environment=environment)
        do("run", "--clock", "log", "--until", "2016-05-01T00:00:00Z", environment=environment)
        exports.append(held(environment))
    embedded, shared = exports
    assert shared["state"] == embedded["state"]
    for part in ("messages", "events"):
        values = [[each["value"] for each in found[part]] for found in exports]
        assert values[0] == values[1]
        assert values[0]
    assert shared["read_side"] == [], "there is no read model here yet"
    do("projection", "rebuild", environment=on_kafka)
    again = held(on_kafka)
    assert [act["reason"] for act in again["acts"]] == ["asked in writing"]
    (side,) = again["read_side"]
    assert side["file"] == "gateway.projection"
    assert [row["session_id"] for row in side["booking"]] == ["S1", "S2"]
    assert "state" not in side, "it is the log's"
    do("run", "--clock", "log", "--until", "2017-05-01T00:00:00Z", environment=on_kafka)
    forgotten = held(on_kafka)
    assert (forgotten["standing"], forgotten["state"]) == ("FORGOTTEN", None)
    assert len(forgotten["messages"]) == len(story()), "until their retention"
    (side,) = forgotten["read_side"]
    assert side["state"] == embedded["state"], "no gateway has brought the read model up to date"


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_where_there_are_no_topics_that_is_said(
    arguments: tuple[str, ...], bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    (tmp_path / "some.jsonl").write_bytes(json_lines([referral()]))
    ended = spawn(*arguments, cwd=tmp_path, environment=on(f"kafka://{bootstrap}", topic_prefix))
    assert ended.status == 1
    assert ended.sentence.startswith(f"there is no topic {topic_prefix}")
    assert ended.sentence.endswith("make it with `gateway topics create`, or correct GATEWAY_TOPIC_PREFIX")


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_where_no_broker_answers_that_is_said(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "some.jsonl").write_bytes(json_lines([referral()]))
    ended = spawn(*arguments, cwd=tmp_path, environment=on("kafka://127.0.0.1:1", ""))
    assert ended.status == 1
    assert ended.sentence == (
        "the broker 127.0.0.1:1 can't be reached (connection refused); see that it runs, and its address"
    )
