"""What the Dockerfile does, done without Docker."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def steps_of_the_build() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile's first stage, each with what stands behind it."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    first_stage = text.split("\nFROM ")[1]
    return re.findall(r"^(COPY|RUN) (.+)$", first_stage, re.MULTILINE)


@pytest.mark.slow
def test_the_steps_of_the_image_give_an_environment_that_runs_the_gateway(tmp_path: Path) -> None:
    build, installed = tmp_path / "build", tmp_path / "gateway"
    build.mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    for instruction, rest in steps_of_the_build():
        if instruction == "COPY":
            *sources, into = rest.split()
            for source in map(ROOT.joinpath, sources):
                if source.is_dir():
                    shutil.copytree(source, build / into, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(source, build / into)
        else:
            command = rest.replace("/opt/gateway", str(installed))
            done = subprocess.run(
                ["sh", "-c", command], cwd=build, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    def gateway(*arguments: str) -> str:
        return subprocess.run(
            [installed / "bin" / "gateway", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert gateway("--version").startswith("gateway ")
    (tmp_path / "programme.jsonl").write_text(gateway("sample", "--referrals", "3", "--seed", "1"))
    assert "jobcentre.attendance" in gateway("replay", "programme.jsonl")
    assert not list((installed / "bin").glob("pip*"))
