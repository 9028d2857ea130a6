"""A sandbox, as those see it who have just started one and ask it with whatever they have."""

import json
from pathlib import Path
from urllib.request import Request, urlopen

from tests.cli.running import Json
from tests.patience import PATIENCE_S
from tests.sandbox_process import Sandbox, sandbox


def refer(gateway: Sandbox, number: int) -> None:
    """Play PRaP, and wait until the referral has been decided."""
    value: Json = {
        "message_id": f"prap-{number}",
        "po_number": f"PO{number}",
        "po_revision": 1,
        "action_plan_annotation": "Work Programme Information Session-Voluntary",
        "referred_on": "2016-03-14",
        "provider_id": "PRV01",
        "contract_package_area": "CPA01",
        "jobcentre_id": "JCP-LEEDS",
        "benefit": "JSA",
        "participant": {},
    }
    body = json.dumps({"topic": "prap.referrals", "value": value}).encode()
    headers = {"Content-Type": "application/json", "Prefer": "wait=20"}
    with urlopen(Request(f"{gateway.url}/sandbox/messages", body, headers), timeout=PATIENCE_S) as answer:
        assert answer.status == 200


def test_all_that_it_shows_can_be_asked_for_from_then_on(tmp_path: Path) -> None:
    with sandbox(tmp_path) as begun:
        for each in begun.get("/sandbox")["referrals"]:
            assert begun.get(f"/v1/referrals/{each['po_number']}")["status"] == "OPEN"


def test_somebody_who_leaves_a_stream_is_no_error(tmp_path: Path) -> None:
    with sandbox(tmp_path) as begun:
        begun.get("/sandbox")
        end = begun.get("/v1/instructions?limit=500")["next"]
        headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {begun.token}"}
        stream = urlopen(
            Request(f"{begun.url}/v1/instructions?after={end}", headers=headers), timeout=PATIENCE_S
        )
        stream.close()
        for number in range(4):  # what is written first tells the gateway that nobody is there
            refer(begun, number)
