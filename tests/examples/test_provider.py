"""The client in examples/ handles a referral to the end, whatever happens on the way."""

import http.client
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

from tests.docs.pages import ROOT
from tests.patience import PATIENCE_S
from tests.sandbox_process import Sandbox, sandbox

CLIENT = ROOT / "examples" / "provider.py"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandbox(tmp_path_factory.mktemp("sandbox")) as begun:
        yield begun


def command(po_number: str, url: str) -> list[str]:
    """The client, as its own page says."""
    return [sys.executable, "-I", str(CLIENT), po_number, "--sandbox", "--url", url]


def environment(gateway: Sandbox) -> Mapping[str, str]:
    return {**os.environ, "GATEWAY_TOKEN": gateway.token, "PYTHONUNBUFFERED": "1"}


def handled(gateway: Sandbox, po_number: str, folder: Path, url: str | None = None) -> str:
    """Run it to its end; what it printed."""
    done = subprocess.run(
        command(po_number, url or gateway.url),
        cwd=folder,
        env=environment(gateway),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def is_attached_by_four_records(gateway: Sandbox, po_number: str) -> None:
    """Each was decided once, and none was refused."""
    referral = gateway.ask(f"/v1/referrals/{po_number}")
    assert referral["status"] == "ATTACHED"
    outcomes = [each["event"] for each in referral["history"] if each["type"] == "Outcome"]
    assert [each["status"] for each in outcomes if each["topic"] == "provider.session-records"] == [
        "APPLIED"
    ] * 4


def test_it_handles_a_voluntary_participant_from_the_referral_to_the_attachment(
    gateway: Sandbox, tmp_path: Path
) -> None:
    printed = handled(gateway, "UC-VOLUNTARY", tmp_path)
    assert [line.split(",")[0].split()[-1] for line in printed.splitlines()] == [
        *("ACCEPT_REFERRAL", "APPLIED", "APPLIED", "APPLIED", "UNDERTAKE_ATTACHMENT", "APPLIED", "ATTACHED")
    ]
    is_attached_by_four_records(gateway, "UC-VOLUNTARY")


def test_killed_again_and_again_and_started_again_it_sends_nothing_twice(tmp_path: Path) -> None:
    with sandbox(tmp_path) as begun:
        lines = 1
        while True:
            with subprocess.Popen(
                command("JSA-MANDATORY", begun.url),
                cwd=tmp_path,
                env=environment(begun),
                stdout=subprocess.PIPE,
                text=True,
            ) as client:
                assert client.stdout is not None
                for _ in range(lines):
                    client.stdout.readline()
                client.send_signal(signal.SIGKILL)
                rest = client.stdout.read()
            if client.returncode == 0 or "ATTACHED" in rest:
                break
            lines += 1
        is_attached_by_four_records(begun, "JSA-MANDATORY")


class Unreliable(BaseHTTPRequestHandler):
    """Passes requests on. The first of each kind is refused, and the answer to the second is lost."""

    to: ClassVar[int]
    come: ClassVar[Counter[str]]
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name = self.headers.get("Idempotency-Key", self.path.partition("?")[0])
        self.come[name] += 1
        if self.come[name] == 1:
            self.send_response(503)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.to)
        connection.request(self.command, self.path, body, {**self.headers, "Connection": "close"})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if self.come[name] == 2:
            self.close_connection = True
            return
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _pass_on  # noqa: N815 - the server calls them so

    def log_message(self, format: str, *_: object) -> None:
        """Say nothing."""


def test_requests_that_fail_and_answers_that_are_lost_are_repeated_and_count_once(tmp_path: Path) -> None:
    with sandbox(tmp_path) as begun:
        Unreliable.to, Unreliable.come = begun.port, Counter()
        with ThreadingHTTPServer(("127.0.0.1", 0), Unreliable) as between:
            serving = Thread(target=between.serve_forever)
            serving.start()
            try:
                url = f"http://127.0.0.1:{between.server_address[1]}"
                printed = handled(begun, "ESA-C-WRAG-VOLUNTARY", tmp_path, url)
            finally:
                between.shutdown()
                serving.join()
        assert "HTTP 503; again in 0.0 s" in printed
        assert "RemoteDisconnected; again in" in printed
        assert min(times for name, times in Unreliable.come.items() if name.startswith("ESA")) >= 3
        is_attached_by_four_records(begun, "ESA-C-WRAG-VOLUNTARY")
