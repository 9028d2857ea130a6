"""What another policy would have decided, on a log of which brokers have dropped the oldest records."""

from collections.abc import AsyncIterator

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.log import KafkaLog
from gateway.engine.log import Draft
from gateway.replay.what_if import Found, Question, what_if
from gateway.rules.messages import TOPIC_OF, Message
from gateway.rules.policy import shipped
from schemas.codec import encode
from tests.engine.letters import acceptance, referral
from tests.kafka.deciding import make
from tests.patience import PATIENCE_S

#: Of two partitions, the one on which each belongs.
ON_0, ON_1 = "PO-1", "PO-2"


@pytest.fixture
async def log(bootstrap: str, topic_prefix: str) -> AsyncIterator[KafkaLog]:
    await make(bootstrap, topic_prefix, partitions=2)
    opened = KafkaLog(BrokerConnection((bootstrap,)), prefix=topic_prefix)
    yield opened
    await opened.close()


def draft(message: Message) -> Draft:
    """A message, to be put."""
    return Draft(TOPIC_OF[type(message)], message.po_number.encode(), encode(message))


async def test_a_purchase_order_that_is_no_longer_whole_is_left_out_and_counted(
    log: KafkaLog, bootstrap: str, topic_prefix: str
) -> None:
    await log.append([draft(referral(ON_0)), draft(referral(ON_1))])
    await log.append([draft(acceptance(ON_0)), draft(acceptance(ON_1))])
    admin = AdminClient({"bootstrap.servers": bootstrap})
    gone = [TopicPartition(topic_prefix + "prap.referrals", 0, 1)]
    (done,) = admin.delete_records(gone).values()
    done.result(PATIENCE_S)
    found = Found()
    question = Question(shipped(), shipped(), None, 0)
    assert [each async for each in what_if(log, question, found)] == []
    assert (found.read, found.not_whole) == (3, 1)
    assert (found.messages, found.purchase_orders) == (2, 1)
