"""Who follows docs/webhooks.md takes what the gateway has signed, and nothing else."""

import time
from collections.abc import Callable
from typing import Any, cast

from gateway.api.webhooks.keys import Secrets
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "webhooks.md"


def test_a_receiver_takes_what_was_signed_lately_and_nothing_that_was_altered() -> None:
    (shown,) = [block.body for block in blocks(PAGE) if block.info == "python verify"]
    defined: dict[str, Any] = {}
    exec(compile(shown, str(PAGE), "exec"), defined)
    is_genuine = cast(Callable[[str, dict[str, str], bytes], bool], defined["is_genuine"])
    secrets, now_s = Secrets(b"k" * 32), int(time.time())

    def headers(at_s: int) -> dict[str, str]:
        signature = secrets.signature("hook", "PO1-1-1", at_s, b"{}")
        return {"webhook-id": "PO1-1-1", "webhook-timestamp": str(at_s), "webhook-signature": signature}

    secret = secrets.shown("hook")
    assert is_genuine(secret, headers(now_s), b"{}")
    assert not is_genuine(secret, headers(now_s), b"{ }")
    assert not is_genuine(secret, headers(now_s - 3_600), b"{}")
    assert not is_genuine(secrets.shown("another"), headers(now_s), b"{}")
