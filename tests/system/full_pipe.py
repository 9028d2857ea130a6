"""A pipe whose reader takes nothing, as a container's log driver may leave it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def full_pipe() -> Iterator[tuple[int, int]]:
    """A pipe with no room left: its reader's and its writer's descriptor. A write to it waits."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, b"\n" * 512)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, b"\n")
    os.set_blocking(writer, True)
    try:
        yield reader, writer
    finally:
        for descriptor in (reader, writer):
            with suppress(OSError):
                os.close(descriptor)


def read_all(reader: int) -> bytes:
    """What there is to read at the moment."""
    flags = fcntl.fcntl(reader, fcntl.F_GETFL)
    os.set_blocking(reader, False)
    found = b""
    with suppress(BlockingIOError):
        while part := os.read(reader, 65_536):
            found += part
    fcntl.fcntl(reader, fcntl.F_SETFL, flags)
    return found
