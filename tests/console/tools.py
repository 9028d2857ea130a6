"""What the console's tests need beside Python: a Chromium, and a real OpenID Connect provider on Node.js."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.patience import PATIENCE_S
from tests.ports import free_port

_FOLDER: Final = Path(__file__).with_name("identity_provider")
_CHROMIUMS: Final = ("chromium", "chromium-browser", "google-chrome")


def missing() -> str | None:
    """What this machine lacks, as a sentence that says what to do; None: nothing."""
    if not any(map(shutil.which, _CHROMIUMS)):
        return "Chromium is missing; on Debian, the package chromium has it."
    if not (shutil.which("node") and shutil.which("npm")):
        return "Node.js or npm is missing; on Debian, the packages nodejs and npm have them."
    return None


def required() -> None:
    """Leave a test out where something is missing. With CI set it fails: all tests must run there."""
    if lacks := missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(lacks)


def chromium() -> str:
    """The browser."""
    return next(found for name in _CHROMIUMS if (found := shutil.which(name)))


@contextmanager
def identity_provider(redirect_uri: str) -> Iterator[str]:
    """The issuer of a provider that runs for as long as the block lasts."""
    with (_FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (_FOLDER / "node_modules" / ".package-lock.json").exists():
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=_FOLDER, check=True)
    port = free_port()
    process = subprocess.Popen(
        ["node", "provider.mjs", str(port), redirect_uri],
        cwd=_FOLDER,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


if __name__ == "__main__":
    if lacks := missing():
        print(f"Left out: tests of the console in a browser. {lacks}")
