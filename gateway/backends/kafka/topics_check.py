"""What is not as it should be about the topics, in plain words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.topics import (
    TIMESTAMP_TYPE,
    TOGETHER,
    TOPICS,
    Timestamps,
    Topic,
    administering,
    found,
    inbound_bytes,
    needed,
)
from gateway.engine.log import INBOUND_TOPICS
from gateway.rules.events import OUTBOUND

_TYPE: Final = "message.timestamp.type"
_MISSED: Final = "nothing of that name is there, or nothing that this user may see"
_CREATE: Final = "run `gateway topics create`, or let the user describe topics"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something about a topic, or several, that is not as it should be.

    what: what it is and should be. breaks: something would be lost or decided wrongly, so don't start.
    """

    topics: tuple[str, ...]
    what: str
    why: str
    mend: str
    breaks: bool

    def __str__(self) -> str:
        which = "all topics" if len(self.topics) == len(TOPICS) else ", ".join(self.topics)
        return f"{which}: {self.what}, because {self.why}; {self.mend}"


async def differences(
    connection: BrokerConnection, prefix: str, *, timestamps: Timestamps | None, partitions: int | None = None
) -> list[Difference]:
    """All that differs; what breaks something first. Empty: all is well.

    timestamps: None: one kind or the other, but on all inbound topics the same. partitions: how many there
    should be; None: any number, but one. Raises LogError, and LogBusy where no broker answers.
    """
    async with administering(connection) as client:
        there = await found(client, prefix)
    all_of_them = [
        *_missing(there, prefix),
        *_partitions(there, partitions),
        *_settings(there, timestamps or _timestamps(there)),
        *_replicas(there),
    ]
    return sorted(_together(all_of_them), key=lambda difference: not difference.breaks)


def _missing(there: Mapping[str, Topic], prefix: str) -> Iterable[Difference]:
    for topic in TOPICS:
        if topic not in there:
            yield Difference((prefix + topic,), "missing", _MISSED, _CREATE, breaks=True)


def _partitions(there: Mapping[str, Topic], wanted: int | None) -> Iterable[Difference]:
    together = [there[topic] for topic in TOGETHER if topic in there]
    counts = {topic.partitions for topic in together}
    if len(counts) > 1:
        yield Difference(
            tuple(topic.name for topic in together),
            f"the partitions are {_listed(topic.partitions for topic in together)} and should be equal",
            "the messages of a purchase order and its state must meet on one partition",
            "begin anew with another GATEWAY_TOPIC_PREFIX, or delete them all and create them again",
            breaks=True,
        )
    elif wanted is not None and counts and counts != {wanted}:
        (count,) = counts
        yield Difference(
            tuple(topic.name for topic in together),
            f"the partitions are {count} and should be {wanted}",
            "GATEWAY_PARTITIONS says so",
            f"set it to {count}, or begin with another GATEWAY_TOPIC_PREFIX",
            breaks=True,
        )
    for topic in OUTBOUND:
        if len(counts) == 1 and topic in there and not counts & {there[topic].partitions}:
            (count,) = counts
            yield Difference(
                (there[topic].name,),
                f"the partitions are {there[topic].partitions} and should be {count}",
                "cursors over HTTP have as many places as inbound topics have partitions",
                "delete it and create it again, or begin with another GATEWAY_TOPIC_PREFIX",
                breaks=True,
            )


def _timestamps(there: Mapping[str, Topic]) -> Timestamps:
    kinds = [there[topic].settings[_TYPE] for topic in INBOUND_TOPICS if topic in there]
    return "create" if kinds[:1] == [TIMESTAMP_TYPE["create"]] else "log"


def _settings(there: Mapping[str, Topic], timestamps: Timestamps) -> Iterable[Difference]:
    for topic, is_ in there.items():
        for name, need in needed(topic, timestamps, inbound_bytes(there)).items():
            value = is_.settings.get(name, "unknown")
            if value != "unknown" and need.suits(value):
                continue
            yield Difference(
                (is_.name,),
                f"{name} is {value} and should be {need.value}{' or more' if need.least else ''}",
                need.why,
                f"set {name}={need.value} with kafka-configs",
                need.breaks,
            )


def _replicas(there: Mapping[str, Topic]) -> Iterable[Difference]:
    for topic in there.values():
        if topic.replicas == 1:
            yield Difference(
                (topic.name,),
                "on one broker each, and should be on three",
                "with that broker's disk all of it would be lost",
                "in service have three brokers, and create the topics with GATEWAY_REPLICATION=3",
                breaks=False,
            )
        elif topic.settings.get("min.insync.replicas") == "1":
            yield Difference(
                (topic.name,),
                "min.insync.replicas is 1 and should be 2",
                "a step that was said to be kept could be lost with one broker",
                "set min.insync.replicas=2 with kafka-configs, where there are three replicas",
                breaks=False,
            )
        if topic.settings.get("unclean.leader.election.enable") == "true":
            yield Difference(
                (topic.name,),
                "unclean.leader.election.enable is true and should be false",
                "a broker that lags behind could take over, and what it lacks would be lost",
                "set unclean.leader.election.enable=false with kafka-configs",
                breaks=False,
            )


def _together(differences: Iterable[Difference]) -> Iterable[Difference]:
    """What differs in the same way about several topics, as one difference."""
    topics: dict[tuple[str, str, str, bool], list[str]] = {}
    for one in differences:
        topics.setdefault((one.what, one.why, one.mend, one.breaks), []).extend(one.topics)
    for (what, why, mend, breaks), names in topics.items():
        yield Difference(tuple(names), what, why, mend, breaks)


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in numbers)
