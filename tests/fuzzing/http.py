"""HTTP itself: requests as bytes, to a sandbox that is a process of its own."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.api.callers import OPERATE
from gateway.intake.uploads.template import template_csv
from tests.api.running import Process, process, token_of
from tests.fuzzing.watching import Found, Parser
from tests.patience import PATIENCE_S

#: aiohttp answers a request line without a version as one of 0.9.
_STATUS: Final = re.compile(rb"HTTP/(?:0\.9|1\.[01]) ([1-5][0-9]{2}) ")
#: Where somebody reads slowly or nothing comes, 503 is right; nothing else that is the gateway's fault.
_AT_FAULT: Final = {500, 502, 504}


@contextmanager
def http(folder: Path) -> Iterator[Parser]:
    """A sandbox that is asked. Raises Found at the end where it has logged an error."""
    with process(folder) as sandbox:
        token = token_of(
            sandbox.path,
            "PRV01",
            scopes=[OPERATE, "jobcentre:send", "jobcentre:subscribe", "prap:send", "prap:actions"],
            jobcentres=["JCP-LEEDS"],
        )
        yield Parser("http", lambda given: _ask(sandbox, given), list(_seeds(token)))
        errors = [line for line in map(json.loads, sandbox.said.splitlines()) if line["level"] == "error"]
        if errors:
            raise Found(f"the sandbox logged {errors[0]}")


def _ask(sandbox: Process, given: bytes) -> None:
    """One request, as it is given. Where it says nothing of its body's length, that is said."""
    head, blank, body = given.partition(b"\r\n\r\n")
    if blank and b"content-length" not in head.lower() and b"chunked" not in head.lower():
        head += b"\r\nContent-Length: %d" % len(body)
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=PATIENCE_S) as asking:
        try:
            asking.sendall(head + b"\r\nConnection: close\r\n\r\n" + body)
            asking.shutdown(socket.SHUT_WR)
            answer = asking.recv(64)
        except ConnectionError:
            answer = b""  # it may refuse before it has read all
        except TimeoutError:
            raise Found("nothing is answered") from None
    found = _STATUS.match(answer)
    if answer and found is None:
        raise Found(f"what is answered is not HTTP: {answer!r}")
    if found is not None and int(found[1]) in _AT_FAULT:
        raise Found(f"the answer is {int(found[1])}")
    assert sandbox.process is not None
    if sandbox.process.poll() is not None:
        raise Found("the sandbox has ended")


def _seeds(token: str) -> Iterator[bytes]:
    for request, headers, body in _REQUESTS:
        named = ("Host: localhost", f"Authorization: Bearer {token}", *headers)
        yield "\r\n".join((f"{request} HTTP/1.1", *named, "", body)).encode()


_KEY: Final = "Idempotency-Key: k"
_JSON: Final = "Content-Type: application/json; charset=utf-8"
_PART: Final = (
    "------x\r\nContent-Disposition: form-data; name=\"token\"; filename*=utf-8''a%20b\r\n\r\nabc\r\n"
    "------x--\r\n"
)
_REQUESTS: Final = (
    ("GET /v1/referrals?status=OPEN&limit=10", ("Accept: text/csv;q=0.5, */*", "Accept-Encoding: gzip"), ""),
    ("GET /v1/referrals/UC-VOLUNTARY", ('If-None-Match: "abc", W/"def"',), ""),
    ("GET /v1/instructions?after=0&limit=5", ("Last-Event-ID: 17-5d41402abc4b",), ""),
    ("GET /v1/outcomes", ("Accept: text/event-stream", "Last-Event-ID: 0"), ""),
    ("GET /v1/events", ("Accept: application/cloudevents-batch+json", "ce-id: 1"), ""),
    (
        "GET /v1/sessions?day=2016-03-14",
        ("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate: a=b"),
        "",
    ),
    ("GET /problems/TOO_LATE", ("Accept: text/html",), ""),
    ("GET /calendars/abc.ics", (), ""),
    (
        "POST /v1/referrals/UC-VOLUNTARY/records",
        (_KEY, _JSON, "Prefer: wait=1"),
        '{"type": "ReferralAccepted", "accepted_at": "2016-03-14T09:00:00Z"}',
    ),
    ("POST /v1/wp11s", (_KEY, _JSON), '{"po_number": "X"}'),
    ("POST /v1/uploads", (_KEY, "Content-Type: text/csv"), template_csv().decode()),
    ("POST /v1/prap-downloads", (_KEY, "Content-Type: application/zip"), "PK\x03\x04"),
    ("POST /v1/webhooks", (_KEY, _JSON), '{"of": "outcomes", "url": "https://hooks.example/x"}'),
    ("POST /console/sign-in", ("Content-Type: multipart/form-data; boundary=----x",), _PART),
    ("POST /console/sign-in", ("Content-Type: application/x-www-form-urlencoded",), "csrf=a&token=%ff%00"),
    ("POST /console/sign-in", ("Transfer-Encoding: chunked",), "5\r\nabcde\r\n0\r\n\r\n"),
    ("GET /console/signed-in?state=x&code=y", ("Cookie: gateway-console=abc",), ""),
)
