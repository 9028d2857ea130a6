"""A zip from outside: which files are in it, and whether they may be read.

Nothing of it is written to a disk, and no more of it is held in memory than a line. What is in it is judged
by the zip's directory before a file is opened, and counted again while it is read. The directory has to cover
the zip byte for byte: what it doesn't list, another program might read.
Source: PKWARE, APPNOTE.TXT 6.3.10, 4.3.
"""

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from io import BufferedReader, RawIOBase
from itertools import count
from os import SEEK_END, SEEK_SET
from stat import S_IFMT, S_IFREG
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from gateway.system.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MIB: Final = 1024 * 1024
LARGEST_ARCHIVE: Final = 64 * MIB
#: Of the part of the zip that lists its files, and so of what is read before they can be counted.
LARGEST_DIRECTORY: Final = MIB // 4
MOST_FILES: Final = 100
LARGEST_TOTAL: Final = 256 * MIB
#: How many times larger than in the zip a file may be; small files may be more.
GREATEST_RATIO: Final = 200
LONGEST_LINE: Final = 64 * 1024
#: About three times the referrals of the whole programme in its peak month.
MOST_LINES: Final = 300_000

#: What the standard library raises on a zip that is broken or made to break it.
_BROKEN: Final = (
    BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,  # NotImplementedError is one of them
    ValueError,
    OverflowError,
    struct.error,
)
_ENCRYPTED: Final = 0x1 | 0x40 | 0x2000
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9 _.()+-]{0,99}")


class InvalidDownload(UsageError):
    """The file is no PRaP download, or may not be read; the message says why and what to do."""


class CsvFile(NamedTuple):
    """A file in the zip. lines: its bytes line by line, with line ends; reading raises InvalidDownload."""

    name: str
    lines: Iterator[bytes]


def read_archive(stream: IO[bytes], most_lines: int = MOST_LINES) -> Iterator[CsvFile]:
    """The CSV files of a zip, in order of name; each is to be read before the next is asked for.

    most_lines: how many they may have in all. Raises InvalidDownload: before the first, where anything in the
    zip is not as it should be.
    """
    if stream.seek(0, SEEK_END) > LARGEST_ARCHIVE:
        raise InvalidDownload(
            f"the download is larger than {LARGEST_ARCHIVE // MIB} MiB; ask PRaP for fewer at a time"
        )
    try:
        archive = ZipFile(_Guarded(stream))
    except _BROKEN:
        raise InvalidDownload(
            "the download is not a zip file, or not a whole one; download it again"
        ) from None
    with archive:
        files = archive.infolist()
        _check(files)
        _check_covered(stream, archive, files)
        counter = count(1)
        for file in sorted(files, key=lambda file: file.filename):
            yield CsvFile(
                file.filename,
                lines_of(file.filename, BufferedReader(_Parts(_unpacked(stream, file))), counter, most_lines),
            )


