"""The id of a request: that of the trace it is part of, so that it leads to the log lines of what came of it.

Source: W3C Trace Context (Recommendation of 23 November 2021), 3.2.
"""

import secrets
from typing import Final

from aiohttp import web

from producers import trace_id_of, traceparent_of

REQUEST_ID: Final = "Request-Id"
_TRACE: Final = web.RequestKey("trace", str)


def trace_of(request: web.BaseRequest) -> str:
    """The trace context of a request: its own, or, where it has no valid one, a new one.

    A new one is not sampled: nobody has asked for spans of it.
    """
    trace = request.get(_TRACE)
    if trace is None:
        trace = _given(request) or f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
        request[_TRACE] = trace
    return trace


def request_id(request: web.BaseRequest) -> str:
    """The id of a request: 32 hexadecimal digits."""
    return trace_id_of(trace_of(request))


def _given(request: web.BaseRequest) -> str | None:
    given = request.headers
    if "traceparent" not in given:
        return None
    return traceparent_of(
        tuple(
            (name, value.encode(errors="surrogateescape"))
            for name in ("traceparent", "tracestate")
            for value in given.getall(name, ())
        )
    )
