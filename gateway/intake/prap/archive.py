"""A zip from outside: which files are in it, and whether they may be read.

Nothing of it is written to a disk, and no more of it is held in memory than a line. What is in it is judged
by the zip's directory before a file is opened, and counted again while it is read.
"""

import re
import zlib
from collections.abc import Iterator
from io import BufferedReader
from itertools import count
from os import SEEK_END, SEEK_SET
from stat import S_IFMT, S_IFREG
from struct import error as StructError  # noqa: N812 - it is a class
from typing import IO, Final, NamedTuple, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipExtFile, ZipFile, ZipInfo

from gateway.system.errors import UsageError

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
    StructError,
)
_ENCRYPTED: Final = 0x1 | 0x40 | 0x2000
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9 _.()+-]{0,99}")


class InvalidDownload(UsageError):
    """The file is no PRaP download, or may not be read; the message says why and what to do."""


class CsvFile(NamedTuple):
    """A file in the zip. lines: its bytes line by line, with line ends; reading raises InvalidDownload."""

    name: str
    lines: Iterator[bytes]


def read_archive(stream: IO[bytes]) -> Iterator[CsvFile]:
    """The CSV files of a zip, in order of name; each is to be read before the next is asked for.

    Raises InvalidDownload: before the first, where anything in the zip is not as it should be.
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
        counter = count(1)
        for file in sorted(files, key=lambda file: file.filename):
            yield CsvFile(file.filename, _lines(archive, file, counter))


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


def _lines(archive: ZipFile, file: ZipInfo, counter: Iterator[int]) -> Iterator[bytes]:
    """The lines of a file; not more than the directory says that it holds, which ZipFile sees to."""
    try:
        # ZipFile reads a line with a limit byte by byte; the reader around it does not.
        with BufferedReader(cast(ZipExtFile, archive.open(file))) as stream:
            for number, line in enumerate(iter(lambda: stream.readline(LONGEST_LINE + 1), b""), 1):
                if len(line) > LONGEST_LINE:
                    raise InvalidDownload(
                        f"{file.filename}, line {number} is longer than {LONGEST_LINE // 1024} KiB; "
                        "expected one purchase order a line, and line ends LF or CRLF"
                    )
                if next(counter) > MOST_LINES:
                    raise InvalidDownload(
                        f"the download has more than {MOST_LINES:,} lines; ask PRaP for fewer at a time"
                    )
                yield line
    except _BROKEN:
        raise InvalidDownload(f"{file.filename} is damaged in the download; download it again") from None
