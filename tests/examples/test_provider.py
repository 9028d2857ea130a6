"""The client in examples/ handles a referral to the end, whatever happens on the way."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar
from urllib.request import Request, urlopen

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


def ends_at_once(gateway: Sandbox, folder: Path, po_number: str, **environment: str) -> str:
    """Run it where it can't do anything; the sentence that it ends with."""
    done = subprocess.run(
        command(po_number, gateway.url),
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "GATEWAY_TOKEN"} | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr.strip()


def post(gateway: Sandbox, path: str, body: object, key: str = "") -> None:
    """Send what somebody else sends."""
    headers = {"Authorization": f"Bearer {gateway.token}", "Content-Type": "application/json"}
    headers |= {"Prefer": "wait=20"} | ({"Idempotency-Key": key} if key else {})
    with urlopen(Request(gateway.url + path, json.dumps(body).encode(), headers), timeout=PATIENCE_S):
        pass


def is_attached_by_four_records(gateway: Sandbox, po_number: str) -> None:
    """Each was decided once, and none was refused."""
    referral = gateway.get(f"/v1/referrals/{po_number}")
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


def test_what_is_refused_is_for_a_person_and_the_rest_is_done(gateway: Sandbox, tmp_path: Path) -> None:
    by_hand = {"type": "ReferralAccepted", "accepted_at": "2016-03-14T09:00:00Z"}
    to = "/v1/referrals/JSA-VOLUNTARY/records"
    post(gateway, to, by_hand, "by-hand")
    printed = handled(gateway, "JSA-VOLUNTARY", tmp_path).splitlines()
    assert printed[1].startswith("  ReferralAccepted: ALREADY_ACCEPTED, for a person: ")
    assert [line.split(",")[0].split()[-1] for line in printed[2:]] == [
        *("APPLIED", "APPLIED", "UNDERTAKE_ATTACHMENT", "APPLIED", "ATTACHED")
    ]
    again = handled(gateway, "JSA-VOLUNTARY", tmp_path).splitlines()
    assert [line.split()[-1] for line in again] == ["ATTACHED"]


def test_a_number_that_is_part_of_no_path_as_it_stands_is_handled_like_any_other(
    gateway: Sandbox, tmp_path: Path
) -> None:
    referral = {
        "message_id": "refer-1",
        "po_number": "../PO 1/2?",
        "po_revision": 1,
        "action_plan_annotation": "Work Programme Information Session-Voluntary",
        "referred_on": gateway.get("/sandbox/clock")["at"][:10],
        "provider_id": "PRV01",
        "contract_package_area": "CPA01",
        "jobcentre_id": "JCP-LEEDS",
        "benefit": "JSA",
        "participant": {},
    }
    post(gateway, "/sandbox/messages", {"topic": "prap.referrals", "value": referral})
    (tmp_path / "inner").mkdir()
    assert "ATTACHED" in handled(gateway, "../PO 1/2?", tmp_path / "inner")
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]


def test_without_a_token_with_a_wrong_one_or_for_no_referral_it_ends_with_a_sentence(
    gateway: Sandbox, tmp_path: Path
) -> None:
    assert "GATEWAY_TOKEN is not set; " in ends_at_once(gateway, tmp_path, "UC-MANDATORY")
    assert "TOKEN_" in ends_at_once(gateway, tmp_path, "UC-MANDATORY", GATEWAY_TOKEN="x")
    assert "UNKNOWN_REFERRAL" in ends_at_once(gateway, tmp_path, "PO-NONE", GATEWAY_TOKEN=gateway.token)


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


class Elsewhere(BaseHTTPRequestHandler):
    """Is not the gateway, and knows nothing of it."""

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *_: object) -> None:
        """Say nothing."""


def test_an_answer_that_is_not_the_gateways_ends_it_with_a_sentence(gateway: Sandbox, tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as there:
        serving = Thread(target=there.serve_forever)
        serving.start()
        try:
            here = Sandbox(replace(gateway.process, port=there.server_address[1]), gateway.token)
            said = ends_at_once(here, tmp_path, "UC-MANDATORY", GATEWAY_TOKEN=gateway.token)
        finally:
            there.shutdown()
            serving.join()
    assert said.startswith("HTTP 404, and not from the gateway; ")


class Unreliable(BaseHTTPRequestHandler):
    """Passes requests on. The first of a kind is refused, and the second's answer is lost, or half of it."""

    to: ClassVar[int]
    come: ClassVar[Counter[str]]
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name = self.headers.get("Idempotency-Key", self.path.partition("?")[0])
        self.come[name] += 1
        if self.come[name] == 1:
            self.send_response((503, 408)[len(self.come) % 2])
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.to)
        connection.request(self.command, self.path, body, {**self.headers, "Connection": "close"})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        self.close_connection = lost = self.come[name] == 2
        if lost and len(self.come) % 2:
            return
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if lost else content)

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
        assert "HTTP 408; again in 0.0 s" in printed
        assert "RemoteDisconnected; again in" in printed
        assert "IncompleteRead; again in" in printed
        assert min(times for name, times in Unreliable.come.items() if name.startswith("ESA")) >= 3
        is_attached_by_four_records(begun, "ESA-C-WRAG-VOLUNTARY")


def test_what_keeps_it_from_the_gateway_is_named_while_it_tries_again(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-u", *command("PO1001", "http://127.0.0.1:1")[1:]],
        cwd=tmp_path,
        env={**os.environ, "GATEWAY_TOKEN": "any"},
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        first = running.stdout.readline()
        running.kill()
    assert first.startswith("  ConnectionRefusedError; again in ")
