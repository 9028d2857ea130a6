"""Zips from outside: what may not be read is refused in a sentence, with nothing read of it."""

import io
import random
import re
import stat
import struct
import tracemalloc
from typing import Any, cast
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest

from gateway.intake.prap import InvalidDownload
from gateway.intake.prap import archive as limits
from gateway.rules.messages import Referral
from tests.intake.prap.downloads import csv_of, order, read, zip_of, zipped

GOOD = csv_of(order())


def named(name: str, **attributes: Any) -> tuple[ZipInfo, bytes]:
    file = ZipInfo(name)
    file.compress_type = ZIP_STORED
    for attribute, value in attributes.items():
        setattr(file, attribute, value)
    return file, GOOD


def changed(download: bytes, field: int, form: str, value: int, *, local: int | None = None) -> bytes:
    """The zip with another value in the directory's first entry, and in the file's own header."""
    mutable = bytearray(download)
    struct.pack_into(form, mutable, download.rindex(b"PK\x01\x02") + field, value)
    if local is not None:
        struct.pack_into(form, mutable, download.index(b"PK\x03\x04") + local, value)
    return bytes(mutable)


def encrypted() -> bytes:
    return changed(zip_of({"orders.csv": GOOD}), 8, "<H", 0x1, local=6)


def nested() -> bytes:
    return zip_of({"orders.csv": GOOD, "more.zip": zip_of({"orders.csv": GOOD})})


def bomb() -> bytes:
    return zip_of({"orders.csv": GOOD + b"," * (20 * limits.MIB)})


