"""What every answer says to browsers, and what is answered to what is hardly a request."""

import json
import socket

import pytest

from tests.patience import PATIENCE_S
from tests.sandbox_process import Sandbox

#: One of each kind: text, JSON, a file, a problem, nothing, a stream, and no HTTP at all.
ASKED = [
    ("GET", "/livez", {}),
    ("GET", "/readyz", {}),
    ("GET", "/metrics", {}),
    ("GET", "/v1/referrals", {}),
    ("GET", "/v1/referrals/UC-MANDATORY", {}),
    ("GET", "/v1/referrals/UC-MANDATORY", {"If_None_Match": "*"}),
    ("GET", "/v1/uploads/template", {}),
    ("GET", "/v1/instructions", {"Accept": "text/event-stream"}),
    ("GET", "/v1/openapi.json", {}),
    ("GET", "/v1/referrals", {"Authorization": ""}),
    ("GET", "/nowhere", {}),
    ("DELETE", "/v1/referrals", {}),
    ("POST", "/sandbox/clock", {"Expect": "anything"}),
]


@pytest.mark.parametrize(("method", "path", "headers"), ASKED)
def test_no_answer_is_guessed_at_framed_or_tells_a_version(
    method: str, path: str, headers: dict[str, str], here: Sandbox
) -> None:
    answered = here.ask(method, path, b"", **headers)
    assert answered.headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in answered.headers["Content-Security-Policy"]
    assert "Server" not in answered.headers
    assert "X-Powered-By" not in answered.headers


def test_nothing_that_may_be_about_a_person_is_cached(here: Sandbox) -> None:
    for method, path, headers in ASKED:
        cached = here.ask(method, path, b"", **headers).headers["Cache-Control"]
        versioned = "openapi" in path or path.endswith("UC-MANDATORY")
        assert ("no-cache" if versioned else "no-store") in cached, path


def raw(here: Sandbox, sent: bytes) -> tuple[bytes, bytes]:
    """The head and the body of what comes back to bytes."""
    with socket.create_connection(("127.0.0.1", here.port), timeout=PATIENCE_S) as connection:
        connection.sendall(sent)
        found = b""
        while part := connection.recv(65_536):
            found += part
    head, _, body = found.partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize(
    "sent",
    [
        b"NINO AB123456C\r\n\r\n",
        b"GET /v1/referrals/AB123456C HTTP/9.9\r\n\r\n",
        b"GET /v1/\xc3\xb6AB123456C HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /" + b"AB123456C" * 1_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: AB123456C\r\n\r\n",
    ],
)
def test_what_is_no_http_is_a_problem_that_quotes_nothing_of_it(sent: bytes, here: Sandbox) -> None:
    head, body = raw(here, sent)
    assert head.startswith(b"HTTP/1.0 400 ")
    assert b"application/problem+json" in head
    assert b"nosniff" in head
    assert b"aiohttp" not in head
    assert b"AB123456C" not in head + body
    assert json.loads(body)["code"] == "BAD_REQUEST"


@pytest.mark.parametrize("path", ["/sandbox/clock", "/v1/uploads"])
def test_a_body_that_is_not_compressed_as_it_says_is_refused_as_such(path: str, here: Sandbox) -> None:
    kind = "text/csv" if path == "/v1/uploads" else "application/json"
    answered = here.ask("POST", path, b"not gzip", Content_Type=kind, Content_Encoding="gzip")
    assert answered.status == 400
    assert json.loads(answered.body)["code"] == "UNREADABLE_BODY"


def test_a_message_is_found_under_its_location_whatever_its_id(here: Sandbox) -> None:
    every = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != '"')
    for place, key in enumerate([every, "{id}", "a/b", "%2F", "..."]):
        body = json.dumps({"type": "GroupObjection", "raised_at": f"2016-03-14T08:59:0{place}Z"}).encode()
        taken = here.ask(
            "POST",
            "/v1/referrals/ESA-C-WRAG-MANDATORY/records",
            body,
            Content_Type="application/json",
            Idempotency_Key=key,
        )
        assert taken.status == 202
        asked = here.ask("GET", taken.headers["Location"])
        assert (asked.status, json.loads(asked.body)["message_id"]) == (200, key)
