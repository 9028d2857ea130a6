"""A connection to whoever asks: what it may hold up, and what it answers to what is no request."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, cast

import structlog
from aiohttp import web

from gateway.api.problems import Problem

#: How many connections may be open: less than the 1,024 files that a process may have where nobody said else.
MOST_CONNECTIONS: Final = 900
#: How often it is told, at the most, that there are as many.
TOLD_APART_S: Final = 60.0
#: Whoever doesn't take so many bytes of an answer in so long a time, or all that is left, gets no more of it.
STALLED_S: Final = 60.0
LEAST_TAKEN: Final = 64 * 1024
#: What a browser is told that comes upon an answer, where the answer says nothing else.
_UNLESS_SAID: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def tell_browsers(response: web.StreamResponse) -> None:
    """Nothing is to be taken for what it doesn't say it is, shown in a frame, or kept."""
    response.headers["X-Content-Type-Options"] = "nosniff"
    for name, value in _UNLESS_SAID.items():
        response.headers.setdefault(name, value)


class Room:
    """For how many connections there is room."""

    def __init__(self) -> None:
        self._open = 0
        self._tell_again_at = 0.0

    def take(self, now_s: float) -> bool:
        """Whether there was room for one more, which `leave` gives back. now_s: by the loop's clock."""
        if self._open < MOST_CONNECTIONS:
            self._open += 1
            return True
        if now_s >= self._tell_again_at:
            self._tell_again_at = now_s + TOLD_APART_S
            structlog.get_logger("gateway").warning("http.full", connections=self._open)
        return False

    def leave(self) -> None:
        """One has ended."""
        self._open -= 1


class Connection(web.RequestHandler):
    """A connection that ends where there is no room, or where its other end takes no answers.

    What is no HTTP is answered by a problem, too, that quotes nothing of it.
    """

    __slots__ = ("_kept", "_left", "_look", "_room", "_to")

    def __init__(self, server: web.Server, room: Room, **options: Any) -> None:  # noqa: ANN401 - aiohttp's
        super().__init__(server, **options)
        self._room = room
        self._kept = False
        #: The one of aiohttp's is gone as soon as it is told to close, which waits for what is left to send.
        self._to: asyncio.Transport | None = None
        self._look: asyncio.TimerHandle | None = None
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it, or end it at once where there is no room."""
        self._to = cast(asyncio.Transport, transport)
        self._kept = self._room.take(self._loop.time())
        if not self._kept:
            self._to.abort()
            return
        # So that it is told of all that can't be sent, not only of more than fits some buffer.
        self._to.set_write_buffer_limits(high=0)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give back its room."""
        if self._kept:
            self._room.leave()
        self._stop_looking()
        self._to = None
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """There is something that the other end doesn't take: from now on, look whether it goes on."""
        super().pause_writing()
        self._look_later()

    def resume_writing(self) -> None:
        """It has taken everything."""
        self._stop_looking()
        super().resume_writing()

    def _look_later(self) -> None:
        assert self._to is not None
        self._left = self._to.get_write_buffer_size()
        self._look = self._loop.call_later(STALLED_S, self._end_if_stalled)

    def _end_if_stalled(self) -> None:
        assert self._to is not None
        if self._left - self._to.get_write_buffer_size() < LEAST_TAKEN:
            self._to.abort()
        else:
            self._look_later()

    def _stop_looking(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is answered in place of aiohttp's own text, which quotes the request."""
        super().handle_error(request, status, exc, message)
        wrong = "This is no HTTP request that is understood here; check it." if status < 500 else None
        answer = Problem(HTTPStatus(status), wrong).answer()
        answer.headers["Server"] = "gateway"  # else aiohttp would name itself, and no signal is sent for this
        tell_browsers(answer)
        answer.force_close()
        return answer

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; in place of the one that comes before any middleware, with aiohttp's own text."""
        if isinstance(resp, web.HTTPExpectationFailed):
            says = "Only 100-continue can be expected here; leave the header Expect out."
            resp = Problem(HTTPStatus.EXPECTATION_FAILED, says).answer()
        return await super().finish_response(request, resp, start_time)