def large() -> bytes:
    """Of files that are each small enough, and too large together."""
    line = random.Random(1).randbytes(30_000).hex().encode() + b"\n"
    part = line * (3 * limits.MIB // len(line))
    one = zip_of({"orders.csv": part})
    claimed = changed(one, 24, "<I", limits.LARGEST_TOTAL + 1, local=22)
    return changed(claimed, 20, "<I", limits.LARGEST_TOTAL, local=18)


def bzip2() -> bytes:
    stream = io.BytesIO()
    with ZipFile(stream, "w", ZIP_BZIP2) as archive:
        archive.writestr("orders.csv", GOOD)
    return stream.getvalue()


def twice(name: str, other: str) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # that zipfile itself warns of the second
        return zip_of([(name, GOOD), (other, GOOD)])


HOSTILE = {
    "nothing": (b"", "is not a zip file"),
    "text": (b"po_number,po_revision\n", "is not a zip file"),
    "cut": (zipped(order())[:-30], "is not a zip file"),
    "no file": (zip_of({}), "holds no file"),
    "absolute": (zip_of([named("/etc/orders.csv")]), "file 1 of the download has a path"),
    "up": (zip_of([("a.csv", GOOD), named("../../orders.csv")]), "file 2 of the download has a path"),
    "folder": (zip_of([named("folder/orders.csv")]), "without folders"),
    "folder alone": (zip_of([named("folder/")]), "without folders"),
    "backslash": (zip_of([named("..\\orders.csv", orig_filename="x")]), "has a path"),
    "drive": (zip_of([named("C:orders.csv")]), "has a path"),
    "hidden": (zip_of([named(".orders.csv")]), "has a path"),
    "escape sequence": (zip_of([named("\x1b[31morders.csv")]), "unusual characters"),
    "very long name": (zip_of([named("x" * 30_000 + ".csv")]), "unusual characters"),
    "symbolic link": (
        zip_of([named("orders.csv", external_attr=(stat.S_IFLNK | 0o777) << 16)]),
        "is a link",
    ),
    "device": (zip_of([named("orders.csv", external_attr=(stat.S_IFCHR | 0o666) << 16)]), "is a link or"),
    "zip in a zip": (nested(), "file 2 of the download is not a CSV file by its name"),
    "encrypted": (encrypted(), "is encrypted; decrypt the download first"),
    "the same name twice": (twice("orders.csv", "orders.csv"), "holds orders.csv twice"),
    "the same name but for case": (twice("orders.csv", "ORDERS.CSV"), "holds ORDERS.CSV twice"),
    "other compression": (bzip2(), "is compressed in an unusual way"),
    "bomb": (bomb(), "more than 200 times its size"),
    "too large unpacked": (large(), "unpacks to more than 256 MiB"),
    "too many files": (
        zip_of({f"{n}.csv": GOOD for n in range(101)}),
        "too many files; expected at most 100",
    ),
    "line without an end": (zip_of({"orders.csv": b"x" * 70_000}), "line 1 is longer than 64 KiB"),
    "wrong checksum": (changed(zipped(order()), 16, "<I", 1, local=14), "orders.csv is damaged"),
    "smaller than it says": (changed(zipped(order()), 24, "<I", 10, local=22), "orders.csv is damaged"),
}


def with_bytes(download: bytes, place: bytes, extra: bytes) -> bytes:
    """The zip with bytes more before a place, whose offsets know of them."""
    at = download.index(place)
    mutable = bytearray(download[:at] + extra + download[at:])
    end = mutable.rindex(b"PK\x05\x06")
    (offset,) = struct.unpack_from("<I", mutable, end + 16)
    struct.pack_into("<I", mutable, end + 16, offset + len(extra))
    if place == b"PK\x03\x04":
        struct.pack_into("<I", mutable, mutable.index(b"PK\x01\x02") + 42, len(extra))
    return bytes(mutable)


def end_says(field: int, form: str, value: int) -> bytes:
    """The zip whose end says something else."""
    mutable = bytearray(zipped(order()))
    struct.pack_into(form, mutable, mutable.rindex(b"PK\x05\x06") + field, value)
    return bytes(mutable)


def streamed() -> bytes:
    """As a writer makes it that can't go back: sizes stand behind the file."""
    stream = io.BytesIO()

    class Pipe(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, content: Any, /) -> int:
            return stream.write(content)

    with ZipFile(cast(Any, Pipe()), "w", ZIP_DEFLATED) as archive:
        archive.writestr("orders.csv", GOOD)
    return stream.getvalue()


def packed_longer() -> bytes:
    """A file whose packed bytes go on behind their end."""
    whole = zipped(order())
    longer = with_bytes(whole, b"PK\x01\x02", b"hidden")
    size = struct.unpack_from("<I", whole, whole.index(b"PK\x03\x04") + 18)[0]
    return changed(longer, 20, "<I", size + 6, local=18)


def hidden_file() -> bytes:
    """A zip of two files, the first of which the directory doesn't list."""
    two = zip_of({"a.csv": GOOD, "b.csv": GOOD})
    first = two.index(b"PK\x01\x02")
    second = two.index(b"PK\x01\x02", first + 4)
    mutable = bytearray(two[:first] + two[second:])
    end = mutable.rindex(b"PK\x05\x06")
    struct.pack_into("<2H2I", mutable, end + 8, 1, 1, end - first, first)
    return bytes(mutable)


def overlapping() -> bytes:
    """A zip whose second file is the first one once more."""
    mutable = bytearray(zip_of({"a.csv": GOOD, "b.csv": GOOD}))
    struct.pack_into("<I", mutable, mutable.rindex(b"PK\x01\x02") + 42, 0)
    return bytes(mutable)


WHOLE = zipped(order())
NOT_COVERED = {
    "bytes before": with_bytes(WHOLE, b"PK\x03\x04", b"#!/bin/sh\n"),
    "bytes before, unknown to the offsets": b"#!/bin/sh\n" + WHOLE,
    "another zip before": WHOLE + WHOLE,
    "bytes between file and directory": with_bytes(WHOLE, b"PK\x01\x02", b"hidden"),
    "bytes behind": WHOLE + b"hidden",
    "a file that is not listed": hidden_file(),
    "two files in one place": overlapping(),
    "more files than there are": end_says(10, "<H", 2),
    "fewer files than there are": end_says(8, "<H", 0),
    "another disk": end_says(4, "<H", 1),
    "a directory somewhere else": end_says(16, "<I", 1),
    "another name in the file": WHOLE.replace(b"orders.csv", b"others.csv", 1),
    "another size in the file": changed(WHOLE, 24, "<I", len(GOOD), local=22)[:22]
    + struct.pack("<I", 1)
    + WHOLE[26:],
    "another end in the comment": end_says(20, "<H", 22) + WHOLE[-22:],
    "a size behind the file that is another": streamed().replace(b"PK\7\10", b"PK\7\11"),
}


@pytest.mark.parametrize("what", NOT_COVERED)
def test_a_zip_that_its_directory_does_not_cover_is_refused_with_nothing_read_of_it(what: str) -> None:
    with pytest.raises(InvalidDownload, match=r"does not list|not a zip file") as refused:
        next(limits.read_archive(io.BytesIO(NOT_COVERED[what])))
    assert len(str(refused.value)) < 250


def test_packed_bytes_behind_the_end_of_a_file_are_refused() -> None:
    with pytest.raises(InvalidDownload, match=r"orders.csv is damaged"):
        read(packed_longer())


def commented() -> bytes:
    stream = io.BytesIO(WHOLE)
    with ZipFile(stream, "a") as archive:
        archive.comment = b"from PRaP"
    return stream.getvalue()


@pytest.mark.parametrize("download", [WHOLE, streamed(), commented()], ids=["whole", "streamed", "commented"])
def test_a_zip_that_its_directory_covers_is_read_however_it_was_made(download: bytes) -> None:
    assert [row.po_number for row in read(download) if isinstance(row, Referral)] == ["PO1001"]


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 131_072])
@pytest.mark.parametrize("method", [ZIP_STORED, ZIP_DEFLATED])
def test_a_file_of_any_size_is_read_to_its_end(size: int, method: int) -> None:
    content = (b"%015d\n" * (size // 16 + 1) % tuple(range(size // 16 + 1)))[:size]
    stream = io.BytesIO()
    with ZipFile(stream, "w", method) as archive:
        archive.writestr("orders.csv", content)
    (file,) = limits.read_archive(stream)
    assert b"".join(file.lines) == content


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_zip_is_refused_in_a_sentence(what: str) -> None:
    download, sentence = HOSTILE[what]
    with pytest.raises(InvalidDownload, match=re.escape(sentence)) as refused:
        read(download)
    assert "\n" not in str(refused.value)
    assert "\x1b" not in str(refused.value)
    assert len(str(refused.value)) < 250


def test_a_zip_of_a_million_files_is_refused_before_they_are_listed() -> None:
    entry = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0)
    directory = (entry + b"a.csv") * 1_000_000
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(directory), 0, 0)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidDownload, match="too many files"):
            read(directory + end)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - len(directory) < 4 * limits.MIB


