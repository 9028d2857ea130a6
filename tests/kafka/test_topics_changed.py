"""Topics that are deleted, grow, or may not be used any more: noticed while running, said with the cause."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiokafka.admin import NewPartitions
from aiokafka.client import AIOKafkaClient
from confluent_kafka.admin import (  # type: ignore[attr-defined] # it does not say what it exports
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from gateway.backends.kafka.connection import BrokerConnection, PasswordLogin
from gateway.backends.kafka.log import KafkaLog
from gateway.backends.kafka.topics import administering
from gateway.engine.log import Draft
from gateway.rules.messages import TOPIC_OF, Message
from gateway.system import telemetry
from schemas.codec import encode
from tests.broker.broker import Broker
from tests.engine.letters import referral
from tests.kafka.deciding import deciding, make, outcomes
from tests.kafka.secured import OTHER_USER, PASSWORD, Certificates, secured_broker
from tests.patience import PATIENCE_S, in_the_end


@pytest.fixture
def logged() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What has been logged."""
    stream = io.StringIO()
    telemetry.configure("info", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.reset_defaults()


Logged = Callable[[], list[dict[str, Any]]]


def of(logged: Logged, *events: str) -> list[dict[str, Any]]:
    """The lines of these events."""
    return [line for line in logged() if line["event"] in events]


def denied(logged: Logged) -> tuple[str, str]:
    """On which topic what was denied, as the line of the partition that was dropped first says."""
    dropped = of(logged, "partition.dropped")[0]
    assert dropped["cause"] == "TopicAuthorizationFailedError"
    assert dropped["error"].startswith(f"this user may not {dropped['operation']} the topic")
    assert dropped["error"].endswith("; allow it")
    assert "do what `error` says" in dropped["what_to_do"]
    return dropped["topic"], dropped["operation"]


def draft(message: Message) -> Draft:
    return Draft(TOPIC_OF[type(message)], message.po_number.encode(), encode(message))


@pytest.fixture
async def log(bootstrap: str, topic_prefix: str) -> AsyncIterator[KafkaLog]:
    """A log of two partitions that looks at its topics all the time."""
    await make(bootstrap, topic_prefix, partitions=2)
    log = KafkaLog(BrokerConnection((bootstrap,)), prefix=topic_prefix, grace_s=0, look_again_s=0.1)
    yield log
    await log.close()


async def test_a_topic_that_is_deleted_is_noticed_and_all_goes_on_when_it_is_there_again(
    log: KafkaLog, bootstrap: str, topic_prefix: str, logged: Logged
) -> None:
    """One pair of lines, although two partitions wait."""
    await log.append([draft(referral("PO1", "r1"))])
    async with deciding(log) as workers:
        await outcomes(log, 1)
        async with administering(log.brokers.connection) as client:
            await client.delete_topics([log.brokers.named("jobcentre.cancellations")])
        await in_the_end(
            lambda: all("jobcentre.cancellations was deleted" in (workers.trouble(p) or "") for p in (0, 1))
        )
        await make(bootstrap, topic_prefix, partitions=2)
        await in_the_end(lambda: workers.trouble(0) is workers.trouble(1) is None)
        await log.append([draft(referral("PO2", "r2"))])
        assert "r2" in await outcomes(log, 2)
        await in_the_end(lambda: len(of(logged, "log.back")) == 1)
    away, back = of(logged, "log.away", "log.back", "partition.dropped", "group.left")
    assert (away["event"], back["event"]) == ("log.away", "log.back")
    assert "jobcentre.cancellations was deleted" in away["error"]


async def test_partitions_that_were_added_are_noticed(log: KafkaLog, logged: Logged) -> None:
    """They can't be taken away again, so nothing is decided any more."""
    async with deciding(log) as workers:
        await in_the_end(lambda: workers.assigned and workers.trouble(0) is None)
        async with administering(log.brokers.connection) as client:
            await client.create_partitions({log.brokers.named("jobcentre.wp11"): NewPartitions(3)})
        await in_the_end(lambda: "had 2 partitions and has 3 now" in (workers.trouble(0) or ""))
    (away,) = of(logged, "log.away")
    assert "jobcentre.wp11 had 2 partitions and has 3 now" in away["error"]
    assert "; " in away["error"], "and what to do"


async def test_state_that_was_made_anew_is_not_started_from(
    log: KafkaLog, bootstrap: str, topic_prefix: str
) -> None:
    """All that was decided would be decided again."""
    await log.append([draft(referral("PO1", "r1"))])
    async with deciding(log) as workers:
        await outcomes(log, 1)
        async with administering(log.brokers.connection) as client:
            await client.delete_topics([log.brokers.named("gateway.state")])
        # Until brokers have forgotten the topic, there is nothing to make.
        await in_the_end(lambda: "gateway.state was deleted" in (workers.trouble(0) or ""))
        await make(bootstrap, topic_prefix, partitions=2)
        await in_the_end(lambda: "gateway.state was made anew" in (workers.trouble(0) or ""))
    found = [record async for record in log.follow(["gateway.outcomes"], from_start=True, wait=False)]
    assert len(found) == 1


@dataclass
class Access:
    """What the gateway's user may not do."""

    admin: AdminClient
    prefix: str

    def deny(self, topic: str, operation: AclOperation) -> None:
        """Take it away."""
        self._await(self.admin.create_acls([self._acl(topic, operation)]))

    def allow(self, topic: str, operation: AclOperation) -> None:
        """Give it back."""
        acl = self._acl(topic, operation)
        self._await(
            self.admin.delete_acls(
                [
                    AclBindingFilter(
                        acl.restype,
                        acl.name,
                        acl.resource_pattern_type,
                        acl.principal,
                        acl.host,
                        acl.operation,
                        acl.permission_type,
                    )
                ]
            )
        )

    def _acl(self, topic: str, operation: AclOperation) -> AclBinding:
        return AclBinding(
            ResourceType.TOPIC,
            self.prefix + topic,
            ResourcePatternType.LITERAL,
            f"User:{OTHER_USER}",
            "*",
            operation,
            AclPermissionType.DENY,
        )

    @staticmethod
    def _await(done: Any) -> None:
        for each in done.values():
            each.result(PATIENCE_S)


@pytest.fixture(scope="module")
def secured(java: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))
    with secured_broker(tmp_path_factory.mktemp("secured"), certificates) as broker:
        broker.start()
        yield broker


