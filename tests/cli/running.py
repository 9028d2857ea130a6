"""The command `gateway`, run as people run it: in this process where that is enough, else in its own."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.patience import PATIENCE_S

GATEWAY: Final = str(Path(sys.executable).parent / "gateway")
Json = dict[str, Any]


class Ended(NamedTuple):
    """What a command left."""

    status: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[Json]:
        """Standard output, where that is JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def sentence(self) -> str:
        """The one line on standard error, or what the last one says where that is a log."""
        if self.err.startswith("{"):
            failed = json.loads(self.err.splitlines()[-1])
            assert failed["event"] == "gateway.failed", self.err
            return "; ".join(filter(None, (failed["reason"], failed["what_to_do"])))
        assert self.err.count("\n") == 1, self.err
        assert self.err.startswith("gateway: "), self.err
        assert "Traceback" not in self.err
        return self.err.removeprefix("gateway: ").rstrip()


def spawn(
    *arguments: str, cwd: Path, stdin: bytes = b"", environment: Mapping[str, str] | None = None
) -> Ended:
    """Run the installed command in a process of its own."""
    ended = subprocess.run(
        [GATEWAY, *arguments],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env=clean_environment() | dict(environment or {}),
        timeout=PATIENCE_S,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr.decode())


@contextmanager
def started(
    *arguments: str,
    cwd: Path,
    command: Sequence[str] = (GATEWAY,),
    environment: Mapping[str, str] | None = None,
    patience_s: float = PATIENCE_S,
) -> Iterator[subprocess.Popen[bytes]]:
    """A command that goes on until it is stopped; killed where the test fails, or after `patience_s`."""
    process = subprocess.Popen(
        [*command, *arguments],
        cwd=cwd,
        env=clean_environment() | dict(environment or {}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    watchdog = threading.Timer(patience_s, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[bytes], event: str) -> list[Json]:
    """What a process has logged, up to the line of that event."""
    assert process.stderr is not None
    lines: list[Json] = []
    while not lines or lines[-1]["event"] != event:
        line = process.stderr.readline()
        assert line, f"it ended without {event}, and said {lines}"
        lines.append(json.loads(line))
    return lines


def clean_environment() -> dict[str, str]:
    """This process's environment without settings of the gateway; no HTTP, as several may run at once."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return others | {"GATEWAY_HTTP_PORT": "0"}


def json_lines(lines: Iterable[Json]) -> bytes:
    """Lines for `replay` and `feed`."""
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


def referral(at: str = "2016-03-14T09:00:00Z", po_number: str = "PO1", **changes: object) -> Json:
    """A referral that is applied, as a line."""
    value: Json = {
        "message_id": f"{po_number}-1",
        "po_number": po_number,
        "po_revision": 1,
        "action_plan_annotation": "Work Programme Information Session-Mandatory",
        "referred_on": "2016-03-14",
        "provider_id": "PRV01",
        "contract_package_area": "CPA01",
        "jobcentre_id": "JCP-LEEDS",
        "benefit": "ESA",
        "claimant_group": "ESA_C_WRAG",
        "participant": {},
    }
    return {"at": at, "topic": "prap.referrals", "type": "Referral", "value": value | changes}


def record(name: str, at: str, po_number: str = "PO1", **fields: object) -> Json:
    """A line with a provider's record, or with another one where a topic is named."""
    topic = str(fields.pop("topic", "provider.session-records"))
    sender = {"provider_id": "PRV01"} if topic == "provider.session-records" else {}
    value = {"message_id": f"{po_number}-{name}-{at}", "po_number": po_number} | sender | fields
    return {"at": at, "topic": topic, "type": name, "value": value}


def life() -> list[Json]:
    """A mandatory participant who was notified, did not come, came to a second session, and did not join."""
    notified_at = "2016-03-14T12:00:00Z"
    session: Json = {
        "session_name": "Session",
        "duration_minutes": 60,
        "location": "Room 1",
        "format": "GROUP",
    }
    return [
        referral(),
        record("ReferralAccepted", "2016-03-14T10:00:00Z", accepted_at="2016-03-14T10:00:00Z"),
        record(
            "SessionBooked",
            notified_at,
            session_id="S1",
            starts_at="2016-03-18T10:00:00Z",
            notified_at=notified_at,
            **session,
        ),
        record(
            "AttendanceRecorded",
            "2016-03-18T12:00:00Z",
            session_id="S1",
            outcome="DID_NOT_ATTEND",
            reason_given="overslept",
            recorded_at="2016-03-18T12:00:00Z",
        ),
        record("GroupObjection", "2016-03-21T12:00:00Z", raised_at="2016-03-22T12:00:00Z"),
    ]
