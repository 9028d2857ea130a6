"""The keys that may have signed a token, kept and fetched anew without anybody having to wait."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import structlog

from gateway.api.callers.keys import Keys, NoKeySet, read_keys
from gateway.api.callers.sources import NotFetched, Source

#: So long a key that was withdrawn may still be taken for good.
REFRESHED_AFTER_S: Final = 30.0
#: How soon a fetch that failed is tried again: doubled each time, up to the second number.
TRIED_AGAIN_AFTER_S: Final = (5.0, 60.0)
#: How often tokens that no known key has signed may make a fetch, in the long run, and how often at once.
ASKED_FOR_APART_S: Final = 5.0
ASKED_FOR_AT_ONCE: Final = 5
#: How long the keys go on working when none can be fetched: longer than tokens should live, and no longer.
KEPT_S: Final = 6 * 3600.0


class Keyring:
    """Fetches the keys for as long as the block lasts; outside of one only where `newest` asks for it.

    known: what there is already. tried_again_after_s: how soon a fetch that failed is tried again, and how
    late at the most. now_s: a clock that doesn't go back, in seconds.
    """

    def __init__(
        self,
        fetch: Source,
        *,
        known: Keys | None = None,
        refreshed_after_s: float = REFRESHED_AFTER_S,
        tried_again_after_s: tuple[float, float] = TRIED_AGAIN_AFTER_S,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._refreshed_after_s = refreshed_after_s
        self._tried_again_after_s = tried_again_after_s
        self._now_s = now_s
        self._keys = known
        self._fetched_at = now_s()
        #: When the fetches that may be asked for at once would all be there again.
        self._asked_up_to = now_s()
        self._failures = 0
        self._trouble: str | None = None
        self._under_way: asyncio.Task[None] | None = None
        self._background: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._background = asyncio.create_task(self._keep_up())
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        for task in (self._background, self._under_way):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    @property
    def keys(self) -> Keys | None:
        """Those of the moment. None: none were fetched yet, or the last time is too long ago."""
        return self._keys if self._now_s() < self._fetched_at + KEPT_S else None

    @property
    def age_s(self) -> float:
        """How long ago the keys were fetched, or the first fetch began."""
        return self._now_s() - self._fetched_at

    @property
    def trouble(self) -> str | None:
        """Why the keys could not be fetched the last time; None: they could, or it was not tried yet."""
        return self._trouble

    async def newest(self) -> Keys | None:
        """Those after a fetch, where one is under way, or has not been asked for too often."""
        now_s = self._now_s()
        up_to = max(self._asked_up_to, now_s) + ASKED_FOR_APART_S
        if self._under_way is None and up_to <= now_s + ASKED_FOR_AT_ONCE * ASKED_FOR_APART_S:
            self._asked_up_to = up_to
            self._under_way = self._begin()
        if self._under_way is not None:
            # Not awaited itself: a caller who goes away must not end it for the others.
            await asyncio.wait([self._under_way])
        return self.keys

    async def _keep_up(self) -> None:
        while True:
            if self._under_way is None:
                self._under_way = self._begin()
            await asyncio.wait([self._under_way])
            shortest, longest = self._tried_again_after_s
            again_s = min(longest, shortest * 2**self._failures / 2, self._refreshed_after_s)
            await asyncio.sleep(again_s if self._failures else self._refreshed_after_s)

    def _begin(self) -> asyncio.Task[None]:
        task = asyncio.create_task(self._refresh())
        task.add_done_callback(self._ended)
        return task

    def _ended(self, _: asyncio.Task[None]) -> None:
        self._under_way = None

    async def _refresh(self) -> None:
        """Fetch the keys; whatever goes wrong, those that there are stay."""
        say = structlog.get_logger("gateway")
        try:
            document = await self._fetch()
            # The same object for the same keys: what was verified by them is kept with it.
            same = self._keys is not None and self._keys.document == document
            keys = self._keys if same else read_keys(document)
        except NotFetched as error:
            why = str(error)
        except NoKeySet as error:
            why = f"what was fetched is not a set of keys: {error}; check what the address or file is for"
        except Exception as error:  # noqa: BLE001 - callers must not suffer from a source that surprises
            why = type(error).__name__
        else:
            if keys is not self._keys and keys is not None:
                say.info("keys.changed", keys=keys.count, left_out=keys.left_out)
            self._keys, self._failures, self._fetched_at = keys, 0, self._now_s()
            self._trouble = None
            return
        self._trouble = why
        self._failures = min(self._failures + 1, 10)
        say.warning("keys.not_fetched", error=why, usable=self.keys is not None)
