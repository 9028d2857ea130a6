"""`make release` on a clone: what it changes, and what it refuses."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.releases.kept import ROOT

pytestmark = pytest.mark.slow

FILES = {
    "events.txt",
    "gateway.db.gz",
    "gateway.db.keys.gz",
    "gateway.db.wrapping-key.gz",
    "progress",
    "rest.jsonl",
    "schemas",
    "values.json",
}


def git(clone: Path, *arguments: str) -> str:
    """What git prints there."""
    author = ("-c", "user.name=Releaser", "-c", "user.email=releaser@example.org")
    return subprocess.run(
        ["git", *author, *arguments], cwd=clone, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout with what is not committed yet, as a clone with all of it committed."""
    clone = tmp_path_factory.mktemp("clone") / "checkout"
    git(ROOT, "clone", "--quiet", "--depth", "1", "--no-tags", f"file://{ROOT}", str(clone))
    for name in ("pyproject.toml", "CHANGELOG.md"):
        (clone / name).write_bytes((ROOT / name).read_bytes())
    for name in ("gateway", "schemas", "consumers", "producers", "tests"):
        for path in (ROOT / name).rglob("*"):
            if path.suffix in {".py", ".avsc", ".toml"} and "node_modules" not in path.parts:
                (clone / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
                (clone / path.relative_to(ROOT)).write_bytes(path.read_bytes())
    git(clone, "config", "user.name", "Releaser")
    git(clone, "config", "user.email", "releaser@example.org")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "What is under way")
    return clone


def release(clone: Path, *version: str) -> subprocess.CompletedProcess[str]:
    """Run the command there."""
    return subprocess.run(
        [sys.executable, "-m", "tests.releases.make", *version],
        cwd=clone,
        check=False,
        capture_output=True,
        text=True,
    )


def test_a_release_is_a_commit_with_a_tag_and_what_later_versions_are_held_to(clone: Path) -> None:
    made = release(clone, "99.0.0")
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith("v99.0.0 is made")
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "describe", "--exact-match") == "v99.0.0"
    assert "The first release." in git(clone, "tag", "--list", "--format=%(contents)", "v99.0.0")
    assert 'version = "99.0.0"' in (clone / "pyproject.toml").read_text()
    changelog = (clone / "CHANGELOG.md").read_text()
    assert changelog.index("## Unreleased") < changelog.index("## 99.0.0 - 2") < changelog.index("The first")
    kept = clone / "tests" / "releases" / "kept" / "99.0.0"
    assert {path.name for path in kept.iterdir()} == FILES
    assert (kept / "gateway.db.gz").stat().st_size < 200_000
    with zipfile.ZipFile(clone / "dist" / "schemas-99.0.0.zip") as bundle:
        assert {f"{each}.avsc" for each in ("Wp11", "Outcome")} <= {*bundle.namelist()}
    # And what is kept is what the tests look at from then on.
    looked = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/releases/test_released.py"],
        cwd=clone,
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(clone)},
    )
    assert looked.returncode == 0, looked.stdout
    assert not_released_again(clone)


def not_released_again(clone: Path) -> bool:
    """Neither the same version nor an earlier one, nor one of which nothing is said."""
    said = {version: release(clone, version) for version in ("99.0.0", "98.0.0", "100.0.0")}
    return (
        {each.returncode for each in said.values()} == {2}
        and "has been released" in said["99.0.0"].stderr
        and "is not later than 99.0.0" in said["98.0.0"].stderr
        and "say what has changed" in said["100.0.0"].stderr
    )


@pytest.mark.parametrize("version", ["1", "1.2", "v1.2.0", "1.2.0rc1", "1.2.0.1", "latest", "../1.2.0"])
def test_what_is_no_version_is_refused(clone: Path, version: str) -> None:
    refused = release(clone, version)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "give three numbers, such as 1.2.0" in refused.stderr


def test_changes_that_are_not_committed_are_refused(clone: Path) -> None:
    (clone / "left.txt").write_text("over")
    refused = release(clone, "101.0.0")
    (clone / "left.txt").unlink()
    assert refused.returncode == 2
    assert "commit them first" in refused.stderr
