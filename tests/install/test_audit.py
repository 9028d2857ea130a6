"""What the gateway is made of is listed, and asked about."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.install.audit import audit, main
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
#: The lock with the fewest packages.
LOCK = ROOT / "requirements-build.lock"


@contextmanager
def service(vulnerable: str | None) -> Iterator[str]:
    """A service that is asked like OSV's, and knows of one vulnerable package. Yields its address."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = {"id": "TEST-1", "summary": "made up", "affected": [{"package": asked["package"]}]}
            body = json.dumps({"vulns": [known]} if asked["package"]["name"] == vulnerable else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def locked(lock: Path) -> dict[str, str]:
    """Name to version, of what a lock names for any machine."""
    lines = [line for line in lock.read_text().splitlines() if "==" in line and line[0].isalpha()]
    named = [Requirement(line.removesuffix("\\")) for line in lines]
    return {canonicalize_name(one.name): next(iter(one.specifier)).version for one in named}


def test_an_advisory_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    with service("pip") as address:
        assert main("-s", "osv", "--osv-url", address, lock=LOCK) == 1
    said = capsys.readouterr()
    assert f"pip {locked(LOCK)['pip']}: TEST-1" in said.out
    assert said.err == ""


def test_where_none_is_known_all_packages_of_the_lock_have_been_asked_about() -> None:
    with service(None) as address:
        found = audit(LOCK, "-s", "osv", "--osv-url", address)
    assert (found.gap, found.advisories) == (None, [])
    assert found.asked == len(locked(LOCK))


def test_a_service_that_is_away_is_said_and_fails_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("-s", "osv", "--osv-url", f"http://127.0.0.1:{free_port()}/", lock=LOCK) == 0
    said = capsys.readouterr()
    assert said.out == "0 packages audited, 0 advisories.\n"
    assert said.err.startswith("NOT AUDITED: the service of advisories did not answer")


def test_the_bill_of_materials_is_valid_cyclonedx_and_names_the_whole_lock() -> None:
    made = subprocess.run(
        ["make", "--no-print-directory", "sbom"], cwd=ROOT, capture_output=True, check=False
    )
    assert made.returncode == 0, made.stderr
    text = (ROOT / "dist" / "sbom.json").read_text()
    bill = json.loads(text)
    version = SchemaVersion.from_version(bill["specVersion"])
    assert JsonStrictValidator(version).validate_str(text) is None
    assert JsonStrictValidator(version).validate_str(text.replace('"purl"', '"pearl"')) is not None
    assert {each["name"]: each["version"] for each in bill["components"]} == locked(
        ROOT / "requirements.lock"
    )
    for each in bill["components"]:
        assert each["externalReferences"][0]["hashes"], f"{each['name']} has no hash"
