"""What Kafka's client raises on is a dead letter with all that can be kept; the next record is decided."""

import asyncio
import gzip
import random
import struct
import tracemalloc
from collections.abc import AsyncIterator, Callable

import cramjam
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition, codec
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from confluent_kafka import Producer

from gateway.backends.kafka.batches import Batches, ParsedRecord
from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.log import KafkaLog
from gateway.backends.kafka.unpacking import LARGEST, TooMuch, unpacks
from gateway.engine.log import Draft, Record
from gateway.rules.messages import TOPIC_OF, Message
from schemas.codec import encode
from tests.engine.letters import referral
from tests.kafka.deciding import came, deciding, letters, make, outcomes
from tests.kafka.raw_batches import batch, checked, compressed, records_of, send

REFERRALS = "prap.referrals"
#: A name of a header that stands for one which is not UTF-8.
NAME, NOT_UTF8 = b"caf_", b"caf\xe9"


def draft(message: Message) -> Draft:
    return Draft(TOPIC_OF[type(message)], message.po_number.encode(), encode(message))


@pytest.fixture
async def log(bootstrap: str, topic_prefix: str) -> AsyncIterator[KafkaLog]:
    await make(bootstrap, topic_prefix)
    log = KafkaLog(BrokerConnection((bootstrap,)), prefix=topic_prefix, grace_s=0)
    yield log
    await log.close()


def with_a_bad_name() -> bytes:
    """Three records, of which the second has a header whose name is Latin-1."""
    good = [(f"PO{n}".encode(), encode(referral(f"PO{n}", f"r{n}"))) for n in (2, 3, 4)]
    plain = batch((*good[0], ()), (*good[1], ((NAME.decode(), b"x"), ("traceparent", b"y"))), (*good[2], ()))
    return checked(plain.replace(NAME, NOT_UTF8))


async def test_a_record_with_a_header_whose_name_is_not_utf8_goes_to_the_dead_letters(
    log: KafkaLog, bootstrap: str
) -> None:
    """What can be read of it is kept, and those beside it in its batch are decided."""
    await log.append([draft(referral("PO1", "r1"))])
    async with deciding(log):
        await outcomes(log, 1)
        await send(bootstrap, log.brokers.named(REFERRALS), 0, with_a_bad_name())
        await log.append([draft(referral("PO5", "r5"))])
        assert await outcomes(log, 4) == ["r1", "r2", "r4", "r5"]
        (letter,) = await letters(log, 1)
    # The first record's transaction has a marker behind it.
    assert (letter.source_topic, letter.source_partition, letter.source_offset) == (REFERRALS, 0, 3)
    assert (letter.code, letter.detail) == ("UNDECODABLE", "The name of a header is not UTF-8.")
    assert (letter.key, letter.value) == (b"PO3", encode(referral("PO3", "r3")))
    assert letter.headers == {"caf\\xe9": b"x", "traceparent": b"y"}


def gzip_and_more(plain: bytes) -> bytes:
    """With something behind it that Java passes over, and so the broker."""
    return compressed(plain, 1, gzip.compress(records_of(plain)) + b"more")


@pytest.mark.parametrize("spoil", [gzip_and_more])
async def test_a_batch_that_can_not_be_decompressed_is_one_dead_letter_with_its_bytes(
    spoil: Callable[[bytes], bytes], log: KafkaLog, bootstrap: str
) -> None:
    spoiled = spoil(batch((b"PO2", b"two", ()), (b"PO3", b"three", ())))
    await log.append([draft(referral("PO1", "r1"))])
    await send(bootstrap, log.brokers.named(REFERRALS), 0, spoiled)
    await log.append([draft(referral("PO4", "r4"))])
    async with deciding(log):
        assert await outcomes(log, 2) == ["r1", "r4"]
        (letter,) = await letters(log, 1)
    assert letter.source_offset == 3
    assert letter.detail.startswith("The records 2 to 3 can't be read: they can't be decompressed (")
    assert letter.value is not None
    assert letter.value[61:] == spoiled[61:]


BOMBS: dict[int, Callable[[bytes], bytes]] = {
    1: gzip.compress,
    2: codec.snappy_encode,
    3: codec.lz4_encode,
    4: codec.zstd_encode,
}


