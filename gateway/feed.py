"""Feed: put messages on the inbound topics, when all of them have been checked."""

from collections.abc import Callable, Iterable, Iterator
from tempfile import TemporaryFile
from typing import IO, Final

from msgspec import Struct, msgpack

from gateway.engine.log import Draft, Log
from gateway.lines import InvalidLine, read_lines
from gateway.rules.messages import TOPIC_OF
from schemas.codec import HEADER_BYTES, LARGEST_BODY_BYTES, encode

_LENGTH_BYTES: Final = 4


class _Checked(Struct, frozen=True, gc=False, array_like=True):
    topic: str
    key: bytes
    value: bytes
    at: int


_pack: Final = msgpack.Encoder().encode
_unpack: Final = msgpack.Decoder(_Checked).decode


async def feed(log: Log, lines: Iterable[bytes], *, keep_time: bool, checked: Callable[[], None]) -> int:
    """Put the messages of JSON lines on their topics; ticks are passed over.

    All lines are checked before one is put: they wait in a temporary file meanwhile, so that the log is kept
    busy for no longer than writing takes. keep_time: a record's timestamp is its `at`. checked: called when
    all are right. Returns how many were put. Raises InvalidLine or LogError; then none was.
    """
    with TemporaryFile() as waiting:
        for line in read_lines(lines):
            if line.message is None:
                continue
            value = encode(line.message)
            if len(value) - HEADER_BYTES > LARGEST_BODY_BYTES:
                raise InvalidLine(line.number, "is larger than the 1 MiB that a message may have")
            topic, key = TOPIC_OF[type(line.message)], line.message.po_number.encode()
            frame = _pack(_Checked(topic, key, value, line.at))
            waiting.write(len(frame).to_bytes(_LENGTH_BYTES, "big"))
            waiting.write(frame)
        checked()
        waiting.seek(0)
        return await log.append(_drafts(waiting, keep_time))


def _drafts(waiting: IO[bytes], keep_time: bool) -> Iterator[Draft]:
    while length := waiting.read(_LENGTH_BYTES):
        frame = _unpack(waiting.read(int.from_bytes(length, "big")))
        yield Draft(frame.topic, frame.key, frame.value, (), frame.at if keep_time else None)
