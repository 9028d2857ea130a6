"""Questions to the read model, asked in threads: none holds up the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from gateway.reading.model import Source
from gateway.reading.view import View

T = TypeVar("T")

#: So many questions are answered at a time: of two that take long the others need not wait for both.
THREADS: Final = 3


class Asking:
    """Asks, for as long as it is not closed."""

    def __init__(self, source: Source, threads: int = THREADS) -> None:
        #: Those that nobody uses; there is one for each thread.
        self._views = [View(source) for _ in range(threads)]
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="asking")

    async def ask(self, question: Callable[[View], T]) -> T:
        """The answer. Raises what the question raises."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._answer, question)

    def _answer(self, question: Callable[[View], T]) -> T:
        view = self._views.pop()
        try:
            return question(view)
        finally:
            self._views.append(view)

    def close(self) -> None:
        """Wait for what is being answered, and let go of the file."""
        self._threads.shutdown(cancel_futures=True)
        for view in self._views:
            view.close()