@pytest.mark.parametrize("kind", [1, 3, 4])  # by snappy it would be larger than brokers take
async def test_a_batch_that_would_unpack_to_more_than_fits_memory_is_one_dead_letter(
    kind: int, log: KafkaLog, bootstrap: str
) -> None:
    """It is small enough for the broker, which unpacks it bit by bit."""
    plain = batch((b"PO2", bytes(LARGEST), ()))
    bomb = compressed(plain, kind, BOMBS[kind](records_of(plain)))
    await log.append([draft(referral("PO1", "r1"))])
    await send(bootstrap, log.brokers.named(REFERRALS), 0, bomb)
    await log.append([draft(referral("PO4", "r4"))])
    async with deciding(log):
        assert await outcomes(log, 2) == ["r1", "r4"]
        (letter,) = await letters(log, 1)
    assert letter.detail == "The records 2 to 2 can't be read: unpacked they are larger than 32 MiB."
    assert letter.value is not None
    assert letter.value[61:] == bomb[61:]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_whatever_another_library_compresses_with_is_read(
    codec: str, log: KafkaLog, bootstrap: str
) -> None:
    """In one batch, with so much in it that it is compressed in several blocks."""
    producer = Producer({"bootstrap.servers": bootstrap, "compression.type": codec, "linger.ms": 100})
    value = random.Random(1).randbytes(300) * 300
    for _ in range(3):
        producer.produce(log.brokers.named(REFERRALS), value, b"PO1", headers=[("a", None), ("", b"b")])
    producer.flush(30)
    records = await came(log, [REFERRALS], 3)
    assert [(record.value, record.unreadable) for record in records] == 3 * [(value, None)]


async def test_who_follows_the_log_or_its_changes_goes_past_it_too(log: KafkaLog, bootstrap: str) -> None:
    """And loses nothing of other partitions that had been fetched with it."""
    await send(bootstrap, log.brokers.named(REFERRALS), 0, with_a_bad_name())
    await log.append([draft(referral("PO5", "r5"))])
    await log.append([Draft("jobcentre.wp11", b"PO1", b"%d" % number) for number in range(3)])
    records = await came(log, [REFERRALS, "jobcentre.wp11"], 7)
    assert {record.key for record in records if record.unreadable} == {b"PO3"}
    reader = await log.changes([REFERRALS, "jobcentre.wp11"], {})
    changed: list[Record] = []
    async with asyncio.timeout(60):
        while len(changed) < 7:
            changed += (await reader.read(1)).records
    await reader.close()
    key = lambda record: (record.topic, record.offset)  # noqa: E731
    assert sorted(changed, key=key) == sorted(records, key=key)


async def test_what_was_aborted_stays_left_out(log: KafkaLog, bootstrap: str) -> None:
    topic = log.brokers.named(REFERRALS)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=topic) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, encode(referral("PO1", "r1")), b"PO1", partition=0)
        await send(bootstrap, topic, 0, with_a_bad_name())
        await producer.abort_transaction()
    async with deciding(log):
        assert await outcomes(log, 2) == ["r2", "r4"]


async def test_no_more_is_taken_than_there_is_room_for(log: KafkaLog, bootstrap: str) -> None:
    place = TopicPartition(log.brokers.named(REFERRALS), 0)
    await send(bootstrap, place.topic, 0, with_a_bad_name())
    reader = await log.brokers.reader([place])
    reader.seek(place, 0)
    taken: list[list[int]] = []
    async with asyncio.timeout(60):
        while sum(map(len, taken)) < 3:
            found = await reader.take(place, most=1, wait_s=1)
            taken += [[record.offset for record in found[place]]] if found else []
    await reader.stop()
    assert taken == [[0], [1], [2]]


@pytest.mark.parametrize("timestamp", [2**62, -(2**62), 32_503_680_000_000])
async def test_a_record_dated_out_of_all_time_is_a_dead_letter_and_does_not_move_time(
    timestamp: int, bootstrap: str, topic_prefix: str
) -> None:
    """Where the sender dates it. Behind such a record nothing would ever be decided in good time again."""
    await make(bootstrap, topic_prefix, timestamps="create")
    log = KafkaLog(BrokerConnection((bootstrap,)), prefix=topic_prefix, clock="log")
    topic = log.brokers.named(REFERRALS)
    dated = checked(
        struct.pack(">qq", timestamp, timestamp).join(_around(batch((b"PO2", encode(referral("PO2")), ()))))
    )
    await send(bootstrap, topic, 0, dated)
    at = 1_457_946_000_000
    await log.append([Draft(REFERRALS, b"PO1", encode(referral("PO1", "r1")), (), at)])
    async with deciding(log):
        (letter,) = await letters(log, 1)
        (outcome,) = await came(log, ["gateway.outcomes"], 1)
    await log.close()
    assert letter.detail == "The record's timestamp is none between 1900 and 2999."
    assert outcome.timestamp == at


