"""The jars of Apache Kafka, and of a schema registry, fetched once by Maven."""

import fcntl
import re
import shutil
import subprocess
from pathlib import Path

#: Everything of the broker's that is not in git.
CACHE = Path(__file__).parents[2] / ".kafka"

_POM = Path(__file__).with_name("pom.xml")
_REGISTRY_POM = Path(__file__).with_name("registry.pom.xml")
_JAVA_NEEDED = 17


class NoBroker(Exception):
    """No broker can be started here; the message says what to do."""


def missing() -> str | None:
    """What this machine lacks for a broker, as a sentence that says what to do; None: nothing."""
    if (java := shutil.which("java")) is None:
        return f"Java is missing: install Java {_JAVA_NEEDED} or newer (on Debian, openjdk-17-jre-headless)."
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found[1]) < _JAVA_NEEDED:
        return f"The java on the path is too old: install Java {_JAVA_NEEDED} or newer, and put it first."
    if not (_fetched("jars", _POM) and _fetched("registry", _REGISTRY_POM)) and shutil.which("mvn") is None:
        return "Maven is missing: install it (on Debian, the package maven)."
    return None


def jars() -> Path:
    """The folder of the jars, which are fetched first where they are not there.

    Raises: NoBroker when they can't be fetched.
    """
    return _cached("jars", _POM, "copy-dependencies")


def registry() -> Path:
    """The folder of Apicurio Registry, which is fetched first where it is not there.

    Raises: NoBroker when it can't be fetched.
    """
    return _cached("registry", _REGISTRY_POM, "unpack-dependencies")


def _cached(name: str, pom: Path, goal: str) -> Path:
    if lacks := missing():
        raise NoBroker(lacks)
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _fetched(name, pom):
            _fetch(CACHE / name, pom, goal)
    return CACHE / name


def _fetched(name: str, pom: Path) -> bool:
    kept = CACHE / name / "pom.xml"
    return kept.exists() and kept.read_bytes() == pom.read_bytes()


def _fetch(into: Path, pom: Path, goal: str) -> None:
    shutil.rmtree(into, ignore_errors=True)
    done = subprocess.run(
        [
            *("mvn", "--quiet", "--batch-mode", "--strict-checksums", "--file", str(pom)),
            *(f"dependency:{goal}", "-DincludeScope=runtime", f"-DoutputDirectory={into}"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode != 0:
        raise NoBroker(f"Maven could not fetch what {pom} names: see why, and try again.\n{done.stdout}")
    # Last, so that what was broken off is fetched anew.
    shutil.copyfile(pom, into / "pom.xml")
