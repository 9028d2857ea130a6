"""Every answer names its request, and so does the log line of what came of it."""

import re

import pytest
from aiohttp import ClientSession

from tests.api.running import ACCEPTED, Client, Process, until_ready
from tests.patience import eventually

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize("path", ["/livez", "/v1/referrals", "/v1/openapi.json", "/nowhere"])
async def test_each_answer_has_an_id_of_its_own(path: str, provider: Client) -> None:
    first, second = [(await provider.get(path)).headers["Request-Id"] for _ in range(2)]
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert first != second


async def test_the_id_is_that_of_the_callers_trace(provider: Client) -> None:
    answer = await provider.get("/v1/referrals", traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
    assert answer.headers["Request-Id"] == TRACE


async def test_the_line_about_what_came_of_a_request_has_its_id(running: Process) -> None:
    async with ClientSession(running.url) as session:
        await until_ready(session)
        provider = running.client(session)
        refused = await provider.record("REFUSE-REFERRAL-CLOSED", "r-1", ACCEPTED)
        assert refused.code == "REFERRAL_CLOSED"
        forbidden = await running.client(session, "PRV02").get("/v1/referrals/UC-VOLUNTARY")
        assert forbidden.status == 404
    for event, answer in (("message.refused", refused), ("security.forbidden", forbidden)):
        eventually(
            lambda event=event, answer=answer: any(  # type: ignore[misc]
                line["event"] == event and line["trace_id"] == answer.headers["Request-Id"]
                for line in running.logged
            )
        )
