"""Generators, compilers and a linter of other languages, fetched once by npm, Maven and pip, as pinned."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[3]
#: Everything of theirs that is not in git.
CACHE: Final = ROOT / ".tools"
_HERE: Final = Path(__file__).parent
#: By its name, the package of Debian that has it.
_PROGRAMS: Final = {"node": "nodejs", "npm": "npm", "java": "openjdk-17-jdk-headless", "mvn": "maven"} | {
    "javac": "openjdk-17-jdk-headless",
    "go": "golang-go",
}


def node_modules() -> Path:
    """The folder of what package.json names. Without a program the test is left out, but not in CI."""
    _need("node", "npm")
    files = (_HERE / "package.json", _HERE / "package-lock.json")
    return _fetched("npm", files, ["npm", "ci", "--no-audit", "--no-fund"], "node_modules")


def python() -> Path:
    """The Python that has what requirements.txt names; its generator does not go with the gateway's typer."""
    options = "--quiet --require-hashes --no-deps --only-binary :all: --requirement requirements.txt"
    made = f'"$0" -m venv --without-pip . && "$0" -m pip --python bin/python install {options}'
    files = (_HERE / "requirements.txt",)
    return _fetched("python", files, ["sh", "-c", made, sys.executable], "bin") / "python"


def jars() -> Path:
    """The folder of what pom.xml names. Without a program the test is left out, but not in CI."""
    return fetched_jars(_HERE / "pom.xml", "jars")


def go() -> str:
    """Go's compiler. Without it the test is left out, but not in CI."""
    _need("go")
    return "go"


def fetched_jars(pom: Path, name: str) -> Path:
    """The folder of what a pom.xml names, kept under `name`. Without a program the test is left out."""
    _need("java", "javac", "mvn")
    maven = [*("mvn", "--quiet", "--batch-mode", "--strict-checksums"), "dependency:copy-dependencies"]
    return _fetched(name, (pom,), [*maven, "-DincludeScope=runtime", "-DoutputDirectory=jars"], "jars")


def run(command: Sequence[str | Path], cwd: Path, **environment: str) -> str:
    """Run a command that must succeed, and return what it printed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def _need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            says = f"{program} is missing; on Debian, the package {_PROGRAMS[program]} has it."
            (pytest.fail if os.environ.get("CI") else pytest.skip)(says)


def _fetched(name: str, files: Sequence[Path], command: Sequence[str], made: str) -> Path:
    """What `command` fetches by `files` into the folder `made`, fetched again when these change."""
    folder = CACHE / name
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several tests run at once
        done = folder / "fetched"
        wanted = b"".join(file.read_bytes() for file in files)
        if not done.exists() or done.read_bytes() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for file in files:
                shutil.copyfile(file, folder / file.name)
            run(command, folder)
            done.write_bytes(wanted)  # last, so that what was broken off is fetched anew
    return folder / made
