"""Inputs for parsers: what they read, damaged, and bytes that nobody chose."""

import re
from collections.abc import Sequence
from typing import Final

from hypothesis import strategies as st

#: What has led parsers astray before: limits of numbers, quotation, nesting, lengths, ends of lines.
_TOKENS: Final = (
    *(
        b"",
        b"\0",
        b"\xff",
        b"\xff\xff\xff\xff",
        b"\x80",
        b"\x7f\xff\xff\xff",
        b"\x80" * 10,
        b"\xff" * 9 + b"\x01",
    ),
    *(b'"', b'""', b"'", b"\\", b"\\u0000", b"\\ud800", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xc0\x80"),
    *(
        b",",
        b";",
        b"=",
        b":",
        b"-",
        b".",
        b"..",
        b"/",
        b"%",
        b"%00",
        b"*",
        b"#",
        b"\t",
        b" ",
        b"\x0b",
        b"\x85",
    ),
    *(b"\n", b"\r", b"\r\n", b"\r\n\r\n", b"\n\n", b"{", b"}", b"[", b"]", b"[" * 3_000, b'{"a":' * 3_000),
    *(b"null", b"true", b"NaN", b"Infinity", b"-0", b"1e999", b"9" * 5_000, b"0" * 100, b"1" + b"0" * 400),
    *(b"2016-02-30", b"9999-12-31T23:59:60Z", b"0000-00-00", b"2016-03-14T09:00:00+23:59", b"29/02/1900"),
    *(b"q=", b"q=0.0000", b"*/*", b"wait=9999999999", b"charset=", b"boundary=", b'"' + b"\\" * 500),
    *(b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"\x1f\x8b\x08", b"=cmd|' /C calc'!A0"),
    *("٣".encode(), "ß".encode(), "İ".encode(), "\u2028".encode(), "𝟘".encode(), "a\u0301".encode()),
)
#: No input is larger: what a parser does with much, other tests show.
LARGEST: Final = 64 * 1024
_WORD: Final = re.compile(rb"[A-Za-z0-9_]+|[^A-Za-z0-9_]")


@st.composite
def damaged(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """An input with one to eight faults; or, now and then, any bytes."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.binary(max_size=200))
    given = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 8))):
        given = _once(draw, given, seeds)[:LARGEST]
    return given


def _once(draw: st.DrawFn, given: bytes, seeds: Sequence[bytes]) -> bytes:
    begin = draw(st.integers(0, len(given)))
    end = min(len(given), begin + draw(st.sampled_from((0, 1, 1, 2, 4, 8, 64, 1_000))))
    match draw(
        st.sampled_from(("bit", "token", "token", "drop", "again", "many", "end", "other", "word", "bytes"))
    ):
        case "bit" if begin < len(given):
            bit = 1 << draw(st.integers(0, 7))
            return given[:begin] + bytes([given[begin] ^ bit]) + given[begin + 1 :]
        case "token":
            return given[:begin] + draw(st.sampled_from(_TOKENS)) + given[end:]
        case "drop":
            return given[:begin] + given[end:]
        case "again":
            return given[:end] + given[begin:]
        case "many":
            return given[:begin] + given[begin:end] * draw(st.integers(2, 3_000)) + given[end:]
        case "end":
            return given[:begin]
        case "other":
            other = draw(st.sampled_from(seeds))
            return given[:begin] + other[draw(st.integers(0, len(other))) :]
        case "word":
            # Two words change places.
            words = _WORD.findall(given)[:2_000]
            if len(words) > 1:
                one, two = (draw(st.integers(0, len(words) - 1)) for _ in range(2))
                words[one], words[two] = words[two], words[one]
            return b"".join(words)
    return given[:begin] + draw(st.binary(max_size=16)) + given[end:]
