"""A referral's story is one story, whoever tells it: the console, the API, and `gateway explain`."""

import html
import re

from tests.api.running import ACCEPTED, Sandbox, booking
from tests.cli.running import spawn
from tests.console.test_security import Visitor

PO = "UC-MANDATORY"


async def test_the_console_the_api_and_the_command_tell_the_same_in_the_same_order(served: Sandbox) -> None:
    provider, visitor = served.client(), Visitor(served)
    try:
        for key, record in {"a": ACCEPTED, "b": booking("S1"), "c": ACCEPTED | {"type": "Nonsense"}}.items():
            await provider.record(PO, key, record)
        await provider.clock("2016-04-20T00:00:00Z")
        history = (await provider.get(f"/v1/referrals/{PO}")).json["history"]
        told = [each["says"] for each in history]
        assert len(told) > 5
        await visitor.sign_in()
        _, page, _ = await visitor.get(f"/console/referrals?po={PO}")
        (tale,) = re.findall('<ol class="story">(.*?)</ol>', page, re.DOTALL)
        effects = re.findall(
            r"<li(?: class=\"outcome [a-z]+\")?>([^<]+?)(?: <a class=\"cite\"[^>]*>([^<]*)</a>)?</li>", tale
        )
        assert [html.unescape(said) for said, _ in effects] == told
        assert [html.unescape(rule) or None for _, rule in effects] == [each["rule"] for each in history]
        for rule in {each["rule"] for each in history if each["rule"]}:
            (guidance,) = {each["guidance"] for each in history if each["rule"] == rule}
            assert f"<dt>{rule}</dt><dd>{html.escape(guidance, quote=False)}" in page.replace(
                "&#39;", "'"
            ).replace("&#34;", '"')
    finally:
        await visitor.session.close()
    explained = spawn("explain", PO, cwd=served.path.parent)
    assert explained.status == 0, explained.err
    printed = " ".join(explained.out.decode().split())
    at = 0
    for said in told:
        at = printed.index(" ".join(said.split()), at)
