"""A sandbox's clock is moved, or it is said that it can't be at the moment."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession

from gateway.api.idempotency import Idempotency
from gateway.api.posting import Posting
from gateway.api.server import application, serving
from gateway.api.services import Services
from gateway.engine.log import LogBusy
from gateway.reading.asking import Asking
from gateway.reading.model import OwnLog
from gateway.sandbox import routes
from tests.api.running import Client, Sandbox, sandbox
from tests.ports import free_port


@asynccontextmanager
async def impatient(made: Sandbox, settled_s: float) -> AsyncIterator[Client]:
    """The routes of a sandbox that wait no longer than that for all to be decided."""
    model, posting, port = OwnLog(made.log.file, 1), Posting(made.log), free_port()
    asking = Asking(model.source)
    services = Services(asking, model, posting, Idempotency(model, posting), read_only=False)
    app = application(routes.Sandbox(made.log, made.workers, services, settled_s=settled_s).routes())
    async with serving(app, "127.0.0.1", port), ClientSession(f"http://127.0.0.1:{port}") as session:
        yield Client(session, "")
    asking.close()


async def test_nobody_waits_for_ever_for_a_clock_that_can_not_be_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does who comes behind them; when it can be followed again, all goes on."""

    async def away(*_: object) -> None:
        raise LogBusy("another process has been writing to the log for a minute")

    async with sandbox(tmp_path / "sandbox.db") as made:
        with monkeypatch.context() as stuck:
            stuck.setattr(made.log, "write", away)
            async with impatient(made, 0.2) as asking:
                for _ in range(2):
                    moved = await asking.send("POST", "/sandbox/clock", {"at": "2016-03-20T00:00:00Z"})
                    assert (moved.status, moved.code) == (503, "TRY_AGAIN")
                    assert moved.headers["Retry-After"] == "1"
        asking = made.client()
        await asking.clock("2016-03-20T00:00:00Z")
        await asking.clock("2016-03-21T00:00:00Z")
