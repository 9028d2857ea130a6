"""A door between the gateway and a broker, which cuts connections at requests of a chosen kind."""

import asyncio
from typing import Final, Literal, Self

#: The requests of a transaction, by Kafka's number.
REQUESTS: Final = {
    "InitProducerId": 22,
    "AddPartitionsToTxn": 24,
    "Produce": 0,
    "AddOffsetsToTxn": 25,
    "TxnOffsetCommit": 28,
    "EndTxn": 26,
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
        task.add_done_callback(self._tasks.discard)
        there: asyncio.StreamWriter | None = None
        try:
            answers, there = await asyncio.open_connection(*self._broker)
            back = asyncio.create_task(_pass_on(answers, writer))
            there_and_back = asyncio.create_task(self._requests(reader, there, answers, back))
            self._tasks |= {back, there_and_back}
            await asyncio.wait({back, there_and_back}, return_when=asyncio.FIRST_COMPLETED)
            for one in (back, there_and_back):
                one.cancel()
            await asyncio.gather(back, there_and_back, return_exceptions=True)
            self._tasks -= {back, there_and_back}
        except OSError:
            pass  # the broker is away
        finally:
            for side in (writer, there):
                if side is not None:
                    side.transport.abort()

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        there: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        back: asyncio.Task[None],
    ) -> None:
        while True:
            try:
                size = await reader.readexactly(4)
                request = await reader.readexactly(int.from_bytes(size, "big"))
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            if int.from_bytes(request[:2], "big", signed=True) != self._api_key:
                there.write(size + request)
                await there.drain()
                continue
            self._api_key = None
            if self._when == "after":
                back.cancel()
                await asyncio.gather(back, return_exceptions=True)
                there.write(size + request)
                await there.drain()
                await answers.read(1)  # the broker has done it
            self._has_cut.set()
            return


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while some := await reader.read(1 << 16):
        writer.write(some)
        await writer.drain()
