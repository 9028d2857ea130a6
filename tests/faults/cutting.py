"""A door between the gateway and a broker, which cuts connections at requests of a chosen kind."""

import asyncio
from typing import Final, Literal, Self

#: The requests of a transaction, and the one that notes positions with the group, by Kafka's number.
REQUESTS: Final = {
    "InitProducerId": 22,
    "AddPartitionsToTxn": 24,
    "Produce": 0,
    "EndTxn": 26,
    "OffsetCommit": 8,
}
When = Literal["before", "after"]
WHENS: Final[tuple[When, ...]] = ("before", "after")


class CuttingProxy:
    """Passes connections on to a broker. It understands of a request only which kind it is."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._broker = ("", 0)
        self._server: asyncio.Server | None = None
        self._api_key: int | None = None
        self._when: When = "before"
        self._has_cut = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self._port}"

    async def open(self, broker: str) -> Self:
        """Listen, and pass on to the broker's listener."""
        host, port = broker.split(":")
        self._broker = (host, int(port))
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        return self

    async def close(self) -> None:
        """Cut everything."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def cut(self, request: str, when: When, within_s: float) -> None:
        """Cut the next connection with such a request, and wait until that is done.

        before: the broker does not get it. after: the broker's answer does not get back.
        """
        self._has_cut.clear()
        self._api_key, self._when = REQUESTS[request], when
        async with asyncio.timeout(within_s):
            await self._has_cut.wait()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        there: asyncio.StreamWriter | None = None
        ways: list[asyncio.Task[None]] = []
        try:
            answers, there = await asyncio.open_connection(*self._broker)
            deaf = asyncio.Event()
            ways = [
                asyncio.create_task(self._requests(reader, there, deaf)),
                asyncio.create_task(self._answers(answers, writer, deaf)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            pass  # the broker is away
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for side in (writer, there):
                if side is not None:
                    side.transport.abort()
            self._tasks.discard(task)

    async def _requests(
        self, reader: asyncio.StreamReader, there: asyncio.StreamWriter, deaf: asyncio.Event
    ) -> None:
        while True:
            try:
                size = await reader.readexactly(4)
                request = await reader.readexactly(int.from_bytes(size, "big"))
            except asyncio.IncompleteReadError:
                return
            if int.from_bytes(request[:2], "big", signed=True) == self._api_key:
                self._api_key = None
                if self._when == "before":
                    self._has_cut.set()
                    return
                deaf.set()
            there.write(size + request)
            await there.drain()

    async def _answers(
        self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter, deaf: asyncio.Event
    ) -> None:
        while some := await answers.read(1 << 16):
            if deaf.is_set():
                self._has_cut.set()
                return
            writer.write(some)
            await writer.drain()
