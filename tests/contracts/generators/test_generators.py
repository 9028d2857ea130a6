"""Clients that generators make of the OpenAPI document compile, and take a referral to its attachment."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.contracts.generators.tools import ROOT, jars, node_modules, python, run
from tests.sandbox_process import Sandbox

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document of a sandbox, as a file."""
    folder = tmp_path_factory.mktemp("document")
    run([Path(sys.executable).parent / "gateway", "docs", folder], ROOT)
    return folder / "openapi.json"


@pytest.mark.slow
def test_redocly_finds_nothing_to_warn_of(document: Path) -> None:
    command: list[str | Path] = [node_modules() / ".bin" / "redocly", "lint", "--format", "json", document]
    printed = run(command, document.parent, REDOCLY_TELEMETRY="off", REDOCLY_SUPPRESS_UPDATE_NOTICE="true")
    assert '"problems": []' in printed, printed


@pytest.mark.slow
def test_a_python_client_takes_a_referral_to_its_attachment(
    document: Path, here: Sandbox, tmp_path: Path
) -> None:
    made: list[str | Path] = [
        python().parent / "openapi-python-client",
        *("generate", "--meta", "none", "--path", document),
        *("--output-path", tmp_path / "information_session_gateway_client"),
    ]
    run(made, tmp_path)
    said = run(
        [python(), HERE / "referral.py", here.url, here.token, "PO-PYTHON"],
        tmp_path,
        PYTHONPATH=str(tmp_path),
    )
    assert said == "ATTACHED\n"


@pytest.mark.slow
def test_a_typescript_client_takes_a_referral_to_its_attachment(
    document: Path, here: Sandbox, tmp_path: Path
) -> None:
    modules = node_modules()
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copyfile(HERE / "referral.ts", tmp_path / "referral.ts")
    run([modules / ".bin" / "openapi-typescript", document, "--output", "schema.d.ts"], tmp_path)
    strict = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"]
    compiled = ["--target", "es2022", "--module", "nodenext", "--types", "node", "referral.ts"]
    run([modules / ".bin" / "tsc", *strict, *compiled], tmp_path)
    assert run(["node", "referral.js", here.url, here.token, "PO-TYPESCRIPT"], tmp_path) == "ATTACHED\n"


@pytest.mark.slow
def test_a_java_client_takes_a_referral_to_its_attachment(
    document: Path, here: Sandbox, tmp_path: Path
) -> None:
    libraries = jars()
    (generator,) = libraries.glob("openapi-generator-cli-*.jar")
    made: list[str | Path] = [
        "generate",
        "-g",
        "java",
        "--library",
        "native",
        "-i",
        document,
        "-o",
        tmp_path / "client",
    ]
    run(["java", "-jar", generator, *made], tmp_path)
    sources = [*(tmp_path / "client" / "src" / "main").rglob("*.java"), HERE / "Referral.java"]
    needed = ":".join(str(jar) for jar in libraries.glob("*.jar") if jar != generator)
    javac: list[str | Path] = ["javac", "-nowarn", "-d", tmp_path / "classes", "-cp", needed, *sources]
    run(javac, tmp_path)
    story = [
        *("java", "-cp", f"{tmp_path / 'classes'}:{needed}", "Referral"),
        here.url,
        here.token,
        "PO-JAVA",
    ]
    assert run(story, tmp_path) == "ATTACHED\n"
