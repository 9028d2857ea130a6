"""How much a stranger, or one caller, may take up: sizes, times and numbers, by which everybody has room."""

from dataclasses import dataclass
from typing import Final

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Limits:
    """Times are in seconds, sizes in bytes.

    connections: that may be open; less than the 1,024 files that a process may have where nobody said else.
    an_address: of them, from one address that is no trusted proxy's.
    for_health: beyond `connections`, for whoever asks whether the gateway is alive and ready.
    headers_s: how long a request's headers may take to come. idle_s: how long a connection may be open
    between two requests.
    stalled_s, least_taken: whoever doesn't take so many bytes of an answer in so long a time, or all that is
    left, gets no more of it.
    linger_s: how long the rest of a body is read that was refused, so that who sends it sees the answer.
    body_s, upload_s: how long a body may take to come: the longer, the more may come.
    largest_upload: as it was before it was packed.
    uploads_waiting: of all callers; one is read at a time.
    uploads_of_caller: at a time: one that is read, and one that waits.
    upload_piece: how many records of an upload are put on the log at once, so that others' come between.
    put_s: how long putting an upload should take at the most; then its pieces are larger.
    records_of_referral: nobody has as many, and each is kept for as long as the referral.
    plans_of_provider: the areas that a provider may have a delivery plan for.
    """

    connections: int = 900
    an_address: int = 200
    for_health: int = 20
    headers_s: float = 10.0
    idle_s: float = 75.0
    stalled_s: float = 60.0
    least_taken: int = 64 * 1024
    linger_s: float = 2.0
    body_s: float = 10.0
    upload_s: float = 60.0
    largest_upload: int = 8 * 1024 * 1024
    uploads_waiting: int = 20
    uploads_of_caller: int = 2
    upload_piece: int = 50
    put_s: float = 10.0
    records_of_referral: int = 1_000
    plans_of_provider: int = 100


DEFAULT: Final = Limits()
LIMITS: Final = web.AppKey("limits", Limits)