class _Guarded:
    """A file that gives a zip's directory only where that is of a sensible size.

    ZipFile reads the directory at once, however large it says that it is.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.tell = stream.tell
        self.seekable = stream.seekable

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(size if 0 <= size <= LARGEST_DIRECTORY else LARGEST_DIRECTORY + 1)
        if len(content) > LARGEST_DIRECTORY:
            raise InvalidDownload(f"the download lists too many files; expected at most {MOST_FILES}")
        return content

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        if whence == SEEK_SET and offset < 0:
            raise BadZipFile
        return self._stream.seek(offset, whence)


def _check(files: list[ZipInfo]) -> None:
    """Raises InvalidDownload where a file may not be read, by what the directory says of it."""
    if not files:
        raise InvalidDownload("the download holds no file; expected CSV files of purchase orders")
    if len(files) > MOST_FILES:
        raise InvalidDownload(f"the download lists too many files; expected at most {MOST_FILES}")
    seen: set[str] = set()
    for number, file in enumerate(files, 1):
        if problem := _problem(file):
            raise InvalidDownload(f"file {number} of the download {problem}")
        if file.filename.lower() in seen:
            raise InvalidDownload(f"the download holds {file.filename} twice; download it again")
        seen.add(file.filename.lower())
    if sum(file.file_size for file in files) > LARGEST_TOTAL:
        raise InvalidDownload(
            f"the download unpacks to more than {LARGEST_TOTAL // MIB} MiB; ask PRaP for fewer at a time"
        )


def _problem(file: ZipInfo) -> str | None:
    """Why a file may not be read. Its name is not shown: until it has been checked it may be anything."""
    name = file.orig_filename
    if any(mark in name for mark in "/\\:") or name.startswith("."):
        return "has a path for a name; zip the CSV files themselves, without folders"
    if S_IFMT(file.external_attr >> 16) not in (0, S_IFREG):
        return "is a link or something else that is no file; zip the CSV files themselves"
    if not _PLAIN_NAME.fullmatch(name):
        return "has a name with unusual characters; use letters, digits, spaces and _.()+- in it"
    if not name.lower().endswith(".csv"):
        return "is not a CSV file by its name; leave out what does not end in .csv"
    if file.flag_bits & _ENCRYPTED:
        return "is encrypted; decrypt the download first"
    if file.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        return "is compressed in an unusual way; zip it with deflate"
    if file.file_size > MIB and file.file_size > GREATEST_RATIO * file.compress_size:
        return f"unpacks to more than {GREATEST_RATIO} times its size, as no CSV file does; download it again"
    return None


def read_alone(stream: IO[bytes], name: str) -> CsvFile:
    """A CSV file that came without a zip. Raises InvalidDownload, also while it is read."""
    return CsvFile(name, lines_of(name, stream, count(1), MOST_LINES))


def _check_covered(stream: IO[bytes], archive: ZipFile, files: Sequence[ZipInfo]) -> None:
    """Raises InvalidDownload where there is something in the zip that its directory does not account for.

    The files have to stand one behind the other, each with the header that the directory says, then the
    directory, then its end.
    """
    try:
        at = 0
        for file in sorted(files, key=lambda file: file.header_offset):
            if file.header_offset != at:
                raise BadZipFile
            at = _end_of(stream, file)
        end = _read(stream, -(_END.size + len(archive.comment)), _END, SEEK_END)
        begin_of_end = stream.tell() - _END.size
        signature, *disks, here, in_all, size, offset, comment = end
        counts = (signature, disks, here, in_all, comment)
        if counts != (b"PK\5\6", [0, 0], len(files), len(files), len(archive.comment)):
            raise BadZipFile
        if (archive.start_dir, offset, offset + size) != (
            at,
            at,
            begin_of_end,
        ) or b"PK\5\6" in archive.comment:
            raise BadZipFile
    except (*_BROKEN, OSError):
        raise InvalidDownload(
            "the download holds something that its directory does not list, or not so; download it again"
        ) from None


_HEADER: Final = struct.Struct("<4s5H3I2H")
_END: Final = struct.Struct("<4s4H2IH")
_SIZES_FOLLOW: Final = 0x8
#: How many bytes are read or unpacked at a time.
_PART: Final = 64 * 1024


def _end_of(stream: IO[bytes], file: ZipInfo) -> int:
    """Where a file ends in the zip. Raises BadZipFile where its own header differs from the directory's."""
    header = _read(stream, file.header_offset, _HEADER)
    signature, _, flags, method, _, _, crc, packed, size, name_length, extra_length = header
    name = stream.read(name_length).decode("utf-8" if flags & 0x800 else "cp437")
    if (signature, flags, method, name) != (
        b"PK\3\4",
        file.flag_bits,
        file.compress_type,
        file.orig_filename,
    ):
        raise BadZipFile
    end: int = file.header_offset + _HEADER.size + name_length + extra_length + file.compress_size
    facts = file.CRC, file.compress_size, file.file_size
    if not flags & _SIZES_FOLLOW:
        if (crc, packed, size) != facts:
            raise BadZipFile
        return end
    # They stand behind the file, with a signature or without, in 32 bits or in 64.
    stream.seek(end)
    behind = stream.read(24)
    for form in ("<3I", "<I2Q"):
        plain = struct.pack(form, *facts)
        for descriptor in (b"PK\7\10" + plain, plain):
            if behind.startswith(descriptor):
                end += len(descriptor)
                return end
    raise BadZipFile


def _read(stream: IO[bytes], at: int, form: struct.Struct, whence: int = SEEK_SET) -> tuple[Any, ...]:
    stream.seek(at, whence)
    return form.unpack(stream.read(form.size))


def _unpacked(stream: IO[bytes], file: ZipInfo) -> Iterator[bytes]:
    """A file's bytes, in parts: just those that the directory says, of all the packed ones that it says.

    Raises BadZipFile or zlib.error. ZipFile's own reader passes over what is behind the end of the packing.
    """
    header = _read(stream, file.header_offset, _HEADER)
    at = file.header_offset + _HEADER.size + header[-2] + header[-1]
    left, packed = file.compress_size, b""
    unpack = zlib.decompressobj(-zlib.MAX_WBITS) if file.compress_type == ZIP_DEFLATED else None
    size = crc = 0
    ended = False
    while not ended:
        if not packed and left:
            stream.seek(at)
            packed = stream.read(min(left, _PART))
            at, left = at + len(packed), left - len(packed)
        if unpack is None:
            part, packed = packed, b""
            ended = not left
        else:
            part = unpack.decompress(packed, _PART)
            if not (part or packed or unpack.eof):
                raise BadZipFile
            packed, ended = unpack.unconsumed_tail, unpack.eof
        size += len(part)
        crc = zlib.crc32(part, crc)
        if size > file.file_size:
            raise BadZipFile
        yield part
    if left or (unpack is not None and unpack.unused_data) or (size, crc) != (file.file_size, file.CRC):
        raise BadZipFile


class _Parts(RawIOBase):
    """Parts as one stream."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._part = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        into = memoryview(buffer)
        while not self._part:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._part = memoryview(part)
        found, self._part = self._part[: len(into)], self._part[len(into) :]
        into[: len(found)] = found
        return len(found)


def _damaged(name: str) -> InvalidDownload:
    return InvalidDownload(f"{name} is damaged in the download; download it again")


def lines_of(name: str, stream: IO[bytes], counter: Iterator[int], most: int) -> Iterator[bytes]:
    """The lines of a file. counter: of the lines of all files; most: of them. Raises InvalidDownload."""
    try:
        with stream:
            for number, line in enumerate(iter(lambda: stream.readline(LONGEST_LINE + 1), b""), 1):
                if len(line) > LONGEST_LINE:
                    raise InvalidDownload(
                        f"{name}, line {number} is longer than {LONGEST_LINE // 1024} KiB; "
                        "expected one purchase order a line, and line ends LF or CRLF"
                    )
                if next(counter) > most:
                    raise InvalidDownload(
                        f"the download has more than {most:,} lines; ask PRaP for fewer at a time"
                    )
                yield line
    except _BROKEN:
        raise _damaged(name) from None
