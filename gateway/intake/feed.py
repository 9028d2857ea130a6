"""Feed: put messages on the inbound topics, when all of them have been checked.

They wait in a temporary file meanwhile, so that the log is kept busy for no longer than writing takes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BufferedReader
from tempfile import TemporaryFile
from typing import IO, Final, NamedTuple

from msgspec import Struct, msgpack

from consumers import columns_of
from gateway.engine.log import Columns, Draft, Log
from gateway.intake.lines import read_lines
from gateway.intake.prap import BadRow, PassedOver, read_download
from gateway.intake.runs import in_runs
from gateway.rules.messages import TOPIC_OF, Message
from gateway.rules.policy import Policies
from schemas.codec import encode

_LENGTH_BYTES: Final = 4


class _Checked(Struct, frozen=True, gc=False, array_like=True):
    """A message that is right, encoded."""

    topic: str
    value: bytes
    at: int
    po_number: str
    provider_id: str | None
    message_id: str | None


_pack: Final = msgpack.Encoder().encode
_unpack: Final = msgpack.Decoder(list[_Checked]).decode


class Fed(NamedTuple):
    """What came of a download's rows: put on the log, listed as bad, passed over."""

    put: int
    bad: int
    passed_over: int


async def feed(log: Log, lines: Iterable[bytes], *, keep_time: bool, checked: Callable[[], None]) -> int:
    """Put the messages of JSON lines on their topics; ticks are passed over.

    All lines are checked before one is put. keep_time: a record's timestamp is its `at`. checked: called when
    all are right. Returns how many were put. Raises InvalidLine or LogError; then none was.
    """
    with TemporaryFile() as waiting:
        for run in in_runs(read_lines(lines)):
            _wait(waiting, [_encoded(line.message, line.at) for line in run if line.message is not None])
        checked()
        return await log.append(_drafts(waiting, keep_time))


async def feed_download(
    log: Log,
    stream: BufferedReader,
    *,
    name: str,
    today: int,
    policies: Policies,
    bad: Callable[[BadRow], None],
) -> Fed:
    """Put the referrals of a PRaP download on their topic; all rows are read before one is put.

    name: what people call the file. today: the London day, in days since 1970. bad: called with each row that
    can't be read, in their order. Raises InvalidDownload or LogError; then none was put.
    """
    listed = passed_over = 0
    with TemporaryFile() as waiting:
        for row in read_download(stream, name=name, today=today, policies=policies):
            match row:
                case BadRow():
                    listed += 1
                    bad(row)
                case PassedOver():
                    passed_over += 1
                case referral:
                    _wait(
                        waiting,
                        [_encoded(referral, 0)],
                    )
        return Fed(await log.append(_drafts(waiting, keep_time=False)), listed, passed_over)


def _encoded(message: Message, at: int) -> _Checked:
    columns = columns_of(message)
    return _Checked(
        TOPIC_OF[type(message)],
        encode(message),
        at,
        message.po_number,
        columns.provider_id,
        columns.message_id,
    )


def _wait(waiting: IO[bytes], run: Sequence[_Checked]) -> None:
    frame = _pack(run)
    waiting.write(len(frame).to_bytes(_LENGTH_BYTES, "big"))
    waiting.write(frame)


def _drafts(waiting: IO[bytes], keep_time: bool) -> Iterator[Draft]:
    waiting.seek(0)
    while length := waiting.read(_LENGTH_BYTES):
        for each in _unpack(waiting.read(int.from_bytes(length, "big"))):
            columns = Columns(each.po_number, each.provider_id, each.message_id)
            at = each.at if keep_time else None
            yield Draft(each.topic, each.po_number.encode(), each.value, (), at, columns)
