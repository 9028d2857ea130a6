"""A sandbox that begins today is the one of 2016, as many days later."""

from pathlib import Path

import pytest

from schemas.json import parse_instant
from tests.api.running import Client, sandbox
from tests.cli.running import Json

#: An evening in summer, which is a Saturday.
NOW = "2026-07-18T19:23:45Z"


async def send(asking: Client, refusal: Json) -> str:
    """What a message is refused with that is said to be."""
    headers = {"Prefer": "wait=20", "Idempotency_Key": f"try-{refusal['code']}"}
    return (await asking.send("POST", refusal["to"], refusal["send"], **headers)).code


@pytest.mark.parametrize("partitions", [1, 3])
async def test_all_that_is_ready_made_is_as_much_later(partitions: int, tmp_path: Path) -> None:
    path, now = tmp_path / "gateway.db", parse_instant(NOW)
    async with sandbox(path, partitions=partitions, begins_at=now) as begun:
        asking = begun.client()
        shown = (await asking.get("/sandbox")).json
        assert shown["at"] == (await asking.get("/sandbox/clock")).json["at"] == NOW
        referral = (await asking.get("/v1/referrals/UC-MANDATORY")).json
        assert (referral["referred_on"], referral["participant"]["date_of_birth"]) == (NOW[:10], "1990-09-20")
        accepted = {"type": "ReferralAccepted", "accepted_at": NOW}
        assert (await asking.record("UC-MANDATORY", "a", accepted)).status == 200
        for refusal in shown["refusals"]:
            assert await send(asking, refusal) == refusal["code"], refusal
    async with sandbox(path, partitions=partitions) as again:
        assert (await again.client().get("/sandbox")).json == shown
