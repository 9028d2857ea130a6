"""What the Dockerfile and the pages' container commands do, done without Docker."""

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from tests.docs.pages import PAGES, blocks
from tests.patience import eventually
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
#: With one instruction a line.
DOCKERFILE = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
pytestmark = pytest.mark.slow


def steps_of_the_build() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile's first stage, each with what stands behind it."""
    first_stage = DOCKERFILE.split("\nFROM ")[1]
    return re.findall(r"^(COPY|RUN) (.+)$", first_stage, re.MULTILINE)


def of_the_image(instruction: str) -> str:
    """What stands behind an instruction of the Dockerfile's last stage."""
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    found: str
    (found,) = re.findall(rf"^{instruction} (.+)$", last_stage, re.MULTILINE)
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's /opt/gateway, made by the steps of its build."""
    build, made = tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("opt") / "gateway"
    environment = {**outside(), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for instruction, rest in steps_of_the_build():
        if instruction == "COPY":
            *sources, into = rest.split()
            for source in map(ROOT.joinpath, sources):
                if source.is_dir():
                    shutil.copytree(source, build / into, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(source, build / into)
        else:
            command = rest.replace("/opt/gateway", str(made))
            done = subprocess.run(
                ["sh", "-c", command], cwd=build, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return made


def outside() -> dict[str, str]:
    """The environment without settings of the gateway."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}


def inside(installed: Path) -> dict[str, str]:
    """The same, with what the image sets."""
    settings = dict(word.split("=", 1) for word in of_the_image("ENV").split())
    path = f"{settings.pop('PATH').partition(':')[0]}{os.pathsep}{os.environ['PATH']}"
    return {**outside(), **settings, "PATH": path.replace("/opt/gateway", str(installed))}


def ran(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """What a command prints that must succeed."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_steps_of_the_image_give_an_environment_that_runs_the_gateway(
    installed: Path, tmp_path: Path
) -> None:
    def gateway(*arguments: str) -> str:
        return ran(["gateway", *arguments], tmp_path, inside(installed))

    assert gateway("--version").startswith("gateway ")
    (tmp_path / "programme.jsonl").write_text(gateway("sample", "--referrals", "3", "--seed", "1"))
    assert "jobcentre.attendance" in gateway("replay", "programme.jsonl")
    assert not list((installed / "bin").glob("pip*"))


def shown(page: str) -> list[list[str]]:
    """The words of each command for a container that a page shows, in order."""
    (file,) = (each for each in PAGES if each.name == page)
    lines = [line for block in blocks(file) if block.info == "console" for line in block.body.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith("docker ")]


def in_the_container(words: list[str], image: str) -> tuple[list[str], dict[str, str]]:
    """What `docker run` or `docker exec` runs in it, and the settings that it gives."""
    _, verb, *rest = words
    if verb == "exec":
        return rest[1:], {}
    options, arguments = rest[: rest.index(image)], rest[rest.index(image) + 1 :]
    given = [word for before, word in pairwise(options) if before == "--env"]
    entry = ast.literal_eval(of_the_image("ENTRYPOINT"))
    return [*entry, *(arguments or ast.literal_eval(of_the_image("CMD")))], dict(
        each.split("=", 1) for each in given
    )


@contextmanager
def running(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """A command that goes on until it is told to stop, and then ends well."""
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            yield
            assert process.poll() is None
        finally:
            process.terminate()
    assert process.returncode == 0


def is_healthy(folder: Path, environment: dict[str, str], port: int) -> bool:
    """Whether the image's own check of its health succeeds."""
    check = ast.literal_eval(of_the_image("HEALTHCHECK").partition("CMD ")[2])
    command = [word.replace(":8080/", f":{port}/") for word in check]
    return (
        subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False).returncode == 0
    )


def test_the_sandbox_that_the_reference_runs_in_a_container_takes_the_token_made_in_it(
    installed: Path, tmp_path: Path
) -> None:
    build, run, token = shown("reference.md")
    (image,) = (build[at + 1] for at, word in enumerate(build) if word == "--tag")
    assert f"127.0.0.1:{of_the_image('EXPOSE')}:{of_the_image('EXPOSE')}" in run
    port = free_port()  # but for this everything is as in the image
    environment = inside(installed) | {"GATEWAY_HTTP_PORT": str(port)}
    command, given = in_the_container(run, image)
    with running(command, tmp_path, environment | given):
        eventually(lambda: is_healthy(tmp_path, environment, port))
        printed = ran(in_the_container(token, image)[0], tmp_path, environment).strip()
        asked = Request(
            f"http://127.0.0.1:{port}/v1/referrals", headers={"Authorization": f"Bearer {printed}"}
        )
        assert json.load(urlopen(asked))["referrals"]
    with pytest.raises(URLError):
        urlopen(asked)


def test_the_log_that_the_operators_page_makes_in_a_volume_is_run_by_the_command_behind_it(
    installed: Path, tmp_path: Path
) -> None:
    build, make, run = [words for words in shown("run.md") if words[1] != "compose"]
    (image,) = (build[at + 1] for at, word in enumerate(build) if word == "--tag")
    port = free_port()
    environment = inside(installed) | {"GATEWAY_HTTP_PORT": str(port)}
    assert [f"gateway:{of_the_image('WORKDIR')}" in words for words in (make, run)] == [True, True]
    command, given = in_the_container(make, image)
    ran(command, tmp_path, environment | given)
    command, given = in_the_container(run, image)
    with running(command, tmp_path, environment | given):
        eventually(lambda: is_healthy(tmp_path, environment, port))
