"""A provider's client: handles one referral, from its arrival to the attachment.

    GATEWAY_TOKEN=$(gateway token --provider PRV01) python3 provider.py UC-VOLUNTARY --sandbox

It does what a provider's system does: it follows the instructions, accepts the referral, books a session,
records who came, and registers the attachment when the WP11 is in. What is refused it leaves to a person. It
may be stopped at any moment and begun anew. With --sandbox it plays the Jobcentre too, and lets the days
pass. It needs Python 3.11 and no package.
"""

import argparse
import json
import os
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

Json = dict[str, Any]
GIVE_UP_AFTER_S = 300
LONGEST_KEY = 100


class Refused(Exception):
    """What was asked is refused, and would be again: for a person. The rest can go on."""


class Unusable(Exception):
    """Nothing can be asked: nobody answers, or not the gateway, or it does not take the token."""


class Gateway:
    """Where to ask, and as whom. folder: for what has to outlast a crash."""

    def __init__(self, url: str, token: str, folder: Path) -> None:
        self.url, self.token, self.folder = url, token, folder
        self.refused: set[str] = set()  # the keys of records that are a person's by now

    def ask(self, path: str, body: Json | None = None, **headers: str) -> tuple[int, Json]:
        """The status and the answer; asked again for as long as there may be another one.

        Raises Refused or Unusable.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers |= {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        give_up_at_s, pause_s = time.monotonic() + GIVE_UP_AFTER_S, 0.5
        while True:
            after_s: str | None = None
            try:
                with urlopen(Request(self.url + path, data, headers), timeout=60) as answer:
                    return answer.status, json.load(answer)
            except HTTPError as error:
                if error.code < 500 and error.code not in {408, 429}:
                    raise refusal(error) from None
                trouble, after_s = f"HTTP {error.code}", error.headers["Retry-After"]
            except (OSError, HTTPException, ValueError) as error:  # no connection, no answer, or half of one
                reason = getattr(error, "reason", None)  # what URLError is about
                trouble = type(reason if isinstance(reason, OSError) else error).__name__
            wait_s = pause_s * random.uniform(0.5, 1)
            if after_s is not None and after_s.isdecimal():
                wait_s = float(after_s)
            if time.monotonic() + wait_s > give_up_at_s:
                raise Unusable(f"the gateway can't be used: {trouble}; start this again when it can")
            print(f"  {trouble}; again in {wait_s:.1f} s")
            time.sleep(wait_s)
            pause_s = min(pause_s * 2, 30)

    def send(self, po_number: str, key: str, record: Json) -> None:
        """Send a record, and wait for what comes of it. A refusal is reported, once, and is for a person.

        It is on disk first: after a crash the same record goes out under the same key. So it is decided once,
        however often it is sent.
        """
        if key in self.refused:
            return
        kept = self.folder / f"{key}.json"
        if not kept.exists():
            write(kept, json.dumps(record))
        record, to = json.loads(kept.read_text()), f"/v1/referrals/{quote(po_number, safe='')}/records"
        try:
            status, outcome = self.ask(to, record, Idempotency_Key=key, Prefer="wait=20")
            while status == 202:  # taken, and not decided yet: sent again, it is not taken again
                status, outcome = self.ask(to, record, Idempotency_Key=key, Prefer="wait=20")
        except Refused as error:
            self.refused.add(key)
            print(f"  {record['type']}: {error}")
            return
        print(f"  {record['type']}: {outcome['status']}, {outcome['rule']}", *outcome["advisories"])

    def instructions(self, wait_s: int) -> Iterator[Json]:
        """What is to be done next, in order. It counts as done when the one behind it is asked for."""
        kept = self.folder / "cursor"
        after = f"&after={kept.read_text()}" if kept.exists() else ""
        _, page = self.ask(f"/v1/instructions?limit=500&wait={wait_s}{after}")
        for instruction in page["instructions"]:
            yield instruction
            write(kept, instruction["cursor"])


def refusal(error: HTTPError) -> Refused | Unusable:
    """What an answer means that will not get better by asking again."""
    try:
        problem = json.load(error)
        code, detail = problem["code"], problem["detail"]
    except (OSError, HTTPException, ValueError, LookupError, TypeError):
        return Unusable(
            f"HTTP {error.code}, and not from the gateway; look at the address, and at what stands between"
        )
    if error.code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Unusable(f"{code}: {detail}")
    return Refused(f"{code}, for a person: {detail}")


def key_of(*parts: str) -> str:
    """A record's key, and its file's name: it depends on nothing but the referral and the step."""
    key = quote("-".join(parts), safe="")
    return key if len(key) <= LONGEST_KEY else sha256(key.encode()).hexdigest()


def follow(gateway: Gateway, po_number: str, instruction: Json, now: datetime) -> None:
    """Do what an instruction says, or leave it to a person."""
    print(f"{now:%d %b} {instruction['instruction']}, due {instruction['due_on']}")
    if instruction["instruction"] == "ACCEPT_REFERRAL":
        accepted = {"type": "ReferralAccepted", "accepted_at": text(now)}
        gateway.send(po_number, key_of(po_number, "accepted"), accepted)
        booked = {
            "type": "SessionBooked",
            "session_id": f"LEEDS-{now + timedelta(days=7):%Y-%m-%d}",
            "session_name": "Information session",
            "starts_at": text((now + timedelta(days=7)).replace(hour=10, minute=0, second=0)),
            "duration_minutes": 60,
            "location": "Leeds Town Hall",
            "format": "GROUP",
            "notified_at": text(now),  # for a mandatory participant: from then on it counts
        }
        gateway.send(po_number, key_of(po_number, "booked"), booked)
    elif instruction["instruction"] == "UNDERTAKE_ATTACHMENT":
        attached = {
            "type": "AttachmentRegistered",
            "attached_on": f"{now:%Y-%m-%d}",
            "attached_to": "WORK_PROGRAMME_REFERRAL",
        }
        gateway.send(po_number, key_of(po_number, "attached"), attached)
    else:
        print("  for a person to look at")


def record_who_came(gateway: Gateway, referral: Json, now: datetime) -> None:
    """Record what came of the sessions that are over. Here everybody comes."""
    po_number = referral["po_number"]
    for session in referral["sessions"]:
        if session["outcome"] is None and not session["cancelled"] and session["ends_at"] <= text(now):
            came = {
                "type": "AttendanceRecorded",
                "session_id": session["session_id"],
                "outcome": "ATTENDED",
                "recorded_at": text(now),
            }
            gateway.send(po_number, key_of(po_number, "came", session["session_id"]), came)


def pass_a_day(gateway: Gateway, referral: Json, now: datetime) -> None:
    """In the sandbox: the Jobcentre interviews who has attended, and the clock moves on."""
    po_number, today = referral["po_number"], f"{now:%Y-%m-%d}"
    if referral["status"] == "OPEN" and any(each["outcome"] == "ATTENDED" for each in referral["sessions"]):
        wp11 = {
            "message_id": f"{po_number}-wp11",
            "po_number": po_number,
            "jobcentre_id": referral["jobcentre_id"],
            "interview_on": today,
            "wants_to_join": True,
            "issued_on": today,
        }
        try:
            gateway.ask("/sandbox/messages", {"topic": "jobcentre.wp11", "value": wp11}, Prefer="wait=20")
        except Refused as error:
            print(f"  Wp11: {error}")
    gateway.ask("/sandbox/clock", {"at": text(now + timedelta(days=1))})


def write(path: Path, content: str) -> None:
    """Write a file whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.write_text(content)
    new.replace(path)


