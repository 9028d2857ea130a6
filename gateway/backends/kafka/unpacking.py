"""Batches are unpacked up to a size: a few kilobytes may say that they are gigabytes.

aiokafka has no limit, nor a place to set one, so `bound` puts these functions where it has its own.
Source: Kafka's documentation, "Message format"; RFC 1952 (gzip).
"""

import mmap
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import cramjam
from aiokafka import codec
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatch

#: Several times what producers put into a batch, of which brokers take a mebibyte by default.
LARGEST: Final = 32 * 1024 * 1024
_GZIP: Final = 31
#: What stands before snappy's blocks where they are framed as Java frames them.
_FRAMED: Final = 16

Unpack = Callable[[bytes], bytes]


class TooMuch(ValueError):
    """Unpacked, a batch is larger than it may be."""

    def __init__(self, largest: int) -> None:
        super().__init__(f"unpacked they are larger than {largest // 1024**2} MiB")


def unpacks(largest: int = LARGEST) -> dict[str, Unpack]:
    """What unpacks, by the name that aiokafka has for it. Raises TooMuch, or what the library raises."""
    return {
        "gzip_decode": partial(_gzip, largest=largest),
        "snappy_decode": partial(_snappy, largest=largest),
        "lz4_decode": partial(_into, unpack=cramjam.lz4.decompress_into, largest=largest),
        "zstd_decode": partial(_into, unpack=cramjam.zstd.decompress_into, largest=largest),
    }


def bound(largest: int = LARGEST) -> None:
    """Let aiokafka unpack no batch further than this, in this process."""
    for batch in (DefaultRecordBatch, LegacyRecordBatch):
        module = sys.modules[batch.__module__]
        for name, unpack in unpacks(largest).items():
            if batch is LegacyRecordBatch and name == "zstd_decode":
                continue  # younger than these batches
            getattr(module, name)  # another release may have it elsewhere
            setattr(module, name, unpack)


def _gzip(packed: bytes, *, largest: int) -> bytes:
    parts: list[bytes] = []
    room = largest
    while packed:
        member = zlib.decompressobj(_GZIP)
        parts.append(member.decompress(packed, room + 1))
        room -= len(parts[-1])
        if room < 0:
            raise TooMuch(largest)
        if not member.eof:
            raise EOFError
        packed = member.unused_data
    return b"".join(parts)


def _snappy(packed: bytes, *, largest: int) -> bytes:
    """The blocks say how large each is, and none is unpacked further than it says."""
    if sum(map(_snappy_size, _snappy_blocks(packed))) > largest:
        raise TooMuch(largest)
    return codec.snappy_decode(packed)


def _snappy_size(block: bytes) -> int:
    return cramjam.snappy.decompress_raw_len(block)


def _snappy_blocks(packed: bytes) -> Iterator[bytes]:
    if not codec._detect_xerial_stream(packed):  # noqa: SLF001 - that one decides how it is read
        yield packed
        return
    at = _FRAMED
    while at < len(packed):
        (size,) = struct.unpack_from(">i", packed, at)
        if size < 0:
            raise ValueError(size)
        at += 4 + size
        yield packed[at - size : at]


def _into(packed: bytes, *, unpack: Callable[[bytes, Any], int], largest: int) -> bytes:
    """Into as much memory as it may need: of that, pages that nothing is written to are never there."""
    with mmap.mmap(-1, largest + 1) as room:
        try:
            size = unpack(packed, room)
        except cramjam.DecompressionError as error:
            if "write whole buffer" in str(error):
                raise TooMuch(largest) from None
            raise
        if size > largest:
            raise TooMuch(largest)
        return room[:size]
