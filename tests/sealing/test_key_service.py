"""A wrapping key in a key service: asked seldom, waited for while it is away, refused where it is wrong."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.engine.log import Draft, LogBusy, LogError
from gateway.sealing.key_store import KeyStore
from gateway.sealing.vault import Vault
from tests.backends.embedded.opening import opened, refused
from tests.cli.running import GATEWAY, clean_environment, json_lines, referral, spawn
from tests.log.reading import WP11, followed, owned, values
from tests.patience import PATIENCE_S
from tests.sealing.transit import TOKEN, Transit


@pytest.fixture
def transit(tmp_path: Path) -> Iterator[Transit]:
    service = Transit(tmp_path)
    yield service
    service.stop()


def vault(folder: Path, transit: Transit) -> Vault:
    store = KeyStore(folder / "keys")
    store.make()
    return Vault(store, transit.client())


def test_it_is_asked_once_a_start(tmp_path: Path, transit: Transit) -> None:
    """And not needed from then on, for keys of whatever age."""
    sealing = vault(tmp_path, transit)
    sealed = sealing.seal(sealing.new_keys(1)[0], "state", "PO1", b"somebody")
    assert transit.asked == ["/v1/transit/encrypt/gateway", "/v1/transit/decrypt/gateway"]
    again = vault(tmp_path, transit)
    again.unlock()
    transit.stop()
    assert again.open("state", "PO1", sealed) == b"somebody"
    assert len(again.new_keys(1_000)) == 1_000


def test_what_it_refuses_is_said_and_what_to_do(tmp_path: Path, transit: Transit) -> None:
    """Never with what was sent, or answered."""
    vault(tmp_path, transit).unlock()
    right = transit.keys["gateway"]
    transit.keys["gateway"] = []
    transit.rotate()
    with pytest.raises(LogError, match=r"can't unwrap the log's keys, because another key"):
        vault(tmp_path, transit).unlock()
    transit.keys["gateway"] = right
    transit.token.write_text("another-token")
    with pytest.raises(LogError, match=r"refuses the token in .*token; renew it") as caught:
        vault(tmp_path, transit).unlock()
    assert "another-token" not in str(caught.value)
    transit.token.write_text("two tokens")
    with pytest.raises(LogError, match=r"holds no token"):
        vault(tmp_path, transit).unlock()
    transit.token.write_text(TOKEN)
    with pytest.raises(LogError, match=r"has no such key, or no transit engine there"):
        Vault(vault(tmp_path, transit).store, transit.client("other")).unlock()
    for answer in (b"<html>", b'{"data": {}}', b'{"data": {"plaintext": "c2hvcnQ="}}', b"\xff"):
        transit.instead = 200, answer
        with pytest.raises(LogError, match=r"is no transit engine; correct the address"):
            vault(tmp_path, transit).unlock()


@pytest.mark.parametrize("status", [307, 429, 500, 503])
def test_what_may_pass_is_waited_for(tmp_path: Path, transit: Transit, status: int) -> None:
    """Also a redirect: the token is shown to nobody else."""
    vault(tmp_path, transit).unlock()
    transit.instead = status, b"{}"
    with pytest.raises(LogBusy, match=rf"the key service answers {status}"):
        vault(tmp_path, transit).unlock()
    assert "/v1/elsewhere" not in transit.asked
    transit.stop()
    with pytest.raises(LogBusy, match=r"the key service does not answer .ConnectionRefusedError."):
        vault(tmp_path, transit).unlock()


async def test_a_log_opens_while_it_is_away_and_can_be_used_when_it_is_back(
    tmp_path: Path, transit: Transit
) -> None:
    path = tmp_path / "gateway.db"
    async with opened(path, wrapping=transit.client()) as log:
        await log.append([Draft(WP11, b"PO1", b"1")])
    transit.stop()
    async with opened(path, own=True, wrapping=transit.client()) as log:
        with pytest.raises(LogBusy, match="does not answer"):
            await log.append([Draft(WP11, b"PO1", b"2")])
        log.file.vault._now_s = lambda: 2**40
        transit.start()
        await owned(log)
        assert values(await followed(log, [WP11])) == [b"1"]
    transit.keys["gateway"] = []
    transit.rotate()
    assert "another key wrapped them" in await refused(path, wrapping=transit.client())


async def test_a_gateway_waits_for_it_says_so_and_goes_on(tmp_path: Path, transit: Transit) -> None:
    """It is not ready meanwhile, and nothing is decided; while it runs the service may be away."""
    environment = {
        "GATEWAY_KEY_SERVICE_URL": transit.url,
        "GATEWAY_KEY_SERVICE_KEY_NAME": "gateway",
        "GATEWAY_KEY_SERVICE_TOKEN_FILE": str(transit.token),
        "GATEWAY_HTTP_PORT": "0",
    }
    lines = json_lines([referral(), referral("2016-03-15T09:00:00Z", "PO2")])
    fed = spawn("feed", "--keep-time", "-", cwd=tmp_path, stdin=lines, environment=environment)
    assert fed.status == 0, fed.err
    assert not (tmp_path / "gateway.db.wrapping-key").exists()
    transit.stop()
    process = await asyncio.create_subprocess_exec(
        *(GATEWAY, "run", "--clock", "log"),
        cwd=tmp_path,
        env=clean_environment() | environment,
        stderr=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    said: list[str] = []

    async def until(event: str) -> dict[str, str]:
        assert process.stderr is not None
        async for line in process.stderr:
            logged = json.loads(line)
            said.append(logged["event"])
            if logged["event"] == event:
                return dict(logged)
        raise AssertionError(f"it ended, and said {said}")

    try:
        async with asyncio.timeout(PATIENCE_S):
            assert re.search("the key service does not answer", (await until("log.away"))["error"])
            assert "referral.received" not in said
            transit.start()
            await until("referral.received")
            transit.stop()
        process.terminate()
        async with asyncio.timeout(PATIENCE_S):
            await until("gateway.stopped")
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    assert (process.returncode, TOKEN in str(said)) == (0, False)


def test_keys_rotate_while_the_log_is_used(tmp_path: Path, transit: Transit) -> None:
    """Whoever has the old keys at hand goes on; the service's old version is not needed any more."""
    running = vault(tmp_path, transit)
    keys = running.new_keys(150)
    sealed = {key: running.seal(key, "state", "PO1", b"%d" % key) for key in keys}
    running.destroy(keys[:50])
    before = (tmp_path / "keys").read_bytes()
    transit.rotate()
    assert vault(tmp_path, transit).rotate(at_once=20) == 100
    transit.least = 2
    for opening in (running, vault(tmp_path, transit)):
        new = opening.new_keys(1_000)[-1]
        sealed[new] = opening.seal(new, "state", "PO1", b"%d" % new)
    for opening in (running, vault(tmp_path, transit)):
        assert {key for key, value in sealed.items() if opening.open("state", "PO1", value) is None} == {
            *keys[:50]
        }
        assert all(opening.open("state", "PO1", sealed[key]) == b"%d" % key for key in keys[50:])
    (tmp_path / "keys").write_bytes(before)
    with pytest.raises(LogError, match="another key wrapped them, or a version that it no longer uses"):
        vault(tmp_path, transit).unlock()
