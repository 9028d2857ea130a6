"""Putting records on topics of a Kafka log: one transaction each time, all by one producer that is kept."""

import asyncio
import uuid
from collections.abc import Iterable

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from gateway.backends.kafka.brokers import Brokers
from gateway.backends.kafka.failures import failure
from gateway.backends.kafka.producer import abandon, is_alive, start_producer
from gateway.backends.kafka.transaction import TOO_LARGE, Sending, transaction
from gateway.engine.log import Draft, LogBusy, LogError, TooLarge


class KafkaAppend:
    """Puts records on topics, some at a time. It holds a producer from the first time on.

    longest_s: how long putting some records may take. So long, and until the brokers look for such
    transactions the next time, whoever is killed meanwhile hides what comes after them on their partitions.
    idle_s: a producer that has not been used for so long is replaced. Brokers end connections after ten
    minutes in which nothing came, and forget who a producer was after days.
    """

    def __init__(self, brokers: Brokers, longest_s: float, idle_s: float = 300.0) -> None:
        self._brokers = brokers
        self._longest_s = longest_s
        self._idle_s = idle_s
        self._producer: AIOKafkaProducer | None = None
        self._used_s = 0.0
        self._one_at_a_time = asyncio.Lock()

    async def append(self, drafts: Iterable[Draft]) -> int:
        """Put records on their topics in one transaction, and return how many.

        Whatever goes wrong, the producer is let go, with the transaction that may be open.
        Raises LogError for a draft with a timestamp where brokers date what arrives, LogBusy where brokers
        go away meanwhile.
        """
        async with self._one_at_a_time:
            try:
                dated = await self._brokers.keeps_time()
                producer = await self._ready()
                async with transaction(producer, deadline_s=self._longest_s) as sending:
                    count = await self._add(sending, drafts, dated)
            except BaseException as error:
                await self.close()
                if isinstance(error, TOO_LARGE):
                    raise TooLarge(
                        "nothing was put, because a record is larger than its topic takes; make it smaller, "
                        "or raise max.message.bytes of that topic, and see `gateway topics check`"
                    ) from error
                if isinstance(error, TopicAuthorizationFailedError):
                    raise failure(error, "WRITE") from error
                if isinstance(error, KafkaError | TimeoutError):
                    raise LogBusy(
                        f"the brokers failed ({type(error).__name__}) before it was sure that all was put; "
                        "look at them, and do it again: a message that has come twice is decided once"
                    ) from error
                raise
            self._used_s = asyncio.get_running_loop().time()
            return count

    async def close(self) -> None:
        """Let the producer go, with the transaction that may be open. Never raises."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await abandon(producer)

    async def _ready(self) -> AIOKafkaProducer:
        idle = asyncio.get_running_loop().time() > self._used_s + self._idle_s
        if self._producer is not None and (idle or not is_alive(self._producer)):
            await self.close()
        if self._producer is None:
            name = f"{self._brokers.group}-append-{uuid.uuid4().hex}"
            self._producer = await start_producer(
                self._brokers.connection, name, transaction_s=self._longest_s
            )
        return self._producer

    async def _add(self, sending: Sending, drafts: Iterable[Draft], dated: bool) -> int:
        brokers = self._brokers
        count = 0
        for draft in drafts:
            if draft.timestamp is not None and not dated:
                raise LogError(
                    "the brokers date what arrives, so records can't keep their time; make topics that "
                    "do with `gateway topics create --timestamps create`, under another "
                    "GATEWAY_TOPIC_PREFIX"
                )
            await brokers.prepare(draft.topic)
            topic, place = brokers.named(draft.topic), await brokers.place_of(draft, 0)
            await sending.add(topic, place, draft.key, brokers.framed(draft), draft.headers, draft.timestamp)
            count += 1
        return count