def text(at: datetime) -> str:
    """An instant, as the API has it."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def main() -> None:
    """Handle a referral until it is closed."""
    parser = argparse.ArgumentParser(description="Handle one referral, from its arrival to the attachment.")
    parser.add_argument("po_number", help="the number of its purchase order")
    parser.add_argument(
        "--url", default="http://localhost:8080", help="where the gateway is; default: %(default)s"
    )
    parser.add_argument("--folder", type=Path, help="for what outlasts a crash; default: named after it")
    parser.add_argument("--sandbox", action="store_true", help="play the Jobcentre, and let the days pass")
    given = parser.parse_args()
    token = os.environ.get("GATEWAY_TOKEN", "")
    if not token:
        raise SystemExit(
            "GATEWAY_TOKEN is not set; set it to a token of your provider (see docs/integrate.md)"
        )
    folder: Path = given.folder or Path(key_of(given.po_number).replace(".", "%2E"))
    folder.mkdir(mode=0o700, exist_ok=True)
    try:
        handle(Gateway(given.url, token, folder), given.po_number, sandbox=given.sandbox)
    except (Unusable, Refused) as error:
        raise SystemExit(str(error)) from None


def handle(gateway: Gateway, po_number: str, *, sandbox: bool) -> None:
    """Do all that there is to do about one referral. Raises Refused or Unusable where nothing can be done."""
    while True:
        clock = gateway.ask("/sandbox/clock")[1]["at"] if sandbox else datetime.now(UTC).isoformat()
        now = datetime.fromisoformat(clock)
        for instruction in gateway.instructions(wait_s=0 if sandbox else 30):
            if instruction["po_number"] == po_number:  # a provider's system follows them all
                follow(gateway, po_number, instruction, now)
        _, referral = gateway.ask(f"/v1/referrals/{quote(po_number, safe='')}")
        if referral["closed_at"] is not None:
            print(f"{now:%d %b} {referral['status']}")
            return
        record_who_came(gateway, referral, now)
        if sandbox:
            pass_a_day(gateway, referral, now)


if __name__ == "__main__":
    main()
