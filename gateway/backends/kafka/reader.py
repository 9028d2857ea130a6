"""Reads partitions for no group. What the client can't parse is parsed here, and holds nothing up."""

from collections.abc import Sequence
from itertools import islice
from typing import Final, cast

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, Fetcher, PartitionRecords
from aiokafka.errors import CorruptRecordException, KafkaError, UnsupportedCodecError, for_code
from aiokafka.protocol.fetch import FetchRequest

from gateway.backends.kafka.batches import Batches, ParsedRecord
from gateway.backends.kafka.framing import Framing
from gateway.backends.kafka.producer import stop
from gateway.engine.log import Record

#: The timestamps that a record may have, as the contracts say: 1900-01-01 to 2999-12-31.
FIRST_MS: Final = -2_208_988_800_000
LAST_MS: Final = 32_503_679_999_999

#: What is wrong with the bytes, among what aiokafka calls errors of Kafka.
_UNPARSED: Final = (CorruptRecordException, UnsupportedCodecError)
_OUT_OF_TIME: Final = "The record's timestamp is none between 1900 and 2999."
_WITH_REPLICA: Final = 11

#: How long a broker waits for records of some partitions, while others of the same reader are left out.
PART_WAIT_MS: Final = 10

_Found = ConsumerRecord[bytes, bytes] | ParsedRecord
Records = dict[TopicPartition, list[Record]]


