import io
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.cli.main import main as cli
from tests.cli.running import Ended

Gateway = Callable[..., Ended]


@pytest.fixture
def gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Iterator[Gateway]:
    """The command, in this process and an empty folder: gateway("replay", "-", stdin=b"…"). No HTTP."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GATEWAY_TEST_BOOTSTRAP", raising=False)  # no setting: the fixtures' own
    monkeypatch.setenv("GATEWAY_HTTP_PORT", "0")
    on_sigterm = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str, stdin: bytes = b"") -> Ended:
        # A file, not bytes in memory: the command asks how large it is.
        given = tmp_path / "given-to-standard-input"
        given.write_bytes(stdin)
        monkeypatch.setattr(sys, "argv", ["gateway", *arguments])
        capsysbinary.readouterr()
        with given.open("rb") as stream, io.TextIOWrapper(stream) as text:
            monkeypatch.setattr(sys, "stdin", text)
            with pytest.raises(SystemExit) as ended:
                cli()
        given.unlink()
        out, err = capsysbinary.readouterr()
        return Ended(int(ended.value.code or 0), out, err.decode())

    yield run
    signal.signal(signal.SIGTERM, on_sigterm)
