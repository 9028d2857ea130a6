"""What is larger than a topic takes is a dead letter, after one try alone; nothing waits behind it."""

import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from msgspec.structs import replace as with_changes

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.log import KafkaLog
from gateway.engine.log import Draft, TooLarge
from gateway.rules.messages import TOPIC_OF, Message, Participant, Referral
from schemas.codec import encode
from tests.engine.letters import DAY, referral
from tests.kafka.altering import alter
from tests.kafka.deciding import deciding, letters, make, outcomes


@dataclass
class Scene:
    """An empty log of one partition."""

    log: KafkaLog
    connection: BrokerConnection

    async def limit(self, topic: str, size: int) -> None:
        """Let a topic take so many bytes."""
        configs = {"max.message.bytes": str(size), "cleanup.policy": "delete"}
        await alter(self.connection, self.log.brokers.named(topic), configs)

    async def put(self, *messages: Message) -> None:
        """Put messages on their topics."""
        await self.log.append(
            Draft(TOPIC_OF[type(each)], each.po_number.encode(), encode(each)) for each in messages
        )


@pytest.fixture
async def scene(bootstrap: str, topic_prefix: str) -> AsyncIterator[Scene]:
    await make(bootstrap, topic_prefix)
    connection = BrokerConnection((bootstrap,))
    log = KafkaLog(connection, prefix=topic_prefix, grace_s=0)
    yield Scene(log, connection)
    await log.close()


def noise(size: int) -> str:
    """Characters that can't be compressed by much."""
    return random.Random(size).randbytes(size // 2).hex()


def small(po_number: str, message_id: str) -> Referral:
    """A referral of today: nothing falls due on it, and its state is kept."""
    return referral(po_number, message_id, referred_on=time.time_ns() // 1_000_000 // DAY)


def large(po_number: str, message_id: str) -> Message:
    """A referral of which a large state comes."""
    person = Participant(address=tuple(noise(180 + 2 * line) for line in range(10)))
    return with_changes(small(po_number, message_id), participant=person)


async def test_a_message_that_makes_too_large_a_state_is_a_dead_letter_and_the_others_are_decided(
    scene: Scene,
) -> None:
    await scene.limit("gateway.state", 1_000)
    await scene.put(small("PO1", "r1"), large("PO2", "r2"), small("PO3", "r3"))
    async with deciding(scene.log):
        assert await outcomes(scene.log, 2) == ["r1", "r3"]
        (letter,) = await letters(scene.log, 1)
    assert (letter.code, letter.detail) == (
        "TOO_LARGE",
        "What comes of this message is larger than the log takes.",
    )
    assert letter.value == encode(large("PO2", "r2"))


async def test_a_dead_letter_that_is_too_large_itself_goes_out_without_its_content(scene: Scene) -> None:
    await scene.limit("gateway.dead-letters", 500)
    await scene.log.append([Draft("prap.referrals", b"PO1", noise(2_000).encode())])
    await scene.put(small("PO2", "r2"))
    async with deciding(scene.log):
        assert await outcomes(scene.log, 1) == ["r2"]
        (letter,) = await letters(scene.log, 1)
    assert (letter.event_id, letter.code) == ("prap.referrals-0-0", "TOO_LARGE")
    assert (letter.key, letter.value, letter.headers) == (None, None, {})


async def test_who_puts_too_large_a_record_gets_an_error_that_says_not_to_try_again(scene: Scene) -> None:
    await scene.limit("prap.referrals", 1_000)
    with pytest.raises(TooLarge, match="nothing was put, because a record is larger than its topic takes"):
        await scene.put(small("PO1", "r1"), large("PO2", "r2"))
