"""`gateway topics` on Kafka: what it prints, and how it ends."""

import pytest

from gateway.backends.kafka.topics import TOPICS
from tests.cli.conftest import Gateway
from tests.ports import free_port


@pytest.fixture
def on_kafka(bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The prefix of the topics, with settings that name the broker and them."""
    monkeypatch.setenv("GATEWAY_LOG_URL", f"kafka://{bootstrap}")
    monkeypatch.setenv("GATEWAY_TOPIC_PREFIX", topic_prefix)
    return topic_prefix


def test_topics_are_made_once_and_are_then_as_they_should_be(on_kafka: str, gateway: Gateway) -> None:
    made = gateway("topics", "create")
    assert (made.status, made.err) == (0, "")
    *lines, note = made.out.decode().splitlines()
    assert lines == [f"made {on_kafka}{topic} with 12 partitions" for topic in TOPICS]
    assert note.startswith("note: all topics: on one broker each, and should be on three, because ")
    again = gateway("topics", "create")
    assert again.status == 0
    assert again.out.decode().splitlines() == [f"left {on_kafka}{topic} as it is" for topic in TOPICS] + [
        note
    ]
    checked = gateway("topics", "check")
    assert (checked.status, checked.out.decode(), checked.err) == (0, f"{note}\n", "")


def test_what_would_break_something_is_printed_and_fails(
    on_kafka: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_PARTITIONS", "1")
    ended = gateway("topics", "check")
    assert ended.status == 1
    assert ended.out.decode().startswith("wrong: all topics: missing, because ")
    assert ended.sentence.startswith("what is said to be wrong (1) would lose messages")
    made = gateway("topics", "create", "--timestamps", "create")
    assert made.status == 0
    assert b"prap.referrals with 1 partition\n" in made.out
    assert gateway("topics", "check", "--timestamps", "create").status == 0
    ended = gateway("topics", "check")
    assert ended.status == 1
    assert b"message.timestamp.type is CreateTime and should be LogAppendTime" in ended.out
    assert gateway("topics", "create").status == 1
    monkeypatch.setenv("GATEWAY_PARTITIONS", "2")
    ended = gateway("topics", "create")
    assert ended.status == 1
    assert ended.sentence.startswith("nothing was made, because ")


def test_a_broker_that_is_not_there_is_reported_in_a_sentence(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("GATEWAY_LOG_URL", f"kafka://127.0.0.1:{port}")
    for command in ("create", "check"):
        ended = gateway("topics", command)
        assert (ended.status, ended.out) == (1, b"")
        assert ended.sentence.startswith(f"the broker 127.0.0.1:{port} can't be reached (connection refused)")


def test_settings_that_contradict_themselves_are_reported_in_a_sentence(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_LOG_URL", "kafka://one:9092")
    monkeypatch.setenv("GATEWAY_KAFKA_PASSWORD", "hunter2")
    ended = gateway("topics", "check")
    assert ended.status == 2
    assert ended.sentence.startswith("GATEWAY_KAFKA_PASSWORD is for a connection with a login; set ")


@pytest.mark.parametrize("timestamps", ["log", "create"])
def test_an_embedded_log_takes_both_kinds_of_timestamps(timestamps: str, gateway: Gateway) -> None:
    made = gateway("topics", "create", "--timestamps", timestamps)
    said = "--timestamps does nothing here: an embedded log takes both kinds"
    assert (made.status, made.sentence) == (0, said)
    checked = gateway("topics", "check", "--timestamps", timestamps)
    assert (checked.status, checked.err) == (0, "")