@pytest.fixture
def access(secured: Broker) -> Access:
    return Access(AdminClient({"bootstrap.servers": secured.bootstrap}), f"t{id(secured)}-{len(_USED)}.")


_USED: list[str] = []


@pytest.fixture
async def guarded(secured: Broker, access: Access) -> AsyncIterator[KafkaLog]:
    """A log whose user is one of whom something can be taken."""
    _USED.append(access.prefix)
    await make(secured.bootstrap, access.prefix)
    login = PasswordLogin("SCRAM-SHA-512", OTHER_USER, PASSWORD)
    connection = BrokerConnection((secured.address("CLEAR"),), login=login)
    log = KafkaLog(connection, prefix=access.prefix, grace_s=0, look_again_s=0.1)
    yield log
    await log.close()


async def test_where_reading_a_topic_is_denied_that_is_said_and_it_goes_on_when_it_is_allowed(
    guarded: KafkaLog, access: Access, logged: Logged
) -> None:
    """With topic, operation and cause; and no library complains all the time."""
    async with deciding(guarded) as workers:
        await in_the_end(lambda: workers.assigned and workers.trouble(0) is None)
        access.deny("jobcentre.wp11", AclOperation.READ)
        await in_the_end(lambda: "may not READ the topic" in (workers.trouble(0) or ""))
        access.allow("jobcentre.wp11", AclOperation.READ)
        await in_the_end(lambda: workers.trouble(0) is None)
        await guarded.append([draft(referral("PO1", "r1"))])
        assert await outcomes(guarded, 1) == ["r1"]
    assert denied(logged) == (f"{access.prefix}jobcentre.wp11", "READ")
    assert of(logged, "log.away") == []


async def test_where_writing_an_outcome_is_denied_that_is_said_with_its_cause(
    guarded: KafkaLog, access: Access, logged: Logged
) -> None:
    async with deciding(guarded) as workers:
        await in_the_end(lambda: workers.assigned and workers.trouble(0) is None)
        access.deny("gateway.outcomes", AclOperation.WRITE)
        await guarded.append([draft(referral("PO1", "r1"))])
        await in_the_end(lambda: "may not WRITE the topic" in (workers.trouble(0) or ""))
        access.allow("gateway.outcomes", AclOperation.WRITE)
        assert await outcomes(guarded, 1) == ["r1"]
    assert denied(logged) == (f"{access.prefix}gateway.outcomes", "WRITE")


async def test_a_topic_that_may_not_be_seen_is_not_looked_for_all_the_time(
    guarded: KafkaLog, access: Access, logged: Logged
) -> None:
    """Also for the group, which is subscribed to it; and no library complains without an end."""
    async with deciding(guarded) as workers:
        await in_the_end(lambda: workers.assigned and workers.trouble(0) is None)
        access.deny("prap.referrals", AclOperation.DESCRIBE)
        await in_the_end(lambda: "may not READ the topic" in (workers.trouble(0) or ""))
        assert await _metadata_requests() < 100
        access.allow("prap.referrals", AclOperation.DESCRIBE)
        await in_the_end(lambda: workers.trouble(0) is None)


async def _metadata_requests() -> int:
    """How often this process looks for topics within a second."""
    count = 0
    update: Any = AIOKafkaClient._metadata_update

    async def counted(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        return await update(*arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(AIOKafkaClient, "_metadata_update", counted)
        await asyncio.sleep(1)
    return count


async def test_a_topic_that_is_hidden_is_named_when_something_is_put(
    guarded: KafkaLog, access: Access, tmp_path: Path
) -> None:
    access.deny("jobcentre.updates", AclOperation.DESCRIBE)
    with pytest.raises(Exception, match=r"there is no topic .*jobcentre.updates"):
        await guarded.append([draft(referral("PO1", "r1"))])
