"""Makes a release here: its version, changelog, what later versions are held to, a commit, a tag, and files.

    python -m tests.releases.make 1.2.0

Nothing is pushed. `git push --follow-tags` publishes it; before that, `git tag --delete v1.2.0` and
`git reset --hard HEAD~1` take it back.
"""

import re
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from packaging.version import InvalidVersion, Version

from tests.releases.kept import KEPT, ROOT, keep

#: Under this heading the changelog has what no release has yet.
UNRELEASED: Final = "## Unreleased"
#: So that the same schemas make the same archive.
ARCHIVE_TIME: Final = (1980, 1, 1, 0, 0, 0)
_VERSION_LINE: Final = re.compile(r'^version = "(?P<version>[^"]+)"$', re.MULTILINE)


class NotReleased(Exception):
    """Nothing was changed; the message says what to do."""


def make(version: str, root: Path = ROOT) -> None:
    """Make the release. Raises NotReleased where this checkout or the version doesn't allow it."""
    tag = f"v{version}"
    said = _check(version, tag, root)
    _put(root / "CHANGELOG.md", UNRELEASED, f"{UNRELEASED}\n\n## {version} - {datetime.now(UTC):%Y-%m-%d}")
    project = root / "pyproject.toml"
    project.write_text(
        _VERSION_LINE.sub(f'version = "{version}"', project.read_text("utf-8"), count=1), "utf-8"
    )
    folder = keep(version)
    _git(root, "add", "--all", "CHANGELOG.md", "pyproject.toml", str(folder))
    _git(root, "commit", "--quiet", "--message", f"Release {version}")
    _git(root, "tag", "--annotate", "--cleanup=verbatim", "--message", f"{version}\n\n{said}\n", tag)
    bundle = bundled(folder / "schemas", root / "dist" / f"schemas-{version}.zip")
    print(f"{tag} is made; {bundle.relative_to(root)} has its schemas, and `make wheel` builds the package")


def _check(version: str, tag: str, root: Path) -> str:
    """What the changelog says of the release."""
    try:
        new = Version(version)
    except InvalidVersion:
        new = None
    if new is None or version != new.base_version or len(new.release) != 3:
        raise NotReleased(f"{version!r} is not a version; give three numbers, such as 1.2.0")
    if _git(root, "status", "--porcelain"):
        raise NotReleased("the checkout has changes that are not committed; commit them first")
    if _git(root, "tag", "--list", tag) or (KEPT / version).exists():
        raise NotReleased(f"{version} has been released; give a later version")
    if (found := _VERSION_LINE.search((root / "pyproject.toml").read_text("utf-8"))) is None:
        raise NotReleased("pyproject.toml has no version; give it one")
    if any(Version(each.name) >= new for each in KEPT.glob("*")) or Version(found["version"]) > new:
        raise NotReleased(f"{version} is not later than {found['version']}; give a later version")
    said = (root / "CHANGELOG.md").read_text("utf-8").partition(UNRELEASED)[2].partition("\n## ")[0].strip()
    if not said:
        raise NotReleased(f"CHANGELOG.md has nothing under {UNRELEASED!r}; say what has changed")
    return said


def bundled(schemas: Path, archive: Path) -> Path:
    """The schemas as an archive for subscribers, one file a record; the same bytes each time."""
    archive.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(schemas.iterdir()):
            packed.writestr(zipfile.ZipInfo(file.name, ARCHIVE_TIME), file.read_bytes())
    return archive


def _put(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=root, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


if __name__ == "__main__":
    try:
        (wanted,) = sys.argv[1:]
    except ValueError:
        sys.exit("give one version: make release VERSION=1.2.0")
    try:
        make(wanted)
    except NotReleased as error:
        print(error, file=sys.stderr)
        sys.exit(2)
