"""Keys choose the partition as Kafka's Java client and aiokafka have it."""

import pytest

from gateway.engine.partitioner import murmur2, partition_for


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_that_of_kafka_s_own_tests_without_its_sign(key: bytes, signed: int) -> None:
    """The vectors are those of the Java client's test of murmur2, which gives a signed number."""
    assert murmur2(key) == signed & 0x7FFFFFFF


@pytest.mark.parametrize("partitions", [1, 2, 12, 1000])
def test_a_key_has_one_partition_among_those_that_there_are(partitions: int) -> None:
    for number in range(300):
        key = f"PO-{number}".encode()
        assert partition_for(key, partitions) == murmur2(key) % partitions


def test_a_record_without_a_key_goes_to_the_first_partition() -> None:
    assert partition_for(None, 12) == 0


def test_keys_spread_over_all_partitions() -> None:
    counts = [0] * 12
    for number in range(12_000):
        counts[partition_for(f"PO-{number:07}".encode(), 12)] += 1
    assert min(counts) > 800
