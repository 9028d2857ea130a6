"""The trace that an event belongs to: the one of the message that caused it.

Source: W3C Trace Context (Recommendation of 23 November 2021), 3.2 "traceparent header".
"""

import re
from hashlib import blake2b
from typing import Final

from gateway.engine.log import Headers

_LENGTH: Final = 55
#: Version 00, trace id, parent's span id, flags; an id of zeros is invalid.
_TRACEPARENT: Final = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def traceparent_of(headers: Headers) -> str | None:
    """The traceparent among a record's headers, the first of several; None: there is no valid one."""
    for name, value in headers:
        if name == "traceparent":
            valid = value is not None and len(value) == _LENGTH and _TRACEPARENT.fullmatch(value)
            return value.decode("ascii") if value is not None and valid else None
    return None


def trace_id_of(traceparent: str) -> str:
    """The id of the trace that a valid traceparent is part of: 32 hexadecimal digits."""
    return traceparent[3:35]


def child_of(traceparent: str, event_id: str) -> bytes:
    """The traceparent of what an event is: trace and flags of its cause, and a span id of its own.

    The span id comes from the event's id, so that deciding again gives the same bytes.
    """
    span = blake2b(event_id.encode(), digest_size=8).hexdigest()
    return f"{traceparent[:36]}{span}{traceparent[52:]}".encode()
