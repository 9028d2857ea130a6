"""Known vulnerabilities of the packages that the locks name: `python -m tests.install.audit`.

pip-audit asks PyPI for the advisories of each version. Where it can't be asked, or knows nothing of one, that
is said, and never taken for an answer. Exit status 1 where an advisory is found.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

#: The lock that names the packages of the two others, too.
LOCK: Final = Path(__file__).parents[2] / "requirements-dev.lock"


class Audit(Struct, frozen=True):
    """What is known of the packages of a lock.

    asked: of how many packages there is an answer. advisories: a line each. unanswered: packages of which
    nothing is known. away: why nobody could be asked; None: somebody answered.
    """

    asked: int
    advisories: Sequence[str]
    unanswered: Sequence[str]
    away: str | None

    @property
    def gap(self) -> str | None:
        """What was not audited, in a sentence; None: all was."""
        if self.away is not None:
            return f"NOT AUDITED: {self.away}"
        if self.unanswered:
            names = ", ".join(self.unanswered[:5]) + (", …" if len(self.unanswered) > 5 else "")
            count = len(self.unanswered)
            return (
                f"NOT AUDITED: {count} of {self.asked + count} packages are unknown to the service: {names}"
            )
        return None


def audit(lock: Path = LOCK, *options: str) -> Audit:
    """Ask about the packages of a lock. options: more for pip-audit."""
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "pip_audit", "--requirement", lock, "--disable-pip", "--require-hashes"),
            *("--format", "json", "--progress-spinner", "off", "--timeout", "10", *options),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        packages = json.loads(ended.stdout)["dependencies"]
    except ValueError:
        said = (ended.stderr.strip().splitlines() or ["pip-audit ended without a word"])[-1]
        return Audit(0, (), (), f"the service of advisories did not answer ({said[:160]})")
    advisories = [
        f"{package['name']} {package['version']}: {found['id']}, mended in "
        f"{', '.join(found['fix_versions']) or 'no version yet'}"
        for package in packages
        for found in package.get("vulns", [])
    ]
    unanswered = [package["name"] for package in packages if "skip_reason" in package]
    return Audit(len(packages) - len(unanswered), advisories, unanswered, None)


def main(*options: str, lock: Path = LOCK) -> int:
    """Print what is known; returns the exit status."""
    found = audit(lock, *options)
    for advisory in found.advisories:
        print(advisory)
    print(f"{found.asked} packages audited, {len(found.advisories)} advisories.")
    if found.gap:
        print(found.gap, file=sys.stderr)
    return 1 if found.advisories else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
