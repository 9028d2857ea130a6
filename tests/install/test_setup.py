"""The locks are complete, and `make setup` installs what they name, whatever the index has by then."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PEERS = "benchmarks/peers/requirements.lock"
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-build.lock", PEERS)
OLDEST_PIP = "22.3"  # what Python 3.11.0 brings


def pinned(lock: str) -> dict[str, str]:
    """Name to version, of what a lock installs on this machine."""
    found: dict[str, str] = {}
    for line in (ROOT / lock).read_text().splitlines():
        if "==" in line and not line.startswith((" ", "#")):
            requirement = Requirement(line.removesuffix("\\"))
            if requirement.marker is None or requirement.marker.evaluate():
                (pin,) = requirement.specifier
                found[canonicalize_name(requirement.name)] = pin.version
    return found


def required(name: str, extras: frozenset[str] = frozenset()) -> Iterator[Requirement]:
    """What a package requires on this machine, with these of its extras."""
    for line in requires(name) or []:
        requirement = Requirement(line)
        wanted = requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in extras | {""}
        )
        if wanted:
            yield requirement


def test_a_lock_names_all_that_its_packages_and_their_extras_require() -> None:
    lock = pinned("requirements-dev.lock")
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [("information-session-gateway", frozenset({"dev"}))] + [
        (name, frozenset[str]()) for name in lock
    ]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for requirement in required(name, extras):
            wanted = canonicalize_name(requirement.name)
            assert wanted in lock, f"{name} requires {requirement}, which the lock leaves out"
            assert requirement.specifier.contains(lock[wanted], prereleases=True), (
                f"{name} requires {requirement}"
            )
            waiting.append((wanted, frozenset(requirement.extras)))
    assert any(extras for _, extras in seen), "no package names an extra, so this test shows nothing"


def test_what_runs_and_what_builds_is_what_was_developed_with() -> None:
    developed_with = pinned("requirements-dev.lock")
    for lock in ("requirements.lock", "requirements-build.lock"):
        assert pinned(lock).items() <= developed_with.items()


def test_what_the_peers_have_of_the_gateway_has_its_versions() -> None:
    own, peers = pinned("requirements.lock"), pinned(PEERS)
    shared = ("aiokafka", "fastavro", "holidays", "msgspec")
    assert {name: peers[name] for name in shared} == {name: own[name] for name in shared}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_a_hash_for_each_package_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    packages = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert packages
    assert [package for package in packages if "--hash=sha256:" not in package] == []
    assert "://" not in text


def newer_release(of: str, into: Path) -> None:
    """A wheel of a version that no lock names, which requires something that there isn't."""
    name = of.replace("-", "_")
    info = f"{name}-9999.dist-info"
    with zipfile.ZipFile(into / f"{name}-9999-py3-none-any.whl", "w") as wheel:
        wheel.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {of}\nVersion: 9999\nRequires-Dist: nowhere-to-be-had\n",
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


@pytest.mark.slow
@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_setup_installs_the_lock_though_newer_releases_have_appeared(tmp_path: Path, installer: str) -> None:
    checkout, newer, old = tmp_path / "checkout", tmp_path / "newer", tmp_path / "old"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, checkout / name)
    newer.mkdir()
    lock = pinned("requirements-dev.lock")
    for name in lock:
        newer_release(name, newer)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", old], check=True)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            old / "bin" / "python",
            "install",
            "--quiet",
            f"pip=={OLDEST_PIP}",
        ],
        check=True,
    )
    environment = os.environ | {"PIP_FIND_LINKS": str(newer), "UV_FIND_LINKS": str(newer)}
    if installer == "pip":
        environment["PIP_EXTRA_INDEX_URL"] = newer.as_uri()
    done = subprocess.run(
        ["make", "setup", f"PYTHON={old / 'bin' / 'python'}"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("pip is set to an index of its own" in done.stdout) == (installer == "pip")
    assert "could not install" not in done.stdout

    installed = subprocess.run(
        [checkout / ".venv" / "bin" / "python", "-m", "pip", "list", "--format=freeze"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    versions = dict(line.split("==") for line in installed.splitlines())
    itself = "information-session-gateway"
    assert {canonicalize_name(name): version for name, version in versions.items()} == lock | {
        itself: distribution(itself).version
    }
