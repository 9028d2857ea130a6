"""The trace that an event belongs to: the one of the message that caused it.

Source: W3C Trace Context (Recommendation of 23 November 2021), 3.2 "traceparent header", 3.3 "tracestate
header", 4 "Processing Model".
"""

import re
from hashlib import blake2b
from typing import Final

from gateway.engine.log import Headers

#: Version, trace id, parent's span id, flags, and what a later version may have behind them.
_TRACEPARENT: Final = re.compile(
    rb"(?!ff)([0-9a-f]{2})-((?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16})-([0-9a-f]{2})(-[!-~]*)?"
)
_LONGEST_PARENT: Final = 512
_SAMPLED: Final = 1
#: Of all that goes on of a tracestate; one HTTP header is not longer either.
_LONGEST_STATE: Final = 8_190
_MOST_MEMBERS: Final = 32
#: Its key may have what Level 2 allows, as those who send one do already.
_MEMBER: Final = re.compile(rb"[a-z0-9][a-z0-9_*/@-]{0,255}=[ !-+\--<>-~]{0,255}[!-+\--<>-~]")


def traceparent_of(headers: Headers) -> str | None:
    """The trace that a record or a request is part of; None: it has no valid traceparent, or several.

    The text is the traceparent as version 00 has it, and behind a blank the tracestate, where there is one.
    """
    given = [value or b"" for name, value in headers if name == "traceparent"]
    found = _TRACEPARENT.fullmatch(given[0][: _LONGEST_PARENT + 1]) if len(given) == 1 else None
    if found is None or len(given[0]) > _LONGEST_PARENT or (found[1] == b"00" and found[4] is not None):
        return None
    parent = f"00-{found[2].decode()}-{int(found[3], 16) & _SAMPLED:02x}"
    state = _tracestate([value or b"" for name, value in headers if name == "tracestate"])
    return f"{parent} {state}" if state else parent


def _tracestate(given: list[bytes]) -> str:
    """What goes on of a tracestate, which may come in several headers; empty where any of it is invalid."""
    if sum(map(len, given)) > _LONGEST_STATE:
        return ""
    stripped = [member.strip(b" \t") for member in b",".join(given).split(b",")]
    members = [member for member in stripped if member]
    if len(members) > _MOST_MEMBERS or not all(map(_MEMBER.fullmatch, members)):
        return ""
    return b",".join(members).decode("ascii")


def headers_of_trace(trace: str | None) -> Headers:
    """The headers of a trace, as `traceparent_of` gives it."""
    if trace is None:
        return ()
    parent, _, state = trace.partition(" ")
    headers: Headers = (("traceparent", parent.encode()),)
    return (*headers, ("tracestate", state.encode())) if state else headers


def trace_id_of(trace: str) -> str:
    """The id of a trace, as `traceparent_of` gives it: 32 hexadecimal digits."""
    return trace[3:35]


def child_of(trace: str, event_id: str) -> str:
    """The trace of what an event is: that of its cause, and a span id of its own.

    The span id comes from the event's id, so that deciding again gives the same bytes.
    """
    return f"{trace[:36]}{span_id_of(event_id):016x}{trace[52:]}"


def span_id_of(event_id: str) -> int:
    """The id of an event's span."""
    return int.from_bytes(blake2b(event_id.encode(), digest_size=8).digest())


def trace_ids_of_order(po_number: str) -> tuple[int, int]:
    """The id of the trace that is a referral's own, and of the span that it begins with.

    They come from the purchase order's number, so that all processes agree on them.
    """
    digest = blake2b(po_number.encode(), digest_size=24).digest()
    return int.from_bytes(digest[:16]), int.from_bytes(digest[16:])
