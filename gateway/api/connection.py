"""A connection to whoever asks: what it may hold up, and what it answers to what is no request."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final, Literal, cast

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.api.limits import Limits
from gateway.api.problems import Problem
from gateway.api.request_id import REQUEST_ID, request_id

#: How often it is logged, at the most, that there is no room.
LOGGED_APART_S: Final = 60.0
#: What is answered on a connection for which there is no room but that for health.
HEALTH_PATHS: Final = frozenset({"/livez", "/readyz"})
#: How many such connections one address may have, and for how long one may be silent.
_HEALTH_OF_ADDRESS: Final = 4
_HEALTH_S: Final = 1.0
#: Headers for browsers, where the answer does not set them itself.
_UNLESS_SET: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def set_browser_headers(response: web.StreamResponse) -> None:
    """Nothing is to be taken for what it doesn't say it is, shown in a frame, or kept."""
    response.headers["X-Content-Type-Options"] = "nosniff"
    for name, value in _UNLESS_SET.items():
        response.headers.setdefault(name, value)


Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
#: Where there was room for a connection.
Place = Literal["any", "health"]


@web.middleware
async def answer_only_health(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Where there was no room but that for health, answer only that, and end the connection."""
    if not (isinstance(request.protocol, Connection) and request.protocol.for_health):
        return await handler(request)
    if request.path in HEALTH_PATHS:
        response = await handler(request)
    else:
        response = Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "There are too many connections, in all or from your address; close some, and try again.",
            code="TOO_MANY_CONNECTIONS",
            headers={"Retry-After": "5"},
        ).answer()
    response.force_close()
    return response


class Room:
    """For how many connections there is room, in all and from one address. trusted: proxies' addresses."""

    def __init__(self, limits: Limits, trusted: Sequence[Network] = ()) -> None:
        self._limits = limits
        self._trusted = trusted
        self._open: Counter[Place] = Counter()
        self._of_address: Counter[tuple[Place, str]] = Counter()
        self._logged_s: dict[str, float] = {}

    def take(self, peer: str, now_s: float) -> Place | None:
        """Where there was room for one more, which `leave` gives back; None: nowhere.

        peer: the address that it comes from. now_s: by the loop's clock.
        """
        if self._open["any"] >= self._limits.connections:
            if self._is_time("full", now_s):
                structlog.get_logger("gateway").warning("http.full", connections=self._open["any"])
        elif self._crowds("any", peer, self._limits.an_address):
            if self._is_time("crowded", now_s):
                structlog.get_logger("gateway").warning("http.crowded", connections=self._limits.an_address)
        else:
            return self._count("any", peer, 1)
        if self._open["health"] < self._limits.for_health and not self._crowds(
            "health", peer, _HEALTH_OF_ADDRESS
        ):
            return self._count("health", peer, 1)
        return None

    def leave(self, place: Place, peer: str) -> None:
        """One has ended."""
        self._count(place, peer, -1)

    def _crowds(self, place: Place, peer: str, most: int) -> bool:
        address = _address(peer)
        if address is not None and any(address in network for network in self._trusted):
            return False
        return self._of_address[place, _neighbourhood(peer)] >= most

    def _count(self, place: Place, peer: str, more: int) -> Place:
        key = place, _neighbourhood(peer)
        self._open[place] += more
        self._of_address[key] += more
        if not self._of_address[key]:
            del self._of_address[key]
        return place

    def _is_time(self, what: str, now_s: float) -> bool:
        """Whether to log it again."""
        if now_s < self._logged_s.get(what, now_s):
            return False
        self._logged_s[what] = now_s + LOGGED_APART_S
        return True


def _address(peer: str) -> Address | None:
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return None  # that of a socket which is no network's
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _neighbourhood(peer: str) -> str:
    """What counts as one address: of IPv6 the first half, since whoever has one has all of that."""
    address = _address(peer)
    if isinstance(address, IPv6Address):
        return address.packed[:8].hex()
    return str(address)


class Connection(web.RequestHandler):
    """A connection that ends where there is no room, or where its other end takes no answers.

    What is no HTTP is answered by a problem, too, that quotes nothing of it.
    """

    __slots__ = ("_headers", "_left", "_limits", "_look", "_peer", "_place", "_room", "_to")

    def __init__(self, server: web.Server, room: Room, limits: Limits, **options: Any) -> None:  # noqa: ANN401 - aiohttp's
        super().__init__(server, **options)
        self._room = room
        self._limits = limits
        self._place: Place | None = None
        self._peer = ""
        #: The one of aiohttp's is gone as soon as it begins to close, which waits for what is left to send.
        self._to: asyncio.Transport | None = None
        self._look: asyncio.TimerHandle | None = None
        self._left = 0
        #: Ends the connection where a request's headers don't come in time.
        self._headers: asyncio.TimerHandle | None = None

    @property
    def for_health(self) -> bool:
        """Whether there was no other room."""
        return self._place == "health"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it, or end it at once where there is no room."""
        self._to = cast(asyncio.Transport, transport)
        self._peer = str((self._to.get_extra_info("peername") or ("",))[0])
        self._place = self._room.take(self._peer, self._loop.time())
        if self._place is None:
            self._to.abort()
            return
        # So that writing is paused by anything that can't be sent, not only by more than fits some buffer.
        self._to.set_write_buffer_limits(high=0)
        self._expect_headers()
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give back its room."""
        if self._place is not None:
            self._room.leave(self._place, self._peer)
            self._place = None
        self._stop_looking()
        self._expect_nothing()
        self._to = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come; from the first byte of a request on, all its headers must come in time."""
        before = self._request_count
        super().data_received(data)
        if self._request_count > before:
            self._expect_nothing()
        elif self._headers is None and self._waiter is not None:
            self._expect_headers()

    def _expect_headers(self) -> None:
        within_s = _HEALTH_S if self.for_health else self._limits.headers_s
        self._headers = self._loop.call_later(within_s, self._end_without_headers)

    def _expect_nothing(self) -> None:
        if self._headers is not None:
            self._headers.cancel()
            self._headers = None

    def _end_without_headers(self) -> None:
        self._headers = None
        if self._to is not None:
            self._to.abort()

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
        self._look = self._loop.call_later(self._limits.stalled_s, self._end_if_stalled)

    def _end_if_stalled(self) -> None:
        assert self._to is not None
        if self._left - self._to.get_write_buffer_size() < self._limits.least_taken:
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
        answer.headers[REQUEST_ID] = request_id(request)
        set_browser_headers(answer)
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