def _around(plain: bytes) -> tuple[bytes, bytes]:
    """A batch before and behind its timestamps."""
    return plain[:27], plain[43:]


@pytest.mark.parametrize("kind", BOMBS)
def test_a_batch_is_unpacked_to_its_limit_and_no_further(kind: int) -> None:
    """As aiokafka does it where it is not larger, in several blocks or members too."""
    name = ["gzip_decode", "snappy_decode", "lz4_decode", "zstd_decode"][kind - 1]
    unpack, data = unpacks(100_000)[name], random.Random(kind).randbytes(100) * 1_000
    assert unpack(BOMBS[kind](data)) == data == getattr(codec, name)(BOMBS[kind](data))
    with pytest.raises(TooMuch):
        unpack(BOMBS[kind](data + b"1"))
    with pytest.raises(TooMuch):
        unpack(BOMBS[kind](bytes(10_000_000)))
    for cut in (BOMBS[kind](data)[:-1], BOMBS[kind](data)[:20] + b"more"):
        with pytest.raises(Exception):  # noqa: B017, PT011 - each library has its own
            unpack(cut)
    if kind == 1:
        assert unpack(gzip.compress(b"a") + gzip.compress(b"b")) == b"ab"


def test_of_millions_of_records_in_a_batch_those_are_parsed_that_are_taken() -> None:
    many = 100_000
    whole = batch(*((None, b"", ()) for _ in range(many)))
    one = iter(Batches(checked(whole)).next_batch())
    tracemalloc.start()
    assert [next(one).offset for _ in range(10)] == [*range(10)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * len(whole)


def test_a_batch_of_long_ago_that_can_not_be_read_is_one_record_with_its_bytes() -> None:
    builder = LegacyRecordBatchBuilder(magic=1, compression_type=1, batch_size=1_000)
    builder.append(0, 1_000, b"PO1", b"one")
    builder.append(1, 1_000, b"PO2", b"two")
    good = bytes(builder.build())
    assert [record.value for record in Batches(good).next_batch()] == [b"one", b"two"]
    spoiled = good[:-8] + b"12345678"
    batches = Batches(spoiled)
    one = batches.next_batch()
    (record,) = one
    assert record.value == spoiled
    assert record.unreadable.startswith("The records up to 0 can't be read: they can't be decompressed (")
    assert one.next_offset == record.offset + 1
    assert not batches.has_next()


CODECS: dict[int, Callable[[bytes], bytes]] = {
    1: gzip.compress,
    2: lambda data: bytes(cramjam.snappy.compress_raw(data)),
    3: lambda data: bytes(cramjam.lz4.compress(data)),
    4: lambda data: bytes(cramjam.zstd.compress(data)),
}
WHOLE = batch(*((b"PO%d" % n, b"value %d" % n, (("a", b"b"),)) for n in range(4)))


@pytest.mark.parametrize("codec", CODECS)
def test_whatever_bytes_a_batch_has_nothing_is_raised_and_the_offsets_go_on(codec: int) -> None:
    """Each byte behind the header changed, the packed and the plain ones: with the checksum made right."""
    chance = random.Random(codec)
    packed = CODECS[codec](records_of(WHOLE))
    plain = records_of(WHOLE)
    for _ in range(500):
        spoiled = bytearray(plain if chance.random() < 0.7 else packed)
        unpacked = len(spoiled) == len(plain)
        spoiled[chance.randrange(len(spoiled))] = chance.randrange(256)
        data = compressed(WHOLE, codec, CODECS[codec](bytes(spoiled)) if unpacked else bytes(spoiled))
        batches = Batches(data)
        one = batches.next_batch()
        offsets = [record.offset for record in one]
        assert offsets, data
        assert one.next_offset == 4
        assert not batches.has_next()


def test_a_batch_whose_checksum_is_wrong_is_not_trusted() -> None:
    spoiled = WHOLE[:-1] + b"?"
    (record,) = Batches(spoiled).next_batch()
    assert isinstance(record, ParsedRecord)
    assert record.unreadable == "The records 0 to 3 can't be read: their checksum is wrong."
    assert record.value == spoiled
