"""Lines for a reader who may not read: nobody waits for that, and what is lost is counted."""

import os
import threading
from collections.abc import Callable

import pytest

from gateway.system.unblocked import Unblocked
from tests.patience import PATIENCE_S, eventually
from tests.system.full_pipe import full_pipe, read_all


class Noted:
    """What was said to have been dropped; it is a line of the same stream."""

    def __init__(self) -> None:
        self.stream: Unblocked | None = None

    def __call__(self, lines: int) -> None:
        assert self.stream is not None
        self.stream.write(f"dropped {lines}\n")


def stream_to(writer: int, most: int) -> Unblocked:
    """A stream that says what it has dropped."""
    noted = Noted()
    noted.stream = Unblocked(writer, noted, most=most)
    return noted.stream


def test_lines_come_out_in_their_order() -> None:
    with full_pipe() as (reader, writer):
        read_all(reader)
        stream = stream_to(writer, 100)
        for number in range(100):
            stream.write(f"{number}\n")
        assert stream.drain(PATIENCE_S)
        assert read_all(reader).split() == [b"%d" % number for number in range(100)]


def test_where_nobody_reads_lines_are_dropped_and_counted_when_it_goes_on() -> None:
    """The line that says so stands where the others are missing."""
    with full_pipe() as (reader, writer):
        stream = stream_to(writer, 3)
        stream.write("0\n")
        eventually(stream._lines.empty)  # the thread waits with it
        for number in range(1, 10):
            stream.write(f"{number}\n")
        assert not stream.drain(0)
        found = b""

        def whole() -> bool:
            nonlocal found
            found += read_all(reader)
            return b"dropped" in found

        eventually(whole)
        stream.write("later\n")
        assert stream.drain(PATIENCE_S)
        found += read_all(reader)
        assert found.split() == [b"0", b"1", b"2", b"3", b"dropped", b"6", b"later"]


def _gone(reader: int, writer: int) -> int:
    os.close(reader)
    return writer


def _closed(reader: int, writer: int) -> int:
    os.close(writer)
    return writer


@pytest.mark.parametrize("end", [_gone, _closed])
def test_a_reader_who_has_gone_is_no_error(end: Callable[[int, int], int]) -> None:
    with full_pipe() as (reader, writer):
        stream = stream_to(end(reader, writer), 3)
        stream.write("0\n")
        assert stream.drain(PATIENCE_S)


def test_where_no_thread_can_be_started_a_line_is_written_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with full_pipe() as (reader, writer):
        stream = stream_to(writer, 3)
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", no_thread)
            stream.write("0\n")  # dropped
            read_all(reader)
            stream.write("1\n")
        stream.write("2\n")
        assert stream.drain(PATIENCE_S)
        eventually(lambda: stream.drain(PATIENCE_S) and not stream._dropped)
        assert read_all(reader).split() == [b"1", b"dropped", b"1", b"2"]


def test_lines_that_are_written_together_count_each() -> None:
    with full_pipe() as (reader, writer):
        stream = stream_to(writer, 3)
        stream.write("0\n")
        eventually(stream._lines.empty)  # the thread waits with it
        stream.write("1\n2\n")
        stream.write("3\n4\n")
        found = b""

        def whole() -> bool:
            nonlocal found
            found += read_all(reader)
            return b"dropped" in found

        eventually(whole)
        assert found.split() == [b"0", b"1", b"2", b"dropped", b"2"]
