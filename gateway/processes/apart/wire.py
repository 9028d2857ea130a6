"""Frames over a socket: a length of four bytes, then so many bytes of MessagePack.

Nobody waits for the other side in order to send, and both read all the time, so they never wait for each
other. What is sent much of waits in `drain` for room.
"""

import asyncio
import socket
from typing import Any, Final, Generic, TypeVar

from msgspec import DecodeError, Struct, msgpack

#: No frame is larger. Nothing that is told comes near it.
LARGEST: Final = 16 * 1024 * 1024
#: A hint that can be done without is not sent when so much has not been read yet.
MOST_UNREAD: Final = 64 * 1024
_LENGTH: Final = 4

Given = TypeVar("Given", bound=Struct)


class BadFrame(Exception):
    """What came over the wire is no frame; report it."""


class Wire(Generic[Given]):
    """One end of it. Made by `opened`. Given: the frames that come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, given: Any) -> None:  # noqa: ANN401 - a type, or a union of some
        self._reader = reader
        self._writer = writer
        self._encode = msgpack.Encoder().encode
        self._decode = msgpack.Decoder(given).decode

    def send(self, frame: Struct) -> None:
        """Send a frame as soon as there is room. Raises BadFrame where it is too large."""
        body = self._encode(frame)
        if len(body) > LARGEST:
            raise BadFrame(f"a frame of {len(body):,} bytes was to be sent; report it")
        self._writer.write(len(body).to_bytes(_LENGTH, "big") + body)

    def hint(self, frame: Struct) -> None:
        """Send a frame that can be done without, unless the other side has not read for some time."""
        if self._writer.transport.get_write_buffer_size() < MOST_UNREAD:
            self.send(frame)

    async def drain(self) -> None:
        """Wait until there is room again. Raises ConnectionError where nobody reads any more."""
        await self._writer.drain()

    async def receive(self) -> Given | None:
        """The next frame; None: the other side is gone, perhaps in the middle of one. Raises BadFrame."""
        try:
            size = int.from_bytes(await self._reader.readexactly(_LENGTH), "big")
            if size > LARGEST:
                raise BadFrame(f"a frame of {size:,} bytes came; report it")
            body = await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        try:
            frame: Given = self._decode(body)
        except DecodeError as error:
            raise BadFrame(f"a frame of {size:,} bytes can't be read; report it") from error
        return frame

    async def close(self) -> None:
        """Send what is left, as far as somebody reads it, and let go. Never raises."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            return


async def opened(end: socket.socket, given: Any) -> Wire[Any]:  # noqa: ANN401 - as above
    """One end of a pair of sockets, in the running loop."""
    reader, writer = await asyncio.open_unix_connection(sock=end)
    return Wire(reader, writer, given)