class Reader:
    """Reads the partitions that the consumer is assigned, from where each is sought.

    prefix: of the topics; records are of the topics without it. fetch: how many bytes of a partition are
    fetched at a time. framing: what takes values out of Confluent's wire format; None: nothing does. A record
    whose schema is not known yet has not arrived as far as this reader shows, and neither has what is behind
    it on its partition.
    """

    def __init__(
        self, consumer: AIOKafkaConsumer, prefix: str, fetch: int, framing: Framing | None = None
    ) -> None:
        self.consumer = consumer
        if isinstance(consumer._fetcher, Fetcher):  # noqa: SLF001 - the consumer makes it itself
            _Fetching.instead_of(consumer._fetcher)  # noqa: SLF001
        self._prefix = prefix
        self._fetch = fetch
        self._framing = framing
        #: The partitions that stand before a record whose schema is not known yet, with that record.
        self._held: dict[TopicPartition, Record] = {}
        #: Where each partition goes on behind what was taken of it.
        self._next: dict[TopicPartition, int] = {}

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Go on at an offset."""
        self.consumer.seek(place, offset)
        self._next[place] = offset

    async def seek_to_beginning(self, *places: TopicPartition) -> None:
        """Go to the first record that is still there."""
        await self.consumer.seek_to_beginning(*places)
        for place in places:
            self._next[place] = await self.position(place)

    async def position(self, place: TopicPartition) -> int:
        """The offset up to which a partition has been read."""
        position: int = await self.consumer.position(place)
        return position

    @property
    def trouble(self) -> str | None:
        """Why there are records that can't be read at the moment; None: there are none."""
        return self._framing.trouble if self._framing is not None and self._held else None

    async def take(self, *places: TopicPartition, most: int, wait_s: float = 0.0) -> Records:
        """What has been fetched of these partitions, or of all; where there is nothing, what comes meanwhile.

        Where the client raises on what a partition holds, that is fetched once more and parsed record by
        record: it raises on each try, and would hide all that comes after it.
        """
        self._resume()
        try:
            found = await self.consumer.getmany(*places, timeout_ms=int(wait_s * 1000), max_records=most)
        except Exception as error:
            if isinstance(error, KafkaError | TimeoutError) and not isinstance(error, _UNPARSED):
                raise
            return self._unframed(await self._salvaged(places, most))
        fetcher = self.consumer._fetcher  # noqa: SLF001 - it says to nobody that it has ended
        if not found and (fetcher is None or fetcher.error_future.done()):
            raise KafkaError
        for place, records in found.items():
            self._next[place] = records[-1].offset + 1
        return self._unframed(
            {place: [self._as_record(place, each) for each in some] for place, some in found.items()}
        )

    def _unframed(self, found: Records) -> Records:
        """Records with their values out of the wire format, up to the first of each partition that waits."""
        if self._framing is None:
            return found
        return {place: readable for place, some in found.items() if (readable := self._readable(place, some))}

    def _readable(self, place: TopicPartition, records: Sequence[Record]) -> list[Record]:
        readable: list[Record] = []
        for record in records:
            unframed = self._framing.unframed(record) if self._framing is not None else record
            if unframed is None:
                self.seek(place, record.offset)
                self.consumer.pause(place)
                self._held[place] = record
                break
            readable.append(unframed)
        return readable

    def _resume(self) -> None:
        """Go on where what was waited for is known meanwhile."""
        for place, record in [*self._held.items()]:
            if self._framing is not None and self._framing.unframed(record) is not None:
                del self._held[place]
                self.consumer.resume(place)

    async def _salvaged(self, places: Sequence[TopicPartition], most: int) -> Records:
        """Some records, of the first of the partitions that have any.

        1. Back to where each partition was: what the client had taken of others is lost with what it raised.
        2. Which one it was is not known, so each is fetched.
        """
        places = places or tuple(self._next)
        for place in places:
            self.consumer.seek(place, self._next[place])
        salvaged: Records = {}
        for place in places:
            parsed = await self._fetched(place)
            if some := [self._as_record(place, each) for each in islice(parsed, most)]:
                salvaged[place] = some
                most -= len(some)
            # Also where there are none: it may have gone past batches without any.
            self.seek(place, parsed.next_fetch_offset)
            if not most:
                break
        return salvaged

    async def _fetched(self, place: TopicPartition) -> PartitionRecords:
        """What comes next on a partition, parsed batch by batch."""
        client = self.consumer._client  # noqa: SLF001 - there is no other way to the bytes
        offset = self._next[place]
        asked = [(place.topic, [(place.partition, offset, self._fetch)])]
        request = FetchRequest(0, 1, self._fetch, READ_COMMITTED, asked)
        answer = await client.send(client.cluster.leader_for_partition(place), request)
        ((_, ((_, code, _, *rest),)),) = answer.topics
        if code:
            raise for_code(code)(place)
        # Before the records stand the transactions that were aborted, and since version 11 a replica.
        aborted = rest[-3 if answer.API_VERSION >= _WITH_REPLICA else -2]
        parsed: PartitionRecords = _Parsed(  # type: ignore[no-untyped-call]
            place,
            Batches(rest[-1]),
            aborted,
            offset,
            None,
            None,
            check_crcs=False,
            isolation_level=READ_COMMITTED,
        )
        return parsed

    def _as_record(self, place: TopicPartition, found: "_Found") -> Record:
        timestamp: int | None = found.timestamp
        unreadable = found.unreadable if type(found) is ParsedRecord else None
        if timestamp is None or not FIRST_MS <= timestamp <= LAST_MS:
            # Time never goes back: nothing would ever be decided in good time again behind such a record.
            timestamp = 0
            unreadable = unreadable or _OUT_OF_TIME
        return Record(
            place.topic.removeprefix(self._prefix),
            place.partition,
            found.offset,
            timestamp,
            found.key,
            found.value,
            tuple(found.headers),
            unreadable,
        )

    async def stop(self) -> None:
        """Let the consumer go. Never raises."""
        await stop(self.consumer)


class _Fetching(Fetcher):
    """Asks brokers to wait long for records only where it asks for all partitions.

    One request to a broker is under way at a time. It leaves out the partitions of which something waits to
    be taken, and what arrives there is not asked for until the request has been answered.
    """

    long_wait_ms = 0

    @classmethod
    def instead_of(cls, fetcher: Fetcher) -> None:
        """Make one that aiokafka has made fetch in this way."""
        fetcher.__class__ = cls
        fetching = cast(_Fetching, fetcher)
        fetching.long_wait_ms = fetching._fetch_max_wait_ms  # noqa: SLF001

    def _get_actions_per_node(self, assignment: object) -> object:
        self._fetch_max_wait_ms = min(PART_WAIT_MS, self.long_wait_ms) if self._records else self.long_wait_ms
        return super()._get_actions_per_node(assignment)  # type: ignore[no-untyped-call]


class _Parsed(PartitionRecords):
    """Records as they are parsed. aiokafka leaves out those of aborted transactions."""

    def _consumer_record(self, _: TopicPartition, record: ParsedRecord) -> ParsedRecord:
        return record