def test_a_download_larger_than_any_is_not_even_looked_at() -> None:
    class Large(io.BytesIO):
        def seek(self, offset: int, whence: int = 0) -> int:
            return limits.LARGEST_ARCHIVE + 1

        def read(self, size: int | None = -1) -> bytes:
            raise AssertionError("it was read")

    with pytest.raises(InvalidDownload, match="larger than 64 MiB"):
        next(limits.read_archive(Large()))


def test_a_file_is_unpacked_line_by_line() -> None:
    content = b"".join(b"%040d\n" % n for n in range(150_000))
    download = zip_of({"orders.csv": content})
    tracemalloc.start()
    try:
        read_bytes = sum(
            len(line) for file in limits.read_archive(io.BytesIO(download)) for line in file.lines
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read_bytes == len(content) > 5 * limits.MIB
    assert peak < limits.MIB


def test_a_file_in_a_zip_is_never_longer_than_the_zip_says() -> None:
    """A size that is too small hides nothing: what is beyond is not read, and the checksum shows it."""
    lying = changed(zip_of({"orders.csv": GOOD + b"\n" * 5 * limits.MIB}), 24, "<I", 1000, local=22)
    with pytest.raises(InvalidDownload, match="damaged"):
        read(lying)


def test_a_download_of_too_many_lines_is_refused_even_if_they_are_blank() -> None:
    def lines(files: dict[str, bytes]) -> list[bytes]:
        archive = limits.read_archive(io.BytesIO(zip_of(files)), most_lines=6)
        return [line for file in archive for line in file.lines]

    one = GOOD + b"\n"
    assert len(lines({"a.csv": one, "b.csv": one})) == 6
    with pytest.raises(InvalidDownload, match="more than 6 lines"):
        lines({"a.csv": one, "b.csv": one + b"\n"})


def test_files_are_read_in_order_of_name_whatever_the_order_in_the_zip() -> None:
    download = zip_of({"b.csv": csv_of(order("PO2001")), "a.CSV": csv_of(order("PO1001"))})
    found = read(download)
    assert [row.po_number for row in found if isinstance(row, Referral)] == ["PO1001", "PO2001"]


def test_a_damaged_zip_is_refused_or_read_and_nothing_else() -> None:
    """Four thousand zips, each with a few bytes changed anywhere or the end cut off."""
    whole = zip_of({"a.csv": csv_of(*(order(f"PO{n}") for n in range(40))), "b.csv": GOOD})
    refused = 0
    for seed in range(4_000):
        chance = random.Random(seed)
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.choice((0, 1, 0x50, 0x7F, 0x80, 0xFF))
        del damaged[chance.choice((len(damaged), chance.randrange(len(damaged)))) :]
        try:
            read(bytes(damaged))
        except InvalidDownload:
            refused += 1
    assert refused > 1_000
