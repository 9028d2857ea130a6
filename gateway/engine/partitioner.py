"""Which partition a key belongs on: murmur2, as Kafka's Java client and aiokafka have it."""

from functools import lru_cache
from typing import Final

_MASK: Final = 0xFFFFFFFF
_M: Final = 0x5BD1E995


#: Longer keys are not kept: they are rare, and a stranger may make them as long as a message.
_LONGEST_KEPT: Final = 100


def murmur2(key: bytes) -> int:
    """Kafka's 32-bit hash of a key, not negative."""
    return _kept(key) if len(key) <= _LONGEST_KEPT else _murmur2(key)


def _murmur2(key: bytes) -> int:
    length = len(key)
    h = 0x9747B28C ^ length
    whole = length & ~3
    for start in range(0, whole, 4):
        k = int.from_bytes(key[start : start + 4], "little") * _M & _MASK
        k = (k ^ k >> 24) * _M & _MASK
        h = h * _M & _MASK ^ k
    if whole < length:
        h = (h ^ int.from_bytes(key[whole:], "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return (h ^ h >> 15) & 0x7FFFFFFF


_kept: Final = lru_cache(maxsize=65536)(_murmur2)


def partition_for(key: bytes | None, partitions: int) -> int:
    """The partition number of a key; a record without one goes to the first."""
    if key is None or partitions == 1:
        return 0
    return murmur2(key) % partitions
